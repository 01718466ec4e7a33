"""The field as an ONNX model, for programs without PyTorch.

The graph is built node by node: the field has four kinds of them, and PyTorch's exporter takes ten
    seconds and two more packages.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from torch import Tensor

from medfuncta.atomic import write_atomically
from medfuncta.errors import missing_extra
from medfuncta.field.siren.field import ShiftedField, SirenLayer
from medfuncta.run import Run

if TYPE_CHECKING:
    import onnx

OPSET: Final = 17
_IR_VERSION: Final = 8
"""That of the opset, so that older runtimes read the file."""


def export_onnx(run: Run, path: Path) -> None:
    """Write ``(coordinates [batch, points, dim], latents [batch, latent]) -> values [batch, points,
    channels]``, all float32.

    Batch and points are free. Coordinates and values are the field's own, in [-1, 1] and near [0,
    1].

    Raises:
        MedFunctaError: If the package ``onnx`` is not installed, or the file cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "onnx") from error
    config = run.config.field
    number = onnx.TensorProto.FLOAT
    describe = onnx.helper.make_tensor_value_info
    graph = _Graph()
    graph.add_field(run.network)
    proto = onnx.helper.make_graph(
        graph.nodes,
        "field",
        [
            describe("coordinates", number, ["batch", "points", config.dim]),
            describe("latents", number, ["batch", config.latent_size]),
        ],
        [describe("values", number, ["batch", "points", config.channels])],
        graph.constants,
    )
    model = onnx.helper.make_model(
        proto,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="medfuncta",
    )
    model.metadata_props.add(key="fingerprint", value=run.fingerprint)
    onnx.checker.check_model(model)
    write_atomically(path, lambda temporary: temporary.write_bytes(model.SerializeToString()))


class _Graph:
    """Nodes and constants of the field; every method gives the name of what it computes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add_field(self, network: ShiftedField) -> None:
        outputs = "coordinates"
        for index, layer in enumerate(network.layers):
            assert isinstance(layer, SirenLayer)
            shifted = self._siren(layer, f"layer{index}", outputs)
            outputs = (
                self._node("Add", f"layer{index}.sum", outputs, shifted)
                if index and network.config.residual
                else shifted
            )
        self._linear(
            "last",
            outputs,
            network.last.weight,
            network.last.bias + network.config.output_offset,
            out="values",
        )

    def _siren(self, layer: SirenLayer, name: str, inputs: str) -> str:
        inside = self._linear(name, inputs, layer.linear.weight, layer.linear.bias)
        if layer.shift is not None:
            shift = self._linear(f"{name}.shift", "latents", layer.shift.weight, layer.shift.bias)
            one_axis_more = self._node(
                "Unsqueeze", f"{name}.shift.points", shift, self._constant(f"{name}.axis", [1])
            )
            inside = self._node("Add", f"{name}.shifted", inside, one_axis_more)
        scaled = self._node(
            "Mul", f"{name}.scaled", inside, self._constant(f"{name}.omega", layer.omega)
        )
        return self._node("Sin", f"{name}.sin", scaled)

    def _linear(self, name: str, inputs: str, weight: Tensor, bias: Tensor, out: str = "") -> str:
        product = self._node(
            "MatMul", f"{name}.product", inputs, self._constant(f"{name}.weight", weight.T)
        )
        return self._node(
            "Add", out or f"{name}.linear", product, self._constant(f"{name}.bias", bias)
        )

    def _node(self, operation: str, out: str, *inputs: str) -> str:
        import onnx

        self.nodes.append(onnx.helper.make_node(operation, list(inputs), [out], name=out))
        return out

    def _constant(self, name: str, value: Tensor | float | list[int]) -> str:
        import numpy as np
        import onnx

        array = np.asarray(
            value.detach().cpu().float().contiguous() if isinstance(value, Tensor) else value
        )
        kept = array.astype(np.int64 if isinstance(value, list) else np.float32)
        self.constants.append(onnx.numpy_helper.from_array(kept, name))
        return name
