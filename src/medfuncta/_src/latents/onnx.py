"""The field as an ONNX model, for programs without PyTorch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

import torch

from medfuncta._src.disk.atomic import write_atomically
from medfuncta._src.door.callers import expecting
from medfuncta._src.door.wording import shortened
from medfuncta._src.errors import MedFunctaError, missing_extra
from medfuncta._src.run import Run

_OPSET: Final = 17
_EXAMPLE: Final = (2, 3)
"""Signals and points of the example that is traced; any number of either works afterwards."""


@expecting
def export_onnx(run: Run, path: Path) -> None:
    """Write ``(coordinates [batch, points, dim], latents [batch, latent]) -> values [batch, points,
    channels]``, all float32.

    Batch and points are free. Coordinates and values are the field's own, in [-1, 1] and near [0,
    1]. The field is traced by PyTorch's exporter, so that any kind of field can be written.

    Raises:
        MedFunctaError: If the package ``onnx`` is not installed, or the file cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "onnx") from error

    def write(temporary: Path) -> None:
        try:
            _trace(run, temporary)
        except torch.onnx.errors.OnnxExporterError as error:
            kind = run.config.field.kind
            said = shortened(str(error))
            raise MedFunctaError(
                f"a field of kind '{kind}' cannot be written as ONNX: {said}; its forward must "
                "consist of operations that PyTorch's exporter knows"
            ) from error
        model = onnx.load(temporary)
        model.producer_name = "medfuncta"
        model.metadata_props.add(key="fingerprint", value=run.fingerprint)
        onnx.checker.check_model(model)
        onnx.save(model, temporary)

    write_atomically(path, write)


def _trace(run: Run, path: Path) -> None:
    config = run.config.field
    signals, points = _EXAMPLE
    field = run.network.copied().to("cpu", torch.float32).eval()
    coordinates = torch.zeros(signals, points, config.dim)
    latents = torch.zeros(signals, config.latent_size)
    with warnings.catch_warnings():
        # The other exporter needs two more packages and ten times as long for the same graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            field,
            (coordinates, latents),
            path,
            dynamo=False,
            opset_version=_OPSET,
            input_names=["coordinates", "latents"],
            output_names=["values"],
            dynamic_axes={
                "coordinates": {0: "batch", 1: "points"},
                "latents": {0: "batch"},
                "values": {0: "batch", 1: "points"},
            },
        )
