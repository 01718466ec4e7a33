"""What every classifier on latents must do, and what is special to one."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from medfuncta._src.errors import ConfigError
from medfuncta._src.tasks.classify import LATENT_CLASSIFIERS, ClassifierOptions, choose
from medfuncta._src.tasks.classify.classifier import Classifier
from medfuncta._src.tasks.classify.examples import Examples, LabelledData
from medfuncta._src.tasks.classify.latent_classifiers import MLP, NearestNeighbours
from medfuncta._src.tasks.classify.metrics import measure, selection_score
from medfuncta._src.tasks.heads.training import Recipe
from tasks.classify.blobs import blobs

TASKS = ("multi-class", "multi-label", "ordinal-regression")
OPTIONS = ClassifierOptions(k=(3,), metric="euclidean", epochs=12)


def trained(
    name: str, data: LabelledData, options: ClassifierOptions = OPTIONS, seed: int = 0
) -> Classifier:
    (maker,) = choose(LATENT_CLASSIFIERS, [name], options).values()
    classifier = maker(data.labelling, seed)
    classifier.fit(data.train, data.val)
    return classifier


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", LATENT_CLASSIFIERS)
def test_blobs_are_told_apart(name: str, task: str) -> None:
    data = blobs(task)
    scores = trained(name, data).scores(data.test.inputs)
    assert scores.shape == (90, 3)
    assert scores.min() >= 0 and scores.max() <= 1
    if task != "multi-label":
        assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    measured = measure(data.labelling, data.test.labels, scores)
    assert measured["balanced_accuracy"] > 0.9
    assert measured["auc"] > 0.95


@pytest.mark.parametrize("name", LATENT_CLASSIFIERS)
def test_shuffled_labels_teach_nothing(name: str) -> None:
    data = blobs(shuffled=True)
    assert (
        measure(data.labelling, data.test.labels, trained(name, data).scores(data.test.inputs))[
            "balanced_accuracy"
        ]
        < 0.5
    )


@pytest.mark.parametrize("name", LATENT_CLASSIFIERS)
def test_a_seed_fixes_the_result_and_leaves_the_global_generator_alone(name: str) -> None:
    data = blobs(distance=1.0)
    before = torch.random.get_rng_state()
    first, second = (trained(name, data).scores(data.test.inputs) for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_balancing_helps_a_rare_class(name: str) -> None:
    data = blobs(classes=2, distance=1.5, seed=3)
    rare = np.flatnonzero((data.train.labels == 0) | (np.arange(len(data.train)) < 16))
    data = replace(data, train=data.train.take(rare))
    plain, balanced = (
        trained(name, data, replace(OPTIONS, balanced=on)).scores(data.test.inputs)
        for on in (False, True)
    )
    found = [
        (scores.argmax(axis=1) == 1)[data.test.labels == 1].mean() for scores in (plain, balanced)
    ]
    assert found[1] > found[0]


@pytest.mark.parametrize("name", LATENT_CLASSIFIERS)
def test_whitening_lets_a_faint_direction_count(name: str) -> None:
    data = blobs(size=4)
    loud = np.array([1, 1, 1, 1e-4], np.float32)
    scaled = [
        Examples(split.inputs[:, ::-1] * loud, split.labels)
        for split in (data.train, data.val, data.test)
    ]
    train, val, test = scaled
    scores = trained(
        name, replace(data, train=train, val=val, test=test), replace(OPTIONS, whiten=(4,))
    ).scores(test.inputs)
    assert measure(data.labelling, test.labels, scores)["balanced_accuracy"] > 0.9


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_vote_as_in_scikit_learn(k: int, metric: str) -> None:
    data = blobs(distance=1.5)
    ours = NearestNeighbours(data.labelling, k, metric)  # type: ignore[arg-type]
    ours.fit(data.train, data.val)
    theirs = KNeighborsClassifier(k, metric=metric).fit(data.train.inputs, data.train.labels)
    assert np.array_equal(
        ours.scores(data.test.inputs).argmax(axis=1), theirs.predict(data.test.inputs)
    )


def test_more_neighbours_than_signals_are_refused() -> None:
    data = blobs()
    with pytest.raises(ConfigError, match="151 neighbours among 150"):
        NearestNeighbours(data.labelling, 151).fit(data.train, data.val)


def test_more_components_than_numbers_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="13 principal components of 150 training latents of 12 numbers"
    ):
        trained("mlp", blobs(), replace(OPTIONS, whiten=(13,)))


def test_an_unknown_classifier_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mlp'"):
        choose(LATENT_CLASSIFIERS, ["mpl"], OPTIONS)


class _Recorded(MLP):
    """An MLP that remembers its weights at every validation."""

    def _validate(self, *arguments):  # type: ignore[no-untyped-def]
        self.__dict__.setdefault("seen", []).append(copy.deepcopy(self.network.state_dict()))
        return super()._validate(*arguments)


def test_the_weights_kept_are_a_copy_of_those_that_were_best_on_validation() -> None:
    data = blobs(distance=1.2, seed=1)
    mlp = _Recorded(data.labelling, Recipe(learning_rate=1e-2, epochs=15))
    training = mlp.fit(data.train, data.val)
    assert training.kept is not None
    best = training.curve.index(training.kept)
    assert best < 14, "the case is too easy: the last epoch is the best one"
    kept = mlp.network.state_dict()
    assert all(torch.equal(kept[key], value) for key, value in mlp.seen[best].items())
    assert any(not torch.equal(kept[key], value) for key, value in mlp.seen[-1].items())
    assert (
        selection_score(data.labelling, data.val.labels, mlp.scores(data.val.inputs))
        == training.kept.val_score
    )


def test_the_mlp_has_the_papers_size() -> None:
    generator = np.random.default_rng(0)
    examples = Examples(generator.standard_normal((8, 2048)).astype(np.float32), np.arange(8) % 2)
    training = MLP(blobs(classes=2).labelling, Recipe(epochs=1)).fit(examples, examples)
    assert 1.15e6 < training.parameters < 1.25e6


def test_every_parameter_of_the_mlp_learns() -> None:
    data = blobs()
    mlp = MLP(data.labelling, Recipe(epochs=1))
    mlp.fit(data.train, data.val)
    outputs = mlp.network(mlp.tensor(data.train.inputs))
    nn.functional.cross_entropy(outputs, torch.from_numpy(data.train.labels)).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in mlp.network.parameters())


def test_training_ends_when_validation_no_longer_gains_or_time_is_up() -> None:
    data = blobs()
    hopeless = blobs(shuffled=True)
    patient = MLP(data.labelling, Recipe(epochs=50, patience=2)).fit(hopeless.train, hopeless.val)
    assert len(patient.curve) < 50
    assert not patient.cut_short
    hurried = MLP(data.labelling, Recipe(epochs=50, seconds=1e-6)).fit(data.train, data.val)
    assert hurried.cut_short
    assert [round(point.epoch, 2) for point in hurried.curve] == [0.33]
