"""Make the signals that ship with the package from six public files:
``python tools/make_samples.py FOLDER``.

FOLDER holds these files, taken as they are from public distributions (their licences:
``src/medfuncta/_src/sources/samples/LICENSES.md``):

==================================================
=================================================================== file
distribution and path in it ==================================================
=================================================================== ecg.dat
SciPy 1.9.3 wheel, scipy/misc/ mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz    Nilearn 0.14.1
wheel, nilearn/datasets/data/ ch2bet.nii.gz                                       Debian package
mricron-data 1.2.20211006, usr/share/mricron/templates/ lung1_image.nrrd, lung2_image.nrrd
PyRadiomics 3.0.1 source distribution, data/ ihc.png
scikit-image wheel, skimage/data/ ==================================================
===================================================================

Nothing is downloaded and nothing is drawn at random: the same files give the same bytes. Needs
    SciPy besides the package's own
dependencies and ``medfuncta[nrrd]``.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sample_file import Card, Split, write_sample
from sample_volumes import slices, volumes
from scipy import signal
from wfdb.processing import gqrs_detect

from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.sources.source import SourceInfo

DIGESTS = {
    "ch2bet.nii.gz": "592a2d20abdf36eefcb540ca8958428040edffc1bc1a18ba1dcfbabac77c5dd1",
    "ecg.dat": "f20ad3365fb9b7f845d0e5c48b6fe67081377ee466c3a220b7f69f35c8958baf",
    "ihc.png": "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef",
    "lung1_image.nrrd": "379fa48bf34cfa961e6f5ec19c0c38757a30b9aa884212ef28dc29b5061c64ed",
    "lung2_image.nrrd": "aa2b94eec79127ed786798ac8dc3c013010e1692d5787bebfae1a1e9685a4651",
    "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz": (
        "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6"
    ),
}

# --- ecg: beats of one patient
# --------------------------------------------------------------------------------------------------

RATE, BEAT_RATE, BEAT_SAMPLES = 360, 125, 187
WIDE_SECONDS = 0.060
ECG_SPLITS = {
    "train": (0, 195),
    "val": (200, 235),
    "test": (240, 300),
}  # seconds; gaps of 5 s keep overlapping beats apart


def ecg_beats(folder: Path) -> None:
    """Beats in the form of Kachuee et al. 2018, from the R peak on for 1.2 median RR intervals, in
    mV."""
    with np.load(folder / "ecg.dat", allow_pickle=False) as file:
        trace = (file["ecg"].astype(float) - 1024) / 200  # ADC zero and gain of the record: mV
    peaks = gqrs_detect(trace, RATE)
    resampled = signal.resample_poly(trace, BEAT_RATE, RATE)
    length = min(BEAT_SAMPLES, round(1.2 * float(np.median(np.diff(peaks))) * BEAT_RATE / RATE))
    splits = {name: Split() for name in ECG_SPLITS}
    for peak, width in zip(peaks, _qrs_seconds(trace, peaks), strict=True):
        start = round(peak * BEAT_RATE / RATE)
        beat = np.round(resampled[start : start + length], 3)
        inside = [
            name
            for name, (low, high) in ECG_SPLITS.items()
            if low * BEAT_RATE <= start and start + length <= high * BEAT_RATE
        ]
        if not inside or not np.isfinite(width):
            continue
        low, high = float(beat.min()), float(beat.max())
        padded = np.pad(
            beat, (0, BEAT_SAMPLES - length), constant_values=low
        )  # the minimum is the 0 of the normalised beat
        splits[inside[0]].add(
            padded.astype(np.float32)[:, None],
            int(width > WIDE_SECONDS),
            (low, high),
            f"second {peak / RATE:.2f}",
        )
    card = Card(
        SignalSpec(1, 1, (BEAT_SAMPLES,), "mV", "ecg", ("narrow QRS", "wide QRS"), "binary-class"),
        SourceInfo(
            name="sample:ecg",
            licence="ODC-By 1.0",
            citation=(
                "Moody, Mark. MIT-BIH Arrhythmia Database, record 208, lead MLII, 19:35 to 24:35; "
                "PhysioNet, doi:10.13026/C2F305"
            ),
            split_by="time",
            details={
                "patients": 1,
                "splits": (
                    "one patient: train, val and test are stretches of one recording, 5 s apart; "
                    "figures do not carry over to others"
                ),
                "labels": (
                    "by rule, not by a cardiologist: wide where the QRS is wider than 60 ms at "
                    "half its height"
                ),
                "beats": (
                    "from the R peak (gqrs) for 1.2 median RR intervals, 125 Hz, padded with the "
                    "minimum to 187 samples"
                ),
                "range": "minimum to maximum of each beat",
            },
        ),
        (1 / BEAT_RATE,),
        "s",
    )
    write_sample("ecg", card, splits)


def _qrs_seconds(trace: np.ndarray, peaks: np.ndarray) -> Iterator[float]:
    """Width of the largest deflection near each peak at half its height above or below the local
    median; NaN at the ends."""
    smooth = signal.sosfiltfilt(signal.butter(2, [1, 40], "band", fs=RATE, output="sos"), trace)
    before, after = round(0.16 * RATE), round(0.24 * RATE)
    for peak in peaks:
        window = smooth[max(0, peak - before) : peak + after] - np.median(
            smooth[max(0, peak - RATE) : peak + RATE]
        )
        top = int(np.argmax(np.abs(window)))
        whole = len(window) == before + after and 0 < top < len(window) - 1
        yield (
            signal.peak_widths(np.sign(window[top]) * window, [top])[0][0] / RATE
            if whole
            else float("nan")
        )


# --- histology: patches of one slide
# -------------------------------------------------------------------------------------------------

PATCH_PIXELS = 32
DAB = np.array([0.27, 0.57, 0.78])  # optical density of the brown stain (Ruifrok and Johnston 2001)
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
HISTOLOGY_ROWS = {"train": range(0, 10), "val": range(11, 12), "test": range(13, 16)}


def histology(folder: Path) -> None:
    """Every second patch, as on a chessboard, of one slide of colon tissue."""
    picture = np.asarray(Image.open(folder / "ihc.png").convert("RGB"))
    density = -np.log10((picture + 1.0) / 256)
    brown = np.linalg.lstsq(
        np.stack([DAB, HAEMATOXYLIN], axis=1), density.reshape(-1, 3).T, rcond=None
    )[0][0].reshape(picture.shape[:2])
    stained = brown > 0.25
    splits = {name: Split() for name in HISTOLOGY_ROWS}
    for name, rows in HISTOLOGY_ROWS.items():
        for row, column in (
            (r, c)
            for r in rows
            for c in range(picture.shape[1] // PATCH_PIXELS)
            if (r + c) % 2 == 0
        ):
            box = tuple(slice(n * PATCH_PIXELS, (n + 1) * PATCH_PIXELS) for n in (row, column))
            splits[name].add(
                picture[box],
                int(stained[box].mean() > 0.25),
                (0, 255),
                f"row {row} column {column}",
            )
    card = Card(
        SignalSpec(
            2,
            3,
            (PATCH_PIXELS,) * 2,
            "8-bit",
            "histology",
            ("mostly unstained", "brown stain (FHL2)"),
            "binary-class",
        ),
        SourceInfo(
            name="sample:histology",
            licence="no known copyright restrictions (scikit-image)",
            citation=(
                "Immunohistochemistry of colonic glands, Center for Microscopy and Molecular "
                "Imaging; scikit-image data set 'ihc'"
            ),
            split_by="region",
            details={
                "splits": (
                    "one slide: train, val and test are strips of it with a strip of 32 pixels "
                    "between them"
                ),
                "labels": (
                    "by rule: brown where more than a quarter of the pixels carry the DAB stain "
                    "(optical density above 0.25)"
                ),
            },
        ),
    )
    write_sample("histology", card, splits)


def main() -> None:
    """Check that the files are those named above, then make every sample."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the folder with the six files")
    folder = parser.parse_args().folder
    for name, digest in DIGESTS.items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise SystemExit(f"{name} is not the file that the samples were made from")
    for build in (ecg_beats, slices, volumes, histology):
        build(folder)


if __name__ == "__main__":
    main()
