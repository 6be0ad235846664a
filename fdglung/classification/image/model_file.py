"""Image classifiers in files: tensors and plain text, as torch writes them without pickled code, or as ONNX."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from fdglung import RESEARCH_NOTICE
from fdglung.classification.image.config import from_mapping, to_mapping
from fdglung.classification.image.model import ImageClassifierModel
from fdglung.errors import BackendError, FdglungError, ModelFileError, ModelMismatchError, UntrustedModelError

FORMAT = "fdglung image classifier model"
"""Names the content, so that a foreign file is refused."""

FORMAT_VERSION = 2
"""Counts up when a part of the file changes its meaning."""

SUFFIXES = (".pt", ".onnx")
"""Kinds of model files."""

_ARRAYS = ("centre", "scale", "training", "codes", "unlike", "own_probabilities", "patient_weights")
_KEY = "fdglung"
_PREFIX = "fdglung/"
"""Before the names of arrays in an ONNX file that are no weights."""


def model_bytes(model: ImageClassifierModel, suffix: str) -> bytes:
    """Return a model as the content of a file.

    It holds, beside the weights, classes, configuration (channels, normalisation, spacing, size), temperatures, what it
    was trained on, counts of the training data, versions, and the embedding of each training lesion without any name.

    Parameters
    ----------
    model
        What to write.
    suffix
        One of `SUFFIXES`. An ONNX file is run without torch and MONAI.

    """
    import torch

    about = json.dumps(_about(model), allow_nan=False)
    if suffix == ".onnx":
        return _onnx_bytes(model, about)
    buffer = io.BytesIO()
    arrays = {name: torch.from_numpy(np.ascontiguousarray(getattr(model, name))) for name in _ARRAYS}
    weights = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in model.weights.items()}
    torch.save({_KEY: about, "weights": weights, **arrays}, buffer)
    return buffer.getvalue()


def load_image_model(path: str | Path) -> ImageClassifierModel:
    """Read a model from a file; nothing in it is run.

    Parameters
    ----------
    path
        As `fdglung train-image-classifier` wrote it.

    Raises
    ------
    ModelFileError
        The file cannot be read or is no image classifier of this program.
    UntrustedModelError
        It holds more than tensors and plain values.
    ModelMismatchError
        It is of another format, or its parts do not fit each other.
    BackendError
        The package that reads this kind of file is not installed.

    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _no_model(path, error) from error
    about, weights, arrays = (_read_onnx if path.suffix == ".onnx" else _read_torch)(path, data)
    try:
        document = json.loads(about)
    except (TypeError, ValueError) as error:
        raise _no_model(path, error) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise _no_model(path, ValueError("format"))
    if document.get("format_version") != FORMAT_VERSION:
        raise _mismatch(
            path, f"has format version {document.get('format_version')}, this program reads {FORMAT_VERSION}"
        )
    try:
        model = _model(document, weights, arrays)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _mismatch(path, f"lacks a part or has one that cannot be ({error})") from error
    if path.suffix == ".onnx":
        model = replace(model, onnx=data)
    return _checked(path, model, document)


def _about(model: ImageClassifierModel) -> dict[str, Any]:
    plain = {
        one.name: getattr(model, one.name)
        for one in fields(model)
        if one.name not in (*_ARRAYS, "config", "weights", "onnx")
    }
    return plain | {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "notice": RESEARCH_NOTICE,
        "config": to_mapping(model.config),
        "sha256": _digest(model),
    }


def _onnx_bytes(model: ImageClassifierModel, about: str) -> bytes:
    from onnx import numpy_helper

    from fdglung.classification.image.architecture import filled
    from fdglung.classification.image.onnx_network import onnx_model

    made = onnx_model(filled(model.config, len(model.classes), model.weights), model.config)
    made.metadata_props.add(key=_KEY, value=about)
    for name in _ARRAYS:
        made.metadata_props.add(
            key=_PREFIX + name, value=numpy_helper.from_array(getattr(model, name)).SerializeToString().hex()
        )
    content: bytes = made.SerializeToString()
    return content


