from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from medfuncta._src.errors import MedFunctaError
from medfuncta._src.tasks.classify import (
    ClassifierOptions,
    Examples,
    LabelledData,
    Labelling,
    choose,
    compare,
)
from medfuncta._src.tasks.classify.signal_classifiers import (
    SIGNAL_CLASSIFIERS,
    ConvolutionalClassifier,
    EfficientNetB0,
    ResNet50,
)
from medfuncta._src.tasks.heads.training import Recipe

pytest.importorskip("monai")
LABELLING = Labelling(("dark", "bright"))
SHAPES = [(187,), (5,), (28, 28), (11, 40), (6, 7, 9)]


def bright_and_dark(shape: tuple[int, ...], signals: int, channels: int = 1) -> Examples:
    generator = np.random.default_rng(signals)
    labels = np.arange(signals) % 2
    values = generator.random((signals, *shape, channels)) * 0.3 + 0.6 * labels.reshape(
        -1, *(1,) * (len(shape) + 1)
    )
    return Examples(values.astype(np.float32), labels)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", [ResNet50, EfficientNetB0])
def test_networks_take_signals_of_any_dimension_and_size(
    kind: type[ConvolutionalClassifier], shape: tuple[int, ...]
) -> None:
    classifier = kind(LABELLING)
    batch = bright_and_dark(shape, 2, channels=3)
    network = classifier.build(batch)
    with torch.no_grad():
        outputs = network(classifier.tensor(batch.inputs))
    assert outputs.shape == (2, 2)
    assert outputs.isfinite().all()


def test_channels_come_first_and_values_span_minus_one_to_one() -> None:
    inputs = np.zeros((2, 4, 5, 3), np.float32)
    inputs[1, 2, 3, 1] = 1
    tensor = ResNet50(LABELLING).tensor(inputs)
    assert tensor.shape == (2, 3, 4, 5)
    assert tensor[1, 1, 2, 3] == 1
    assert tensor.sum() == 1 - (tensor.numel() - 1)


@pytest.mark.parametrize("kind", [ResNet50, EfficientNetB0])
def test_a_baseline_learns_and_says_when_it_was_cut_short(
    kind: type[ConvolutionalClassifier],
) -> None:
    train, val = bright_and_dark((24,), 20), bright_and_dark((24,), 8)
    classifier = kind(LABELLING, Recipe(epochs=4, batch=10))
    training = classifier.fit(train, val)
    assert training.curve[0].train_loss < 2, "outputs start near 0"
    assert training.curve[-1].train_loss < training.curve[0].train_loss
    assert not training.cut_short
    assert classifier.scores(val.inputs).shape == (8, 2)
    assert kind(LABELLING, Recipe(seconds=1e-6, batch=10)).fit(train, val).cut_short


def test_baselines_share_the_report_of_latents() -> None:
    splits = {
        name: bright_and_dark((16,), count)
        for name, count in (("train", 12), ("val", 4), ("test", 6))
    }
    makers = choose(SIGNAL_CLASSIFIERS, list(SIGNAL_CLASSIFIERS), ClassifierOptions(epochs=1))
    result = compare(
        LabelledData.collect(LABELLING, splits), makers, inputs="signals", resamples=10
    )
    assert [report.name for report in result.classifiers] == ["resnet50", "efficientnet-b0"]
    assert all(
        report.parameters > 1e6 and report.inputs == "signals" for report in result.classifiers
    )


def test_a_missing_monai_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai.networks", None)
    with pytest.raises(MedFunctaError, match=r"pip install 'medfuncta\[baselines\]'"):
        ResNet50(LABELLING).network_for((28, 28), 1)
