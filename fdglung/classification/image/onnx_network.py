"""The network as ONNX, run without torch and MONAI, and its weights back again."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
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


def session(content: bytes) -> Callable[[NDArray[np.float32]], list[NDArray[np.float64]]]:
    """Return what runs an exported network.

    Raises
    ------
    BackendError
        ONNX Runtime is not installed.

    """
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError(
            "onnxruntime is needed to run a classifier that ends in .onnx",
            attribute="classifier",
            remedy="Install fdglung[network]",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    opened = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(seen: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        return [np.asarray(one, dtype=np.float64) for one in opened.run(list(OUTPUTS), {INPUT: seen})]

    return run
