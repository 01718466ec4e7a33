from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from medfuncta._src.errors import ConfigError, DataError
from medfuncta._src.signals.domain import Grid
from medfuncta._src.sources.source import Source
from medfuncta._src.sources.table import open_source
from sources.conformance import check_source

edfio = pytest.importorskip("edfio")

RATE = 100
SECONDS = 40
CANARY = "Zygmunt"  # the patient's name in every header
HEADER = 256
ROOM = edfio.EdfAnnotation(0, None, "room for times of many digits")


def wave(seconds: float = SECONDS, rate: float = RATE, shift: float = 0.0) -> np.ndarray:
    """A slow sine, 150 high."""
    return 150 * np.sin(np.arange(round(seconds * rate)) / rate + shift)


def channel(
    data: np.ndarray, label: str = "ECG II", unit: str = "uV", rate: float = RATE
) -> edfio.EdfSignal:
    return edfio.EdfSignal(
        data, rate, label=label, physical_dimension=unit, physical_range=(-200, 200)
    )


def write(
    path: Path,
    channels: Sequence[edfio.EdfSignal],
    annotations: Sequence[edfio.EdfAnnotation] | None = None,
) -> None:
    """A file with data records of a second; with annotations, if only none, it is EDF+."""
    edfio.Edf(
        channels,
        patient=edfio.Patient(
            code=CANARY, name=f"{CANARY}_Doe", birthdate=datetime.date(1951, 8, 2)
        ),
        recording=edfio.Recording(
            startdate=datetime.date(2002, 2, 2), hospital_administration_code=CANARY
        ),
        data_record_duration=1,
        annotations=annotations,
    ).write(path)


def spread(path: Path, starts: Sequence[float], kind: bytes = b"EDF+D") -> None:
    """Make a continuous file with annotations a discontinuous one, whose data records begin at
    these seconds."""
    data = bytearray(path.read_bytes())
    signals = int(data[252:256])
    data[192:197] = kind
    start = HEADER + 216 * signals
    samples = [int(data[start + 8 * i : start + 8 * i + 8]) for i in range(signals)]
    size = 2 * sum(samples)
    before = 2 * sum(samples[:-1])
    for record, second in enumerate(starts):
        text = f"{second:+g}\x14\x14\x00".encode()
        at = HEADER * (signals + 1) + record * size + before
        old = bytes(data[at : at + size - before])
        rest = old[old.index(b"\x00") + 1 :].rstrip(b"\x00")
        new = text + rest + b"\x00" * bool(rest)
        assert len(new) <= len(old), "the test's records have too little room for their times"
        data[at : at + len(old)] = new.ljust(len(old), b"\x00")
    path.write_bytes(data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four files of one channel and a slower one."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for number, name in enumerate(("a1", "a2", "b1", "c1")):
        slow = channel(wave(rate=5, shift=number), label="Resp", unit="l/s", rate=5)
        write(recordings / f"{name}.edf", [channel(wave(shift=number)), slow])
    return recordings


def opened(folder: Path, query: str = "", *, skip_bad: bool = False) -> Source:
    return open_source(f"edf:{folder}?{query}", skip_bad=skip_bad)


def only(path: Path, query: str = "") -> list[np.ndarray]:
    """The values of all windows of one file."""
    source = opened(path, f"val=0&test=0&{query}")
    return [signal.values[:, 0] for signal in source.signals("train")]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "window=2&stride=1",
        "ids=names&lead=Resp",
        "window=4&limit=3&per_record=2&range=-1,2",
        "rate=50&patient=([abc])",
    ],
)
def test_it_keeps_every_promise_of_a_source(folder: Path, query: str) -> None:
    check_source(lambda: opened(folder, query))


def test_windows_are_the_librarys_values_in_millivolts(folder: Path) -> None:
    source = opened(folder, "window=10&ids=names&test=b1.edf")
    windows = list(source.signals("test"))
    assert [window.id for window in windows] == [f"b1-00000{i}" for i in range(4)]
    by_library = edfio.read_edf(folder / "b1.edf").signals[0].data
    ours = np.concatenate([window.values[:, 0] for window in windows])
    step = 400 / 65535 * 1e-3  # one digital step, in millivolts
    assert np.abs(ours - by_library * 1e-3).max() < step / 100  # float32 alone
    assert np.abs(ours - wave(shift=2) * 1e-3).max() <= step
    assert windows[0].unit == "mV" and windows[0].domain == Grid((1000,), (0.01,), unit="s")
    assert source.spec.modality == "ecg" and source.spec.shape == (1000,)


