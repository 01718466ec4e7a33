"""Import of what the authors of Functa published (Dupont et al. 2022, arXiv 2201.12204): a file of
the shared network (``celeba_params_<P>_latents.npz``) and one of latents
(``celeba_modulations_<P>_latents.npz``).

In spite of their names the files are pickles: ``{"params": {module: {"w", "b"}}, "config"}`` and
``{split: {"modulation": [signals, P], "psnr": [signals]}}``. They are read without running anything
in them. True archives of NumPy are read too, with the same keys joined by slashes.

Their layers are ours with one omega, a shifted first layer and 0.5 added to the output; one linear
map makes the shifts of all layers. Their coordinates run over [0, 1] at the centres of pixels, ours
over [-1, 1]: ``w x + b = (w / 2) x' + (b + sum(w) / 2)`` in the first layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.config import InnerConfig
from medfuncta._src.disk.lock import writing
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.files import Origin, open_regular, reason
from medfuncta._src.door.limits import Omega
from medfuncta._src.door.wording import counted, shortened
from medfuncta._src.errors import LatentSetError, MedFunctaError
from medfuncta._src.field.siren.config import SirenConfig
from medfuncta._src.field.siren.field import SirenField
from medfuncta._src.latents.inert_pickle import load_inert_arrays
from medfuncta._src.latents.info import SetInfo
from medfuncta._src.latents.latent_set import LatentSet
from medfuncta._src.latents.official import ODD, check_shapes
from medfuncta._src.latents.schema import table_of
from medfuncta._src.latents.writer import LatentSetWriter, SplitWriter
from medfuncta._src.run import Run
from medfuncta._src.settings import Config
from medfuncta._src.signals.domain import Grid
from medfuncta._src.signals.signal import SignalHeader, SignalSpec, ValueRange
from medfuncta._src.sources.npz_archive import NpzArchive
from medfuncta._src.sources.source import SPLITS, SourceInfo

_OMEGA: Final = 30.0
"""Of their experiments, where a file does not say it."""
_LAYER: Final = re.compile(r"(?:.*/)?modulated_siren_layer(?:_([0-9]{1,4}))?/(?:~/)?linear")
_TO_SHIFTS: Final = re.compile(r"(?:.*/)?latent_to_modulation/.*linear(?:_([0-9]{1,4}))?")
_FILM: Final = "fi_lm"
_BLOCK: Final = 1024
_HINT: Final = "expected the weights of a latent-modulated SIREN that its latents shift"


@dataclass(frozen=True)
class _Saved:
    """A file of theirs.

    Args:
        params: Arrays by module and name.
        config: What it says of its settings.
    """

    params: Mapping[str, Mapping[str, np.ndarray]]
    config: Mapping[str, Any]

    def setting(self, section: str, name: str) -> Any:
        """A setting; None where it is not said."""
        held = self.config.get(section)
        if not isinstance(held, Mapping):
            return None
        return held.get(name)


def is_functa_file(path: Path) -> bool:
    """Whether a file begins as theirs do: a pickle, or an archive of NumPy that is called one.

    Raises:
        LatentSetError: If it cannot be read.
    """
    with open_regular(path, Origin(path.name, LatentSetError, "copy it again")) as file:
        start = file.read(2)
    return start[:1] == b"\x80" or (start == b"PK" and path.suffix == ".npz")


@expecting
def read_functa_field(
    path: Path, *, shape: tuple[int, ...] | None = None, omega: Omega | None = None
) -> Run:
    """The shared network in a file of ``params``.

    Args:
        path: The file.
        shape: The grid of its signals; what the file says when None.
        omega: w of every layer; what the file says, else 30, when None.

    Raises:
        LatentSetError: If the file holds something else, or the grid is said nowhere.
        DataError: If it is too large.
    """
    saved = _saved(path)
    if not saved.params:
        raise LatentSetError(f"{path.name} does not hold a field of Functa ({_HINT})")
    try:
        weights, config = _ours(saved, omega)
        if shape is None:
            shape = _shape_of(saved, path, config.dim)
        check_shapes(weights, config)  # before memory is asked for
        network = SirenField(config)
        network.load_state_dict(weights)
        spec = SignalSpec(config.dim, config.channels, shape)
    except LatentSetError:
        raise
    except (MedFunctaError, *ODD) as error:
        line = shortened(reason(error))
        raise LatentSetError(
            f"{path.name} does not hold a field of Functa that can be imported ({line}); {_HINT}"
        ) from error
    rate = saved.setting("opt_inner", "lr")
    step = float(rate) if isinstance(rate, float | int) and 0 < rate <= 100 else 1e-2
    inner = InnerConfig(step, channel_mean=True)
    return Run(network.eval(), Config(config, inner), spec, {"imported": path.name})


def import_functa_set(
    path: Path, run: Run, out: Path | str, source: SourceInfo, *, dtype: str = "float32"
) -> LatentSet:
    """Read a file of ``modulations``; goes on where an earlier call was stopped.

    Args:
        path: The file.
        run: Its field, from :func:`read_functa_field`.
        out: Where the latent set goes.
        source: What is known of the data.
        dtype: How latents are stored.

    Raises:
        LatentSetError: If the file holds something else, or ``out`` does.
        DataError: If it is too large.
        MedFunctaError: If another process writes into ``out``, or the disk is full.
    """
    splits = dict(_splits(path, run.config.field.latent_size))
    if not splits:
        raise LatentSetError(
            f"{path.name} holds no modulations; expected the file "
            "celeba_modulations_<P>_latents.npz, or one made by modulation_dataset_writer.py"
        )
    info = SetInfo(run.fingerprint, run.config.field.latent_size, run.spec, source, {}, dtype)
    with writing(Path(out)):
        writer = LatentSetWriter(out, run, info)
        for name, (latents, psnr) in splits.items():
            target = writer.split(name)
            if target is not None:
                _append_all(target, writer.info, latents, psnr)
                writer.finish_split(target)
        return writer.finish()


def _append_all(target: SplitWriter, info: SetInfo, latents: np.ndarray, psnr: np.ndarray) -> None:
    domain = Grid(info.spec.shape or ())
    for start in range(target.consumed, len(latents), _BLOCK):
        block = np.ascontiguousarray(latents[start : start + _BLOCK], np.float32)
        if not np.isfinite(block).all():
            raise LatentSetError(f"split '{target.name}' holds latents with NaN or Inf")
        headers = []
        for row in range(start, start + len(block)):
            id = f"{target.name}-{row}"
            headers.append(SignalHeader(id, domain, info.spec.channels, ValueRange(0.0, 1.0)))
        known = np.asarray(psnr[start : start + _BLOCK], np.float32)
        target.append(table_of(info, headers, block, known), last_id=headers[-1].id)


def _saved(path: Path) -> _Saved:
    content = _content(path)
    params = content.get("params")
    config = content.get("config")
    if not isinstance(params, Mapping):
        params = _nested(content)
    arrays = {}
    for module, held in params.items():
        if isinstance(held, Mapping):
            named = {str(name): a for name, a in held.items() if isinstance(a, np.ndarray)}
            arrays[str(module)] = named
    return _Saved(arrays, config if isinstance(config, Mapping) else {})


def _content(path: Path) -> Mapping[str, Any]:
    """What a file holds by name."""
    with open_regular(path, Origin(path.name, LatentSetError, "copy it again")) as file:
        zipped = file.read(2) == b"PK"
    if zipped:
        archive = NpzArchive(path)
        return {name: archive.array(name) for name in sorted(archive.names)}
    content = load_inert_arrays(path)
    if not isinstance(content, Mapping):
        return {}
    return content


def _nested(flat: Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Arrays whose names are ``module/name``, by module and name."""
    nested: dict[str, dict[str, np.ndarray]] = {}
    for name, array in flat.items():
        module, _, last = str(name).removeprefix("params/").rpartition("/")
        if isinstance(array, np.ndarray):
            nested.setdefault(module, {})[last] = array
    return nested


