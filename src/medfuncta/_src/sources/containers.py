"""Images of other libraries in memory: nibabel, MONAI's ``MetaTensor``, TorchIO's ``ScalarImage``.

They are known by what they have, so that none of these libraries is imported, and keep their place
in the world on the way to a signal and back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from medfuncta._src.errors import DataError
from medfuncta._src.signals.domain import Grid

Channels: TypeAlias = Literal["none", "first", "last"]
"""Whether arrays have an axis of channels, and where."""

_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From LPS+ to RAS+, and back."""


@dataclass(frozen=True, eq=False)
class Container:
    """An image of another library, of which nothing was converted yet.

    Args:
        grid: Where its values lie.
        channels: Numbers per point.
        load: Gives the values, ``[*grid.shape, channels]``.
        dtype: The data type that they were given in.
        remake: Makes an image of the same kind of values ``[*shape, channels]`` and their grid.
    """

    grid: Grid
    channels: int
    load: Callable[[], np.ndarray]
    dtype: str
    remake: Callable[[Tensor, Grid], Any]


def is_container(entry: Any) -> bool:
    """Whether it is an image of one of these libraries, rather than an array or a tensor."""
    return _is_nibabel(entry) or _is_torchio(entry) or is_meta_tensor(entry)


def is_meta_tensor(entry: Any) -> bool:
    """Whether it is a tensor with a place in the world, as MONAI has them."""
    return isinstance(entry, Tensor) and hasattr(entry, "meta") and hasattr(entry, "affine")


def is_subject(entry: Any) -> bool:
    """Whether it is a ``Subject`` of TorchIO, which has several images."""
    return hasattr(entry, "get_images")


def the_image(name: str, entry: Any) -> Any:
    """The one image of a ``Subject`` of TorchIO; anything else as it is.

    Raises:
        DataError: If a subject has several images, or none, besides label maps.
    """
    if not is_subject(entry):
        return entry
    images = entry.get_images(intensity_only=True)
    if len(images) != 1:
        raise DataError(
            f"{name} is a subject with {len(images)} images besides label maps; give one of them, "
            "such as subject['t1']"
        )
    return images[0]


def taken_apart(name: str, entry: Any, channels: Channels | None = None) -> Container | None:
    """An image of one of these libraries; None for anything else.

    Args:
        name: What an error calls it.
        entry: The image.
        channels: Where a ``MetaTensor`` has its channels; ``"first"``, as MONAI has them, when
            None.

    Raises:
        DataError: If it has other axes than space and channels, or a matrix that places nothing.
    """
    if _is_nibabel(entry):
        return _of_nibabel(name, entry)
    if _is_torchio(entry):
        return _of_torchio(name, entry)
    if is_meta_tensor(entry):
        return _of_monai(name, entry, channels or "first")
    return None


def as_array(entry: Any) -> np.ndarray:
    """An array or tensor as an array."""
    if not hasattr(entry, "detach"):
        return np.asarray(entry)
    tensor = entry.detach().cpu()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_floating_point() and tensor.dtype.itemsize < 4:
        tensor = tensor.float()  # NumPy knows no bfloat16
    return tensor.resolve_conj().resolve_neg().numpy()


def channels_last(values: Any, channels: Channels) -> Any:
    """Values of one signal, array or tensor, with their axis of channels at the end."""
    if channels == "none":
        return values[..., None]
    if channels == "first":
        return (
            np.moveaxis(values, 0, -1) if isinstance(values, np.ndarray) else values.movedim(0, -1)
        )
    return values


def channels_at(values: Tensor, channels: Channels) -> Tensor:
    """The inverse of :func:`channels_last`, of a tensor."""
    if channels == "none":
        return values.squeeze(-1)
    if channels == "first":
        return values.movedim(-1, 0)
    return values


def _is_nibabel(entry: Any) -> bool:
    return hasattr(entry, "dataobj") and hasattr(entry, "affine")


def _is_torchio(entry: Any) -> bool:
    return hasattr(entry, "spatial_shape") and hasattr(entry, "affine") and hasattr(entry, "data")