def test_a_second_library_reads_the_same(tmp_path: Path) -> None:
    """Scaling, units and rates by EDFlib, which also wrote the file."""
    pyedflib = pytest.importorskip("pyedflib")
    path = tmp_path / "x.edf"
    writer = pyedflib.EdfWriter(str(path), 2, file_type=pyedflib.FILETYPE_EDFPLUS)
    for number, (label, rate, low) in enumerate((("EEG Fz", 200, -3.5), ("Temp", 20, 20.0))):
        writer.setSignalHeader(
            number,
            {
                "label": label,
                "dimension": ("mV", "degC")[number],
                "sample_frequency": rate,
                "physical_min": low,
                "physical_max": 40.0,
                "digital_min": -2048,
                "digital_max": 2047,
                "transducer": "",
                "prefilter": "",
            },
        )
    generator = np.random.default_rng(0)
    data = [generator.uniform(21, 39, 20 * rate) for rate in (200, 20)]
    writer.writeSamples(data)
    writer.close()
    reader = pyedflib.EdfReader(str(path))
    for number, (lead, unit) in enumerate((("EEG Fz", "mV"), ("Temp", "degC"))):
        source = opened(path, f"val=0&test=0&window=5&lead={lead.replace(' ', '%20')}")
        ours = np.concatenate([signal.values[:, 0] for signal in source.signals("train")])
        assert np.allclose(ours, reader.readSignal(number), rtol=0, atol=1e-5)
        assert np.abs(ours - data[number]).max() < 43.5 / 4095
        assert source.spec.unit == unit
    assert opened(path, "val=0&test=0&lead=EEG%20Fz").spec.modality == "eeg"
    reader.close()


@pytest.mark.parametrize(
    ("unit", "kept", "factor"),
    [("uV", "mV", 1e-3), ("mV", "mV", 1), ("V", "mV", 1e3), ("mmHg", "mmHg", 1), ("", "", 1)],
)
def test_voltages_become_millivolts_and_other_units_stay(
    tmp_path: Path, unit: str, kept: str, factor: float
) -> None:
    path = tmp_path / "x.edf"
    write(path, [channel(wave(), unit=unit)])
    assert opened(path, "val=0&test=0").spec.unit == kept
    assert np.concatenate(only(path)).max() == pytest.approx(150 * factor, rel=1e-3)


