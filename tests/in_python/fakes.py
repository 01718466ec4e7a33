"""What is asked of TorchIO, which the tests do without."""

from __future__ import annotations

import numpy as np
import torch


class FakeScalarImage:
    """What is asked of a ``ScalarImage`` of TorchIO."""

    def __init__(self, tensor: torch.Tensor, affine: np.ndarray) -> None:
        self.data, self.affine = tensor, affine

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        return self.shape[1:]


class FakeSubject(dict[str, FakeScalarImage]):
    def get_images(self, intensity_only: bool = True) -> list[FakeScalarImage]:
        return list(self.values())
