"""The rules of CONTRIBUTING.md that a program can check."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import medfuncta

ROOT = Path(medfuncta.__file__).parent / "_src"
PROJECT = tomllib.loads((ROOT.parents[2] / "pyproject.toml").read_text())["project"]
MODULES = sorted(ROOT.rglob("*.py"))
ORDER = (
    "errors",
    "types",
    "result",
    "process",
    "status",
    "door",
    "disk",
    "hub",
    "remote",
    "cluster",
    "config",
    "signals",
    "sources",
    "writers",
    "field",
    "settings",
    "settings_guide",
    "presets",
    "pretrained",
    "model_card",
    "run_names",
    "array_methods",
    "run",
    "learning",
    "latents",
    "workflow",
    "trackers",
    "estimator",
    "tasks",
    "demo",
    "studies",
    "cli",
)
"""A part may import what stands before it, and nothing else of the package."""
TASKS = (
    "drawing",
    "heads",
    "evaluate",
    "search",
    "explore",
    "classify",
    "segment",
    "regress",
    "compress",
    "info",
    "doctor",
    "view",
)
"""The same inside tasks: what answers share, then the answers."""
OF_AN_EXTRA = {"triton_layers.py": "triton"}
"""A module that is nothing without a package is imported where it is used itself."""
MAY_UNPICKLE = "inert_pickle.py"
LONGEST_MODULE = 400
LONGEST_BODY = 60

each_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported anywhere, for type checkers only or inside a function too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[>=<]", requirement)[0].lower() for requirement in requirements} - {
        "medfuncta"
    }


CORE = packages(PROJECT["dependencies"])
EXTRAS = {
    name: packages(requirements) for name, requirements in PROJECT["optional-dependencies"].items()
}
OPTIONAL = set().union(
    *(names for extra, names in EXTRAS.items() if extra not in ("test", "docs", "dev"))
)


BROUGHT_BY = packages_distributions()


def distribution(module: str) -> str:
    """The package that brings a module, by its name in pyproject.toml."""
    top = module.partition(".")[0]
    known = [name.lower() for name in BROUGHT_BY.get(top, [])]
    return next((name for name in known if name in CORE | OPTIONAL), known[0] if known else top)


def third_party(modules: Iterator[str]) -> set[str]:
    tops = {module.partition(".")[0] for module in modules}
    return {distribution(top) for top in tops - {"medfuncta"} if top not in sys.stdlib_module_names}


def at_the_top(tree: ast.Module) -> ast.Module:
    """What runs when a module is imported: no function, and nothing for type checkers."""
    kept = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return ast.Module(kept, [])


@each_module
def test_dependencies_go_one_way(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if part == "__init__":
        return  # says what the folder is, and imports nothing
    imported = {
        module.split(".")[2]
        for module in imports(ast.parse(path.read_text()))
        if module.startswith("medfuncta._src.")
    }
    names = imported & {child.stem for child in ROOT.iterdir()} - {part}
    forbidden = names - set(ORDER[: ORDER.index(part)])
    assert not forbidden, f"{part} must not know of {', '.join(sorted(forbidden))}"


def test_the_order_inside_tasks_names_every_folder() -> None:
    assert {path.name for path in (ROOT / "tasks").iterdir()} - {
        "__init__.py",
        "__pycache__",
    } == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_answers_depend_one_way(name: str) -> None:
    trees = [ast.parse(path.read_text()) for path in (ROOT / "tasks" / name).rglob("*.py")]
    modules = [
        module.split(".")
        for tree in trees
        for module in imports(tree)
        if module.startswith("medfuncta._src.tasks.")
    ]
    forbidden = {module[3] for module in modules} - set(TASKS[: TASKS.index(name) + 1])
    assert not forbidden, f"{name} must not know of {', '.join(sorted(forbidden))}"


def test_no_module_imports_itself_through_others() -> None:
    dotted = {
        ".".join(("medfuncta", "_src", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in MODULES
    }
    graph = {
        name: {
            module if module in dotted else module.rpartition(".")[0]
            for module in imports(ast.parse(path.read_text()))
        }
        & dotted.keys()
        for name, path in dotted.items()
    }
    assert set(TopologicalSorter(graph).static_order()) == dotted.keys()


@each_module
def test_optional_packages_are_imported_where_they_are_used(path: Path) -> None:
    at_top = list(imports(at_the_top(ast.parse(path.read_text()))))
    assert third_party(iter(at_top)) - CORE <= {OF_AN_EXTRA.get(path.name)}
    for name in OF_AN_EXTRA:
        assert not any(f".{name.removesuffix('.py')}." in f"{module}." for module in at_top)


def test_every_package_that_is_imported_is_declared() -> None:
    imported = set().union(*(third_party(imports(ast.parse(path.read_text()))) for path in MODULES))
    assert imported <= CORE | OPTIONAL


def test_an_error_about_a_missing_package_names_its_extra() -> None:
    named = re.findall(
        r'missing_extra\("([\w-]+)", "([\w-]+)"\)', "\n".join(path.read_text() for path in MODULES)
    )
    assert named
    for package, extra in named:
        assert package.lower() in EXTRAS[extra]


@each_module
def test_no_pickle_is_loaded(path: Path) -> None:
    tree = ast.parse(path.read_text())
    loaders = {"pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    assert (
        path.name == MAY_UNPICKLE
        or not {module.partition(".")[0] for module in imports(tree)} & loaders
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) != ("torch", "load")
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


def height(node: ast.stmt | ast.expr) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def texts(function: ast.FunctionDef) -> int:
    """Lines of a function that are docstrings and templates of text."""
    found = [node for node in ast.walk(function) if isinstance(node, ast.JoinedStr | ast.Constant)]
    inside = {id(part) for node in found if isinstance(node, ast.JoinedStr) for part in node.values}
    return sum(height(node) - 1 for node in found if id(node) not in inside)


@each_module
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) < LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = height(node) - (node.body[0].lineno - node.lineno) - texts(node)
            assert lines <= LONGEST_BODY, f"{node.name} has {lines} lines"


def test_every_module_is_one_idea_with_a_name() -> None:
    assert not {path.stem for path in MODULES} & {"utils", "util", "helpers", "misc", "common"}
