from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.jobs import ThreadWorkers
from medfuncta._src.cluster import crew as crew_module
from medfuncta._src.config import FitConfig
from medfuncta._src.errors import DataError
from medfuncta._src.latents.fit import fit_latents
from medfuncta._src.signals.domain import Domain, Grid, Scatter
from medfuncta._src.signals.signal import SignalSpec
from medfuncta._src.signals.signal_set import SignalSet
from medfuncta._src.sources.source import Source
from medfuncta._src.tasks.evaluate import evaluate
from tasks.list_source import list_source, make_signal, small_run

RNG = np.random.default_rng(0)
KINDS: dict[str, tuple[list[Domain], int]] = {
    "traces": ([Grid((30,), (0.01,), None, "s")] * 5, 1),
    "ragged traces": ([Grid((20 + 7 * i,)) for i in range(5)], 2),
    "grey images": ([Grid((12, 17))] * 5, 1),
    "colour images": ([Grid((12, 12 + i)) for i in range(5)], 3),
    "volumes": ([Grid((11, 12, 13), (1.0, 1.0, 2.0), np.eye(4), "mm")] * 2 + [Grid((6, 5, 7))], 1),
    "scattered": ([Scatter(RNG.random((15 + i, 2)), (0.0, 0.0), (1.0, 1.0)) for i in range(4)], 1),
}


def source_of(kind: str, opened: list[str] | None = None) -> Source:
    domains, channels = KINDS[kind]
    spec = SignalSpec(domains[0].dim, channels, unit="HU", label_names=("cat", "dog"))
    signals = [
        make_signal(f"s{i}", domain, channels, i % 2, seed=i) for i, domain in enumerate(domains)
    ]
    return list_source(spec, {"train": [], "test": signals}, opened=opened)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_signal_is_evaluated(kind: str) -> None:
    source = source_of(kind)
    evaluation = evaluate(small_run(source.spec), source)
    assert [m.id for m in evaluation.signals] == [f"s{i}" for i in range(len(KINDS[kind][0]))]
    assert evaluation.summary.psnr.count == len(evaluation.signals)
    wide_enough = [isinstance(d, Grid) and d.dim > 1 and min(d.shape) >= 11 for d in KINDS[kind][0]]
    assert [m.ssim is not None for m in evaluation.signals] == wide_enough


