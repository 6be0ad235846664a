"""The network as ONNX, run without torch and MONAI, and its weights back again."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import BackendError

if TYPE_CHECKING:
    from fdglung.classification.image.architecture import LesionNetwork
    from fdglung.classification.image.config import ImageClassifierConfig

INPUT = "image"
OUTPUTS = ("embedding", "lesion_logits", "attention", "patient_logits")
"""As `LesionNetwork.forward` gives them."""

Run = Callable[[NDArray[np.float32]], list[NDArray[np.float64]]]
"""From one patient's (lesions, channels, z, y, x) to `OUTPUTS`."""

_OPSET = 17


def onnx_model(network: LesionNetwork, config: ImageClassifierConfig) -> Any:
    """Export a network.

    Returns
    -------
    onnx.ModelProto
        From one patient's (lesions, channels, z, y, x) to `OUTPUTS`, for any number of lesions.

    """
    import onnx
    import torch

    buffer = io.BytesIO()
    example = torch.zeros(2, len(config.channels), *(config.voxels,) * 3)
    with warnings.catch_warnings():
        # Exporting by tracing is marked as old; it is the one that needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (example,),
            buffer,
            dynamo=False,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={INPUT: {0: "lesions"}, **{name: {0: "lesions"} for name in OUTPUTS[:3]}},
            opset_version=_OPSET,
            do_constant_folding=False,
            # Otherwise normalisation is merged into the convolutions, and their weights cannot be read back.
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    return onnx.load_model_from_string(buffer.getvalue())


def session(content: bytes) -> Run:
    """Return what runs an exported network on a CPU: ONNX Runtime, or OpenVINO where that is not installed.

    Raises
    ------
    BackendError
        Neither is installed.

    """
    for opened in (_by_onnxruntime, _by_openvino):
        with suppress(ImportError):
            return opened(content)
    raise BackendError(
        "onnxruntime or openvino is needed to run a classifier that ends in .onnx",
        attribute="classifier",
        remedy="Install fdglung[network]",
    )


def _by_onnxruntime(content: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(seen: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        return [np.asarray(one, dtype=np.float64) for one in opened.run(list(OUTPUTS), {INPUT: seen})]

    return run


def _by_openvino(content: bytes) -> Run:
    from fdglung.network.backends import openvino_core

    core = openvino_core()
    compiled = core.compile_model(core.read_model(io.BytesIO(content)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(seen: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        found = compiled(seen)
        return [np.array(found[name], dtype=np.float64) for name in OUTPUTS]

    return run
