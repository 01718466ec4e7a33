"""``medfuncta demo``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from medfuncta._src.cli.command import Command
from medfuncta._src.cli.terminal import table, tell
from medfuncta._src.door.wording import counted
from medfuncta._src.result import Result

if TYPE_CHECKING:
    from medfuncta._src.demo.steps import Demonstration


@dataclass(kw_only=True)
class Demo(Command):
    """Train, fit, reconstruct and classify heartbeats that ship with the package, and show on a
    page what came out.

    Takes about half a minute on two cores and needs no network.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("medfuncta-demo")
    """Folder for run/, latents/, report/ and index.html; what an earlier demo left there is
    replaced."""

    def run(self) -> Shown:
        from medfuncta._src.cli.progress import training_progress
        from medfuncta._src.demo.folder import replacing
        from medfuncta._src.demo.page import PAGE_FILE, write_demo_report
        from medfuncta._src.demo.steps import SETTINGS, demonstrate

        with (
            replacing(self.out) as fresh,
            training_progress(SETTINGS["train"]["steps"]) as listener,
        ):
            demo = demonstrate(fresh, SETTINGS, listener=listener, tell=tell)
            write_demo_report(demo, fresh)
        return Shown(self.out / PAGE_FILE, demo)

    def summary(self, result: Shown) -> str:
        from medfuncta._src.demo.page import OWN_DATA

        demo = result.demonstration
        train, quality = demo.train, demo.evaluation.summary
        accuracy = demo.comparison.classifiers[0].metrics["balanced_accuracy"].value or 0.0
        rows = [
            (
                "train",
                f"{train.steps} meta-steps in {train.seconds:.0f} s",
                f"{train.psnr:.2f} dB on validation signals",
            ),
            (
                "fit",
                f"{len(demo.latents)} heartbeats",
                f"{counted(demo.latents.info.latent_size, 'number')} each",
            ),
            (
                "evaluate",
                f"{quality.signals} unseen heartbeats",
                f"{quality.psnr.mean:.2f} dB mean PSNR",
            ),
            ("classify", "nearest neighbour of each", f"{100 * accuracy:.1f} % balanced accuracy"),
        ]
        lines = [table(("step", "what", "result"), rows), f"page: {result.page}"]
        lines += ["", "next, on your own data:"]
        for command in OWN_DATA:
            lines.append(f"  {command}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Shown(Result):
    """A demonstration and its page.

    Args:
        page: The file.
        demonstration: What is on it.
    """

    page: Path
    demonstration: Demonstration

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"page": str(self.page), **self.demonstration.to_json()}