@pytest.mark.parametrize("kind", KINDS)
def test_workers_find_the_same_numbers(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = source_of(kind)
    run = small_run(source.spec)
    config = FitConfig(steps=2, batch=2)
    workers = ThreadWorkers(die_at=(2,))
    monkeypatch.setattr(crew_module, "executor_of", lambda text, count: workers)
    lost: list[int] = []
    alone, crew = (
        evaluate(
            run,
            source_of(kind),
            config=config,
            compare={"other": small_run(source.spec)},
            out=tmp_path / str(count),
            workers=count,
            on_loss=lost.append,
        )
        for count in (None, 2)
    )
    assert crew.signals == alone.signals
    assert crew.likeness == alone.likeness
    assert [point.psnr for point in crew.compared] == [point.psnr for point in alone.compared]
    assert lost == [1]


def test_metrics_are_those_of_signals_fitted_alone() -> None:
    source = source_of("ragged traces")
    run = small_run(source.spec)
    evaluation = evaluate(run, source)
    for signal, metrics in zip(source.signals("test"), evaluation.signals, strict=True):
        latent = fit_latents(run, SignalSet.collect(source.spec, [signal])).latents
        with torch.no_grad():
            values = (
                run.network(torch.from_numpy(signal.domain.coordinates())[None], latent)[0]
                .double()
                .numpy()
            )
        original = (signal.values.astype(np.float64) + 100) / 200
        assert metrics.mse == pytest.approx(
            np.square(values.clip(0, 1) - original).mean(), rel=1e-4
        )
        assert metrics.psnr == pytest.approx(-10 * math.log10(metrics.mse))
        assert metrics.mae == pytest.approx(200 * np.abs(values - original).mean(), rel=1e-4)
    assert evaluation.examples == []


def test_more_steps_and_another_batch() -> None:
    source = source_of("traces")
    run = small_run(source.spec)
    few, many = (
        evaluate(run, source, config=FitConfig(steps=steps, batch=batch))
        for steps, batch in ((2, 2), (30, 5))
    )
    same = evaluate(run, source, config=FitConfig(steps=2, batch=5))
    assert many.summary.mse.mean < few.summary.mse.mean  # type: ignore[operator]
    assert [m.psnr for m in same.signals] == pytest.approx([m.psnr for m in few.signals], rel=1e-5)


def test_the_report_is_strict_json_with_nested_keys(tmp_path: Path) -> None:
    opened: list[str] = []
    source = source_of("grey images", opened)
    evaluation = evaluate(small_run(source.spec), source, out=tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    report = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    for metric in ("psnr", "ssim", "mse", "mae", "max_error"):
        assert set(report[metric]) == {"mean", "median", "std", "count"}
    assert report["psnr"]["mean"] == evaluation.summary.psnr.mean
    assert report["by_class"]["cat"]["signals"] == 3
    assert report["by_class"]["dog"]["signals"] == 2
    assert report["worst"][0] == min(evaluation.signals, key=lambda m: m.psnr).id
    assert report["source"]["licence"] == "CC0"
    assert (report["split"], report["unit"], report["fit"]["steps"]) == ("test", "HU", 2)
    assert {path.name for path in tmp_path.iterdir()} == {
        "report.json",
        "signals.csv",
        "reconstructions.png",
        "report.html",
    }
    assert [example.rank for example in evaluation.examples] == ["best", "median", "worst"]
    assert opened == [
        "test",
        "test",
    ]  # once to measure, once for the picture; training data never
    rows = table(tmp_path)
    assert [row["label"] for row in rows] == ["cat", "dog", "cat", "dog", "cat"]
    assert float(rows[0]["psnr"]) == evaluation.signals[0].psnr


def test_the_page_names_the_data_and_escapes_it(tmp_path: Path) -> None:
    source = source_of("traces")
    spec = SignalSpec(1, 1, unit="HU", label_names=("<b>", "dog"))
    evaluate(
        small_run(spec), list_source(spec, {"test": list(source.signals("test"))}), out=tmp_path
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "SSIM" not in page  # traces have none
    assert page.count("data:image/png;base64,") == 2


def table(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "signals.csv").read_text().splitlines()))


def test_a_signal_whose_latent_diverges_stays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from medfuncta._src.latents import round_trip as module

    def spoiled(*arguments: object, **options: object) -> object:
        fit = fit_latents(*arguments, **options)  # type: ignore[arg-type]
        fit.latents[1], fit.errors[1] = torch.nan, torch.nan
        return fit

    source = source_of("traces")
    run = small_run(source.spec, batch=5)
    healthy = evaluate(run, source)
    monkeypatch.setattr(module, "fit_latents", spoiled)
    evaluation = evaluate(run, source)
    assert [m.failed for m in evaluation.signals] == [False, True, False, False, False]
    assert [m for m in evaluation.signals if not m.failed] == [
        m for m in healthy.signals if m.id != "s1"
    ]
    assert evaluation.to_json()["failed"] == 1
    assert evaluation.summary.worst[0] == "s1"


def test_when_all_fail_the_report_is_still_written(tmp_path: Path) -> None:
    source = source_of("grey images")
    run = small_run(source.spec)
    with torch.no_grad():
        run.network.last.weight.fill_(torch.nan)
    evaluation = evaluate(run, source, out=tmp_path)
    assert evaluation.summary.failed == 5
    assert json.loads((tmp_path / "report.json").read_text())["psnr"]["mean"] is None
    assert not (tmp_path / "reconstructions.png").exists()
    assert table(tmp_path)[0]["psnr"] == ""


def test_bad_files_are_counted_or_stop_it() -> None:
    signal = make_signal("good", Grid((30,)))
    spec = SignalSpec(1, 1, unit="HU")
    entries = {"test": [DataError("truncated"), signal]}
    evaluation = evaluate(small_run(spec), list_source(spec, entries, skip_bad=True))
    assert [entry["name"] for entry in evaluation.to_json()["skipped"]] == ["file0.dat"]
    with pytest.raises(DataError, match="truncated"):
        evaluate(small_run(spec), list_source(spec, entries))


def test_data_of_another_form_is_refused() -> None:
    run = small_run(SignalSpec(2, 1))
    with pytest.raises(DataError, match="this run was trained on 2 dimensions"):
        evaluate(run, source_of("traces"))
    with pytest.raises(DataError, match="no split 'val'"):
        evaluate(run, source_of("grey images"), split="val")
    with pytest.raises(DataError, match="no signals in the split 'train'"):
        evaluate(run, source_of("grey images"), split="train")


def test_progress_counts_every_signal() -> None:
    source = source_of("traces")
    done: list[int] = []
    evaluate(small_run(source.spec), source, progress=done.append)
    assert done == [1, 2, 3, 4, 5]
