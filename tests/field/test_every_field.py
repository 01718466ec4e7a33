"""What holds for every row of the table of fields, and for a field that another package adds."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from unrolled import draw, make_points, reference, relative_error

from medfuncta._src.config import FieldConfig, FitConfig, InnerConfig, TrainConfig
from medfuncta._src.errors import ConfigError, MedFunctaError
from medfuncta._src.field.field import Field
from medfuncta._src.field.functional import FunctionalObjective
from medfuncta._src.field.table import FIELDS, build_field, field_kind, field_shapes
from medfuncta._src.latents.decode import decode
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.latents.onnx import export_onnx
from medfuncta._src.learning.context import context_points
from medfuncta._src.learning.gauss_newton import FieldLeastSquares, FullEquations
from medfuncta._src.learning.meta_gradient import meta_gradient
from medfuncta._src.learning.train import train_network
from medfuncta._src.presets import PRESETS
from medfuncta._src.run import Run
from medfuncta._src.settings import Config, override
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import Signal, SignalSpec, ValueRange
from medfuncta._src.signals.signal_set import SignalSet

INNER = InnerConfig(0.2, momentum=0.5)
SIZES = {"layers": 4, "width": 6, "omega_first": 2.0, "omega_last": 4.0}

each_field = pytest.mark.parametrize("kind", FIELDS)


def config_of(kind: str, **changes: object) -> FieldConfig:
    known = field_kind(kind).config.__dataclass_fields__
    sizes = {name: size for name, size in {**SIZES, **changes}.items() if name in known}
    return field_kind(kind).config(
        **{"dim": 2, "channels": 2, "latent_size": 5, **sizes}  # type: ignore[arg-type]
    )


def double_field(kind: str, **changes: object) -> Field:
    """In double precision; parameters that start at 0 are moved away from it."""
    field = build_field(config_of(kind, **changes)).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in field.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter += 0.05 * noise
    return field


def some_latents(field: Field, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return 0.3 * torch.randn(count, 5, generator=generator, dtype=field.dtype)


@each_field
def test_its_settings_say_its_kind(kind: str) -> None:
    assert config_of(kind).kind == kind
    assert build_field(config_of(kind)).config == config_of(kind)


@each_field
@pytest.mark.parametrize("variant", [{}, {"residual": True, "shift_first": True, "layers": 3}])
def test_its_shapes_are_known_before_it_is_built(kind: str, variant: dict[str, object]) -> None:
    config = config_of(kind, **variant)
    built = {name: tuple(t.shape) for name, t in build_field(config).state_dict().items()}
    assert field_shapes(config) == built


@each_field
def test_one_of_ten_gigabytes_is_refused_before_it_is_built(kind: str) -> None:
    by_its_numbers = r"of \d+,\d{3},\d{3},\d{3} numbers \(.*width 25,000"
    by_its_bounds = r"field.width'? is 25000; expected .*1,?024"
    with pytest.raises(ConfigError, match=f"{by_its_numbers}|{by_its_bounds}"):
        build_field(config_of(kind, layers=6, width=25_000))


def test_those_of_the_paper_are_not_too_large() -> None:
    shapes = [field_shapes(preset.field) or {} for preset in PRESETS.values()]
    largest = max(sum(map(prod, fields.values())) for fields in shapes)
    assert 50_000_000 < largest < 60_000_000


@each_field
def test_initial_parameters_follow_the_generator(kind: str) -> None:
    first, again, other = (
        build_field(config_of(kind), torch.Generator().manual_seed(seed)).state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@each_field
def test_the_meta_gradient_is_that_of_the_unrolled_loop(kind: str) -> None:
    field = double_field(kind)
    points = make_points(field.config)
    contexts = draw(points, steps=3)
    initial = field.initial_latents(context_points(points, contexts[0]))
    got = meta_gradient(field.objective(), initial, points, contexts, INNER)
    assert relative_error(got.gradients, reference(field, points, contexts, INNER)) < 1e-9
    assert all(gradient.abs().max() > 0 for gradient in got.gradients.values())


@each_field
def test_residuals_and_their_jacobian_are_those_of_autograd(kind: str) -> None:
    field = double_field(kind)
    points, latents = make_points(field.config), some_latents(field)
    ours = FieldLeastSquares(field.objective(), 5).at(latents, points)
    generic = FieldLeastSquares(FunctionalObjective(field), 5).at(latents, points)
    compared = ["losses", "gradient"]
    if isinstance(ours, FullEquations):
        compared.append("matrix")
    for name in compared:
        assert_close(getattr(ours, name), getattr(generic, name))
    phi = latents.clone().requires_grad_()
    error = field(points.coordinates, phi) - points.values
    losses = (error.square().sum(-1) * points.weights).sum(-1)
    (gradient,) = torch.autograd.grad(losses.sum(), phi)
    assert_close(ours.losses, losses.detach())
    assert_close(2 * ours.gradient, gradient)


@each_field
def test_values_without_a_graph_are_those_of_forward(kind: str) -> None:
    field = double_field(kind)
    points, latents = make_points(field.config), some_latents(field)
    got = field.values_of(latents, points.count)(points.coordinates)
    assert_close(got, field(points.coordinates, latents).detach())
    assert not got.requires_grad


@each_field
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_exported_model_says_the_same(kind: str, dim: int, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    field = double_field(kind, dim=dim).float().eval()
    export_onnx(Run(field, Config(field.config), SignalSpec(dim, 2)), tmp_path / "f.onnx")
    generator = torch.Generator().manual_seed(1)
    coordinates = 2 * torch.rand(4, 9, dim, generator=generator) - 1
    latents = 0.1 * torch.randn(4, 5, generator=generator)
    session = onnxruntime.InferenceSession(tmp_path / "f.onnx")
    given = {"coordinates": coordinates.numpy(), "latents": latents.numpy()}
    (values,) = session.run(None, given)
    assert_close(torch.from_numpy(values), field(coordinates, latents).detach(), atol=1e-4, rtol=0)


@each_field
def test_every_parameter_is_in_one_group(kind: str) -> None:
    field = build_field(config_of(kind))
    grouped = [id(p) for group in field.parameter_groups() for p in group.parameters]
    assert sorted(grouped) == sorted(id(p) for p in field.parameters())


@each_field
def test_a_copy_elsewhere_leaves_the_field_where_it_is(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = build_field(config_of(kind))
    assert field.on(None) is field and field.on("cpu") is field
    copy = field.copied()
    assert copy is not field
    for mine, its in zip(field.parameters(), copy.parameters(), strict=True):
        assert torch.equal(mine, its) and mine.data_ptr() != its.data_ptr()
    monkeypatch.setattr("medfuncta._src.field.field.usable_device", torch.device)
    assert field.on("meta").device.type == "meta" and field.device.type == "cpu"


def waves(count: int = 6) -> SignalSet:
    signals = []
    for number in range(count):
        wave = 0.5 + 0.4 * np.sin(np.linspace(0, 6, 20) + number)
        signals.append(
            Signal.of(f"s{number}", wave.astype(np.float32)[:, None], Grid((20,)), ValueRange(0, 1))
        )
    return SignalSet.collect(SignalSpec(1, 1), signals)


@each_field
@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_it_trains_fits_and_decodes_and_comes_back_from_disk(
    kind: str, optimiser: str, tmp_path: Path
) -> None:
    train = TrainConfig(
        steps=60,
        batch=4,
        inner_steps=6,
        learning_rate=1e-2,
        optimiser=optimiser,
        shift_init="orthogonal",
        outer_loss="log",
        validate_every=20,
        average=0.5,
    )
    field_config = config_of(kind, dim=1, channels=1, width=16)
    config = Config(field_config, InnerConfig(0.2), train, FitConfig(steps=6, batch=4))
    signals = waves()
    run = train_network(signals, signals, tmp_path / "run", config, device="cpu").run
    again = Run.load(tmp_path / "run")
    assert again.config.field == field_kind(kind).fitted_to(field_config, signals)
    assert again.fingerprint == run.fingerprint
    errors = {}
    for quality in ("paper", "fast", "best"):
        fitted = fit_latents(run, signals, replace(config.fit, quality=quality), device="cpu")
        errors[quality] = float(fitted.errors.mean())
        values = decode(again.network, fitted.latents, Grid((20,)))
        expected = signals.points(range(6)).values.numpy()
        assert np.square(values.clip(0, 1) - expected).mean() == pytest.approx(
            errors[quality], rel=1e-3
        )
    assert errors["best"] <= errors["paper"] < 0.08  # the variance of the waves
    assert errors["fast"] < 0.08


def test_another_kind_keeps_what_it_has_in_common() -> None:
    config = override(Config(), {"field": {"width": 17}})
    finer = override(config, {"field": {"kind": "finer", "layers": "7"}}).field
    assert finer.kind == "finer" and (finer.width, finer.layers) == (17, 7)  # type: ignore[attr-defined]


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'field.kind' is 'sirens'; did you mean 'siren'"):
        override(Config(), {"field": {"kind": "sirens"}})


def test_a_field_without_features_says_so() -> None:
    class Plain(Field[FieldConfig]):
        def __init__(self) -> None:
            super().__init__()
            self.config = FieldConfig(kind="plain")

        def forward(self, coordinates: Tensor, latents: Tensor) -> Tensor:
            return coordinates * latents

    with pytest.raises(MedFunctaError, match="kind 'plain' has no features"):
        Plain().features(torch.zeros(1, 1, 1), torch.zeros(1, 1))


def forged(folder: Path, kind: str, name: str, number: float) -> Path:
    """A run on the disk one of whose tensors holds this number once; all else fits together."""
    config = config_of(kind)
    network = build_field(config)
    spec = SignalSpec(dim=2, channels=2)
    with torch.no_grad():
        network.state_dict()[name].view(-1)[0] = number
    Run(network, Config(field=config), spec).save(folder)
    return folder


@each_field
def test_numbers_that_no_field_has_are_refused(kind: str, tmp_path: Path) -> None:
    for count, name in enumerate(build_field(config_of(kind)).state_dict()):
        bounds = field_kind(kind).bounds.get(name)
        numbers = [float("nan"), float("inf")]
        if bounds is not None:
            numbers += [bounds.least - 1, bounds.most * 2]
        for number in numbers:
            folder = forged(tmp_path / f"{count}-{number}", kind, name, number)
            with pytest.raises(MedFunctaError, match=f"the tensor {name} holds") as caught:
                Run.load(folder)
            assert "\n" not in str(caught.value)


@each_field
def test_every_buffer_says_which_numbers_it_may_hold(kind: str) -> None:
    """A weight may be any number; what is computed of signals may not."""
    buffers = {name for name, _ in build_field(config_of(kind)).named_buffers()}
    stored = buffers & set(build_field(config_of(kind)).state_dict())
    assert stored == set(field_kind(kind).bounds)


@pytest.mark.parametrize("number", [0.0, -1.0, 1e-30, 1e20])
def test_a_forged_variance_is_refused(number: float, tmp_path: Path) -> None:
    folder = forged(tmp_path / "run", "components", "variances", number)
    with pytest.raises(MedFunctaError, match="expected 1e-13 to 1e"):
        Run.load(folder)


def test_a_variance_that_halves_would_lose_is_not_halved(tmp_path: Path) -> None:
    config = config_of("components")
    network = build_field(config)
    with torch.no_grad():
        network.state_dict()["variances"].fill_(1e-9)
    run = Run(network, Config(field=config), SignalSpec(dim=2, channels=2))
    run.save(tmp_path / "whole")
    assert Run.load(tmp_path / "whole").fingerprint == run.fingerprint
    with pytest.raises(MedFunctaError, match="rounding to float16; store it as float32"):
        run.save(tmp_path / "half", dtype="float16")
