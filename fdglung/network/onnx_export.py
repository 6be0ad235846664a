"""A torch network as an ONNX model, weights in single or half precision, and its weights back again."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.network.spec import NetworkSpec

INPUT, OUTPUT = "image", "pred"
"""Names of the model's input and output, as the bundle's metadata have them."""

_HALF = ".half"
_OPSET = 17
_EXAMPLE_VOXELS = 32


def onnx_model(network: Any, spec: NetworkSpec, *, half: bool = False) -> Any:
    """Export a network.

    Parameters
    ----------
    network
        A torch module in evaluation mode, on the CPU.
    spec
        What network it is.
    half
        Whether to store weights in half precision, cast to single precision where they are used.

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
    if half:
        _store_half(model.graph)
    return model


def weights_of(model: Any) -> dict[str, NDArray[Any]]:
    """Return the weights of an exported network by the names that torch has for them, in single precision.

    Parameters
    ----------
    model
        An onnx.ModelProto that `onnx_model` made.

    """
    from onnx import numpy_helper

    weights = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        weights[tensor.name.removesuffix(_HALF)] = values.astype(np.float32) if values.dtype == np.float16 else values
    # Of equal tensors the exporter keeps one, and gives the others' names to what passes it on.
    for node in model.graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return weights


def _store_half(graph: Any) -> None:
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            name = tensor.name
            stored = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}{_HALF}")
            tensor.CopyFrom(stored)
            casts.append(helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
