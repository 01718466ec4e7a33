"""How many wrong lines the tests notice.

    python tools/mutations.py [NAME ...]

makes one change of one line at a time (a sign, an axis, one off, two arguments swapped) in a copy
of the repository, runs the tests of that part there, and prints which changes were noticed. With
names, only the changes of the files that hold one of them. Thirty take about ten minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = Path("src") / "medfuncta" / "_src"
_COPIED: Final = ("src", "tests", "tools", "pyproject.toml", "README.md")
_SECONDS: Final = 300


@dataclass(frozen=True)
class Mutation:
    """One change of one line.

    Args:
        file: In the package.
        old: A text that the file has once.
        new: What takes its place.
        tests: Files and folders of tests that should notice.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> str:
        """Change the file below a root; gives its text before.

        Raises:
            SystemExit: If the file does not have the text once.
        """
        path = root / PACKAGE / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SystemExit(f"{self.file} has {text.count(self.old)} times: {self.old}")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return text

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())}  ->  {' '.join(self.new.split())}"


_FIELD: Final = ("tests/field", "tests/golden")
_META: Final = ("tests/learning/test_meta_gradient.py", "tests/learning/test_train.py")
_DOMAIN: Final = ("tests/signals/test_domain.py",)
_STEPS: Final = ("tests/signals/test_preprocess.py",)
_DECODE: Final = ("tests/latents/test_decode.py", "tests/latents/test_input_grid.py")
_DICOM: Final = ("tests/sources/test_dicom.py", "tests/sources/test_dicom_geometry.py")

