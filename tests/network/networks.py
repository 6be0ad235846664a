"""Networks whose answer is known in closed form, as ONNX files, and descriptions of small ones."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fdglung.network.spec import make_spec, to_json

NORMALISATION = {
    "PET": [[0, 0], [2.5, 1], [10, 2], [40, 3]],
    "CT": [[-1000, -1], [-150, -0.5], [250, 0.5], [1000, 1]],
}


def small_spec(**changes):
    values = {
        "architecture": "unet",
        "features": [4, 8, 16],
        "channels": ["PET", "CT"],
        "outputs": ["background", "lesion"],
        "spacing_mm": 3.0,
        "window": [32, 32, 32],
        "normalisation": NORMALISATION,
    }
    return make_spec(values | changes)


def write_threshold_network(path, suv=2.5, *, slope=40.0, bias=0.0, **changes):
    """Write a network that calls lesion what has this SUV or more (up to 2.5), whatever the CT shows."""
    spec = small_spec(**changes)
    pet = spec.channels.index("PET")
    constants = {
        "pet": np.array([pet], np.int64),
        "edge": np.array(suv / 2.5, np.float32),
        "slope": np.array(slope, np.float32),
        "bias": np.array(bias, np.float32),
        "zero": np.array(0, np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["image", "pet"], ["suv"], axis=1),
        helper.make_node("Sub", ["suv", "edge"], ["above"]),
        helper.make_node("Mul", ["above", "slope"], ["steep"]),
        helper.make_node("Add", ["steep", "bias"], ["lesion"]),
        helper.make_node("Mul", ["suv", "zero"], ["background"]),
        helper.make_node("Concat", ["background", "lesion"], ["pred"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "threshold",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", len(spec.channels), "z", "y", "x"])],
        [helper.make_tensor_value_info("pred", TensorProto.FLOAT, ["b", 2, "z", "y", "x"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key="fdglung", value=to_json(spec))
    onnx.save(model, str(path))
    return path