def _of_nibabel(name: str, image: Any) -> Container:
    """What the image has on a disk is read when its values are."""
    from medfuncta._src.sources.nifti_files import affine_in_mm, image_values

    shape = tuple(int(n) for n in image.shape)
    stored = dtype = np.dtype(image.get_data_dtype())
    channels = [n for n in shape[3:] if n > 1] or [1]
    if dtype.names:  # red, green, blue
        channels, dtype = [3], dtype[0]
    if len(shape) < 2 or len(channels) > 1 or min(shape) < 1:
        raise DataError(f"{name} is an image of shape {shape}; expected 2 or 3 axes and channels")
    place = _Place.of(name, shape[:3], affine_in_mm(image))

    def load() -> np.ndarray:
        try:
            return image_values(name, image.dataobj, stored).values
        except (OSError, EOFError, ValueError) as error:
            raise DataError(f"{name} cannot be read from its file; get the file again") from error

    def remake(values: Tensor, grid: Grid) -> Any:
        import nibabel as nib

        kind = type(image) if isinstance(image, nib.Nifti1Image) else nib.Nifti1Image
        whole, affine = place.whole(values, grid)
        made = kind(channels_at(whole, _none_or(whole, "last")).detach().cpu().numpy(), affine)
        made.header.set_xyzt_units("mm")
        return made

    return Container(place.grid, channels[0], load, dtype.name, remake)


def _of_torchio(name: str, image: Any) -> Container:
    """``[channels, x, y, z]``; an image of two axes has a third one of a single sample."""
    channels, *shape = (int(n) for n in image.shape)
    place = _Place.of(name, tuple(shape), np.array(image.affine, float))

    def load() -> np.ndarray:
        return channels_last(as_array(image.data), "first").reshape(*place.grid.shape, channels)

    def remake(values: Tensor, grid: Grid) -> Any:
        whole, affine = place.whole(values, grid)
        return type(image)(tensor=channels_at(whole, "first"), affine=affine)

    dtype = str(getattr(image, "dtype", "float32")).removeprefix("torch.")
    return Container(place.grid, channels, load, dtype, remake)


def _of_monai(name: str, tensor: Any, channels: Channels) -> Container:
    plain = tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
    values = channels_last(plain, channels)
    shape = tuple(values.shape[:-1])
    if not 1 <= len(shape) <= 3 or 0 in values.shape:
        raise DataError(
            f"{name} has a shape of {tuple(tensor.shape)} with channels='{channels}'; expected 1 "
            "to 3 axes besides the channels"
        )
    turn = _TO_RAS if str(tensor.meta.get("space", "")).upper().endswith("LPS") else np.eye(4)
    place = _Place.of(name, shape, turn @ _four_by_four(as_array(tensor.affine)))

    def remake(made: Tensor, grid: Grid) -> Any:
        whole, affine = place.whole(made, grid)
        placed = torch.from_numpy(turn @ affine)
        return type(tensor)(channels_at(whole, channels), affine=placed, meta=dict(tensor.meta))

    def load() -> np.ndarray:
        return as_array(values).reshape(*place.grid.shape, values.shape[-1])

    dtype = str(tensor.dtype).removeprefix("torch.")
    return Container(place.grid, int(values.shape[-1]), load, dtype, remake)


def _none_or(values: Tensor, channels: Channels) -> Channels:
    """No axis for a single channel."""
    return "none" if values.shape[-1] == 1 else channels


def _four_by_four(affine: np.ndarray) -> np.ndarray:
    """The matrix of an image of two axes, ``[3, 3]``, as one of three."""
    if affine.shape != (3, 3):
        return np.array(affine, float)
    wide = np.eye(4)
    wide[:2, :2], wide[:2, 3] = affine[:2, :2], affine[:2, 2]
    return wide


@dataclass(frozen=True, eq=False)
class _Place:
    """Where an image lies, and the axis of a single sample that its grid does without.

    Args:
        grid: Of the signal.
        single: That axis; None where there is none.
    """

    grid: Grid
    single: int | None

    @classmethod
    def of(cls, name: str, shape: tuple[int, ...], affine: np.ndarray) -> _Place:
        """That of an image, told its shape without channels and its matrix, in mm (RAS+).

        Raises:
            DataError: If the matrix places nothing.
        """
        from medfuncta._src.sources.volume import physical_grid, without_single_slices

        if len(shape) == 1:
            return cls(Grid(shape), None)
        kept, moved = without_single_slices(shape, affine)
        single = None
        if len(kept) < len(shape):
            single = max(axis for axis, count in enumerate(shape) if count == 1)
        return cls(physical_grid(name, kept, moved), single)

    def whole(self, values: Tensor, grid: Grid) -> tuple[Tensor, np.ndarray]:
        """Values ``[*shape, channels]`` on a grid and its matrix, with the single sample's axis."""
        affine = np.eye(4) if grid.affine is None else grid.affine
        if self.single is None:
            return values, affine
        order = [0, 1]
        order.insert(self.single, 2)
        return values.unsqueeze(self.single), affine[:, [*order, 3]]
