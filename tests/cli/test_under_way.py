"""What may happen while a command writes: another writer, a full disk, a folder that goes away, a
signal, data that changes. Finished work stays, one line says what was, and the next start goes on.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from PIL import Image

from cli.conftest import train_words
from medfuncta._src.cli.main import main
from medfuncta._src.disk import atomic
from medfuncta._src.disk.lock import LOCK_FILE
from medfuncta._src.errors import MedFunctaError
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.learning.run_log import RunLog, read_log
from medfuncta._src.run import Run

RUN, LATENTS, REFERENCE, OUT = "@run", "@latents", "@reference", "@out"
WRITING: Final = {
    "train": train_words(Path(OUT)),
    "fit": f"fit {RUN} --data sample:ecg --splits val --out {OUT}".split(),
    "evaluate": f"evaluate {RUN} --data sample:ecg --split val --out {OUT}".split(),
    "decode": f"decode {LATENTS} --id val-0000 --out {OUT}/a.csv".split(),
    "decode to npy": f"decode {LATENTS} --id val-0000 --out {OUT}/a.npy".split(),
    "decode to wfdb": f"decode {LATENTS} --id val-0000 --out {OUT}/a.hea".split(),
    "export npz": f"export {LATENTS} --to npz --out {OUT}".split(),
    "export hub": f"export {LATENTS} --to hub --out {OUT}".split(),
    "export reference": f"export {LATENTS} --to reference --out {OUT}".split(),
    "export onnx": f"export {RUN} --to onnx --out {OUT}/field.onnx".split(),
    "import": f"import {REFERENCE} --out {OUT} --shape 187".split(),
    "import weights": f"import {REFERENCE}/best.model --out {OUT} --shape 187".split(),
    "filter": ["latents", "filter", LATENTS, "--where", "psnr > -99", "--out", OUT],
    "merge": f"latents merge {LATENTS} --out {OUT}".split(),
    "search": f"search {LATENTS} --id val-0000 --out {OUT}".split(),
    "index": f"search {LATENTS} --id val-0000 --index {OUT}/faiss".split(),
    "info": f"info {RUN} --out {OUT}".split(),
}
"""Every kind of command that writes, told where."""
FILES: Final = {"decode", "decode to npy", "decode to wfdb", "export onnx", "index"}
"""Commands that write files by their names instead of a folder of their own; each file is whole or
not there, so that nothing is to be held."""
FOLDERS: Final = [name for name in WRITING if name not in {*FILES, "import weights"}]

each_command = pytest.mark.parametrize("name", WRITING)
each_folder = pytest.mark.parametrize("name", FOLDERS)


@pytest.fixture(scope="module")
def reference(ecg_latents: Path) -> Path:
    """The latents in the layout of the authors' code."""
    folder = ecg_latents.parent / "reference"
    assert main(["export", str(ecg_latents), "--to", "reference", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def words(ecg_run: Path, ecg_latents: Path, reference: Path) -> Callable[[str, Path], list[str]]:
    """The words of a command that writes to a place."""
    places = {RUN: ecg_run, LATENTS: ecg_latents, REFERENCE: reference}

    def told(name: str, out: Path) -> list[str]:
        found = []
        for word in WRITING[name]:
            for sign, place in {**places, OUT: out}.items():
                word = word.replace(sign, str(place))
            found.append(word)
        return found

    return told


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail, and gives its one line."""

    def ran(command: list[str], code: int = 2) -> str:
        capsys.readouterr()
        assert main(command) == code
        output = capsys.readouterr()
        assert not output.out
        lines = [line for line in output.err.splitlines() if line.startswith("medfuncta: ")]
        assert len(lines) == 1 and lines[0] == output.err.splitlines()[-1]
        assert "Traceback" not in output.err and "Exception" not in output.err
        return lines[0]

    return ran


@contextmanager
def small_disk(most: int) -> Iterator[None]:
    """Within, no file of this process can have more bytes: what a write of more gets is what it
    gets of a full disk, in the middle of a file, whatever library writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ------------------------------------------------------------------------------ a full disk


@each_command
def test_a_full_disk_gets_one_line_and_the_next_start_goes_on(
    name: str, words: Any, complaint: Any, tmp_path: Path
) -> None:
    command = words(name, tmp_path / "out")
    with small_disk(200):
        line = complaint(command)
    assert line.startswith("medfuncta: cannot write ")
    assert f"{os.strerror(errno.EFBIG)}; free some room or choose another folder" in line
    assert not list(tmp_path.rglob(".writing-*")) and not list(tmp_path.rglob(LOCK_FILE))
    assert main(command) == 0


@pytest.mark.parametrize("most", [500, 3000, 9000])
def test_a_disk_that_is_full_in_the_middle_of_a_training(
    most: int, words: Any, complaint: Any, tmp_path: Path
) -> None:
    """The weights have 3 kB, a checkpoint 10."""
    command = words("train", tmp_path / "out")
    with small_disk(most):
        line = complaint(command)
    assert "File too large; free some room" in line
    assert main([*command, "--resume"] if holds_run(command, tmp_path) else command) == 0
    assert Run.load(tmp_path / "out").training["steps"] == 2


def test_a_disk_that_is_full_in_the_middle_of_the_log(tmp_path: Path) -> None:
    log = RunLog(tmp_path, 0)
    with (
        small_disk(3000),
        pytest.raises(MedFunctaError, match=r"cannot write \w+(\.csv)?: File too"),
    ):
        for step in range(1, 100):
            log.add(step, {"loss": 1.0, "train_psnr": 20.0})
    log.close()
    assert 10 < step < 99
    again = RunLog(tmp_path, step - 5)
    again.add(step - 4, {"loss": 1.0})
    again.close()
    rows = read_log(tmp_path / "metrics.csv")
    assert [row[0] for row in rows[1:]] == [str(number) for number in range(1, step - 3)]


def test_tensorboard_reads_the_events_of_several_sessions(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = RunLog(tmp_path, 0)
    for step in (10, 20, 30):
        first.add(step, {"loss": step / 8})
    first.close()
    second = RunLog(tmp_path, 15)
    second.add(20, {"loss": 7.0, "val_psnr": 3.0})
    second.close()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(10, 1.25), (20, 7)]
    assert [(event.step, event.value) for event in events.Scalars("val_psnr")] == [(20, 3)]


def test_a_full_disk_in_the_middle_of_a_fit_keeps_the_blocks_before(
    ecg_run: Path, tmp_path: Path, complaint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"fit {ecg_run} --data sample:ecg --out {tmp_path / 'out'} --batch 50".split()
    with at_write(6, lambda _: full(), monkeypatch):
        complaint(command)
    pieces = list((tmp_path / "out" / ".fitting" / "train").glob("piece-*.parquet"))
    before = {piece.name: piece.read_bytes() for piece in pieces}
    assert before
    with at_write(1, lambda _: check_kept(before, tmp_path / "out"), monkeypatch):
        assert main(command) == 0


def check_kept(before: dict[str, bytes], out: Path) -> None:
    for name, content in before.items():
        assert (out / ".fitting" / "train" / name).read_bytes() == content


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def at_write(
    number: int, do: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Within, something happens at this write of a file, counted from 1, once it is filled and
    before it has its name."""
    count = 0
    whole = atomic._check_whole

    def checked(file: Any) -> None:
        nonlocal count
        count += 1
        if count == number:
            do(Path(file.name))
        whole(file)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "_check_whole", checked)
        yield


# ---------------------------------------------------------------- folders that cannot be written


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, "long") for name in WRITING),
        *product(("train", "fit", "decode", "export npz"), ("file", "null", "proc", "loop")),
    ],
)
def test_a_folder_that_cannot_be_written_gets_one_line_before_the_work(
    name: str, place: str, words: Any, complaint: Any, tmp_path: Path
) -> None:
    """None of them can be, whoever asks: tests may run as root."""
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    places = {
        "long": tmp_path / ("x" * 300),
        "file": tmp_path / "file",
        "null": Path("/dev/null/out"),
        "proc": Path("/proc/out"),
        "loop": tmp_path / "loop",
    }
    line = complaint(words(name, places[place]))
    assert line.startswith("medfuncta: cannot write ") and len(line) < 220


@each_command
def test_a_folder_whose_name_is_not_utf8(
    name: str, words: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller"))
    code = main(words(name, out))
    said = capsys.readouterr().err
    if name == "index":
        assert code == 2 and "a name that is not UTF-8, which FAISS does not open" in said
    else:
        assert code == 0, said


@each_folder
def test_a_folder_that_is_removed_while_it_is_written(
    name: str, words: Any, complaint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with at_write(1, lambda _: shutil.rmtree(out), monkeypatch):
        line = complaint(words(name, out))
    assert "removed" in line
    assert not out.exists()
    assert main(words(name, out)) == 0


def test_a_training_whose_folder_is_removed_between_writes(
    words: Any, complaint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "medfuncta._src.learning.train.validation_psnr", lambda *_: shutil.rmtree(tmp_path / "out")
    )
    line = complaint(words("train", tmp_path / "out"))
    assert "the folder 'out' was removed or changed by somebody else while it was written" in line
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------------------ two writers


@each_folder
def test_of_two_writers_the_second_is_told_of_the_first(
    name: str, words: Any, complaint: Any, tmp_path: Path
) -> None:
    with held_elsewhere(tmp_path / "out") as holder:
        line = complaint(words(name, tmp_path / "out"))
        assert f"'out' is being written by process {holder.pid} on {socket.gethostname()}" in line
        holder.kill()
        holder.wait()
        assert (tmp_path / "out" / LOCK_FILE).exists(), "it must be left for this to show anything"
        assert main(words(name, tmp_path / "out")) == 0
    assert not (tmp_path / "out" / LOCK_FILE).exists()


HOLDING = """
import sys
from pathlib import Path
from medfuncta._src.disk.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes into a folder."""
    command = [sys.executable, "-c", HOLDING, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


# ------------------------------------------------------------------------------ signals
GOES_ON: Final = "; finished work is kept; start the same command again to go on"
STOPPED: Final = {
    "train": f"{GOES_ON}, with --resume",
    "fit": GOES_ON,
    "import": GOES_ON,
    "latents": GOES_ON,
}
"""What is said of commands that go on where they were; a training writes a checkpoint when it is
stopped."""
WHOLE: Final = "; every file that was written is whole; start the same command again"
"""What is said of the others."""


def test_a_training_with_a_checkpoint_says_how_it_goes_on(
    words: Any, complaint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = words("train", tmp_path / "out")
    assert main(command) == 0

    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("medfuncta._src.workflow.read_for_training", stop)
    line = complaint([*command, "--resume"], 130)

    assert line.endswith(f"{GOES_ON}, with --resume")


# ------------------------------------------------------------------- folders that are not there
@each_command
def test_a_folder_inside_a_missing_one_is_made(name: str, words: Any, tmp_path: Path) -> None:
    out = tmp_path / "missing" / "deeper" / "out"

    assert main(words(name, out)) == 0
    assert out.exists()


@each_command
def test_a_folder_inside_a_file_is_one_line(
    name: str, words: Any, complaint: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")

    complaint(words(name, tmp_path / "file" / "out"))


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [
        *((name, signal.SIGINT, 130) for name in WRITING),
        ("train", signal.SIGTERM, 0),
        *((name, signal.SIGTERM, 143) for name in ("fit", "export hub", "decode")),
    ],
)
def test_a_signal_while_writing(
    name: str,
    number: int,
    code: int,
    words: Any,
    complaint: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers = [signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)]
    command = words(name, tmp_path / "out")
    with at_write(2, lambda _: os.kill(os.getpid(), number), monkeypatch):
        if name not in FILES:
            line = complaint(command, code)
            assert line.endswith(STOPPED.get(command[0], WHOLE))
    with at_write(1, lambda _: os.kill(os.getpid(), number), monkeypatch):
        complaint([*command, "--resume"] if holds_run(command, tmp_path) else command, code)
    assert not list(tmp_path.rglob(".writing-*")) and not list(tmp_path.rglob(LOCK_FILE))
    assert main([*command, "--resume"] if holds_run(command, tmp_path) else command) == 0
    assert [signal.getsignal(stop) for stop in (signal.SIGINT, signal.SIGTERM)] == handlers


def holds_run(command: list[str], folder: Path) -> bool:
    """Whether a training must be told to go on."""
    checkpoints = folder / "out" / "checkpoints"
    begun = any((checkpoints / f"{name}.safetensors").exists() for name in ("best", "last"))
    return command[0] == "train" and begun


def test_a_signal_that_a_library_takes_for_an_error_of_its_own(
    words: Any, complaint: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def swallow(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("cannot import name 'x'") from None

    monkeypatch.setattr("medfuncta._src.workflow.read_for_training", swallow)
    line = complaint(words("train", tmp_path / "out"), 143)
    assert line.endswith(
        "stopped by SIGTERM; it has no checkpoint yet; start the same command again"
    )


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """PyTorch's own threads are not there in a copy of a process, which would wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_a_copy(command: list[str]) -> int:
    """A command in a copy of this process, which may be killed; needs ``one_thread``."""
    copy = os.fork()
    if not copy:
        os._exit(main(command))
    _, status = os.waitpid(copy, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("number", range(1, 11))
def test_a_training_killed_at_any_write_goes_on_to_the_same_network(
    number: int,
    words: Any,
    whole: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [*words("train", tmp_path / "out"), "train.validate_every=1"]
    with at_write(number, lambda _: os.kill(os.getpid(), signal.SIGKILL), monkeypatch):
        ended = in_a_copy(command)
    assert ended in (-signal.SIGKILL, 0)
    assert (ended == 0) == (number > WRITES)
    assert main([*command, "--resume"] if holds_run(command, tmp_path) else command) == 0
    assert Run.load(tmp_path / "out").fingerprint == whole.fingerprint
    assert not list(tmp_path.rglob(".writing-*"))


WRITES: Final = 9
"""Of such a training: its log, then two validations with two checkpoints and the two files of the
network each."""


@pytest.fixture(scope="module")
def whole(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert main([*train_words(folder), "train.validate_every=1"]) == 0
    return Run.load(folder)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", ["fit", "import", "filter", "merge", "export npz", "export hub"])
def test_what_was_killed_goes_on_to_the_same_set(
    name: str, number: int, words: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, undisturbed = words(name, tmp_path / "out"), words(name, tmp_path / "whole")
    with at_write(number, lambda _: os.kill(os.getpid(), signal.SIGKILL), monkeypatch):
        assert in_a_copy(command) == -signal.SIGKILL
    assert main(command) == 0 and main(undisturbed) == 0
    files = [sorted(path.name for path in (tmp_path / out).rglob("*")) for out in ("out", "whole")]
    assert files[0] == files[1]
    if not name.startswith("export npz"):
        latents = [LatentSet.open(tmp_path / out).split("val").latents for out in ("out", "whole")]
        assert (latents[0] == latents[1]).all()


# ------------------------------------------------------------------------------ data that changes


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(30):
        values = np.random.default_rng(number).integers(0, 255, (12, 12), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number:02d}.png")
    return folder


def fit_of(pictures: Path, tmp_path: Path, out: Path) -> list[str]:
    """Words that fit pictures with a run that was trained on them."""
    run, data = tmp_path / "run", f"images:{pictures}"
    training = train_words(run)
    training[training.index("sample:ecg")] = data
    assert main(training) == 0
    return f"fit {run} --data {data} --out {out} --batch 4".split()


def test_a_file_that_vanishes_in_the_middle_of_a_fit(
    pictures: Path, tmp_path: Path, complaint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = fit_of(pictures, tmp_path, out)
    hidden = tmp_path / "hidden"
    with at_write(7, lambda _: pictures.rename(hidden), monkeypatch):
        line = complaint(command)
    assert ".png" in line
    pieces = {path.name: path.read_bytes() for path in out.rglob("piece-*")}
    assert pieces
    hidden.rename(pictures)
    with at_write(1, lambda _: check_kept(pieces, out), monkeypatch):
        assert main(command) == 0
    assert len(LatentSet.open(out)) == 30


def test_files_that_are_others_when_a_fit_goes_on(
    pictures: Path, tmp_path: Path, complaint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    command = fit_of(pictures, tmp_path, out)
    with at_write(7, lambda _: os.kill(os.getpid(), signal.SIGTERM), monkeypatch):
        complaint(command, 143)
    for path in pictures.iterdir():
        Image.new("L", (12, 12), 7).save(path)
    assert "have other values than when they were fitted; the data has changed" in complaint(
        command
    )
