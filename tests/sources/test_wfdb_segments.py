"""Records in segments, read as the recordings that they make up and compared with what the field's
own library makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from cases.make_inputs import ecg
from medfuncta._src.errors import DataError
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source

RATE = 250
TRACE, PEAKS = ecg(40.0, RATE)


def opened(folder: Path, more: str = "", **how: Any) -> Source:
    return open_source(f"wfdb:{folder}?val=0&test=0&lead=II{more}", **how)


def segment(folder: Path, name: str, start: float, end: float, leads: tuple[str, ...]) -> None:
    """A stretch of the trace as a record; the second lead is twice the first."""
    stretch = TRACE[int(start * RATE) : int(end * RATE)]
    scale = {"II": 1.0, "V": 2.0}
    values = np.stack([stretch * scale[lead] for lead in leads], axis=1)
    wfdb.wrsamp(name, RATE, ["mV"] * len(leads), list(leads), values,
                fmt=["16"] * len(leads), write_dir=str(folder))  # fmt: skip


def annotate(folder: Path, name: str, peaks: np.ndarray) -> None:
    wfdb.wrann(name, "atr", peaks, symbol=["N"] * len(peaks), write_dir=str(folder))


@pytest.fixture
def fixed(tmp_path: Path) -> Path:
    """30.4 s in three segments, cut in the middle of beats."""
    cuts = (0, 10.1, 19.7, 30.4)
    lines = ["m/3 2 250 7600"]
    for number in range(3):
        segment(tmp_path, f"m_{number}", cuts[number], cuts[number + 1], ("II", "V"))
        lines.append(f"m_{number} {round((cuts[number + 1] - cuts[number]) * RATE)}")
    (tmp_path / "m.hea").write_text("\n".join(lines) + "\n")
    annotate(tmp_path, "m", PEAKS[PEAKS < 7600])
    return tmp_path


@pytest.fixture
def variable(tmp_path: Path) -> Path:
    """A layout, segments of other leads in another order, and a gap of 4 s."""
    segment(tmp_path, "v_1", 0, 10, ("II", "V"))
    segment(tmp_path, "v_2", 14, 24, ("V", "II"))
    segment(tmp_path, "v_3", 24, 28, ("V",))
    segment(tmp_path, "v_4", 28, 40, ("II",))
    (tmp_path / "v_layout.hea").write_text(
        "v_layout 2 250 0\n~ 0 1000/mV 16 0 0 0 0 V\n~ 0 1000/mV 16 0 0 0 0 II\n"
    )
    (tmp_path / "v.hea").write_text(
        "v/6 2 250 10000\nv_layout 0\nv_1 2500\n~ 1000\nv_2 2500\nv_3 1000\nv_4 3000\n"
    )
    annotate(tmp_path, "v", PEAKS)
    return tmp_path


def test_windows_run_over_the_borders_of_segments(fixed: Path) -> None:
    source = opened(fixed, "&window=4&ids=names")
    signals = list(source.signals("train"))
    whole: Any = wfdb.rdrecord(str(fixed / "m"), m2s=True)

    assert [signal.id for signal in signals] == [f"m-{number:06d}" for number in range(7)]
    values = np.concatenate([signal.values[:, 0] for signal in signals])
    np.testing.assert_allclose(values, whole.p_signal[:7000, 0], atol=1e-6)
    assert source.remarks == ["3 segments are read as the 1 recordings that they make up"]
    assert not source.skipped


def test_beats_lie_at_their_places_in_the_recording(fixed: Path) -> None:
    signals = list(opened(fixed, "&rate=250&length=200").signals("train"))
    peaks = PEAKS[PEAKS < 7600 - 240]  # of beats that are whole

    assert len(signals) == len(peaks)
    for signal, peak in zip(signals, peaks, strict=True):
        expected = TRACE[peak : peak + 200]
        np.testing.assert_allclose(signal.values[:, 0], expected, atol=2e-3)


def test_gaps_and_missing_leads_interrupt_a_variable_layout(variable: Path) -> None:
    source = opened(variable, "&rate=250&length=200")
    signals = list(source.signals("train"))
    inside = [(0, 2500), (3500, 6000), (7000, 10000)]
    peaks = [peak for peak in PEAKS for begin, end in inside if begin <= peak and peak + 240 <= end]

    assert len(signals) == len(peaks)
    for signal, peak in zip(signals, peaks, strict=True):
        np.testing.assert_allclose(signal.values[:, 0], TRACE[peak : peak + 200], atol=2e-3)
    assert not source.skipped


def test_windows_of_a_variable_layout_begin_behind_each_gap(variable: Path) -> None:
    signals = list(opened(variable, "&window=5").signals("train"))

    starts = [0, 5, 14, 19, 28, 33]
    assert len(signals) == len(starts)
    for signal, start in zip(signals, starts, strict=True):
        expected = TRACE[start * RATE : (start + 5) * RATE]
        np.testing.assert_allclose(signal.values[:, 0], expected, atol=2e-3)


def test_the_joining_header_alone_may_be_named(variable: Path) -> None:
    [signal, *_] = opened(variable / "v.hea", "&window=10").signals("train")

    np.testing.assert_allclose(signal.values[:, 0], TRACE[:2500], atol=2e-3)


def test_annotations_beside_the_segments_are_moved_to_their_places(fixed: Path) -> None:
    expected = [signal.values for signal in opened(fixed).signals("train")]
    (fixed / "m.atr").unlink()
    begin = 0
    for number, length in enumerate((2525, 2400, 2675)):
        own = PEAKS[(begin <= PEAKS) & (begin + length > PEAKS)] - begin
        annotate(fixed, f"m_{number}", own)
        begin += length

    found = [signal.values for signal in opened(fixed).signals("train")]

    np.testing.assert_array_equal(found, expected)


def test_a_broken_segment_leaves_a_gap_only_where_that_is_wanted(fixed: Path) -> None:
    (fixed / "m_1.dat").write_bytes(b"")
    with pytest.raises(DataError, match=r"m_1\.dat (has 0 bytes|is empty)"):
        list(opened(fixed, "&window=5").signals("train"))

    source = opened(fixed, "&window=5", skip_bad=True)
    signals = list(source.signals("train"))

    assert len(signals) == 4
    np.testing.assert_allclose(signals[2].values[:, 0], TRACE[4925 : 4925 + 1250], atol=2e-3)
    assert [entry.name for entry in source.skipped] == ["m_1.hea"]


def test_an_excluded_segment_is_a_gap(fixed: Path) -> None:
    assert len(list(opened(fixed, "&window=5&exclude=m_1").signals("train"))) == 4


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("m/2 2 250 7600\nm_0 2525\nm_9 10\n", r"no file m_9\.hea, which m\.hea names"),
        ("m/2 2 250 7600\nm_0 2525\nm_0 2525\n", "names a segment twice"),
        ("m/1 2 250 7600\nm_0\n", "a segment without its length"),
        ("m/1 2 250 7600\nm_0 99\n", r"m_0\.hea has 2,525 samples .* m\.hea claims 99"),
        ("m/1 2 250 7600\n../m_0 2525\n", "a file outside of its folder"),
        ("m/1 2 250 7600\n/etc/m_0 2525\n", "a file outside of its folder"),
        ("m/1 2 fast 7600\nm_0 2525\n", r"claims 0\.0 samples a second"),
        ("m/2 2 500 7600\nm_0 2525\nm_1 2400\n", r"lead II of m_0\.hea|has 2,525 samples"),
        ("m/1 2 250 7600\n~ 7600\n", "joins gaps only"),
        (f"m/2 2 250 7600\nm_0 2525\n~ {10**15}\n", "a segment without its length"),
    ],
)
def test_what_a_joining_header_must_not_say(fixed: Path, header: str, line: str) -> None:
    (fixed / "m.hea").write_text(header)

    with pytest.raises(DataError, match=line) as told:
        list(opened(fixed / "m.hea", "&window=0.2").signals("train"))
    assert str(fixed) not in str(told.value)


def test_a_segment_in_another_unit_is_refused(fixed: Path) -> None:
    header = fixed / "m_1.hea"
    header.write_text(header.read_text().replace("/mV", "/mmHg"))

    with pytest.raises(DataError, match=r"lead II of m_1\.hea has 250 samples a second in mmHg"):
        list(opened(fixed, "&window=5").signals("train"))


@pytest.mark.parametrize("name", ["m_1.hea", "m_1.dat"])
def test_no_segment_lies_behind_a_link_out_of_the_folder(
    fixed: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("private") / name
    (fixed / name).rename(outside)
    (fixed / name).symlink_to(outside)

    for place in (fixed, fixed / "m.hea"):
        with pytest.raises(DataError, match="link that leaves the folder"):
            list(opened(place, "&window=5").signals("train"))


def test_all_segments_together_stay_within_the_budget(fixed: Path) -> None:
    from medfuncta._src.door.allowance import allowing

    with allowing(signal_gib=1e-9), pytest.raises(DataError, match=r"m.*\.hea asks for"):
        for dat in fixed.glob("*.dat"):
            with dat.open("r+b") as file:  # holes take no place on the disk
                size = dat.stat().st_size
                file.truncate(0)
                file.truncate(size)
        list(opened(fixed, "&window=5").signals("train"))


def test_a_layout_alone_is_no_record(variable: Path) -> None:
    with pytest.raises(DataError, match=r"no record with signals in .* v_layout tells only"):
        opened(variable / "v_layout.hea", "&window=5")
