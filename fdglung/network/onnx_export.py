"""A torch network as an ONNX model, weights stored in 32, 16 or 8 bits, and its weights back again."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.network.spec import NetworkSpec

INPUT, OUTPUT = "image", "pred"
"""Names of the model's input and output, as the bundle's metadata have them."""

PRECISIONS = ("single", "half", "int8")
"""How weights can be stored; they are computed with in single precision all the same."""

_HALF, _INT8, _SCALE = ".half", ".int8", ".scale"
_OPSET = 17
_EXAMPLE_VOXELS = 32


def onnx_model(network: Any, spec: NetworkSpec, *, precision: str = "single") -> Any:
    """Export a network.

    Parameters
    ----------
    network
        A torch module in evaluation mode, on the CPU.
    spec
        What network it is.
    precision
        One of `PRECISIONS`. With ``int8`` the kernels of convolutions are stored as whole numbers from -127 to 127 and
        a scale for each of their first axis (Jacob et al., doi:10.1109/CVPR.2018.00286), all other weights in half
        precision.

    Returns
    -------
    onnx.ModelProto
        From (batch, channel, z, y, x) to (batch, output, z, y, x), sides of any multiple of 16.

    """
    import onnx
    import torch

    buffer = io.BytesIO()
    axes = {0: "batch", 2: "z", 3: "y", 4: "x"}
    example = torch.zeros(1, len(spec.channels), *(max(_EXAMPLE_VOXELS, 2 ** len(spec.features)),) * 3)
    with warnings.catch_warnings():
        # Exporting by tracing is marked as old; it is the one that needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            buffer,
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: axes},
            opset_version=_OPSET,
            # Folding would take their names from the slopes of activations; runtimes fold when they open the model.
            do_constant_folding=False,
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    if precision != "single":
        _store_small(model.graph, eighth=precision == "int8")
    return model


def weights_of(model: Any) -> dict[str, NDArray[Any]]:
    """Return the weights of an exported network by the names that torch has for them, in single precision.

    Parameters
    ----------
    model
        An onnx.ModelProto that `onnx_model` made.

    """
    from onnx import numpy_helper

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {}
    for name, values in stored.items():
        if name.endswith(_INT8):
            own = name.removesuffix(_INT8)
            weights[own] = _along_first(stored[f"{own}{_SCALE}"], values) * values.astype(np.float32)
        elif not name.endswith(_SCALE):
            own = name.removesuffix(_HALF)
            weights[own] = values.astype(np.float32) if values.dtype == np.float16 else values
    # Of equal tensors the exporter keeps one, and gives the others' names to what passes it on.
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return weights


def _store_small(graph: Any, *, eighth: bool) -> None:
    """Store weights in 16 bits, kernels in 8 where `eighth` says so, and bring them back where they are used."""
    from onnx import TensorProto, helper, numpy_helper

    stored, nodes = [], []
    for tensor in graph.initializer:
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT:
            stored.append(tensor)
        elif eighth and values.ndim > 2:
            scale = np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1), np.finfo(np.float32).tiny) / 127
            whole = np.rint(values / _along_first(scale, values)).astype(np.int8)
            parts = {f"{name}{_INT8}": whole, f"{name}{_SCALE}": scale.astype(np.float32)}
            stored += [numpy_helper.from_array(part, called) for called, part in parts.items()]
            nodes.append(helper.make_node("DequantizeLinear", list(parts), [name], axis=0))
        else:
            stored.append(numpy_helper.from_array(values.astype(np.float16), f"{name}{_HALF}"))
            nodes.append(helper.make_node("Cast", [f"{name}{_HALF}"], [name], to=TensorProto.FLOAT))
    nodes += graph.node
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(stored)
    graph.node.extend(nodes)


def _along_first(scale: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    return scale.reshape(-1, *(1 for _ in values.shape[1:]))
