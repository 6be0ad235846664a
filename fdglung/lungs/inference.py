"""lungmask's network on batches of slices: by OpenVINO or ONNX Runtime on a CPU, by torch on a GPU."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.files import cache_folder, write_files
from fdglung.lungs.unet import build
from fdglung.lungs.weights import LungWeights
from fdglung.network.backends import (
    Backend,
    check_backend,
    fastest_backend,
    missing_software_said,
    open_onnxruntime,
    open_openvino,
)
from fdglung.network.onnx_export import INPUT, OUTPUT

Slices = NDArray[np.float32]

BATCH = 8
"""Slices that the network sees at once."""

_OPSET = 17


@dataclass(frozen=True)
class SliceNetwork:
    """Weights ready to run.

    Attributes
    ----------
    weights
        Which.
    backend
        By what; never ``auto``.
    scores
        From slices (`BATCH`, 1, y, x), y and x multiples of 16, to scores (`BATCH`, class, y, x), of which the highest
        is the label.

    """

    weights: LungWeights
    backend: str
    scores: Callable[[Slices], Slices]

    def labels(self, slices: Slices) -> NDArray[np.uint8]:
        """Return the label of each pixel of slices (slice, y, x), at most `BATCH` of them."""
        batch = np.zeros((BATCH, 1, *slices.shape[1:]), np.float32)
        # A last batch that is filled up needs no second compilation.
        batch[: len(slices), 0] = slices
        return self.scores(batch)[: len(slices)].argmax(axis=1).astype(np.uint8)


def open_network(weights: LungWeights, backend: Backend = "auto") -> SliceNetwork:
    """Make weights ready to run; the ONNX file that this may need is written once, into the user's cache.

    Raises
    ------
    ParameterError
        There is no such backend.
    BackendError
        What the backend needs is not installed.

    """
    check_backend(backend)
    chosen = fastest_backend(must_export=True) if backend == "auto" else backend
    with missing_software_said(chosen):
        if chosen == "torch":
            return SliceNetwork(weights, chosen, _torch(weights))
        opener = {"onnxruntime": open_onnxruntime, "openvino": open_openvino}[chosen]
        return SliceNetwork(weights, chosen, opener(_as_onnx(weights)))


def _torch(weights: LungWeights) -> Callable[[Slices], Slices]:
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = _without_softmax(weights).to(device)

    def scores(batch: Slices) -> Slices:
        with torch.inference_mode():
            result: Slices = network(torch.from_numpy(batch).to(device)).cpu().numpy()
        return result

    return scores


def _as_onnx(weights: LungWeights) -> Path:
    path = cache_folder() / f"{weights.sha256}.onnx"
    if not path.is_file():
        write_files({path: _onnx_bytes(weights)})
    return path


def _onnx_bytes(weights: LungWeights) -> bytes:
    import torch

    buffer = io.BytesIO()
    axes = {0: "batch", 2: "y", 3: "x"}
    with warnings.catch_warnings():
        # Exporting by tracing is marked as old; it is the one that needs no further package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _without_softmax(weights),
            (torch.zeros(1, 1, 64, 64),),
            buffer,
            dynamo=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: axes},
            opset_version=_OPSET,
        )
    return buffer.getvalue()


def _without_softmax(weights: LungWeights) -> Any:
    """Build the network as it is run: a softmax changes nothing in which score is the highest."""
    import torch

    network = build(weights.width, weights.classes)
    network.load_state_dict(weights.state)
    network.softmax = torch.nn.Identity()
    return network
