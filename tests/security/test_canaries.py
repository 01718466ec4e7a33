"""Who is in the data stays there: canaries in every field of every format reach nothing that a
command writes or says; and ids are digests under a key that stays with the user."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pyarrow.parquet
import pytest
from nibabel.nifti1 import Nifti1Extension
from PIL import Image, PngImagePlugin

from cluster.jobs import ThreadWorkers
from hostile.bench import Bench
from medfuncta._src.cluster import crew as crew_module
from medfuncta._src.config import FitConfig
from medfuncta._src.errors import ConfigError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.create import create_latent_set
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.sources import identity
from medfuncta._src.sources.identity import KEY_VARIABLE, group_name, public_name
from medfuncta._src.sources.table import open_source

CANARY = "CanaryQz"
"""Begins every word that must not get out."""


class Canaries:
    """Words that are told from each other by where they stand."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, most: int = 99) -> str:
        self.count += 1
        return f"{CANARY}{self.count}"[:most]


def inner_folder(folder: Path, name: Canaries) -> Path:
    """A folder of a patient's below the data set's own."""
    made = folder / name()
    made.mkdir()
    return made


def dicom(folder: Path, name: Canaries) -> str:
    from pydicom._dicom_dict import DicomDictionary

    from sources.dicom_files import ct_slice, save, stack

    texts = ("PN", "LO", "SH", "ST", "LT", "UT", "UC")
    of_people = re.compile("Name|Patient|Instit|Physic|Descr|Comm|ID")
    chosen, groups = [], (0x08, 0x10, 0x18, 0x20, 0x32, 0x38, 0x40)
    for tag, (kind, _, _, _, keyword) in DicomDictionary.items():
        if tag >> 16 in groups and kind in texts and of_people.search(keyword):
            chosen.append(keyword)
    assert len(chosen) > 50
    for patient in range(6):
        inner = inner_folder(folder, name)
        for height, pixels in enumerate(stack((4, 4, 6), patient)):
            data = ct_slice(pixels, 3.0 * height, patient=str(patient))
            for word in chosen:
                setattr(data, word, name(16))
            data.PatientID = data.OtherPatientIDs = f"{CANARY}P{patient}"
            data.PatientComments = data.ImageComments = name()
            data.add_new(0x00091010, "LO", name())
            save(data, inner / f"{name()}.dcm")
    return f"dicom:{folder}"


def images(folder: Path, name: Canaries) -> str:
    generator = np.random.default_rng(0)
    for number in range(9):
        picture = Image.fromarray(generator.integers(0, 255, (8, 8), np.uint8))
        place = folder / f"{name()}"
        exif = Image.Exif()
        exif[0x010E], exif[0x013B], exif[0x8298] = name(), name(), name()
        if number % 3 == 0:
            words = PngImagePlugin.PngInfo()
            words.add_text("Comment", name())
            words.add_itxt("Patient", name())
            picture.save(place.with_suffix(".png"), pnginfo=words, exif=exif)
        elif number % 3 == 1:
            picture.save(place.with_suffix(".jpg"), exif=exif, comment=name().encode())
        else:
            picture.save(
                place.with_suffix(".tif"), tiffinfo={270: name(), 315: name(), 305: name()}
            )
    return f"images:{folder}?classes=false"


def nifti(folder: Path, name: Canaries) -> str:
    for number in range(8):
        values = np.random.default_rng(number).integers(0, 99, (5, 6, 4)).astype(np.int16)
        image = nib.Nifti1Image(values, np.eye(4))
        image.header["descrip"], image.header["aux_file"] = name(79), name(23)
        image.header["intent_name"], image.header["db_name"] = name(15), name(17)
        image.header.extensions.append(Nifti1Extension("comment", name().encode()))
        nib.save(image, inner_folder(folder, name) / f"{name()}.nii.gz")
    said = {"name": name(), "description": name(), "licence": "CC0", "tensorImageSize": name()}
    (folder / "dataset.json").write_text(json.dumps(said))
    return f"nifti:{folder}"


def nrrd(folder: Path, name: Canaries) -> str:
    for number in range(8):
        body = bytes((np.arange(64) * (number + 1) % 251).astype(np.uint8))
        header = f"NRRD0004\n# {name()}\ntype: uchar\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n"
        header += f"content: {name()}\nPatientName:={name()}\n\n"
        (folder / f"{name()}.nrrd").write_bytes(header.encode() + body)
    return f"nrrd:{folder}"


def wfdb(folder: Path, name: Canaries) -> str:
    for number in range(6):
        inner, record = inner_folder(folder, name), name()
        head = f"{record} 1 100 2000 10:00:00 01/01/1940\n{record}.dat 16 200/mV 16 0 0 0 0 I\n"
        (inner / f"{record}.hea").write_text(f"{head}# {name()} 69 M\n# Diagnosis: {name()}\n")
        trace = (np.sin(np.arange(2000) / (5 + number)) * 900).astype("<i2")
        (inner / f"{record}.dat").write_bytes(trace.tobytes())
    return f"wfdb:{folder}?window=1&stride=4"


