from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import wfdb

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.sources.identity import public_name
from medfuncta._src.sources.options import describe
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from medfuncta._src.sources.wfdb import FORMAT
from sources.conformance import check_source

RATE = 250
PEAKS = np.arange(200, 5000, 200)  # every 0.8 s
BEAT = round(1.2 * 0.8 * 125)
SYMBOLS = ("N", "A", "V", "F", "/", "+", "L")


def write_record(
    folder: Path,
    name: str,
    leads: tuple[str, ...] = ("MLII", "V1"),
    units: str = "mV",
    gap: slice = slice(0, 0),
) -> None:
    """20 s of a slow sine with a spike at each peak, in millivolts; '+' marks a change of rhythm,
    which is no beat."""
    seconds = np.arange(5000) / RATE
    trace = 0.2 * np.sin(seconds) + 0.1 * (int(name) - 100)
    trace[PEAKS] += 1.0
    trace[gap] = np.nan
    signals = np.stack([trace * (lead + 1) for lead in range(len(leads))], axis=1)
    wfdb.wrsamp(
        name,
        fs=RATE,
        units=[units] * len(leads),
        sig_name=list(leads),
        p_signal=signals,
        fmt=["16"] * len(leads),
        write_dir=str(folder),
    )
    symbols = [SYMBOLS[i % len(SYMBOLS)] for i in range(len(PEAKS))]
    aux = ["(N" if symbol == "+" else "" for symbol in symbols]
    wfdb.wrann(name, "atr", PEAKS, symbols, aux_note=aux, write_dir=str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    records = tmp_path / "records"
    records.mkdir()
    for name in ("101", "102", "103", "104"):
        write_record(records, name)
    return records


def opened(folder: Path, query: str = "", *, skip_bad: bool = False) -> Source:
    return open_source(f"wfdb:{folder}?{query}", skip_bad=skip_bad)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "window=2&stride=1",
        "ids=names&pad=mask",
        "lead=V1&limit=3&per_record=2",
        "rate=50&length=40",
    ],
)
def test_it_keeps_every_promise_of_a_source(folder: Path, query: str) -> None:
    check_source(lambda: opened(folder, query))


def test_a_beat_starts_at_its_peak_and_is_padded_with_its_lowest_value(folder: Path) -> None:
    beat = next(opened(folder, "ids=names&test=101").signals("test"))
    assert (
        beat.id == "101-000000"
        and beat.label == 0
        and beat.metadata == {"record": "101", "symbol": "N"}
    )
    assert beat.values.shape == (187, 1) and beat.mask is None
    trace = beat.normalised()[:, 0]
    assert (
        trace.max() == 1 and trace[:BEAT].min() == 0 and trace[0] > 0.85 and trace[100] > 0.85
    )  # its own peak and the next
    assert (trace[BEAT:] == 0).all() and (trace[5 : BEAT - 1] > 0).sum() > BEAT - 10


def test_a_beat_goes_back_to_millivolts(folder: Path) -> None:
    beat = next(opened(folder, "test=101&rate=250&length=400").signals("test"))
    seconds = np.arange(200, 440) / RATE
    expected = 0.2 * np.sin(seconds) + 0.1
    restored = beat.range.restore(beat.normalised())[:240, 0]
    assert beat.unit == "mV" and beat.domain.half_sides == (1.0,)  # type: ignore[union-attr]
    assert np.abs(restored - expected)[1:199].max() < 1e-3 and restored[0] == pytest.approx(
        expected[0] + 1, abs=1e-3
    )


def test_padding_can_count_as_not_observed(folder: Path) -> None:
    beat = next(opened(folder, "pad=mask").signals("train"))
    assert beat.mask is not None and beat.mask.sum() == BEAT and beat.mask[:BEAT].all()


def test_classes_are_those_of_aami_and_other_marks_are_no_beats(folder: Path) -> None:
    beats = list(opened(folder, "test=102").signals("test"))
    whole = [SYMBOLS[i % 7] for i, peak in enumerate(PEAKS) if peak + 240 <= 5000]
    assert [beat.metadata["symbol"] for beat in beats] == [
        symbol for symbol in whole if symbol != "+"
    ]
    assert [beat.label for beat in beats][:6] == [0, 1, 2, 3, 4, 0]
    assert opened(folder).spec.label_names == ("N", "S", "V", "F", "Q")


