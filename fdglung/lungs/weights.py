"""Weights for lungmask's network: where they lie, what is in them, and which are taken."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fdglung.errors import BackendError, LungWeightsError
from fdglung.lungs.labels import LOBES_CLASSES, SIDES_CLASSES

PUBLISHED = {
    "R231": "unet_r231-d5d2fc3d.pth",
    "LTRCLobes": "unet_ltrclobes-3a07043d.pth",
    "R231CovidWeb": "unet_r231covid-0de78a7e.pth",
}
"""File names of the weights that lungmask's authors publish; each ends in the first digits of its SHA-256."""

R231_FILE = PUBLISHED["R231"]
"""Name of lungmask's R231 weights in the cache of torch.hub, where lungmask itself puts them."""

OWN_FILE = Path(__file__).parent / "models" / "narrow_sides.onnx"
"""Our own narrow network for two lungs, which is taken unasked where lungmask's R231 is not there."""

OWN_LOBES_FILE = OWN_FILE.with_name("narrow_lobes.onnx")
"""Our own narrow network for five lobes, which is taken only where it is asked for."""

OWN_NAMES = {"sides": OWN_FILE, "lobes": OWN_LOBES_FILE}
"""Words that stand for the networks that come with the package."""

ONNX_KEY = "fdglung lungs"
"""Metadata of an ONNX file that says the width and the classes."""

PUBLISHED_WIDTH = 64
"""Channels of the first layer of the network that lungmask builds."""


@dataclass(frozen=True)
class LungWeights:
    """Weights of lungmask's network, of any width.

    Attributes
    ----------
    path
        Its file.
    sha256
        Checksum of the file.
    width
        Channels of the first layer; each of the four layers below has twice those of the one above.
    classes
        3 for background, right and left lung; 6 for background and five lobes.
    state
        Tensors by name, as torch has them; None for an ONNX file, which runs as it is.

    """

    path: Path
    sha256: str
    width: int
    classes: int
    state: dict[str, Any] | None = field(repr=False)


def cache_folder() -> Path:
    """Return the folder of torch.hub's checkpoints, where lungmask's own download puts weights."""
    home = Path(os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch")
    return home.expanduser() / "hub" / "checkpoints"


def cached_weights() -> Path | None:
    """Return lungmask's R231 weights where lungmask's own download puts them, or None."""
    path = cache_folder() / R231_FILE
    return path if path.is_file() else None


def named_weights(given: Path | str) -> Path:
    """Return the file of weights, or that of the package's own network where `given` is a word of `OWN_NAMES`."""
    return OWN_NAMES.get(str(given)) or Path(given)


def default_weights() -> Path | None:
    """Return the weights that are taken where none are named: R231 if it is there, else our own if they are."""
    return cached_weights() or (OWN_FILE if OWN_FILE.is_file() else None)


def missing_software(path: Path) -> str:
    """Return what weights need that is not installed, as ``torch and lungmask``; empty where nothing is missing.

    Nothing is imported.
    """
    there = {name: find_spec(name) is not None for name in ("torch", "lungmask", "onnx", "openvino", "onnxruntime")}
    if path.suffix != ".onnx":
        return "" if there["torch"] and there["lungmask"] else "torch and lungmask"
    runs = there["openvino"] or there["onnxruntime"]
    return "" if there["onnx"] and runs else "onnx and OpenVINO or ONNX Runtime"


def read_weights(path: Path | str) -> LungWeights:
    """Read weights of lungmask's network; nothing in the file is run.

    Parameters
    ----------
    path
        A state dict as torch saves it, or what `fdglung.lungs.inference.write_onnx` wrote (``.onnx``).

    Raises
    ------
    LungWeightsError
        It is not there, is broken, or is of another network.
    BackendError
        What reads and runs it is not installed.

    """
    path = Path(path)
    if missing := missing_software(path):
        raise BackendError(
            f"{missing} are needed to read {path.name}",
            attribute="lung weights",
            remedy=f"Install fdglung[{'network' if path.suffix == '.onnx' else 'lungmask'}]",
        )
    width, classes, state = (_read_onnx if path.suffix == ".onnx" else _read_state)(path)
    if classes not in (SIDES_CLASSES, LOBES_CLASSES):
        raise unfit(path, f"{classes} outputs")
    return LungWeights(path, sha256_of(path), width, classes, state)


def read_state_dict(path: Path | str) -> dict[str, Any]:
    """Read tensors by name, as `read_weights` does.

    Raises
    ------
    LungWeightsError, BackendError
        As `read_weights`; an ONNX file has no state dict.

    """
    weights = read_weights(path)
    if weights.state is None:
        raise unfit(weights.path, "ONNX has no state dict")
    return weights.state


def _read_state(path: Path) -> tuple[int, int, dict[str, Any]]:
    import torch

    from fdglung.lungs.unet import build

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        width, classes = len(state["down_path.0.block.0.weight"]), len(state["last.bias"])
        build(width, classes).load_state_dict(state)
    except (
        *(OSError, RuntimeError, EOFError, ValueError, AttributeError, KeyError, IndexError, TypeError),
        pickle.UnpicklingError,
    ) as error:
        raise unfit(path, type(error).__name__) from error
    return width, classes, state


def _read_onnx(path: Path) -> tuple[int, int, None]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(str(path), load_external_data=False)
        (text,) = (entry.value for entry in model.metadata_props if entry.key == ONNX_KEY)
        stated = json.loads(text)
        return int(stated["width"]), int(stated["classes"]), None
    except (DecodeError, OSError, ValueError, KeyError, TypeError) as error:
        raise unfit(path, type(error).__name__) from error


def sha256_of(path: Path) -> str:
    """Return the checksum of a file in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unfit(path: Path, reason: str) -> LungWeightsError:
    """Return the error of a file that holds no weights of lungmask's network, or not the kind that is needed."""
    return LungWeightsError(
        f"{path.name} holds no weights of lungmask's network ({reason})",
        attribute="lung weights",
        remedy=f"Give lungmask's own file, such as {R231_FILE}",
    )
