"""lungmask's network on batches of slices: by OpenVINO or ONNX Runtime on a CPU, by torch on a GPU."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import BackendError, ParameterError
from fdglung.files import cache_folder, write_files
from fdglung.lungs.weights import ONNX_KEY, LungWeights, read_weights, unfit
from fdglung.network.backends import (
    Backend,
    check_backend,
    cpu_backend,
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
        What the backend needs is not installed, or it does not run such a file.

    """
    check_backend(backend)
    is_onnx = weights.state is None
    chosen: str = backend
    if backend == "auto":
        chosen = cpu_backend() if is_onnx else fastest_backend(must_export=True)
    if is_onnx and chosen == "torch":
        raise BackendError(
            f"torch does not run {weights.path.name}",
            attribute="backend",
            remedy="Take the .pth file beside it, or another backend",
        )
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


def write_onnx(source: Path | str, path: Path) -> None:
    """Write a state dict as an ONNX file in single precision, which runs without torch and lungmask.

    Parameters
    ----------
    source
        State dict of lungmask's network, of any width.
    path
        What to write, in one piece.

    Raises
    ------
    LungWeightsError, BackendError
        `source` is no such file; torch, lungmask or onnx is not installed.
    ParameterError
        `path` does not end in .onnx.

    """
    if path.suffix != ".onnx":
        raise ParameterError(f"{path.name} does not end in .onnx", attribute="out", remedy="Name an .onnx file")
    weights = read_weights(source)
    if weights.state is None:
        raise unfit(weights.path, "ONNX already")
    with missing_software_said("onnx"):
        import onnx

    model = onnx.load_model_from_string(_onnx_bytes(weights))
    stated = json.dumps({"width": weights.width, "classes": weights.classes})
    onnx.helper.set_model_props(model, {ONNX_KEY: stated})
    write_files({path: model.SerializeToString(deterministic=True)})


def _as_onnx(weights: LungWeights) -> Path:
    if weights.state is None:
        return weights.path
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

    from fdglung.lungs.unet import build

    assert weights.state is not None
    network = build(weights.width, weights.classes)
    network.load_state_dict(weights.state)
    network.softmax = torch.nn.Identity()
    return network
