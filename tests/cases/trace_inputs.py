"""More awkward inputs of traces, tables, splits and ranges, beside those of ``make_inputs``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import wfdb
from PIL import Image

from cases.make_inputs import G, csv_rows, ecg, nii, record, rows, samples

CASES: dict[str, tuple[Callable[[Path], dict[str, Any] | None], dict[str, Any]]] = {}
ALONE = "?val=0&test=0"
PICTURE = np.asarray(G)


def case(name: str, source: str, right: str, outcome: str = "read", **more: Any) -> Any:
    """Keep a function that writes the input and tells what is right of it."""

    def keep(make: Callable[[Path], dict[str, Any] | None]) -> None:
        CASES[name] = (make, {"source": source, "right": right, "outcome": outcome, **more})

    return keep


def heart(d: Path, header: bytes, scale: float = 1000.0) -> np.ndarray:
    """A record of one lead at 250 Hz with this line of its header."""
    trace, _ = ecg()
    (d / "r1.dat").write_bytes(np.round(trace * scale).astype("<i2").tobytes())
    (d / "r1.hea").write_bytes(b"r1 1 250 5000\n" + header + b"\n")
    return trace


def edf(path: Path, unit: bytes, values: np.ndarray, rate: int = 250, label: str = "ECG") -> None:
    """One channel of whole seconds in EDF, physical values -2000 to 2000 over 16 bits."""
    seconds = len(values) // rate
    digital = np.round((values + 2000) / 4000 * 65535 - 32768).astype("<i2")
    fields = [(b"0", 8), (b"X X X X", 80), (b"Startdate X X X X", 80), (b"01.01.01", 8)]
    fields += [(b"00.00.00", 8), (b"512", 8), (b"", 44), (str(seconds).encode(), 8)]
    fields += [(b"1", 8), (b"1", 4), (label.encode(), 16), (b"", 80), (unit, 8), (b"-2000", 8)]
    fields += [(b"2000", 8), (b"-32768", 8), (b"32767", 8), (b"", 80), (str(rate).encode(), 8)]
    fields += [(b"", 32)]
    header = b"".join(text.ljust(width) for text, width in fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + digital.tobytes())


# ------------------------------------------------------------------------------------------ units
@case("wfdb_micro_latin1", "wfdb:{d}" + ALONE + "&window=20", "a micro sign in Latin-1")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, "r1.dat 16 1/µV 16 0 0 0 0 II".encode("latin-1"))
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@case("wfdb_micro_baseline", "wfdb:{d}" + ALONE + "&window=20", "a baseline before a Greek mu")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, "r1.dat 16 1(100)/μV 16 0 0 0 0 II".encode())
    value = float(trace[100]) - 0.1
    return {"n": 1, "unit": "mV", "probes": [[100, 0, value]], "tolerance": 0.002}


@case("wfdb_megavolts", "wfdb:{d}" + ALONE + "&window=20", "MV is no mV: kept as it is written")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, b"r1.dat 16 1000/MV 16 0 0 0 0 II")
    return {"n": 1, "unit": "MV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@case("wfdb_nanovolts", "wfdb:{d}" + ALONE + "&window=20", "nV: a millionth of a mV")
def _(d: Path) -> dict[str, Any]:
    trace = heart(d, b"r1.dat 16 0.001/nV 16 0 0 0 0 II")
    return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


for _coding in ("utf-8", "latin-1"):

    @case(f"wfdb_degrees_{_coding}", "wfdb:{d}" + ALONE + "&window=20", "degrees keep their sign")
    def _(d: Path, coding: str = _coding) -> dict[str, Any]:
        trace = heart(d, "r1.dat 16 1000/°C 16 0 0 0 0 temp".encode(coding))
        return {"n": 1, "unit": "°C", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


for _name, _unit in {
    "ascii": b"uV",
    "latin1": b"\xb5V",
    "utf8": b"\xc2\xb5V",
    "greek": b"\xce\xbcV",
}.items():

    @case(f"edf_micro_{_name}", "edf:{d}" + ALONE + "&window=20", "microvolts in every coding")
    def _(d: Path, unit: bytes = _unit) -> dict[str, Any]:
        trace, _ = ecg()
        edf(d / "a.edf", unit, trace * 1000)
        return {"n": 1, "unit": "mV", "probes": [[100, 0, float(trace[100])]], "tolerance": 0.002}


@case("edf_unknown_unit", "edf:{d}" + ALONE + "&window=20", "a unit that is no voltage is kept")
def _(d: Path) -> dict[str, Any]:
    trace, _ = ecg()
    edf(d / "a.edf", b"\xb0C", trace * 1000)
    return {"n": 1, "unit": "°C", "probes": [[100, 0, float(trace[100] * 1000)]], "tolerance": 0.1}


# ----------------------------------------------------------------------------------------- clocks
def framed(d: Path, ticks: float | None) -> np.ndarray:
    """A record of frames at 62.5 Hz, four samples of ECG and one of pressure in each, with
    annotations in frames or in ticks of their own."""
    trace, peaks = ecg(40.0, 250.0)
    slow = np.full(len(trace) // 4, 80, "<i2")
    frames = np.round(trace * 1000).astype("<i2").reshape(-1, 4)
    (d / "r1.dat").write_bytes(np.concatenate([frames, slow[:, None]], axis=1).tobytes())
    head = f"r1 2 62.5 {len(slow)}\n"
    (d / "r1.hea").write_text(
        head + "r1.dat 16x4 1000/mV 16 0 0 0 0 ECG\nr1.dat 16 1/mmHg 16 0 0 0 0 P\n"
    )
    at = np.round(peaks / 250 * (ticks or 62.5)).astype(int)
    wfdb.wrann("r1", "atr", at, symbol=["N"] * len(at), fs=ticks, write_dir=str(d))
    return trace


@case("wfdb_frames_peaks", "wfdb:{d}" + ALONE + "&lead=ECG&rate=250", "annotations count frames")
def _(d: Path) -> dict[str, Any]:
    framed(d, None)
    return {"n": "24..50", "spacing": (0.004,), "first_to_peak": 0.7}


@case(
    "wfdb_frames_ticks",
    "wfdb:{d}" + ALONE + "&lead=ECG&rate=250",
    "annotations of frames, in ticks of their own",
)
def _(d: Path) -> dict[str, Any]:
    framed(d, 1000.0)
    return {"n": "24..50", "spacing": (0.004,), "first_to_peak": 0.9}


@case("wfdb_frames_slow_lead", "wfdb:{d}" + ALONE + "&lead=P&window=4", "the slow lead of the two")
def _(d: Path) -> dict[str, Any]:
    framed(d, None)
    return {"n": 10, "shape": (250,), "spacing": (0.016,), "unit": "mmHg", "probes": [[9, 0, 80.0]]}


for _head, _scale in {
    "time_ms": 1000.0,
    "Time (ms)": 1000.0,
    "t [µs]": 1e6,
    "timestamp_us": 1e6,
    "time_ns": 1e9,
    "Elapsed time (min)": 1 / 60,
    "time [s]": 1.0,
    "time_seconds": 1.0,
    "msec": 1000.0,
}.items():

    @case(
        f"csv_clock_{_head}",
        "csv:{d}/a.csv" + ALONE + f"&value=ecg&time={_head}",
        "the unit that the column's name states",
    )
    def _(d: Path, head: str = _head, scale: float = _scale) -> dict[str, Any]:
        lines = [f"{head},ecg"]
        lines += [f"{k / 250 * scale!r},{k}.0" for k in range(50)]
        (d / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return {"n": 1, "seconds": 49 / 250, "probes": [[10, 0, 10.0]]}


@case("csv_clock_samples", "csv:{d}/a.csv" + ALONE + "&value=ecg&time=sample", "no time at all")
def _(d: Path) -> dict[str, Any]:
    lines = ["sample,ecg", *(f"{k},{k}.0" for k in range(50))]
    (d / "a.csv").write_text("\n".join(lines) + "\n")
    return {"n": 1, "axis_unit": ""}


# ----------------------------------------------------------------------------------------- splits
def pictures(folder: Path, count: int, first: int = 0) -> None:
    """So many different PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(first, first + count):
        Image.fromarray(np.roll(PICTURE, k, 0)).save(folder / f"{folder.name}{k}.png")