def _read_torch(path: Path, data: bytes) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    try:
        import torch
    except ImportError as error:
        raise _missing("torch", path) from error
    try:
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises whatever a broken file leads to.
        if isinstance(error, pickle.UnpicklingError) and "Unsupported" in str(error):
            raise UntrustedModelError(
                f"The file {path} holds more than tensors and plain values",
                attribute="--model",
                remedy="Do not use it unless you know who made it; train a model of your own",
            ) from error
        raise _no_model(path, error) from error
    if not isinstance(content, dict) or not isinstance(content.get("weights"), dict):
        raise _no_model(path, ValueError("content"))
    try:
        weights = {str(name): value.numpy() for name, value in content["weights"].items()}
        return content.get(_KEY), weights, {name: content[name].numpy() for name in _ARRAYS}
    except (KeyError, AttributeError) as error:
        raise _no_model(path, error) from error


def _read_onnx(path: Path, data: bytes) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise _missing("onnx", path) from error
    from google.protobuf.message import DecodeError

    from fdglung.network.onnx_export import weights_of

    try:
        model = onnx.load_model_from_string(data)
        texts = {entry.key: entry.value for entry in model.metadata_props}
        arrays = {
            name: numpy_helper.to_array(onnx.TensorProto.FromString(bytes.fromhex(texts[_PREFIX + name])))
            for name in _ARRAYS
        }
    except (DecodeError, KeyError, ValueError) as error:
        raise _no_model(path, error) from error
    return texts.get(_KEY), weights_of(model), arrays


def _model(about: dict[str, Any], weights: dict[str, Any], arrays: dict[str, Any]) -> ImageClassifierModel:
    given = {one.name: about[one.name] for one in fields(ImageClassifierModel) if one.name in about}
    given |= {"classes": tuple(about["classes"]), "config": from_mapping(about["config"]), "weights": weights}
    given |= {name: np.array(arrays[name]) for name in _ARRAYS}
    return ImageClassifierModel(**given)


def _checked(path: Path, model: ImageClassifierModel, about: dict[str, Any]) -> ImageClassifierModel:
    length, count = model.config.features[-1], len(model.codes)
    shapes = {"centre": (length,), "scale": (length,), "training": (count, length)}
    shapes |= dict.fromkeys(("unlike", "own_probabilities", "patient_weights"), (count,))
    wrong = [name for name, shape in shapes.items() if np.shape(getattr(model, name)) != shape]
    if wrong or about.get("sha256") != _digest(model):
        raise _mismatch(path, f"has parts that do not fit each other: {', '.join(wrong) or 'weights or training'}")
    if len(model.classes) < 2 or not set(model.codes.tolist()) <= set(range(len(model.classes))):
        raise _mismatch(path, "names other classes than its training lesions have")
    try:
        if model.onnx is None:
            model.runner()
    except FdglungError as error:
        raise _mismatch(path, f"holds the weights of another network: {error.problem}") from error
    return model


def _digest(model: ImageClassifierModel) -> str:
    """Return a checksum of all arrays and of what they mean."""
    made = hashlib.sha256()
    arrays = {name: getattr(model, name) for name in _ARRAYS} | dict(sorted(model.weights.items()))
    for name, values in arrays.items():
        array = np.ascontiguousarray(values)
        made.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    meaning = [model.classes, to_mapping(model.config), model.lesion_temperature, model.patient_temperature]
    made.update(json.dumps(meaning, allow_nan=False, sort_keys=True).encode())
    return made.hexdigest()


def _no_model(path: Path, error: Exception) -> ModelFileError:
    return ModelFileError(
        f"The file {path} is no image classifier of this program, or is not whole ({type(error).__name__})",
        attribute="--model",
        remedy="Give the file that `fdglung train-image-classifier --out` wrote",
    )


def _mismatch(path: Path, what: str) -> ModelMismatchError:
    return ModelMismatchError(
        f"The file {path} {what}", attribute="--model", remedy="Train again with this version of the program"
    )


def _missing(package: str, path: Path) -> BackendError:
    return BackendError(
        f"{package} is needed to read {path.name}", attribute="--model", remedy="Install fdglung[network]"
    )
