"""``medfuncta demo``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from medfuncta.cli.command import Command


@dataclass(kw_only=True)
class Demo(Command):
    """Train, fit, reconstruct and classify heartbeats that ship with the package, and show on a
    page what came out.

    Takes about a minute or two on two cores and needs no network.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("medfuncta-demo")
    """Folder for run/, latents/, report/ and index.html; what an earlier demo left there is
    replaced."""

    def run(self) -> dict[str, Any]:
        from medfuncta.cli.progress import training_progress
        from medfuncta.demo.folder import replacing
        from medfuncta.demo.page import PAGE_FILE, write_demo_report
        from medfuncta.demo.steps import SETTINGS, demonstrate

        with (
            replacing(self.out) as fresh,
            training_progress(SETTINGS["train"]["steps"]) as listener,
        ):
            demo = demonstrate(fresh, SETTINGS, listener=listener, tell=_tell)
            write_demo_report(demo, fresh)
        return {"page": str(self.out / PAGE_FILE), **demo.to_dict()}

    def summary(self, result: dict[str, Any]) -> str:
        from medfuncta.cli.table import table
        from medfuncta.demo.page import OWN_DATA

        train, latents, quality = result["train"], result["latents"], result["reconstruction"]
        accuracy = result["classification"]["classifiers"][0]["metrics"]["balanced_accuracy"][
            "value"
        ]
        rows = [
            (
                "train",
                f"{train['steps']} meta-steps in {train['seconds']:.0f} s",
                f"{train['psnr']:.2f} dB on validation signals",
            ),
            ("fit", f"{latents['signals']} heartbeats", f"{latents['latent_size']} numbers each"),
            (
                "evaluate",
                f"{quality['signals']} unseen heartbeats",
                f"{quality['psnr']['mean']:.2f} dB mean PSNR",
            ),
            ("classify", "nearest neighbour of each", f"{100 * accuracy:.1f} % balanced accuracy"),
        ]
        return "\n".join(
            (
                table(("step", "what", "result"), rows),
                f"page: {result['page']}",
                "",
                "next, on your own data:",
                *(f"  {line}" for line in OWN_DATA),
            )
        )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