def parted(d: Path, train: str, test: str) -> None:
    """Two classes in a folder of training and one of test images."""
    for number, name in enumerate(("glioma", "pituitary")):
        pictures(d / train / name, 6, 20 * number)
        pictures(d / test / name, 3, 20 * number + 10)


TWO = {"n": 18, "labels": ["glioma", "pituitary"], "counts": {"train": 10, "val": 2, "test": 6}}


@case("images_training_testing", "images:{d}", "Kaggle's brain tumours: splits, not classes")
def _(d: Path) -> dict[str, Any]:
    parted(d, "Training", "Testing")
    return TWO | {"remarks": ["Testing"]}


@case("images_one_folder_more", "images:{d}", "one folder more around splits, as zip files have it")
def _(d: Path) -> dict[str, Any]:
    parted(d / "archive" / "brain", "TRAIN", "Test")
    return TWO


@case("images_one_folder_more_classes", "images:{d}" + ALONE, "one folder more around classes")
def _(d: Path) -> dict[str, Any]:
    pictures(d / "dataset" / "benign", 3)
    pictures(d / "dataset" / "malignant", 3, 5)
    return {"n": 6, "labels": ["benign", "malignant"]}


@case("images_splits_and_valid", "images:{d}", "train, valid and test, named in another case")
def _(d: Path) -> dict[str, Any]:
    parted(d, "Train", "test_set")
    pictures(d / "Validation" / "glioma", 2, 40)
    counts = {"train": 12, "val": 2, "test": 6}
    return {"n": 20, "labels": ["glioma", "pituitary"], "counts": counts}


