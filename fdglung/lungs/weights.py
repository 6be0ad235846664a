"""Weights for lungmask's network: where they lie, what is in them, and which are taken."""

from __future__ import annotations

import hashlib
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

OWN_FILE = Path(__file__).parent / "models" / "lungs_narrow.pth"
"""Where the narrow network that comes with fdglung lies, in lungmask's format."""

PUBLISHED_WIDTH = 64
"""Channels of the first layer of the network that lungmask builds."""


@dataclass(frozen=True)
class LungWeights:
    """A state dict of lungmask's network, of any width.

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
        Tensors by name, as torch has them.

    """

    path: Path
    sha256: str
    width: int
    classes: int
    state: dict[str, Any] = field(repr=False)


def cache_folder() -> Path:
    """Return the folder of torch.hub's checkpoints, where lungmask's own download puts weights."""
    home = Path(os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch")
    return home.expanduser() / "hub" / "checkpoints"


def cached_weights() -> Path | None:
    """Return lungmask's R231 weights where lungmask's own download puts them, or None."""
    path = cache_folder() / R231_FILE
    return path if path.is_file() else None


def default_weights() -> Path | None:
    """Return the weights that are taken where none are named: R231 if it is there, else our own if they are."""
    return cached_weights() or (OWN_FILE if OWN_FILE.is_file() else None)


def software_is_there() -> bool:
    """Return whether what any weights need, torch and lungmask, is installed; neither is imported."""
    return all(find_spec(name) is not None for name in ("torch", "lungmask"))


def read_weights(path: Path | str) -> LungWeights:
    """Read a state dict of lungmask's network; nothing in the file is run.

    Raises
    ------
    LungWeightsError
        It is not there, is broken, or is of another network.
    BackendError
        torch or lungmask is not installed.

    """
    path = Path(path)
    if not software_is_there():
        raise BackendError(
            f"torch and lungmask are needed to read {path.name}",
            attribute="lung weights",
            remedy="Install fdglung[lungmask]",
        )
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
        raise _unfit(path, type(error).__name__) from error
    if classes not in (SIDES_CLASSES, LOBES_CLASSES):
        raise _unfit(path, f"{classes} outputs")
    return LungWeights(path, sha256_of(path), width, classes, state)


def sha256_of(path: Path) -> str:
    """Return the checksum of a file in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _unfit(path: Path, reason: str) -> LungWeightsError:
    return LungWeightsError(
        f"{path.name} is no state dict of lungmask's network ({reason})",
        attribute="lung weights",
        remedy=f"Give lungmask's own file, such as {R231_FILE}",
    )