def test_a_micro_sign_of_old_files_is_known(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    write(path, [channel(wave(), unit="uV")])
    path.write_bytes(path.read_bytes().replace(b"uV ", b"\xb5V "))
    assert opened(path, "val=0&test=0").spec.unit == "mV"


def test_every_channel_has_its_own_rate(folder: Path) -> None:
    assert opened(folder).spec.shape == (1000,)
    slow = opened(folder, "lead=Resp&window=8")
    assert slow.spec.shape == (40,) and slow.spec.unit == "l/s" and slow.spec.modality == "resp"
    both = opened(folder, "lead=Resp&window=8&rate=20")
    signal = next(both.signals("train"))
    assert both.spec.shape == (160,) and signal.domain == Grid((160,), (0.05,), unit="s")


def test_channels_of_one_name_are_told_apart_and_silent_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    off = edfio.EdfSignal.from_digital(
        np.zeros(SECONDS * RATE, np.int16), RATE, label="-", digital_range=(0, 1)
    )
    write(path, [channel(wave(), "T8"), channel(wave() / 2, "T8"), off])
    data = path.read_bytes()
    at = HEADER + 128 * 3 + 16  # the digital maximum of the third signal
    path.write_bytes(data[:at] + b"0       " + data[at + 8 :])
    assert np.concatenate(only(path, "lead=T8%20%232")).max() == pytest.approx(0.075, rel=1e-3)
    with pytest.raises(DataError, match=r"no lead '-' in .*Known: T8, T8 #2$"):
        _ = opened(path, "val=0&test=0&lead=-").spec


def test_an_interrupted_recording_is_cut_apart(tmp_path: Path) -> None:
    """Records of a second, of which 10 to 14 begin 6 s late: no window reaches over the pause."""
    path = tmp_path / "x.edf"
    write(path, [channel(wave(15))], annotations=[ROOM])
    values = edfio.read_edf(path).signals[0].data * 1e-3
    assert len(only(path, "window=4")) == 3
    spread(path, [second + 60_000.0 * (second >= 10) for second in range(15)])
    windows = only(path, "window=4")
    begins = [0, 4, 10]
    assert len(windows) == len(begins)
    for window, begin in zip(windows, begins, strict=True):
        expected = values[begin * RATE : (begin + 4) * RATE]
        assert np.allclose(window, expected, atol=1e-6)


def test_a_pause_shorter_than_half_a_sample_is_none(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    write(path, [channel(wave(12))], annotations=[ROOM])
    spread(path, [second + 0.004 * (second % 2) for second in range(12)])
    assert len(only(path, "window=12")) == 1


def test_beats_are_cut_where_annotations_are_their_symbols(tmp_path: Path) -> None:
    beats = [edfio.EdfAnnotation(0.8 * i + 1, None, "NAV"[i % 3]) for i in range(45)]
    other = edfio.EdfAnnotation(3, None, "Lights off")
    write(tmp_path / "x.edf", [channel(wave())], annotations=[*beats, other])
    source = opened(tmp_path / "x.edf", "window=none&val=0&test=0&rate=100&length=100")
    signals = list(source.signals("train"))
    assert source.spec.label_names == ("N", "S", "V", "F", "Q") and len(signals) == 45
    assert [signal.label for signal in signals[:3]] == [0, 1, 2]
    assert signals[0].metadata["symbol"] == "N"
    assert np.allclose(signals[1].values[:96, 0], wave()[180:276] * 1e-3, atol=1e-5)


def test_beats_lie_where_they_were_noted_behind_a_pause(tmp_path: Path) -> None:
    beats = [edfio.EdfAnnotation(0.5 * i, None, "N") for i in range(20)]
    path = tmp_path / "x.edf"
    write(path, [channel(wave(10))], annotations=beats)
    spread(path, [second + 2.0 * (second >= 5) for second in range(10)])
    source = opened(path, "window=none&val=0&test=0&rate=100&length=60")
    starts = [
        int(np.abs(wave(10) * 1e-3 - s.values[0, 0]).argmin()) for s in source.signals("train")
    ]
    before = [start for start in range(0, 441, 50)]  # the last ends before second 5
    behind = [start - 200 for start in range(700, 951, 50)]
    assert starts == [*before, *behind]


def test_files_of_a_patient_stay_together(folder: Path) -> None:
    source = opened(folder, "patient=([abc])&ids=names&val=0&test=a,")
    records = {signal.metadata["record"] for signal in source.signals("test")}
    assert records == {"a1", "a2"} and source.info.split_by == "patient"


def test_classes_of_files_are_those_of_their_windows(folder: Path) -> None:
    rows = "file,class\na1,ill\na2,well\nb1,ill\nc1,well\n"
    (folder / "classes.csv").write_text(rows)
    source = opened(folder, "labels=classes.csv&val=0&test=a1.edf,a2.edf")
    labels = [signal.label for signal in source.signals("test")]
    assert source.spec.label_names == ("ill", "well") and labels == [0] * 4 + [1] * 4


def test_a_file_of_annotations_alone_is_left_out(folder: Path) -> None:
    stage = edfio.EdfAnnotation(0, 30, "Sleep stage W")
    edfio.Edf([], annotations=[stage]).write(folder / "hypnogram.edf")
    source = opened(folder, "val=0&test=0")
    assert len(list(source.signals("train"))) == 16
    assert [(entry.name, entry.reason) for entry in source.skipped] == [
        ("hypnogram.edf", "no lead ECG II; it has none")
    ]


def test_nothing_of_the_patient_goes_anywhere(folder: Path) -> None:
    for path in folder.iterdir():
        path.rename(folder / f"{CANARY}-{path.name}")
    source = opened(folder, "val=0&test=0")
    signals = list(source.signals("train"))
    told = repr((source, source.info, source.spec, [signal.header for signal in signals]))
    for secret in (CANARY, "Doe", "1951", "AUG", "02.02.02", "2002"):
        assert secret not in told


def put(at: int, text: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + text + data[at + len(text) :]


SIGNALS = 2
SAMPLES = HEADER + 216 * SIGNALS
BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda data: b"", "b1.edf is empty, it has 0 bytes; get it again"),
    "text": (lambda data: b"no recording " * 99, "b1.edf is not an EDF file; check the file"),
    "only a header's beginning": (
        lambda data: data[:300],
        "b1.edf ends within its header; get it again",
    ),
    "only a header": (
        lambda data: data[:768],
        "b1.edf has 768 bytes; its header claims 9168; get it again",
    ),
    "truncated": (
        lambda data: data[:-100],
        "b1.edf has 9068 bytes; its header claims 9168; get it again",
    ),
    "too long": (
        lambda data: data + b"\x00" * 7,
        "b1.edf has 9175 bytes; its header claims 9168; get it again",
    ),
    "still recorded": (
        put(236, b"-1      "),
        "b1.edf claims -1 as its number of data records; expected at least 1; close the recording "
        "or repair its header",
    ),
    "no record": (put(236, b"0       "), "b1.edf claims 0 as its number of data records"),
    "claims terabytes": (
        put(236, b"99999999"),
        "b1.edf has 9168 bytes; its header claims 210000005",
    ),
    "records without length": (
        put(244, b"0       "),
        "b1.edf claims data records of 0 seconds; expected a positive length; repair its header",
    ),
    "records of negative length": (put(244, b"-1      "), "b1.edf has no length of data records"),
    "length that is none": (put(244, b"nan     "), "b1.edf has no length of data records"),
    "too fast": (put(244, b"1e-7    "), "b1.edf claims 1e+09 samples a second for ECG II"),
    "no sample": (
        put(SAMPLES, b"0       "),
        "b1.edf claims 0 as its number of samples in a data record; expected at least 1",
    ),
    "negative samples": (put(SAMPLES, b"-100    "), "b1.edf claims -100 as its number of samples"),
    "samples of terabytes": (put(SAMPLES, b"99999999"), "b1.edf has 9168 bytes; its header claims"),
    "no signal": (put(252, b"0   "), "b1.edf claims 0 as its number of signals"),
    "thousands of signals": (put(252, b"9999"), "b1.edf ends within its header; get it again"),
    "another header's length": (
        put(184, b"512     "),
        "b1.edf claims a header of 512 bytes; 2 signals need 768; repair its header",
    ),
    "words for a number": (
        put(236, CANARY.encode().ljust(8)),
        "b1.edf has no whole number as its number of data records; repair its header",
    ),
    "words for a scale": (
        put(HEADER + 104 * SIGNALS, CANARY.encode().ljust(8)),
        "b1.edf is not as EDF has it (numbers of a channel, or annotations); repair the file or",
    ),
    "a scale that is none": (
        put(HEADER + 104 * SIGNALS, b"nan     "),
        "b1.edf is not as EDF has it (numbers of a channel, or annotations); repair the file or",
    ),
    "interrupted without times": (
        put(192, b"EDF+D"),
        "b1.edf says that it has interruptions (EDF+D) but not when; repair the file",
    ),
}


@pytest.mark.parametrize(("damage", "line"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_one_line_and_the_rest_stays_usable(
    folder: Path, damage: Callable[[bytes], bytes], line: str
) -> None:
    path = folder / "b1.edf"
    path.write_bytes(damage(path.read_bytes()))
    query = "val=0&test=b1.edf,c1.edf"
    with pytest.raises(DataError) as caught:
        list(opened(folder, query).signals("test"))
    text = str(caught.value)
    assert text.startswith(line) and "\n" not in text and CANARY not in text
    tolerant = opened(folder, query, skip_bad=True)
    assert len({signal.metadata["record"] for signal in tolerant.signals("test")}) == 1
    assert [entry.name for entry in tolerant.skipped] == ["b1.edf"]


@pytest.mark.parametrize(
    ("starts", "line"),
    [
        ([0, 1, 1.5, *range(3, 15)], "data records of x.edf run back in time"),
        ([*range(14), -3], "data records of x.edf run back in time"),
    ],
)
def test_records_that_run_back_in_time_are_refused(
    tmp_path: Path, starts: list[float], line: str
) -> None:
    path = tmp_path / "x.edf"
    write(path, [channel(wave(15))], annotations=[ROOM])
    spread(path, starts)
    with pytest.raises(DataError, match=line):
        only(path, "window=4")


def test_annotations_that_are_none_are_refused_without_their_words(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    write(path, [channel(wave(15))], annotations=[edfio.EdfAnnotation(1, None, CANARY)])
    path.write_bytes(path.read_bytes().replace(b"+1\x14" + CANARY.encode(), b"\xff\xff\x14Zygmun!"))
    with pytest.raises(DataError, match=r"x\.edf is not as EDF has it") as caught:
        only(path, "window=none")
    assert "Zyg" not in str(caught.value)
    assert len(only(path, "window=5")) == 3


@pytest.mark.parametrize(
    ("query", "error", "line"),
    [
        ("lead=ECG%20I", DataError, "no lead 'ECG I' in the train split of 'recordings'; did you"),
        ("range=2,1", ConfigError, "the option 'range' is 2,1; expected low,high"),
        ("window=0", ConfigError, "the option 'window' is '0'; expected a number above 0"),
        ("test=d1", DataError, "no 'd1' for the test split"),
        (
            "rate=2e6",
            ConfigError,
            "the option 'rate' is '2e6'; expected a number above 0 and at most",
        ),
        ("window=none", DataError, "b1.edf has 0 beats and a median RR interval of 0.0 s"),
    ],
)
def test_wrong_options_are_one_line(
    folder: Path, query: str, error: type[Exception], line: str
) -> None:
    with pytest.raises(error) as caught:
        list(
            opened(folder, f"{query}&val=0" + "&test=b1.edf" * ("test" not in query)).signals(
                "test"
            )
        )
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no \.edf in '.*'; expected at least one file"):
        opened(tmp_path)