def _shape_of(saved: _Saved, path: Path, dim: int) -> tuple[int, ...]:
    """The grid of images, as the file says it."""
    side = saved.setting("dataset", "resolution")
    if dim != 2:
        raise LatentSetError(
            f"{path.name} is a field of scenes, of which only views are known; expected one of "
            "images"
        )
    if not isinstance(side, int) or isinstance(side, bool) or not 1 < side <= 2**15:
        raise LatentSetError(
            f"{path.name} does not say the grid of its signals; give it with --shape, such as "
            "--shape 64,64"
        )
    return (side, side)


def _ours(saved: _Saved, omega: float | None) -> tuple[dict[str, Tensor], SirenConfig]:
    """Their weights by our names, and the settings of the field.

    Raises:
        ValueError, KeyError: If they are not those of such a field.
    """
    layers = _numbered(saved.params, _LAYER)
    maps = _numbered(saved.params, _TO_SHIFTS)
    if any(_FILM in module for module in saved.params) or len(maps) != 1 or len(layers) < 3:
        raise ValueError(
            f"{len(layers)} layers and {len(maps)} maps from latents to shifts; expected at least "
            "3 layers and 1 linear map"
        )
    dim, width = layers[0]["w"].shape
    to_shifts, offsets = _tensor(maps[0]["w"]), _tensor(maps[0]["b"])
    hidden = len(layers) - 1
    if to_shifts.shape[1] != hidden * width:
        raise ValueError(
            f"a latent makes {counted(to_shifts.shape[1], 'number')}; expected {hidden * width}, "
            "one shift a "
            "unit"
        )
    said = saved.setting("model", "w0")
    if omega is None:
        omega = float(said) if isinstance(said, float | int) else _OMEGA
    weights = {
        "last.weight": _tensor(layers[-1]["w"]).T.contiguous(),
        "last.bias": _tensor(layers[-1]["b"]),
    }
    for number, layer in enumerate(layers[:-1]):
        units = slice(number * width, (number + 1) * width)
        name = f"layers.{number}"
        weights[f"{name}.linear.weight"] = _tensor(layer["w"]).T.contiguous()
        weights[f"{name}.linear.bias"] = _tensor(layer["b"])
        weights[f"{name}.shift.weight"] = to_shifts[:, units].T.contiguous()
        weights[f"{name}.shift.bias"] = offsets[units].clone()
    first = weights["layers.0.linear.weight"]
    weights["layers.0.linear.bias"] = weights["layers.0.linear.bias"] + first.sum(1) / 2
    weights["layers.0.linear.weight"] = first / 2
    config = SirenConfig(
        dim=dim,
        channels=len(layers[-1]["b"]),
        layers=len(layers),
        width=width,
        latent_size=len(to_shifts),
        omega_first=omega,
        omega_last=omega,
        shift_first=True,
        output_offset=0.5,
    )
    return weights, config


