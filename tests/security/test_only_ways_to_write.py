"""Names from data never make a path: what writes, moves or removes on the disk stands in two
modules, and everything else goes through them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import medfuncta

ROOT = Path(medfuncta.__file__).parent / "_src"
MODULES = sorted(ROOT.rglob("*.py"))
WAYS = {"disk/places.py", "disk/atomic.py"}
"""Where the functions stand through which all writing goes."""
ELSEWHERE = {
    "disk/refusals.py": {"path.open"},  # a temporary file, asked whether it can grow
    "disk/lock.py": {"folder.mkdir", "place.rmdir", "path.unlink", "path.rmdir", "entry.unlink"}
    | {"shutil.rmtree"},  # the folder itself, its lock, and what a dead process left aside
    "hub/checksums.py": {"path.resolve().unlink", "path.unlink"},  # a bad file of the hub's cache
    "field/siren/native.py": {"folder.chmod", "path.chmod"},  # by place(): the user's own cache
    "signals/cache.py": {"np.savez", "self._path.open"},  # in a fresh folder, by place()
    "sources/download.py": {"target.parent.mkdir", "partial.open", "partial.unlink"}
    | {"partial.replace"},  # names of MedMNIST's own list
    "sources/wfdb_header.py": {"tempfile.TemporaryDirectory", "header_file(plain).write_bytes"}
    | {"Path(folder, name).symlink_to"},  # a plain header and links, in a folder of its own
    "writers/wfdb.py": {"tempfile.TemporaryDirectory", "shutil.copyfile"},  # beside the --out file
}
"""What writes without them, and why it may."""
CHANGES = {"mkdir", "rename", "renames", "rmdir", "unlink", "touch", "rmtree", "symlink_to"}
CHANGES |= {"hardlink_to", "link", "symlink", "makedirs", "copyfile", "copy2", "copytree", "move"}
CHANGES |= {"write_bytes", "tofile", "savez", "savez_compressed", "savetxt", "dump"}
CHANGES |= {"mkstemp", "mkdtemp", "TemporaryDirectory", "NamedTemporaryFile", "chmod"}
IN_MEMORY = {"buffer", "archive", "temporary"}
"""What is written to is a buffer, or the temporary file that an atomic write hands out."""
SAVERS = {"np.save", "torch.save", "onnx.save"}
TO_A_FOLDER = {"save"}
"""Methods of ours that write below the path that they are given."""
TO_A_FILE = {"write_atomically", "write_text", "write_json", "save_png"}
"""Functions of ours that write the file that they are given, through no link of its own."""


def dotted(node: ast.expr) -> str:
    return ast.unparse(node)


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def opens_to_write(call: ast.Call) -> bool:
    """``open(..., "w")`` in any of its forms."""
    name = dotted(call.func).rpartition(".")[2]
    words = [
        node.value
        for node in (*call.args, *(k.value for k in call.keywords))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    modes = [word for word in words if word and set(word) <= set("rwaxbt+")]
    return name in ("open", "fdopen") and any(set(mode) & set("wax+") for mode in modes)


def changes_the_disk(call: ast.Call) -> bool:
    name = dotted(call.func).rpartition(".")[2]
    if opens_to_write(call):
        return True
    if dotted(call.func) in ("os.replace", "os.remove"):
        return True
    if name == "replace":  # of a path; of a text it has two arguments
        return len(call.args) == 1 and not call.keywords and "." in dotted(call.func)
    if dotted(call.func) in SAVERS:
        return True
    return name in CHANGES and isinstance(call.func, ast.Attribute)


def strays(path: Path) -> set[str]:
    """What changes the disk in a module outside the two ways."""
    found = set()
    for call in calls(path):
        owner = dotted(call.func).partition(".")[0]
        on_temporary = any(dotted(argument) == "temporary" for argument in call.args)
        if changes_the_disk(call) and owner not in IN_MEMORY and not on_temporary:
            found.add(dotted(call.func))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_else_writes_moves_or_removes(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    if name in WAYS:
        return
    assert strays(path) <= ELSEWHERE.get(name, set())


def joined(argument: ast.expr) -> bool:
    """Whether a path is joined where it is handed over."""
    return isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Div)


def is_a_word(node: ast.expr) -> bool:
    """A text or a constant of ours."""
    if isinstance(node, ast.Constant):
        return True
    return isinstance(node, ast.Name) and node.id.isupper()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_are_joined_by_the_one_function(path: Path) -> None:
    """But for a file of ours right in the folder that the user named."""
    for call in calls(path):
        name = dotted(call.func).rpartition(".")[2]
        for argument in call.args:
            if name in TO_A_FOLDER:
                assert not joined(argument), ast.unparse(call)
            if name in TO_A_FILE and isinstance(argument, ast.BinOp) and joined(argument):
                assert not joined(argument.left) and is_a_word(argument.right), ast.unparse(call)


HARMFUL = """
import os, shutil
def f(folder, name, path, target):
    (folder / name).mkdir()
    open(path, "w")
    path.open(mode="ab")
    os.replace(path, target)
    path.rename(target)
    shutil.copyfile(path, target)
"""


def test_what_writes_by_itself_is_noticed(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(HARMFUL)
    assert len(strays(module)) == 6
