"""What a Python program hands to the public functions: something of another kind gets one line."""

from __future__ import annotations

import dataclasses
import inspect
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from msgspec import Meta

import medfuncta
from latents.sets import make_run, write_set
from medfuncta._src.door.allowance import allowing
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.limits import Chunk
from medfuncta._src.errors import ConfigError, MedFunctaError
from medfuncta._src.estimator import FieldEncoder
from medfuncta._src.latents.functa import read_functa_field
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.official import ReferenceSettings
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.domain import Grid
from medfuncta._src.tasks.explore import find_outliers, interpolate, take_sample
from medfuncta._src.tasks.search import search_set


@pytest.fixture(scope="module")
def latent_set(tmp_path_factory: pytest.TempPathFactory) -> LatentSet:
    return write_set(tmp_path_factory.mktemp("sets") / "set", train=2)


MISUSES: dict[str, tuple[Callable[[LatentSet], object], str]] = {
    "train on a number": (
        lambda _: medfuncta.train(3, "out"),  # type: ignore[arg-type]
        "train: source is 3; expected a Source of medfuncta or text",
    ),
    "train with a list": (
        lambda _: medfuncta.train("sample:ecg", "out", settings=[1]),  # type: ignore[arg-type]
        "train: settings is a list; expected a dictionary or None",
    ),
    "evaluate a name": (
        lambda _: medfuncta.evaluate("run", "sample:ecg"),  # type: ignore[arg-type]
        "evaluate: run is 'run'; expected a Run of medfuncta",
    ),
    "fit with a name": (
        lambda _: medfuncta.create_latent_set("run", None, "out"),  # type: ignore[arg-type]
        "create_latent_set: run is 'run'; expected a Run of medfuncta",
    ),
    "fit nothing": (
        lambda _: medfuncta.fit_latents(make_run(), None),  # type: ignore[arg-type]
        "fit_latents: signals is None; expected a SignalSet of medfuncta",
    ),
    "decode a number": (
        lambda latent_set: latent_set.decode(3),  # type: ignore[arg-type]
        "decode: id is 3; expected text",
    ),
    "decode onto a shape": (
        lambda latent_set: latent_set.decode("train-0", (3, 4)),  # type: ignore[arg-type]
        "decode: domain is a tuple; expected a Grid of medfuncta or a Scatter",
    ),
    "decode by a name": (
        lambda _: medfuncta.decode("run", torch.zeros(3), Grid((3,))),  # type: ignore[arg-type]
        "decode: network is 'run'; expected a Field of medfuncta",
    ),
    "ask for row 0": (lambda latent_set: latent_set.row(0), "row: id is 0; expected text"),  # type: ignore[arg-type]
    "open a number": (lambda _: LatentSet.open(3), "open: folder is 3; expected a path or text"),  # type: ignore[arg-type]
    "load nothing": (lambda _: medfuncta.Run.load(None), "load: folder is None; expected a path"),  # type: ignore[arg-type]
    "open a source of bytes": (
        lambda _: medfuncta.open_source(b"sample:ecg"),  # type: ignore[arg-type]
        "open_source: text is a bytes; expected text",
    ),
    "merge one": (
        lambda latent_set: medfuncta.merge_latent_sets(latent_set, "out"),  # type: ignore[arg-type]
        "merge_latent_sets: latent_sets is a LatentSet; expected a list",
    ),
    "write an array": (
        lambda _: medfuncta.write_signal(np.zeros(3), Path("a.png")),  # type: ignore[arg-type]
        "write_signal: signal is a ndarray; expected a Signal of medfuncta",
    ),
}