def _numbered(
    params: Mapping[str, Mapping[str, np.ndarray]], pattern: re.Pattern[str]
) -> list[Mapping[str, np.ndarray]]:
    """The modules of a kind in the order of their numbers; the first has none or 0."""
    found = {}
    for module, arrays in params.items():
        match = pattern.fullmatch(module)
        if match is not None:
            found[int(match[1] or 0)] = arrays
    if sorted(found) != list(range(len(found))):
        raise ValueError(f"layers numbered {sorted(found)}")
    return [found[number] for number in sorted(found)]


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def _splits(path: Path, latent_size: int) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Latents and PSNR by split.

    Raises:
        LatentSetError: If latents are of another size.
    """
    content = _content(path)
    for split in (*SPLITS, "all"):
        held = content.get(split)
        if not isinstance(held, Mapping):
            held = _of_split(content, split)
        latents = held.get("modulation", held.get("modulations"))
        if not isinstance(latents, np.ndarray):
            continue
        if latents.ndim != 2 or latents.shape[1] != latent_size or not len(latents):
            raise LatentSetError(
                f"{path.name} holds modulations of shape {list(latents.shape)} as '{split}'; "
                f"expected signals of {counted(latent_size, 'number')}, as its field has"
            )
        psnr = held.get("psnr")
        if not isinstance(psnr, np.ndarray) or psnr.shape != latents.shape[:1]:
            psnr = np.full(len(latents), np.nan, np.float32)
        yield split, (latents, psnr)


def _of_split(flat: Mapping[str, Any], split: str) -> dict[str, Any]:
    """The arrays of a split in an archive of NumPy: ``train/modulation`` or ``train_modulation``;
    those without a split are ``all``."""
    held = {}
    for name, array in flat.items():
        for prefix in (f"{split}/", f"{split}_"):
            if str(name).startswith(prefix):
                held[str(name).removeprefix(prefix)] = array
        if split == "all":
            held.setdefault(str(name), array)
    return held