def test_windows_are_in_millivolts_and_need_no_annotations(folder: Path) -> None:
    for path in folder.glob("*.atr"):
        path.unlink()
    source = opened(folder, "window=2&stride=5&test=103&ids=names&range=-1,2")
    windows = list(source.signals("test"))
    assert [window.id for window in windows] == [
        "103-000000",
        "103-000001",
        "103-000002",
        "103-000003",
    ]
    assert (
        source.spec.shape == (500,) and source.spec.label_names == () and windows[0].label is None
    )
    expected = 0.2 * np.sin(np.arange(1250, 1750) / RATE) + 0.3
    got = windows[1].values[:, 0]
    assert np.median(np.abs(got - expected)) < 1e-3 and (
        windows[1].range.low,
        windows[1].range.high,
    ) == (-1, 2)


def test_voltages_in_other_units_become_millivolts(tmp_path: Path) -> None:
    for name, units in (("101", "uV"), ("102", "mV"), ("103", "V")):
        write_record(tmp_path, name, units=units)
    source = opened(tmp_path, "window=20&val=102&test=103")
    peaks = {
        split: max(float(signal.values.max()) for signal in source.signals(split))
        for split in source.splits
    }
    assert peaks["train"] == pytest.approx(1.3e-3, rel=0.05) and peaks["test"] == pytest.approx(
        1.5e3, rel=0.05
    )


def test_a_gap_is_masked_and_nothing_else(tmp_path: Path) -> None:
    write_record(tmp_path, "101", gap=slice(1000, 1500))
    source = opened(tmp_path, "window=4&rate=125&val=0&test=0")
    before, within, *after = [window.mask for window in source.signals("train")]
    assert before is None and after == [None, None, None]
    assert within is not None and not within[:250].any() and within[251:].all()


def test_a_window_inside_a_gap_is_no_signal(tmp_path: Path) -> None:
    write_record(tmp_path, "101", gap=slice(990, 2010))
    assert len(list(opened(tmp_path, "window=4&val=0&test=0").signals("train"))) == 4


def test_the_usual_lead_is_taken_and_records_without_it_are_reported(folder: Path) -> None:
    write_record(folder, "105", leads=("V5", "V2"))
    source = opened(folder, "val=0&test=102")
    assert len({signal.metadata["record"] for signal in source.signals("train")}) == 3
    assert [(entry.name, entry.reason) for entry in source.skipped] == [
        ("105", "no lead MLII; it has V5, V2")
    ]
    assert opened(folder, "lead=V1").info.details["lead"] == "V1"


def test_without_mlii_the_most_common_lead_is_taken(tmp_path: Path) -> None:
    for name, leads in (("101", ("V5", "II")), ("102", ("II",)), ("103", ("MLII", "II"))):
        write_record(tmp_path, name, leads=leads)
    assert opened(tmp_path, "val=0&test=0").info.details["lead"] == "II"


def test_records_of_one_patient_stay_together_and_some_are_left_out(folder: Path) -> None:
    source = opened(folder, "ids=names&patients=101%2B102&exclude=103&val=0&test=101%2B102")
    records = {
        split: {signal.metadata["record"] for signal in source.signals(split)}
        for split in source.splits
    }
    assert records == {"train": {"104"}, "test": {"101", "102"}}


def test_records_in_subfolders_have_ids_without_a_path(tmp_path: Path) -> None:
    for name in ("101", "102", "103"):
        (tmp_path / f"p{name}").mkdir()
        write_record(tmp_path / f"p{name}", name)
    signals = check_source(lambda: opened(tmp_path, "ids=names&test=p101/101"))
    assert signals["test"][0].id == "p101--101-000000"


def test_ids_hide_the_records_name_unless_asked(folder: Path) -> None:
    beat = next(opened(folder, "test=101").signals("test"))
    record = public_name("101", "hash")
    assert "101" not in record
    assert beat.id == f"{record}-000000" and beat.metadata["record"] == record


def test_every_step_is_on_record(folder: Path) -> None:
    details = opened(folder).info.details
    assert (
        details["rate"] == 125
        and details["lead"] == "MLII"
        and "median RR" in str(details["beats"])
    )
    assert set(describe(FORMAT.options)) <= set(details)