@case("images_splits_within_classes", "images:{d}", "a folder train and one test in each class")
def _(d: Path) -> dict[str, Any]:
    for number, name in enumerate(("glioma", "pituitary")):
        pictures(d / name / "train", 6, 20 * number)
        pictures(d / name / "test", 3, 20 * number + 10)
    return TWO


@case("images_patients_leak", "images:{d}?classes=false", "two images a patient: warned of")
def _(d: Path) -> dict[str, Any]:
    for patient in range(8):
        pictures(d / f"patient{patient:03d}", 2, 2 * patient)
    return {"n": 16, "remarks": ["patient=", "several splits"]}


@case("images_patients_no_leak", "images:{d}", "nothing is warned of where patients stay whole")
def _(d: Path) -> dict[str, Any]:
    pictures(d, 8)
    return {"n": 8, "no_remarks": True}


def scans(d: Path, name: str) -> None:
    """Two sessions of six subjects, laid out as BIDS says."""
    (d / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.8.0"}))
    for subject in range(6):
        for session in (1, 2):
            stem = f"sub-{subject:02d}_ses-{session}"
            folder = d / f"sub-{subject:02d}" / f"ses-{session}" / name
            folder.mkdir(parents=True)
            if name == "anat":
                volume = np.arange(60, dtype=np.int16).reshape(5, 4, 3) + subject * 7 + session
                nii(folder, volume, name=f"{stem}_T1w.nii.gz")
            else:
                trace, _ = ecg(8.0)
                edf(folder / f"{stem}_task-rest_eeg.edf", b"uV", trace * (100 + subject))


@case("bids_nifti_sessions", "nifti:{d}", "BIDS: the sessions of a subject stay in one split")
def _(d: Path) -> dict[str, Any]:
    scans(d, "anat")
    return {"n": 12, "apart": r"sub-(\d+)", "remarks": ["BIDS"]}


@case("bids_edf_sessions", "edf:{d}?window=4", "BIDS: the same of recordings")
def _(d: Path) -> dict[str, Any]:
    scans(d, "eeg")
    return {"n": 24, "apart": r"sub-(\d+)", "remarks": ["BIDS"]}


@case("bids_one_file_broken", "edf:{d}?window=4", "the same with a broken file", skip_bad=True)
def _(d: Path) -> dict[str, Any]:
    scans(d, "eeg")
    broken = next(d.glob("sub-03/ses-1/eeg/*.edf"))
    broken.write_bytes(broken.read_bytes()[:-100])
    return {"n": 22, "apart": r"sub-(\d+)"}


@case("wfdb_segments_apart", "wfdb:{d}?window=4", "the segments of a recording stay in one split")
def _(d: Path) -> dict[str, Any]:
    segments(d)
    return {"n": 20, "apart": r"(\w)"}


@case("wfdb_segments_broken", "wfdb:{d}?window=4", "the same with --skip-bad", skip_bad=True)
def _(d: Path) -> dict[str, Any]:
    segments(d)
    (d / "b_0002.dat").write_bytes(b"")
    return {"n": 18, "apart": r"(\w)"}


def segments(d: Path) -> None:
    """Five recordings of two segments each."""
    for name in "abcde":
        for number in (1, 2):
            record(d, name=f"{name}_{number:04d}", seconds=8.0, ann=False)
        (d / f"{name}.hea").write_text(f"{name}/2 1 250 4000\n{name}_0001 2000\n{name}_0002 2000\n")


@case("csv_ucr_names", "csv:{d}", "UCR: X_TRAIN.tsv and X_TEST.tsv, tabs, labels -1 and 1 in front")
def _(d: Path) -> dict[str, Any]:
    for part in ("TRAIN", "TEST"):
        lines = [
            "\t".join([str((-1) ** k), *map(repr, map(float, row))]) for k, row in enumerate(rows())
        ]
        (d / f"ECG200_{part}.tsv").write_text("\n".join(lines) + "\n")
    counts = {"train": 10, "val": 2, "test": 12}
    return {"n": 24, "labels": ["-1", "1"], "shape": (20,), "counts": counts}


# ------------------------------------------------------------------------------------------ range
@case("image_masks_data_range", "images:{d}" + ALONE + "&range=data", "the data's range: 0 to 1")
def _(d: Path) -> dict[str, Any]:
    for k in range(4):
        Image.fromarray((np.roll(PICTURE, k, 0) > 100).astype(np.uint8)).save(d / f"{k}.png")
    return {"n": 4, "range": [0, 1]}


@case("image_12bit_data_range", "images:{d}" + ALONE + "&range=data", "12 bits of 16")
def _(d: Path) -> dict[str, Any]:
    for k in range(4):
        deep = (np.roll(PICTURE, k, 0).astype(np.uint16)) * 16
        Image.fromarray(deep).save(d / f"{k}.png")
    return {"n": 4, "range": [float(PICTURE.min()) * 16, float(PICTURE.max()) * 16]}


@case("image_full_range", "images:{d}" + ALONE, "no remark where the type's range is used")
def _(d: Path) -> dict[str, Any]:
    pictures(d, 4)
    return {"n": 4, "range": [0, 255], "no_remarks": True}


# -------------------------------------------------------------------------------------------- CSV
CLASSES = [k % 2 for k in range(12)]
SAMPLES = "&value=ecg&time=time"


def table(name: str, right: str, outcome: str = "read", options: str = "", **more: Any) -> Any:
    return case(name, "csv:{d}/a.csv" + ALONE + options, right, outcome, **more)


@table("csv_bom_text_labels", "a byte order mark and text labels at once")
def _(d: Path) -> dict[str, Any]:
    text = csv_rows(rows(), ["normal", "afib"] * 6)
    (d / "a.csv").write_text(text, encoding="utf-8-sig")
    return {"n": 12, "shape": (20,), "labels": ["afib", "normal"], "probes": first_cell()}


def first_cell() -> list[list[float]]:
    return [[0, 0, float(rows()[0, 0])]]


@table("csv_trailing_comma", "a comma behind every row is no column")
def _(d: Path) -> dict[str, Any]:
    lines = csv_rows(rows(), CLASSES).splitlines()
    (d / "a.csv").write_text("".join(f"{line},\n" for line in lines))
    return {"n": 12, "shape": (20,), "labels": ["0", "1"], "probes": first_cell()}


@table("csv_trailing_comma_header", "the same below a header")
def _(d: Path) -> dict[str, Any]:
    lines = [",".join([*(f"t{k}" for k in range(20)), "label"])]
    lines += csv_rows(rows(), CLASSES).splitlines()
    (d / "a.csv").write_text("".join(f"{line},\n" for line in lines))
    return {"n": 12, "shape": (20,), "labels": ["0", "1"], "probes": first_cell()}


for _word in ("NA", "N/A", "NaN", "null", "#N/A", ""):

    @table(f"csv_first_row_{_word.replace('/', '-') or 'empty'}", "no number in the first row")
    def _(d: Path, word: str = _word) -> dict[str, Any]:
        lines = csv_rows(rows(), CLASSES).splitlines()
        cells = lines[0].split(",")
        cells[3] = word
        lines[0] = ",".join(cells)
        (d / "a.csv").write_text("\n".join(lines) + "\n")
        return {"n": 12, "shape": (20,), "masked": 1, "probes": first_cell()}


@table("csv_row_names", "R's write.csv: row names without a name of their own")
def _(d: Path) -> dict[str, Any]:
    head = ",".join(['""', *(f'"V{k}"' for k in range(20)), '"label"'])
    lines = csv_rows(rows(), CLASSES).splitlines()
    numbered = [f'"{k + 1}",{line}' for k, line in enumerate(lines)]
    (d / "a.csv").write_text("\n".join([head, *numbered]) + "\n")
    return {"n": 12, "shape": (20,), "labels": ["0", "1"], "probes": first_cell()}


@table("csv_label_in_front", "a header that calls its first column the class", "either")
def _(d: Path) -> dict[str, Any]:
    head = ",".join(["class", *(f"t{k}" for k in range(20))])
    lines = [
        f"{label},{line}"
        for label, line in zip(CLASSES, csv_rows(rows()).splitlines(), strict=True)
    ]
    (d / "a.csv").write_text("\n".join([head, *lines]) + "\n")
    return {"n": 12, "shape": (20,), "labels": ["0", "1"], "probes": first_cell()}


@table("csv_labels_three", "labels -1, 0 and 1: three classes")
def _(d: Path) -> dict[str, Any]:
    (d / "a.csv").write_text(csv_rows(rows(), [-1, 0, 1] * 4))
    return {"n": 12, "labels": ["-1", "0", "1"]}


@table("csv_labels_measured", "a last column of measurements is no class", "error", says=["label"])
def _(d: Path) -> None:
    (d / "a.csv").write_text(csv_rows(rows()))


for _name, _separator, _decimal in (
    ("semicolon_comma", ";", ","),
    ("tab_point", "\t", "."),
    ("tab_comma", "\t", ","),
    ("bar", "|", "."),
):

    @table(f"csv_samples_{_name}", "another separator", options=SAMPLES)
    def _(d: Path, separator: str = _separator, decimal: str = _decimal) -> dict[str, Any]:
        (d / "a.csv").write_text(samples(separator, decimal=decimal))
        return {"n": 1, "probes": [[10, 0, 0.9093]], "seconds": 49 / 250}

    @table(f"csv_rows_{_name}", "another separator in rows of signals")
    def _(d: Path, separator: str = _separator, decimal: str = _decimal) -> dict[str, Any]:
        text = csv_rows(rows(), CLASSES, separator).replace(".", decimal)
        (d / "a.csv").write_text(text)
        return {"n": 12, "shape": (20,), "labels": ["0", "1"], "probes": first_cell()}


@table("csv_utf16_rows", "UTF-16, as Excel's Unicode text", "either", says=["UTF-16"])
def _(d: Path) -> dict[str, Any]:
    (d / "a.csv").write_text(csv_rows(rows(), CLASSES, "\t"), encoding="utf-16")
    return {"n": 12, "shape": (20,)}


# ----------------------------------------------------------------- nothing that could be a signal
@table("csv_header_only", "a header and no row", "error", says=["row"], options=SAMPLES)
def _(d: Path) -> None:
    (d / "a.csv").write_text("time,ecg\n")


@table("csv_header_only_rows", "a header and no row of signals", "error", says=["row"])
def _(d: Path) -> None:
    (d / "a.csv").write_text(",".join([*(f"t{k}" for k in range(20)), "label"]) + "\n")


@case("csv_header_only_split", "csv:{d}/a.csv", "a header and no row, to be split", "error")
def _(d: Path) -> None:
    (d / "a.csv").write_text(",".join([*(f"t{k}" for k in range(20)), "label"]) + "\n")


@case("csv_rows_all_short", "csv:{d}/a.csv", "no row as long as the first", "error", skip_bad=True)
def _(d: Path) -> None:
    (d / "a.csv").write_text("a,b,c,label\n" + "1,2\n" * 5)


@case(
    "wfdb_all_excluded", "wfdb:{d}" + ALONE + "&exclude=r1&window=4", "no record is left", "error"
)
def _(d: Path) -> None:
    heart(d, b"r1.dat 16 1000/mV 16 0 0 0 0 II")


@case("wfdb_one_broken", "wfdb:{d}?window=4", "one broken header: the cause first", "error",
      says=["header"])  # fmt: skip
def _(d: Path) -> None:
    (d / "r1.hea").write_bytes(b"\x00\x01nonsense")


@case("edf_one_broken", "edf:{d}/a.edf", "one broken file: the cause first", "error", says=["EDF"])
def _(d: Path) -> None:
    (d / "a.edf").write_bytes(b"not a recording" * 40)


@case("images_one_broken", "images:{d}/a.png", "one broken file: the cause first", "error",
      says=["image"])  # fmt: skip
def _(d: Path) -> None:
    (d / "a.png").write_bytes(b"not an image" * 40)


@case("csv_one_broken", "csv:{d}/a.csv", "one broken file: the cause first", "error", says=["text"])
def _(d: Path) -> None:
    (d / "a.csv").write_bytes(b"\x00\xff\x81\x00" * 40)


@case("wfdb_window_tiny", "wfdb:{d}" + ALONE + "&window=1e-9", "refused at once", "error",
      says=["window"])  # fmt: skip
def _(d: Path) -> None:
    heart(d, b"r1.dat 16 1000/mV 16 0 0 0 0 II")


@case("wfdb_stride_tiny", "wfdb:{d}" + ALONE + "&window=1&stride=1e-9", "refused at once", "error",
      says=["stride"])  # fmt: skip
def _(d: Path) -> None:
    heart(d, b"r1.dat 16 1000/mV 16 0 0 0 0 II")


@case("edf_rate_huge", "edf:{d}" + ALONE + "&rate=1e6", "refused at once", "error", says=["rate"])
def _(d: Path) -> None:
    trace, _ = ecg()
    edf(d / "a.edf", b"uV", trace)