def edf(folder: Path, name: Canaries) -> str:
    for number in range(6):
        head = b"0       " + name(80).encode().ljust(80) + name(80).encode().ljust(80)
        head += b"01.01.4010.00.00512     " + b" " * 44 + b"20      1       1   "
        signal = b"EEG Fpz-Cz".ljust(16) + name(80).encode().ljust(80) + b"uV      "
        signal += b"-100    100     -2048   2047    " + name(80).encode().ljust(80)
        signal += b"100     " + name(32).encode().ljust(32)
        trace = (np.sin(np.arange(2000) / (5 + number)) * 900).astype("<i2")
        (folder / f"{name()}.edf").write_bytes(head + signal + trace.tobytes())
    return f"edf:{folder}?window=1&stride=4"


def csv(folder: Path, name: Canaries) -> str:
    rows = [f"time,{name()},value,who,{name()}"]
    for signal in range(9):
        who, hospital = name(), name()
        for second in range(8):
            rows.append(f"{second},{hospital},{signal + second % 3},{who},{name()}")
    (folder / f"{name()}.csv").write_text("\n".join(rows) + "\n")
    return f"csv:{folder}?time=time&value=value&id=who"


def npz(folder: Path, name: Canaries) -> str:
    generator = np.random.default_rng(0)
    arrays = {f"{split}_images": generator.random((6, 8, 8)) for split in ("train", "val", "test")}
    arrays[name()] = np.array([name()])
    np.savez(folder / "set.npz", allow_pickle=False, **arrays)
    return f"npz:{folder / 'set.npz'}"


SOURCES: dict[str, Callable[[Path, Canaries], str]] = {
    made.__name__: made for made in (dicom, images, nifti, nrrd, wfdb, edf, csv, npz)
}


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file by its name, which counts, tables and archives unpacked."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = ""
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
            text = f"{table.to_pydict()} {table.schema.metadata}"
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                text = str({key: arrays[key].tolist() for key in arrays.files})
        where = str(path.relative_to(folder))
        yield where, where.encode() + path.read_bytes() + text.encode()


def leaks(data: bytes, private: list[str]) -> list[str]:
    found = re.findall(rf"{CANARY}\w*".encode(), data)
    return [
        *{word.decode() for word in found},
        *(word for word in private if word.encode() in data),
    ]


@pytest.mark.parametrize("kind", SOURCES)
def test_no_canary_gets_out(kind: str, tmp_path: Path, bench: Bench) -> None:
    folder, out = tmp_path / f"{CANARY}Hospital" / "scans", tmp_path / "out"
    folder.mkdir(parents=True)
    name = Canaries()
    source = SOURCES[kind](folder, name)
    assert name.count > 1
    private = [str(tmp_path), "19400101", "MRN-4711"]
    tiny = "field.kind=siren field.layers=3 field.width=8 field.latent_size=4"
    tiny += " train.inner_steps=1 fit.steps=1"
    tiny += " train.context_ratio=1 train.validate_signals=1 train.batch=1"
    run, latents = str(out / "run"), str(out / "latents")
    (beginning,) = bench.answers([["info", source, "--json"]])
    assert beginning["code"] == 0, beginning
    training = ["train", "--data", source, "--out", run, "--steps", "2", "--json"]
    commands = [
        ["info", source, "--json", "--out", str(out / "info")],
        [*training, "--cache", str(out / "cache"), "--set", *tiny.split()],
        ["evaluate", run, "--data", source, "--json", "--out", str(out / "report")],
        ["fit", run, "--data", source, "--json", "--out", latents],
        ["info", run, "--json", "--out", str(out / "curve")],
        ["info", latents, "--json", "--check"],
        ["explore", latents, "outliers", "--json", "--out", str(out / "outliers")],
        ["export", latents, "--to", "hub", "--json", "--out", str(out / "hub")],
        ["export", latents, "--to", "npz", "--json", "--out", str(out / "npz")],
    ]
    answers = bench.answers(commands)
    for words, answer in zip(commands, answers, strict=True):
        few = "are needed to say which are unusual" in answer["err"]
        assert answer["code"] == 0 or few, (words[0], answer["err"], answer["crash"])
        said = re.sub(re.escape(str(out)).encode(), b"OUT", answer["out"].encode())
        assert not leaks(said + answer["err"].encode(), private), (words, said)
    written = dict(contents(out))
    assert {"run/field.json", "run/metrics.csv", "latents/README.md", "report/report.html"} <= set(
        written
    )
    assert {
        place: leaks(data, private) for place, data in written.items() if leaks(data, private)
    } == {}
    assert any(place.startswith("run/events/") for place in written)