MUTATIONS: Final = (
    Mutation(
        "field/siren/field.py",
        "state = state + above if self.config.residual else above",
        "state = state - above if self.config.residual else above",
        _FIELD,
    ),
    Mutation(
        "field/siren/field.py",
        "rate=schedule[0] / schedule[index],",
        "rate=schedule[index] / schedule[0],",
        (*_FIELD, "tests/learning/test_optimiser.py"),
    ),
    Mutation(
        "field/siren/field.py",
        "self.bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega",
        "self.bound = 1 / inputs if first else math.sqrt(3 / inputs) / omega",
        _FIELD,
    ),
    Mutation(
        "field/siren/omega.py",
        "config.omega_first + rise * k / last_index",
        "config.omega_first + rise * k / config.layers",
        (*_FIELD, "src/medfuncta/_src/field/siren/omega.py"),
    ),
    Mutation(
        "learning/meta_gradient.py",
        "tangent = self.inner.momentum * tangent - self.inner.step_size * adjoint",
        "tangent = self.inner.momentum * tangent + self.inner.step_size * adjoint",
        _META,
    ),
    Mutation(
        "learning/meta_gradient.py",
        "losses, adjoint = group.outer_gradient(adapted.latents, outer, 1 / targets.batch)",
        "losses, adjoint = group.outer_gradient(adapted.latents, outer, 1 / len(spans))",
        _META,
    ),
    Mutation(
        "learning/meta_gradient.py",
        "return context_points(self.targets, self.contexts[step])",
        "return context_points(self.targets, self.contexts[step - 1])",
        _META,
    ),
    Mutation(
        "learning/adapt.py",
        "velocity = inner.momentum * velocity + found.gradient",
        "velocity = velocity + inner.momentum * found.gradient",
        _META,
    ),
    Mutation(
        "learning/gauss_newton.py",
        "return -(change * (2 * self.gradient + self.applied(change))).sum(1)",
        "return -(change * (self.gradient + self.applied(change))).sum(1)",
        ("tests/learning/test_gauss_newton.py", "tests/learning/test_refine.py"),
    ),
    Mutation(
        "learning/gauss_newton.py",
        "return torch.linalg.solve_triangular(r.T, q, upper=False, left=False)",
        "return torch.linalg.solve_triangular(r, q, upper=True, left=False)",
        ("tests/learning/test_gauss_newton.py", "tests/learning/test_refine.py"),
    ),
    Mutation(
        "learning/refine.py",
        "torch.where(taken, _FIRST_GROWTH, 2 * here.growth),",
        "torch.where(taken, 2 * here.growth, _FIRST_GROWTH),",
        ("tests/learning/test_refine.py",),
    ),
    Mutation(
        "learning/optimiser.py",
        "self.weights[name].lerp_(parameter, 1 - kept)",
        "self.weights[name].lerp_(parameter, kept)",
        ("tests/learning/test_optimiser.py", "tests/learning/test_train.py"),
    ),
    Mutation(
        "signals/domain.py",
        "along_sides = (2 * positions + 1) / np.array(self.shape) - 1",
        "along_sides = 2 * positions / np.array(self.shape) - 1",
        _DOMAIN,
    ),
    Mutation(
        "signals/domain.py",
        "return tuple(side / max(sides) for side in sides)",
        "return tuple(side / min(sides) for side in sides)",
        _DOMAIN,
    ),
    Mutation(
        "signals/domain.py",
        "first_centre = (factor - 1) / 2",
        "first_centre = (factor + 1) / 2",
        _DOMAIN,
    ),
    Mutation(
        "signals/preprocess/geometry.py",
        "return (np.sign(cut) * (np.abs(cut) // 2)).tolist()",
        "return (np.sign(cut) * ((np.abs(cut) + 1) // 2)).tolist()",
        _STEPS,
    ),
    Mutation(
        "signals/preprocess/geometry.py",
        'image = ndimage.gaussian_filter(image, np.maximum(0, (factor - 1) / 2), mode="nearest")',
        'image = ndimage.gaussian_filter(image, np.maximum(0, (factor - 1) / 4), mode="nearest")',
        _STEPS,
    ),
    Mutation(
        "signals/preprocess/geometry.py",
        "old_axes = np.argsort(turn[:, 0])",
        "old_axes = turn[:, 0].astype(int)",
        _STEPS,
    ),
    Mutation(
        "signals/preprocess/intensity.py",
        "low, high = np.quantile(observed, [self.low, self.high])",
        "low, high = np.quantile(signal.values, [self.low, self.high])",
        _STEPS,
    ),
    Mutation(
        "signals/psnr.py",
        "return -10 * torch.log10(",
        "return -20 * torch.log10(",
        ("src/medfuncta/_src/signals/psnr.py", "tests/tasks/evaluate/test_metrics.py"),
    ),
    Mutation(
        "latents/quantise.py",
        "_LARGEST_INT8 = 127",
        "_LARGEST_INT8 = 128",
        ("tests/latents/test_quantise.py",),
    ),
    Mutation(
        "latents/decode.py",
        "coordinates = own.coordinates_at(positions @ turn.T + shift)",
        "coordinates = own.coordinates_at(positions @ turn + shift)",
        _DECODE,
    ),
    Mutation(
        "latents/decode.py",
        "voxels = _voxels_of(header, own.affine) @ target.affine",
        "voxels = target.affine @ _voxels_of(header, own.affine)",
        _DECODE,
    ),
    Mutation(
        "sources/dicom_image.py",
        "affine = _affine(along_column * rows, along_row * columns, normal, frame.corner)",
        "affine = _affine(along_column * columns, along_row * rows, normal, frame.corner)",
        _DICOM,
    ),
    Mutation(
        "sources/dicom_image.py",
        "affine = _affine(along_row * columns, along_column * rows, step, lowest.corner)",
        "affine = _affine(along_row * rows, along_column * columns, step, lowest.corner)",
        _DICOM,
    ),
    Mutation(
        "sources/dicom_image.py",
        "_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])",
        "_TO_RAS: Final = np.diag([-1.0, 1.0, 1.0, 1.0])",
        _DICOM,
    ),
    Mutation(
        "sources/nifti_files.py",
        '_MILLIMETRES: Final = {"meter": 1000.0, "micron": 0.001}',
        '_MILLIMETRES: Final = {"meter": 1000.0, "micron": 0.01}',
        ("tests/sources/test_nifti.py", "tests/sources/test_odd_headers.py"),
    ),
    Mutation(
        "sources/splitting.py",
        "chosen[split], free = free[:count], free[count:]",
        "chosen[split], free = free[: count + 1], free[count:]",
        ("tests/sources/test_splitting.py",),
    ),
    Mutation(
        "sources/splitting.py",
        "split: max(round(fraction * total), int(fraction > 0))",
        "split: max(round(fraction * free), int(fraction > 0))",
        ("tests/sources/test_splitting.py",),
    ),
    Mutation(
        "sources/splitting.py",
        "rest = int(free > 0 and sum(fractions.values()) < 1)",
        "rest = int(free > 0 and sum(fractions.values()) <= 1)",
        ("tests/sources/test_splitting.py",),
    ),
)
"""The changes; each alters what the package does."""


def copied(root: Path) -> None:
    """What tests need, below a root."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)


def fails(root: Path, tests: Sequence[str]) -> bool:
    """Whether a test below a root fails.

    Raises:
        SystemExit: If no test ran.
    """
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        return True
    if done.returncode not in (0, 1):
        raise SystemExit(f"pytest ended with {done.returncode}: {done.stdout[-2000:]}")
    return done.returncode == 1


def main(names: Sequence[str]) -> int:
    """Try all mutations whose file holds one of the names; 1 where one was not noticed."""
    chosen = [m for m in MUTATIONS if not names or any(name in m.file for name in names)]
    missed = 0
    sound: set[tuple[str, ...]] = set()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        copied(root)
        for mutation in chosen:
            if mutation.tests not in sound:
                if fails(root, mutation.tests):
                    raise SystemExit(f"{' '.join(mutation.tests)} fail without any change")
                sound.add(mutation.tests)
            before = mutation.apply(root)
            seen = fails(root, mutation.tests)
            (root / PACKAGE / mutation.file).write_text(before, encoding="utf-8")
            missed += not seen
            print("noticed" if seen else "MISSED ", mutation, flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} noticed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
