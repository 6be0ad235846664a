"""A network's checkpoint: weights and their description in one file, torch's or ONNX, never half-written."""

from __future__ import annotations

import hashlib
import os
import pickle
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdglung.errors import BackendError, CheckpointError, OutputWriteError
from fdglung.files import cache_folder
from fdglung.network.spec import NetworkSpec, from_json, to_json

SPEC_KEY = "fdglung"
"""Where the description stands: a key of the torch file, a metadata property of the ONNX file."""

WEIGHTS_KEY = "network"
"""Key of the weights in the torch file; the other keys are for training on."""

SUFFIXES = (".pt", ".onnx")
"""Kinds of checkpoint files."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's file and what it says of itself.

    Attributes
    ----------
    path
        The file.
    spec
        What network it holds.
    sha256
        Checksum of the file.

    """

    path: Path
    spec: NetworkSpec
    sha256: str


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint's description and checksum, not its weights.

    Raises
    ------
    CheckpointError
        The file is not there, is broken, or does not say what it holds.
    BackendError
        The software that reads this kind of file is not installed.

    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint {path}", attribute="checkpoint", remedy="Name a file that ends in .pt or .onnx"
        )
    if path.suffix == ".onnx":
        text = _onnx_property(path)
    elif path.suffix == ".pt":
        text = read_torch(path).get(SPEC_KEY)
    else:
        raise CheckpointError(
            f"{path.name} is no kind of checkpoint that is known",
            attribute="checkpoint",
            remedy=f"Name a file that ends in {' or '.join(SUFFIXES)}",
        )
    if not isinstance(text, str):
        raise CheckpointError(
            f"{path.name} does not say what network it holds",
            attribute="checkpoint",
            remedy="Give a checkpoint that this version's bundle wrote",
        )
    return Checkpoint(path, from_json(text, source=path.name), _sha256(path))


def read_torch(path: Path) -> dict[str, Any]:
    """Read a torch checkpoint whole, onto the CPU; nothing in it is run.

    Raises
    ------
    CheckpointError
        It is no torch file, broken off, or holds more than tensors and plain values.
    BackendError
        torch is not installed.

    """
    try:
        import torch
    except ImportError as error:
        raise _missing("torch", path) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path.name} is no torch checkpoint, or is broken ({type(error).__name__})",
            attribute="checkpoint",
            remedy="Copy the file again, or take an earlier checkpoint",
        ) from error
    return content if isinstance(content, dict) else {}


def load_network(checkpoint: Checkpoint) -> Any:
    """Build a checkpoint's network in torch with its weights, for evaluation.

    Raises
    ------
    CheckpointError
        The weights do not fit the architecture that the file names.

    """
    from fdglung.network.architectures import build

    network = build(checkpoint.spec)
    fill(network, read_weights(checkpoint.path), spec=checkpoint.spec, name=checkpoint.path.name)
    return network.eval()


def read_weights(path: Path) -> Any:
    """Read the weights of a checkpoint of either kind as torch tensors by name.

    Raises
    ------
    CheckpointError, BackendError
        As `read_checkpoint`.

    """
    if path.suffix != ".onnx":
        return read_torch(path).get(WEIGHTS_KEY)
    import torch

    from fdglung.network.onnx_export import weights_of

    return {name: torch.from_numpy(values.copy()) for name, values in weights_of(_read_onnx(path)).items()}


def fill(network: Any, weights: Any, *, spec: NetworkSpec, name: str) -> None:
    """Put weights into a network.

    Parameters
    ----------
    network
        A torch module.
    weights
        Its state dict, floating point of any precision.
    spec
        What the network is, for the message.
    name
        Where the weights come from, for the message.

    Raises
    ------
    CheckpointError
        They do not fit.

    """
    expected = network.state_dict()
    found = weights if isinstance(weights, dict) else {}
    # Tensors that a network uses twice have two names, and ONNX keeps one of them.
    given = {expected[key].data_ptr() for key in expected if key in found}
    missing = [key for key, values in expected.items() if values.data_ptr() not in given]
    misshapen = [key for key in expected if key in found and getattr(found[key], "shape", None) != expected[key].shape]
    wrong = missing + misshapen
    if wrong:
        raise CheckpointError(
            f"the weights in {name} are not those of a {spec.architecture} with features {list(spec.features)}: "
            f"{len(wrong)} of {len(expected)} tensors are missing or of another shape, {wrong[0]} first",
            attribute="checkpoint",
            remedy="Give a checkpoint of this architecture, or name the checkpoint's architecture",
        )
    # Training with deep supervision leaves heads that evaluation does not have.
    network.load_state_dict({key: found[key] for key in expected if key in found}, strict=False)


def write_torch(path: Path | str, spec: NetworkSpec, weights: dict[str, Any], **more: Any) -> None:
    """Write a torch checkpoint beside its place and then rename it, so that there is never a broken one.

    Parameters
    ----------
    path
        Where to; an earlier file stays whole until the new one is.
    spec
        What network it is.
    weights
        The state dict.
    more
        What training needs to go on: tensors and plain values.

    Raises
    ------
    OutputWriteError
        Writing failed; nothing was left.

    """
    import torch

    content = {SPEC_KEY: to_json(spec), WEIGHTS_KEY: weights, **more}
    _written_beside(Path(path), lambda partial: torch.save(content, partial))


def write_onnx(path: Path | str, checkpoint: Checkpoint, *, half: bool = False) -> None:
    """Export a torch checkpoint to ONNX with its description, for any batch and any window.

    Parameters
    ----------
    path
        Where to.
    checkpoint
        A torch checkpoint.
    half
        Whether to store weights in half precision; they are computed with in single precision all the same.

    Raises
    ------
    OutputWriteError
        Writing failed; nothing was left.

    """
    from fdglung.network.onnx_export import onnx_model

    model = onnx_model(load_network(checkpoint), checkpoint.spec, half=half)
    model.metadata_props.add(key=SPEC_KEY, value=to_json(checkpoint.spec))
    model.metadata_props.add(key="made_from_sha256", value=checkpoint.sha256)
    _written_beside(Path(path), lambda partial: partial.write_bytes(model.SerializeToString()))


def as_onnx(checkpoint: Checkpoint) -> Path:
    """Return the ONNX file of a checkpoint: itself, or one exported once and kept in the user's cache."""
    if checkpoint.path.suffix == ".onnx":
        return checkpoint.path
    path = cache_folder() / f"{checkpoint.sha256}.onnx"
    if not path.is_file():
        write_onnx(path, checkpoint)
    return path


def _onnx_property(path: Path) -> str | None:
    return next((entry.value for entry in _read_onnx(path).metadata_props if entry.key == SPEC_KEY), None)


def _read_onnx(path: Path) -> Any:
    try:
        import onnx
    except ImportError as error:
        raise _missing("onnx", path) from error
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model(str(path), load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} is no ONNX file, or is broken ({type(error).__name__})",
            attribute="checkpoint",
            remedy="Copy the file again, or export the checkpoint again",
        ) from error


def _written_beside(path: Path, write: Callable[[Path], object]) -> None:
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(partial)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        raise OutputWriteError(
            f"the checkpoint {path} could not be written ({getattr(error, 'strerror', None) or type(error).__name__})",
            attribute="checkpoint",
            remedy="Free space on the disk, or name a folder that you may write to",
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _missing(package: str, path: Path) -> BackendError:
    return BackendError(
        f"{package} is needed to read {path.name}", attribute="backend", remedy="Install fdglung[network]"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