# --- ids


NUMBERS = [f"MRN{number:06d}" for number in range(2000)]


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No key yet, and a place for one."""
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    identity._key.cache_clear()
    return tmp_path / "settings" / "medfuncta" / "id.key"


def test_an_id_is_not_found_by_trying_all_numbers(key: Path) -> None:
    ids = {public_name(number, "hash") for number in NUMBERS}
    assert len(ids) == len(NUMBERS)
    for algorithm in ("sha256", "sha1", "md5", "sha512"):
        tried = {hashlib.new(algorithm, n.encode()).hexdigest()[:12] for n in NUMBERS}
        assert not ids & tried
    assert all(re.fullmatch("[0-9a-f]{12}", id) for id in ids)


def test_one_key_gives_one_id_every_time(key: Path, tmp_path: Path) -> None:
    first = public_name("a", "hash")
    identity._key.cache_clear()
    assert public_name("a", "hash") == first
    key.unlink()
    identity._key.cache_clear()
    assert public_name("a", "hash") != first


def test_the_key_is_the_users_alone(key: Path) -> None:
    before = os.umask(0)
    try:
        public_name("a", "hash")
    finally:
        os.umask(before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(bytes.fromhex(key.read_text())) == 32


def test_the_key_may_lie_where_the_user_says(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared.key"
    shared.write_text("a secret that a team shares, made by hand")
    monkeypatch.setenv(KEY_VARIABLE, str(shared))
    if os.name == "posix":
        with pytest.raises(ConfigError, match="chmod 600"):
            public_name("a", "hash")
    shared.chmod(0o640)
    identity._key.cache_clear()
    assert public_name("a", "hash") != group_name("a")
    assert not key.exists()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 5000])
def test_a_key_that_is_none_is_one_line(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.key"
    bad.write_bytes(content)
    bad.chmod(0o600)
    monkeypatch.setenv(KEY_VARIABLE, str(bad))
    with pytest.raises(ConfigError, match=KEY_VARIABLE) as caught:
        public_name("a", "hash")
    assert "\n" not in str(caught.value)


def test_a_key_that_cannot_be_kept_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "file" / "id.key"))
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE}, or give ids=names"):
        public_name("a", "hash")


def test_names_that_are_asked_for_need_no_key(key: Path) -> None:
    assert public_name("a", "names") == "a"
    assert not key.exists()


def test_ids_of_before_can_be_had_again(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "none")
    assert public_name("101", "hash") == "16dc368a89b4"
    assert not key.exists()


def test_another_key_gives_other_ids_and_the_same_splits(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Splits are a matter of the data, ids one of who publishes them."""
    folder = tmp_path / "scans"
    folder.mkdir()
    source = dicom(folder, Canaries())
    found = []
    for who in ("one", "another"):
        monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / f"{who}.key"))
        opened = open_source(source)
        ids = [item.id for items in opened.items.values() for item in items]
        paths = {split: [i.paths[0] for i in items] for split, items in opened.items.items()}
        found.append((sorted(ids), {split: sorted(names) for split, names in paths.items()}))
    assert not set(found[0][0]) & set(found[1][0])
    assert found[0][1] == found[1][1]


def test_the_key_is_in_nothing_that_is_written(bench: Bench) -> None:
    """The folders were made under the key of ``tests/conftest.py``."""
    secret = Path(os.environ[KEY_VARIABLE]).read_bytes()
    written = dict(contents(bench.base))
    assert written
    assert [place for place, data in written.items() if secret in data] == []


@pytest.mark.parametrize("kind", SOURCES)
def test_no_canary_gets_out_of_workers(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder, out = tmp_path / f"{CANARY}Hospital" / "scans", tmp_path / "out"
    folder.mkdir(parents=True)
    source = open_source(SOURCES[kind](folder, Canaries()), skip_bad=True)
    spec = source.spec
    config = SirenConfig(dim=spec.dim, channels=spec.channels, layers=3, width=8, latent_size=4)
    run = Run(SirenField(config), Config(field=config), spec)
    monkeypatch.setattr(crew_module, "executor_of", lambda text, count: ThreadWorkers((2,)))
    one, crew = tmp_path / "one", out / "crew"
    create_latent_set(run, source, one, config=FitConfig(steps=1, batch=3))
    create_latent_set(run, source, crew, config=FitConfig(steps=1, batch=3), workers=2)
    for (name, content), (_, same) in zip(contents(crew), contents(one), strict=True):
        assert not leaks(content, [str(tmp_path)]), name
        assert content == same or name.endswith(".safetensors")  # whose header has no fixed order
    said = capfd.readouterr()
    assert not leaks(f"{said.out}{said.err}{caplog.text}".encode(), [str(tmp_path)])
