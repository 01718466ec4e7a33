"""What a build of the wheel adds to the package: with ``MEDFUNCTA_WHEEL_PASSES=1``, the functions
of ``native.c`` compiled for every processor of this machine's kind, so that no compiler is needed
where the wheel is installed. The wheel is then one of this platform; without it, one of any."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sysconfig
from pathlib import Path
from tempfile import mkdtemp
from types import ModuleType
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SWITCH: Final = "MEDFUNCTA_WHEEL_PASSES"
SIREN: Final = Path("medfuncta", "_src", "field", "siren")


class CompiledPasses(BuildHookInterface):
    """Compiles, and adds what it made to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or os.environ.get(SWITCH) != "1":
            return
        self._made = Path(mkdtemp(prefix="medfuncta-passes-"))
        recipe = _recipe(Path(self.root) / "src" / SIREN / "native_recipe.py")
        for path in _compiled(recipe, self._made):
            build_data["force_include"][str(path)] = str(SIREN / "compiled" / path.name)
        platform_tag = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_made"):
            shutil.rmtree(self._made)


def _recipe(path: Path) -> ModuleType:
    """The package's own module of that name, without the package, which needs PyTorch."""
    spec = importlib.util.spec_from_file_location("native_recipe", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compiled(recipe: ModuleType, folder: Path) -> list[Path]:
    """A file for each ability that processors of this kind may have.

    Raises:
        RuntimeError: If there is no compiler.
    """
    compiler = next((found for found in map(shutil.which, recipe.COMPILERS) if found), None)
    if compiler is None:
        raise RuntimeError(f"{SWITCH}=1 needs a C compiler: one of {', '.join(recipe.COMPILERS)}")
    made = []
    machine = platform.machine()
    for ability in recipe.abilities_of(machine):
        flags = recipe.flags_of(ability)
        path = folder / recipe.library_name(machine, flags)
        recipe.compile_library(compiler, flags, path)
        path.chmod(0o755)
        made.append(path)
    return made
