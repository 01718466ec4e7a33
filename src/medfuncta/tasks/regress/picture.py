"""Predicted numbers against true ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medfuncta.tasks.drawing.figure import ACCENT, MUTED, SECOND, new_figure
from medfuncta.tasks.regress.report import Regression

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def regression_picture(regression: Regression) -> Figure:
    """One square a regressor; on the diagonal a prediction is exact."""
    truth, quantity = regression.test.targets, regression.test.quantity or regression.target
    every = np.concatenate([truth, *(report.predicted for report in regression.reports)])
    margin = 0.05 * float(np.ptp(every)) or 1.0
    limits = (float(every.min()) - margin, float(every.max()) + margin)
    size = float(np.clip(3000 / len(truth), 4, 24))
    with new_figure(3.2 * len(regression.reports), 3.5) as figure:
        for axes, report in zip(
            figure.subplots(1, len(regression.reports), sharey=True, squeeze=False)[0],
            regression.reports,
            strict=True,
        ):
            axes.plot(limits, limits, color=ACCENT, linewidth=1)
            axes.scatter(truth, report.predicted, s=size, color=SECOND, alpha=0.7, linewidths=0)
            axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel=f"true {quantity}")
            r2 = "undefined" if report.r2.value is None else f"{report.r2.value:.2f}"
            axes.set_title(f"{report.name}   R² {r2}", loc="left", color=MUTED)
        figure.axes[0].set_ylabel(f"predicted {quantity}")
    return figure
