from __future__ import annotations

import errno
import fcntl
import os
import socket
import threading
from pathlib import Path

import pytest

from medfuncta._src.disk.lock import LOCK_FILE, check_held, remove_abandoned, writing
from medfuncta._src.errors import MedFunctaError

HOST = socket.gethostname()
GONE = 2**22 + 1
"""More than any process's number."""


def test_the_folder_is_made_held_and_left_as_it_was(tmp_path: Path) -> None:
    with writing(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK_FILE).read_text() == f"{os.getpid()} {HOST}\n"
    assert not (tmp_path / "a" / "b").exists(), "an empty folder that was made for it goes again"
    with writing(tmp_path / "c"):
        (tmp_path / "c" / "work").touch()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["work"]


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with writing(tmp_path):
        pass
    assert tmp_path.is_dir() and not any(tmp_path.iterdir())


def test_it_ends_with_an_error_too(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), writing(tmp_path):
            raise ZeroDivisionError


@pytest.mark.parametrize("by", ["itself", "a link", "a way around"])
def test_one_process_holds_it_once(tmp_path: Path, by: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    ways = {
        "itself": tmp_path / "out",
        "a link": tmp_path / "link",
        "a way around": tmp_path / "out" / ".." / "out",
    }
    refused = pytest.raises(
        MedFunctaError, match=rf"is being written by this process \({os.getpid()}"
    )
    with writing(tmp_path / "out"), refused, writing(ways[by]):
        pass
    with writing(ways[by]):
        pass


def test_of_many_threads_one_gets_it(tmp_path: Path) -> None:
    together, got = threading.Barrier(8), []

    def attempt() -> None:
        together.wait()
        try:
            with writing(tmp_path / "out"):
                got.append("it")
                together.wait()
        except MedFunctaError:
            got.append("refused")
            together.wait()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == ["it", *["refused"] * 7]


@pytest.mark.parametrize("what", ["a link", "a pipe", "a folder"])
def test_a_lock_that_somebody_else_has_laid_is_not_followed(tmp_path: Path, what: str) -> None:
    (tmp_path / "private").write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    if what == "a link":
        (out / LOCK_FILE).symlink_to(tmp_path / "private")
    elif what == "a pipe":
        os.mkfifo(out / LOCK_FILE)
    else:
        (out / LOCK_FILE).mkdir()
    with pytest.raises(MedFunctaError) as caught, writing(out):
        pass
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert (tmp_path / "private").read_text() == "mine"


@pytest.mark.parametrize(
    "note", ["", "x", "12", "-3 host", f"{10**30} {HOST}", "1 a b", "\0" * 500]
)
def test_what_a_dead_process_left_counts_for_nothing(tmp_path: Path, note: str) -> None:
    (tmp_path / LOCK_FILE).write_text(note)
    with writing(tmp_path):
        assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()} {HOST}\n"


def test_a_folder_that_was_removed_or_exchanged_is_noticed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with writing(out):
        check_held(out / "deep" / "file")
        check_held(tmp_path / "elsewhere")
        out.rename(tmp_path / "moved")
        for _ in range(2):
            with pytest.raises(MedFunctaError, match="'out' was removed or changed"):
                check_held(out / "deep" / "file")
            out.mkdir(exist_ok=True)
            (out / LOCK_FILE).touch()
    assert (out / LOCK_FILE).exists(), "the other's lock is not ours to remove"


class TestWithoutLocks:
    """A file system that knows no locks."""

    @pytest.fixture(autouse=True)
    def no_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def flock(*_: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", flock)

    @pytest.mark.parametrize("note", ["", f"{GONE} {HOST}\n"])
    def test_nobody_has_it(self, tmp_path: Path, note: str) -> None:
        (tmp_path / LOCK_FILE).write_text(note)
        with writing(tmp_path):
            assert (tmp_path / LOCK_FILE).read_text() == f"{os.getpid()} {HOST}\n"

    @pytest.mark.parametrize("note", [f"{os.getppid()} {HOST}", f"{GONE} another-host"])
    def test_somebody_may_have_it(self, tmp_path: Path, note: str) -> None:
        (tmp_path / LOCK_FILE).write_text(note)
        said = rf"written by process {note.replace(' ', ' on ')} \(if that is gone, remove \.lock"
        with pytest.raises(MedFunctaError, match=said), writing(tmp_path):
            pass
        assert (tmp_path / LOCK_FILE).read_text() == note


def test_abandoned_folders_are_removed_and_others_stay(tmp_path: Path) -> None:
    for name in (".writing-gone", ".writing-held", "entry"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").touch()
        (tmp_path / name / "file").touch()
    (tmp_path / ".writing-link").symlink_to(tmp_path / "entry")
    with writing(tmp_path / ".writing-held"):
        remove_abandoned(tmp_path, ".writing-*")
        left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".writing-held", ".writing-link", "entry"]
    assert (tmp_path / "entry" / "inner" / "file").exists()
    assert (tmp_path / ".writing-held" / "inner" / "file").exists()
