"""Running a checkpoint on windows: torch, ONNX Runtime or OpenVINO by one key."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import BackendError, ParameterError
from fdglung.network.checkpoint import Checkpoint, as_onnx, load_network
from fdglung.network.onnx_export import INPUT
from fdglung.network.windows import Predict

Backend = Literal["auto", "torch", "onnxruntime", "openvino"]

BACKENDS: tuple[Backend, ...] = get_args(Backend)
"""``auto`` takes torch where there is a GPU, and OpenVINO, ONNX Runtime or torch, the first installed, on a CPU."""


@dataclass(frozen=True)
class Predictor:
    """A checkpoint ready to run.

    Attributes
    ----------
    checkpoint
        Which.
    backend
        By what; never ``auto``.
    predict
        From (1, channel, z, y, x) to logits (1, output, z, y, x).

    """

    checkpoint: Checkpoint
    backend: str
    predict: Predict


def open_predictor(checkpoint: Checkpoint, backend: Backend = "auto") -> Predictor:
    """Make a checkpoint ready to run.

    Raises
    ------
    BackendError
        What the backend needs is not installed.
    ParameterError
        There is no such backend.
    CheckpointError
        The weights do not fit the architecture that the checkpoint names.

    """
    check_backend(backend)
    chosen = choose_backend(checkpoint) if backend == "auto" else backend
    with missing_software_said(chosen):
        if chosen == "torch":
            return Predictor(checkpoint, chosen, _torch(checkpoint))
        opener = {"onnxruntime": open_onnxruntime, "openvino": open_openvino}[chosen]
        return Predictor(checkpoint, chosen, opener(as_onnx(checkpoint)))


def check_backend(backend: str) -> None:
    """Refuse what is no backend.

    Raises
    ------
    ParameterError
        There is no such backend.

    """
    if backend not in BACKENDS:
        raise ParameterError(
            f"{backend!r} is no backend",
            attribute="backend",
            remedy=f"Choose {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}",
        )


@contextmanager
def missing_software_said(backend: str) -> Iterator[None]:
    """Turn an ImportError inside the block into a BackendError that names the backend."""
    try:
        yield
    except ImportError as error:
        raise BackendError(
            f"{backend} is not installed ({error})",
            attribute="backend",
            remedy="Install fdglung[network], or choose another backend",
        ) from error


def choose_backend(checkpoint: Checkpoint) -> str:
    """Return the fastest backend that this machine has for a checkpoint."""
    return fastest_backend(must_export=checkpoint.path.suffix == ".pt")


def fastest_backend(*, must_export: bool) -> str:
    """Return the fastest backend that this machine has.

    Parameters
    ----------
    must_export
        Whether the network is one of torch, which becomes ONNX by way of the package onnx.

    """
    if _has_gpu():
        return "torch"
    if not must_export or importlib.util.find_spec("onnx"):
        return cpu_backend()
    return "torch"


def cpu_backend() -> str:
    """Return the fastest backend for an ONNX file on a CPU; ``torch`` where there is none."""
    return next((name for name in ("openvino", "onnxruntime") if importlib.util.find_spec(name)), "torch")


def probabilities(logits: NDArray[np.float32], axis: int = 0) -> NDArray[np.float32]:
    """Return the softmax of logits along an axis."""
    raised = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(raised / raised.sum(axis=axis, keepdims=True), np.float32)


def _torch(checkpoint: Checkpoint) -> Predict:
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = load_network(checkpoint).to(device)

    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast("cuda", enabled=device.type == "cuda"):
            output: NDArray[np.float32] = network(torch.from_numpy(batch).to(device)).float().cpu().numpy()
        return output

    return predict


def open_onnxruntime(path: Path) -> Predict:
    """Open an ONNX file in ONNX Runtime, on the CPU; its input is called `INPUT`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda batch: np.asarray(session.run(None, {INPUT: batch})[0], np.float32)


def open_openvino(path: Path) -> Predict:
    """Open an ONNX file in OpenVINO, on the CPU in single precision."""
    core = openvino_core()
    model = core.read_model(str(path))
    compiled: dict[tuple[int, ...], Any] = {}
    # A compiled model answers one request at a time, and gives it all processors.
    one = threading.Lock()

    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with one:
            # A fixed shape is compiled to faster code than an open one, and windows have one shape.
            if batch.shape not in compiled:
                model.reshape(list(batch.shape))
                compiled.clear()
                compiled[batch.shape] = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            return np.array(compiled[batch.shape](batch)[0], np.float32)

    return predict


def openvino_core() -> Any:
    """Return OpenVINO's core, imported so that nothing is reported."""
    # OpenVINO reports each import to its maker and keeps an id in the home folder, unless this package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()


def _has_gpu() -> bool:
    if not importlib.util.find_spec("torch"):
        return False
    import torch

    return bool(torch.cuda.is_available())