@pytest.mark.parametrize("what", MISUSES)
def test_a_value_of_another_kind_gets_one_line(
    what: str, latent_set: LatentSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    misuse, line = MISUSES[what]
    with pytest.raises(ConfigError) as caught:
        misuse(latent_set)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


@expecting
def asked(count: int, rate: float = 1.0, *, where: Path | str | None = None, how: Any = 3) -> str:
    """Its docstring."""
    return f"{count} {rate} {where} {how}"


def test_what_fits_passes_and_the_function_stays_what_it_was() -> None:
    assert asked(np.int64(3), np.float32(0.5), where=Path("a")) == "3 0.5 a 3"
    assert asked(rate=2, count=True, how="x") == "True 2 None x"
    assert (asked.__name__, asked.__doc__) == ("asked", "Its docstring.")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"count": 2.5}, "asked: count is 2.5; expected a whole number"),
        ({"count": "3"}, "asked: count is '3'; expected a whole number"),
        ({"count": 3, "rate": None}, "asked: rate is None; expected a number"),
        ({"count": 3, "where": 4}, "asked: where is 4; expected a path or text or None"),
        ({"count": "x" * 500}, "asked: count is 'xxx"),
    ],
)
def test_the_first_argument_of_another_kind_is_told(words: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        asked(**words)
    assert str(caught.value).startswith(line) and len(str(caught.value)) < 150


def test_what_python_says_itself_stays() -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'count'"):
        asked()  # type: ignore[call-arg]


@expecting
def bounded(
    count: Chunk = 3, rate: Annotated[float, Meta(gt=0, le=9)] | None = None, name: str = ""
) -> str:
    return f"{count} {rate} {name}"


def test_numbers_are_held_to_the_bounds_that_the_signature_declares() -> None:
    assert bounded(np.int64(1), np.float32(9)) == "1 9.0 "
    assert bounded(rate=9) == "3 9 "
    for words, line in {
        (0, None): "count is 0; expected a whole number from 1 to 1,073,741,824",
        (True, None): "count is True; expected a whole number",
        (2**40, None): "count is 1099511627776; expected a whole number",
        (1, 0.0): "rate is 0.0; expected a number above 0 and at most 9 or None",
        (1, float("nan")): "rate is nan; expected a number",
        (1, float("inf")): "rate is inf; expected a number",
        (1, np.float64(-1)): "rate is -1.0; expected a number",
        (1, "1"): "rate is '1'; expected a number",
    }.items():
        with pytest.raises(ConfigError) as caught:
            bounded(*words)  # type: ignore[arg-type]
        assert str(caught.value).startswith(f"bounded: {line}"), str(caught.value)


SIGNALS = np.random.default_rng(0).normal(size=(20, 16))
SHOWN = np.broadcast_to(np.zeros(16), (10**9, 16))
"""One signal, shown a milliard times."""


def encoder(**parameters: Any) -> FieldEncoder:
    return FieldEncoder(**{"latent_size": 3, "steps": 0, **parameters})


OUT_OF_BOUNDS: dict[str, Callable[[LatentSet], object]] = {
    "decode 0 points at a time": lambda s: medfuncta.decode(
        s.run.network, torch.zeros(1, 4), Grid((9,)), chunk=0
    ),
    "decode -1 points at a time": lambda s: medfuncta.decode(
        s.run.network, torch.zeros(1, 4), Grid((9,)), chunk=-1
    ),
    "reconstruct 0 points at a time": lambda s: medfuncta.reconstruct(
        s.run, torch.zeros(4), s.row("train-0").header, chunk=0
    ),
    "a row that is a slice": lambda s: s[0:3],  # type: ignore[index]
    "a row that is text": lambda s: s["train"],  # type: ignore[index]
    "a row of a split that is a slice": lambda s: s.split("train")[0:3],  # type: ignore[index]
    "no rows at a time": lambda s: list(s.split("train").batches(0)),
    "signals none at a time": lambda _: list(collected().batches(0)),
    "signals -1 at a time": lambda _: list(collected().batches(-1)),
    "encode in -1 steps": lambda _: trace_run().encode(SIGNALS, steps=-1, range=(0, 1)),
    "encode by 0": lambda _: trace_run().encode(SIGNALS, batch=0, range=(0, 1)),
    "a seed below 0": lambda _: medfuncta.from_arrays(SIGNALS, seed=-1),
    "a spacing below 0": lambda _: medfuncta.from_arrays(SIGNALS, spacing=-1.0),
    "a fraction above 1": lambda _: medfuncta.from_arrays(SIGNALS, val=1.5),
    "-1 meta-steps": lambda _: encoder(steps=-1).fit(SIGNALS),
    "no inner step": lambda _: encoder(fit_steps=0).fit(SIGNALS),
    "a latent of no number": lambda _: encoder(latent_size=0).fit(SIGNALS),
    "a latent of 10^12": lambda _: encoder(latent_size=10**12).fit(SIGNALS),
    "all signals held out": lambda _: encoder(validation_fraction=1.0).fit(SIGNALS),
    "nothing on the way": lambda s: interpolate(s, s.row("train-0"), s.row("train-1"), 1),
    "a milliard on the way": lambda s: interpolate(s, s.row("train-0"), s.row("train-1"), 10**9),
    "a sample of none": lambda s: take_sample(s, 0),
    "-3 outliers": lambda s: find_outliers(take_sample(s, 9), listed=-3),
    "-1 neighbours": lambda s: search_set(s, s.row("train-0").latent, -1),
    "an omega of 0": lambda _: ReferenceSettings(omega_first=0.0),
    "an omega of NaN": lambda _: ReferenceSettings(omega_last=float("nan")),
    "an increment of 10^9": lambda _: ReferenceSettings(omega_increment=1e9),
    "a grid of -1": lambda _: ReferenceSettings(shape=(-1, 3)),
    "Functa's omega of -1": lambda _: read_functa_field(Path("x"), omega=-1.0),
    "rows none apart": lambda _: medfuncta.MLflowCallback(every=0),
    "rows -1 apart": lambda _: medfuncta.WandbCallback(every=-1),
    "a range that is none": lambda _: medfuncta.ValueRange(1.0, 0.0),
    # what would take far more than there is
    "encode what is shown a milliard times": lambda _: trace_run().encode(SHOWN),
    "encode a tensor of that kind": lambda _: trace_run().encode(torch.zeros(16).expand(10**9, 16)),
    "encode a list of that kind": lambda _: trace_run().encode([SHOWN[:, 0]] * 3),
    "a mask a milliard times": lambda _: trace_run().encode(SIGNALS, mask=SHOWN),
    "ranges a milliard times": lambda _: trace_run().encode(SIGNALS, range=SHOWN[:, :2]),
    "decode latents a milliard times": lambda _: trace_run().decode(SHOWN[:, :4]),
    "decode like a milliard": lambda _: trace_run().decode(np.zeros((2, 4)), like=SHOWN),
    "decode at a milliard points": lambda _: trace_run().decode(
        np.zeros(4), coordinates=SHOWN[:, :1]
    ),
    "decode on a shape of 10^12": lambda _: trace_run().decode(
        np.zeros(4), shape=10**12, range=(0, 1)
    ),
    "decode a milliard by a network": lambda s: medfuncta.decode(
        s.run.network, torch.zeros(1, 4).expand(10**9, 4), Grid((9,))
    ),
    "decode by a network on 10^12": lambda s: medfuncta.decode(
        s.run.network, torch.zeros(1, 4), Grid((10**12,))
    ),
    "a source of a milliard": lambda _: medfuncta.from_arrays(SHOWN),
    "a source of a milliard of nothing": lambda _: medfuncta.from_arrays(SHOWN[:, :1]),
    "a source of long signals": lambda _: medfuncta.from_arrays([SHOWN[:, 0]] * 3),
    "masks of a milliard": lambda _: medfuncta.from_arrays(SIGNALS, masks=SHOWN),
    "labels of a milliard": lambda _: medfuncta.from_arrays(SIGNALS, labels=SHOWN[:, 0]),
    "learn from a milliard": lambda _: encoder().fit(SHOWN),
    "transform a milliard": lambda _: encoder().fit(SIGNALS).transform(SHOWN),
    "transform a milliard back": lambda _: encoder().fit(SIGNALS).inverse_transform(SHOWN[:, :3]),
}


REASONS = (
    "expected (a|one positive) (whole )?(number|fraction)|would take|expected one for each|"
    "expected a number|expected at most 1,073,741,824|two finite|from 0 to 1|whole numbers from 1"
)


def trace_run() -> medfuncta.Run:
    """A run of traces."""
    config = medfuncta.SirenConfig(dim=1, layers=3, width=8, latent_size=4)
    spec = medfuncta.SignalSpec(dim=1, channels=1, shape=(16,))
    return medfuncta.Run(medfuncta.build_field(config), Config(field=config), spec)


def collected() -> medfuncta.SignalSet:
    source = medfuncta.from_arrays(SIGNALS)
    return medfuncta.SignalSet.collect(source.spec, source.signals("train"))


@pytest.mark.parametrize("what", OUT_OF_BOUNDS)
def test_what_is_out_of_bounds_gets_one_line_at_once(
    what: str, latent_set: LatentSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MedFunctaError, match=REASONS) as caught:
        OUT_OF_BOUNDS[what](latent_set)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 2**18  # KiB


def test_a_grid_of_too_many_points_is_refused_before_it_is_made() -> None:
    run = make_run()
    size = run.config.field.latent_size
    for latents in (np.zeros(size), torch.zeros(size, requires_grad=True)):
        with pytest.raises(MedFunctaError, match="expected at most 1,073,741,824"):
            run.decode(latents, shape=(10**6, 10**6), range=(0, 1))


def test_an_array_that_holds_what_it_shows_is_no_matter_of_the_budget() -> None:
    with allowing(command_gib=1e-9):
        medfuncta.from_arrays(SIGNALS)
        medfuncta.from_arrays(SIGNALS.astype(np.float16)[:, ::-1])
        medfuncta.from_arrays(torch.zeros(20, 16).T.contiguous().T)
        with pytest.raises(MedFunctaError, match=r"allowing\(command_gib="):
            medfuncta.from_arrays(SHOWN[:1000])
    with allowing(command_gib=1):
        medfuncta.from_arrays(SHOWN[:1000])


UNBOUNDED = {
    "Contents.__init__ limit": "what a format of another package says of itself",
    "Field.values_of points": "a protocol, called by this package",
    "Field.zero_latents signals": "a protocol, called by this package",
    "FieldEncoder.__init__ *": "an estimator looks at its parameters when it fits",
    "FileOptions.__init__ *": "options are held to what they declare where they are read",
    "LatentSet.__getitem__ index": "as any sequence: IndexError ends a loop",
    "Run.encode *": "settings have their bounds, a spacing its check",
    "Run.decode *": "a shape and a spacing have their checks",
    "SignalHeader.__init__ *": "made of a signal that was checked",
    "SignalSet.normalised index": "as any sequence",
    "SignalSet.signal index": "as any sequence",
    "StepReport.__init__ *": "made by training",
    "ValueRange.__init__ *": "checked as a pair",
    "from_arrays *": "fractions, a seed and a spacing have their checks",
    "option *": "what a format of another package says of itself",
}
"""Numbers of public functions without bounds in their signatures, and why."""


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in medfuncta.__all__:
        thing = getattr(medfuncta, name)
        if inspect.isfunction(thing):
            yield name, thing
        for inner, member in inspect.getmembers(thing) if inspect.isclass(thing) else ():
            function = getattr(member, "__func__", member)
            own = inspect.isfunction(function) and function.__module__.startswith("medfuncta")
            if own and (inner in ("__init__", "__getitem__") or not inner.startswith("_")):
                yield f"{name}.{inner}", function


def test_a_number_of_the_public_surface_has_bounds_or_a_reason() -> None:
    found = set()
    for name, function in public_functions():
        owner = getattr(medfuncta, name.split(".")[0])
        if dataclasses.is_dataclass(owner) and owner.__name__.endswith(("Config", "Kind")):
            continue  # settings are held to their bounds when they are made
        for argument, hint in function.__annotations__.items():
            plain = re.sub(r"\[.*\]", "", str(hint)).replace(" ", "").split("|")
            if argument != "return" and {"int", "float"} & set(plain):
                every = f"{name} *"
                found.add(every if every in UNBOUNDED else f"{name} {argument}")
    assert found == set(UNBOUNDED)


GRIDS = """
import numpy as np
from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid

nan, inf = float("nan"), float("inf")
grid = Grid((8, 8), (1.0, 1.0))
for shape in ((0, 4), (2.5, 3), (nan, 3), ("3", "4"), (), 5, (-1, 3), (2**31, 3), (True, 3), None):
    try:
        print("made", grid.with_shape(shape))
    except DataError as error:
        assert str(error).endswith("; expected 1 to 3 whole numbers from 1 to 1,073,741,824"), error
for spacing in ((0, 1), (-1.0, 1), (nan, 1), (inf, 1), "ab", (None, 1)):
    try:
        print("made", grid.with_spacing(spacing))
    except DataError as error:
        assert str(error).endswith("; expected one positive number an axis"), error
for shape in ([3, 4], np.array([3, 4]), (np.int64(3), 4)):
    made = grid.with_shape(shape)
    assert made.shape == (3, 4) and all(type(count) is int for count in made.shape)
assert grid.with_spacing(np.array([2.0, 4.0])).shape == (4, 2)
"""


def test_shapes_and_spacings_that_are_none_are_refused() -> None:
    """In a process of its own, where annotations are not checked by the tests."""
    done = subprocess.run([sys.executable, "-c", GRIDS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": {"steps": np.int64(7)}}, 7),
        ({"train": {"steps": np.array(7)}}, 7),
        ({"train": {"steps": torch.tensor(7)}}, 7),
    ],
)
def test_numbers_of_other_libraries_are_settings(changes: Any, expected: int) -> None:
    steps = override(Config(), changes).train.steps
    assert steps == expected and type(steps) is int


def test_a_number_of_numpy_that_is_out_of_bounds_is_refused_as_any() -> None:
    with pytest.raises(ConfigError, match=r"'train.steps' is 0; expected a whole number from 1"):
        override(Config(), {"train": {"steps": np.int64(0)}})
