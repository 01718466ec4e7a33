"""What a run does for those who have signals in memory: arrays in, arrays out.

The methods stand on the run, where a user looks for them. What does the work stands above a run and
knows of it, so that it is named here as text, as a row of a table is.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, Literal

import numpy as np
import torch

from medfuncta._src.config import Quality
from medfuncta._src.signals.domain import Domain

_IN_MEMORY: Final = "medfuncta._src.latents.in_memory"


class ArrayMethods:
    """Encoding and decoding of arrays, tensors and images, of a :class:`Run`."""

    def encode(
        self,
        signals: Any,
        *,
        channels: Literal["none", "first", "last"] | None = None,
        spacing: float | Sequence[float] | None = None,
        mask: Any = None,
        range: Any = None,
        quality: Quality | None = None,
        steps: int | None = None,
        batch: int | None = None,
        device: torch.device | str | None = None,
    ) -> torch.Tensor | np.ndarray:
        """Latents of signals in memory: one signal, an array of many, or a list of them.

        Args:
            signals: Arrays or tensors ``[*shape]`` or ``[signals, *shape]`` in the units of the
                training data, images of nibabel, ``MetaTensor``s of MONAI, ``ScalarImage``s or
                ``Subject``s of TorchIO, or signals of this package. What was done to the files of
                the training data (windows, resampling) is not done to them.
            channels: Where arrays have their channels: ``"none"``, or the ``"first"`` or ``"last"``
                axis of each signal. Left out, it is found where only one answer is possible.
            spacing: Seconds (1D) or millimetres from sample to sample of arrays, one number or one
                an axis; that of the training signals when None. Images keep their own.
            mask: True (or 1) where a value was observed: an array of the shape of a signal without
                channels, for every signal or one for each; or ``"nan"`` where NaN marks gaps.
            range: What is mapped to [0, 1]: ``(low, high)``, an array ``[signals, 2]``, or
                ``"each"`` for what each signal spans. When None, what the training data had: one
                range of all signals, or what each spans.
            quality: ``"paper"``, ``"fast"`` or ``"best"``; the run's own when None.
            steps: H, inner steps; the run's own when None.
            batch: Signals fitted side by side; the run's own when None.
            device: Where to compute; an accelerator when there is one.

        Returns:
            ``[latent]`` of one signal or ``[signals, latent]`` of many, float32: a tensor on the
            device of the signals where these are tensors (or images of MONAI or TorchIO), else an
            array. There is no graph back to the signals.

        Raises:
            ConfigError: If an argument is not of its kind, or has to be said.
            DataError: If signals are of another form than the run's, leave open where their
                channels are, hold NaN where they were observed, or cannot be fitted.
        """
        return import_module(_IN_MEMORY).encode(
            self,
            signals,
            channels=channels,
            spacing=spacing,
            mask=mask,
            range=range,
            quality=quality,
            steps=steps,
            batch=batch,
            device=device,
        )

    def decode(
        self,
        latents: Any,
        *,
        shape: int | Sequence[int] | None = None,
        grid: Domain | None = None,
        coordinates: Any = None,
        like: Any = None,
        channels: Literal["none", "first", "last"] | None = None,
        spacing: float | Sequence[float] | None = None,
        mask: Any = None,
        range: Any = None,
        device: torch.device | str | None = None,
    ) -> Any:
        """Signals that latents stand for, in the units of the data.

        Where a latent is decoded: on the samples of the training signals when nothing is said; on
        those of ``like``; at another ``shape`` of the same box; on a ``grid``; or at
        ``coordinates``.

        Args:
            latents: ``[latent]`` or ``[signals, latent]``, an array or a tensor. With a tensor that
                requires a gradient the result has one.
            shape: Samples along each axis; a number for 1D.
            grid: A :class:`Grid` or :class:`Scatter`; it fills the signal's box.
            coordinates: ``[points, dim]`` or ``[signals, points, dim]``; the box of a signal spans
                [-1, 1] along its longest side. The result is ``[points]``, or ``[points,
                channels]``.
            like: What was encoded, or another signal, one or one for each latent: the result has
                its shape, channels and kind, so that images come back as such with their affine.
            channels: Where the result has its channels; as ``like`` has them, else ``"none"`` for
                one channel and ``"last"`` for several.
            spacing: Of ``like``, as in :meth:`encode`.
            mask: Where ``like`` was observed, as in :meth:`encode`; where it is not NaN when None.
                It counts where the units of a signal are what its observed values span.
            range: What [0, 1] is mapped back to, as in :meth:`encode`; where each signal spanned
                its own it is that of ``like``.
            device: Where to compute; by default where the network is.

        Returns:
            ``[*shape]`` for one latent, ``[signals, *shape]`` for many (a list where shapes
            differ), with the axis of channels; float32, a tensor where the latents are one and else
            an array. Images where ``like`` is one: a list of them for many latents.

        Raises:
            ConfigError: If it is not known where to decode or in which units, or an argument is not
                of its kind.
            DataError: If something is of another dimension or number.
            LatentSetError: If the latents are not of this run's size, or not finite.
        """
        return import_module(_IN_MEMORY).decode(
            self,
            latents,
            shape=shape,
            grid=grid,
            coordinates=coordinates,
            like=like,
            channels=channels,
            spacing=spacing,
            mask=mask,
            range=range,
            device=device,
        )