def replace_in_header(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "101.hea").write_text(
        (folder / "101.hea").read_text().replace(old, new)
    )


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (
            lambda f: (f / "101.dat").unlink(),
            "no file 101.dat, which 101.hea names; copy the whole record",
        ),
        (
            lambda f: (f / "101.dat").write_bytes(bytes(12)),
            "101.dat has 12 bytes; 101.hea needs 20000; copy the record again",
        ),
        (
            lambda f: (f / "101.atr").unlink(),
            "no file 101.atr beside 101.hea; beats need it, or cut windows with window=SECONDS",
        ),
        (
            lambda f: (f / "101.atr").write_bytes(b"\x01"),
            "101.atr is not a WFDB annotation file; copy it again",
        ),
        (
            lambda f: (f / "101.atr").write_bytes(b""),
            "101 has 0 beats and a median RR interval of 0.0 s; expected two beats or more, apart",
        ),
        (
            lambda f: (f / "101.hea").write_text("<html>not found</html>"),
            "101.hea is a web page (HTML), such as a download leaves that asks for a login or has "
            "failed; get the file itself",
        ),
        (
            lambda f: (f / "101.hea").write_text("no such file"),
            "101.hea is not a WFDB header (invalid syntax in record line); check the file",
        ),
        (
            lambda f: (f / "101.hea").write_bytes(bytes(range(256))),
            "101.hea is not a WFDB header; check the file",
        ),
        (
            lambda f: (f / "101.hea").write_text(""),
            "101.hea is empty, it has 0 bytes; get it again",
        ),
        (
            lambda f: (f / "101.hea").write_text("101 0 250 5000\n"),
            "101.hea describes no signals; expected signals in files beside it",
        ),
        (
            lambda f: (f / "101.hea").write_text("101/2 1 250 100\na 50\nb 50\n"),
            "no file a.hea, which 101.hea names; copy the whole record",
        ),
        (
            replace_in_header(" 250 ", " 0 "),
            "101.hea claims 0 samples a second; expected a positive number below a million",
        ),
        (
            replace_in_header(" 5000", " 5000000000000"),
            "101.dat has 20000 bytes; 101.hea needs 20000000000000; copy the record again",
        ),
        (
            replace_in_header("101.dat", "../101.dat"),
            "101.hea names a file outside of its folder; expected signals beside it",
        ),
        (
            replace_in_header("101.dat", "/etc/passwd"),
            "101.hea names a file outside of its folder; expected signals beside it",
        ),
        (replace_in_header("mV", "mmHg"), "lead MLII of 101.hea is in mmHg; expected mV"),
    ],
)
def test_a_broken_record_is_one_line_and_the_rest_stays_usable(
    folder: Path, damage: Callable[[Path], object], line: str
) -> None:
    damage(folder)
    query = "val=0&test=101,102"
    with pytest.raises(DataError) as caught:
        list(opened(folder, query).signals("test"))
    assert str(caught.value) == f"{line} (--skip-bad leaves such files out)"
    tolerant = opened(folder, query, skip_bad=True)
    assert len({signal.metadata["record"] for signal in tolerant.signals("test")}) == 1
    assert [(entry.name, entry.reason) for entry in tolerant.skipped] == [("101", line)]


def test_a_header_that_is_broken_is_found_in_the_first_split_too(folder: Path) -> None:
    (folder / "101.hea").write_text("")
    with pytest.raises(DataError, match=r"101\.hea is empty"):
        _ = opened(folder, "val=0&test=102").spec
    assert opened(folder, "val=0&test=102", skip_bad=True).spec.unit == "mV"


@pytest.mark.parametrize(
    ("query", "error", "line"),
    [
        (
            "lead=MLI",
            DataError,
            "no lead 'MLI' in the train split of 'records'; did you mean 'MLII'? Known: MLII, V1",
        ),
        ("range=1", ConfigError, "the option 'range' is 1; expected low,high"),
        (
            "windw=1",
            ConfigError,
            (
                "unknown option 'windw' of wfdb; did you mean 'window'? Known: annotator, "
                "citation, "
                "exclude"
            ),
        ),
        ("test=9", DataError, "no '9' for the test split; Known: 101, 102, 103, 104"),
        ("exclude=101,102,103,104", DataError, "exclude= leaves no record"),
    ],
)
def test_wrong_options_are_one_line(
    folder: Path, query: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error) as caught:
        _ = opened(folder, query).spec
    assert str(caught.value).startswith(line)


def test_one_beat_has_no_interval(folder: Path) -> None:
    wfdb.wrann("101", "atr", PEAKS[:1], ["N"], write_dir=str(folder))
    with pytest.raises(DataError, match="101 has 1 beats and a median RR"):
        list(opened(folder, "test=101").signals("test"))


def test_a_missing_or_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no folder or file 'nowhere'; check the location"):
        opened(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no \.hea in '.*'; expected at least one file"):
        opened(tmp_path)


def test_the_arrhythmia_database(test_data: Path) -> None:
    source = opened(test_data / "mitbih", "val=0&test=101")
    beats = list(source.signals("test"))
    assert Counter(beat.label for beat in beats) == {
        0: 1859,
        1: 3,
        4: 2,
    }  # PhysioNet counts 1860; the last one is cut off
    peaks = [float(beat.normalised()[:5].max()) for beat in beats]
    assert np.median(peaks) > 0.95 and beats[0].unit == "mV" and np.ptp(beats[0].values) > 0.5
