from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import balanced_accuracy_score

from medfuncta._src.errors import DataError
from medfuncta._src.tasks.classify import LATENT_CLASSIFIERS, ClassifierOptions, choose
from medfuncta._src.tasks.classify.comparison import Comparison, compare
from medfuncta._src.tasks.classify.comparison_picture import comparison_picture
from medfuncta._src.tasks.classify.examples import Examples, LabelledData
from medfuncta._src.tasks.drawing.figure import save_png
from tasks.classify.blobs import blobs

MAKERS = choose(LATENT_CLASSIFIERS, list(LATENT_CLASSIFIERS), ClassifierOptions(epochs=3))


def comparison(task: str = "multi-class") -> Comparison:
    return compare(blobs(task, distance=2.0), MAKERS, seeds=(0, 1), resamples=50)


def test_a_comparison_says_what_each_reached_and_cost() -> None:
    result = comparison()
    knn, _, logistic, mlp = result.classifiers
    assert result.signals == {"train": 150, "val": 60, "test": 90}
    assert len(knn.trainings) == len(logistic.trainings) == 1, "another seed changes nothing"
    assert len(mlp.trainings) == 2
    assert (knn.parameters, logistic.parameters) == (0, 3 * 13)
    accuracy = mlp.metrics["accuracy"]
    assert accuracy.value == pytest.approx(np.mean(accuracy.seeds))
    assert accuracy.low <= accuracy.value <= accuracy.high
    assert mlp.confusion.sum() == 2 * 90
    assert len(mlp.trainings[0].curve) == 3


def test_the_classifier_to_take_is_the_first_of_the_best_on_validation() -> None:
    options = ClassifierOptions(whiten=(0, 2, 4))
    result = compare(
        blobs(distance=2.0), choose(LATENT_CLASSIFIERS, ["logistic"], options), resamples=5
    )
    names = [report.name for report in result.classifiers]
    scores = [report.val_score for report in result.classifiers]
    assert names == ["logistic", "logistic-pca2", "logistic-pca4"]
    assert min(scores) < max(scores), "they differ, or there is nothing to choose"
    assert result.best is result.classifiers[scores.index(max(scores))]
    assert result.to_json()["chosen"] == result.chosen


def test_intervals_are_over_groups_where_there_are_any() -> None:
    data = blobs(distance=1.0)
    grouped = replace(data, test=replace(data.test, groups=np.arange(90) // 30))
    single, by_group = (
        compare(each, {"knn-3": MAKERS["knn-3"]}, resamples=200) for each in (data, grouped)
    )
    assert (single.groups, by_group.to_json()["groups"]) == (None, 3)
    estimates = [each.classifiers[0].metrics["accuracy"] for each in (single, by_group)]
    assert estimates[0].value == estimates[1].value
    assert estimates[0].low != estimates[1].low


def test_the_validation_score_is_that_of_the_validation_split() -> None:
    data = blobs(distance=2.0)
    (report,) = compare(data, {"knn-3": MAKERS["knn-3"]}, resamples=5).classifiers
    classifier = MAKERS["knn-3"](data.labelling, 0)
    classifier.fit(data.train, data.val)
    predicted = classifier.scores(data.val.inputs).argmax(axis=1)
    assert report.val_score == pytest.approx(balanced_accuracy_score(data.val.labels, predicted))


def test_the_json_is_strict_even_where_a_metric_is_undefined() -> None:
    data = blobs()
    one = Examples(data.test.inputs, np.zeros_like(data.test.labels))
    result = compare(
        LabelledData(data.labelling, data.train, data.val, one, {}), MAKERS, resamples=20
    )
    plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert plain["classifiers"][0]["metrics"]["auc"]["value"] is None
    assert plain["classifiers"][-1]["curves"][0][0]["epoch"] == 1


def test_comparisons_of_the_same_signals_join_and_other_signals_are_refused() -> None:
    data = blobs()
    makers = {"knn-1": MAKERS["knn-1"]}
    one = compare(data, makers, resamples=5)
    assert [report.name for report in one.joined(one).classifiers] == ["knn-1", "knn-1"]
    fewer = LabelledData(data.labelling, data.train, data.val, data.test.take(np.arange(80)), {})
    with pytest.raises(DataError, match="test: 90 in the latent set, 80 in the source"):
        data.check_same_signals(fewer)


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_the_picture_is_drawn(tmp_path: Path, task: str) -> None:
    save_png(comparison_picture(comparison(task)), tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width == 1500
        assert np.asarray(picture.convert("L")).std() > 10
