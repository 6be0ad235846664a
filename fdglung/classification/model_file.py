"""Classifiers in files: skops, never pickle, and nothing but the types that a classifier of this program holds."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fdglung import RESEARCH_NOTICE
from fdglung.classification.config import from_mapping, to_mapping
from fdglung.classification.models import ClassifierModel
from fdglung.errors import FdglungError, ModelFileError, ModelMismatchError, UntrustedModelError

FORMAT = "fdglung classifier model"
"""Names the content, so that a foreign file is refused."""

FORMAT_VERSION = 4
"""Counts up when a part of the file changes its meaning."""

TRUSTED = (
    "fdglung.classification.calibration.GivenScores",
    "fdglung.classification.joined_decisions.JoinedDecisions",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""Types beside those that skops itself trusts. A file with any other is refused before anything of it is made."""

_PER_LESION = ("codes", "lesion_numbers", "unlike", "own_probabilities", "patient_weights")
_ARRAYS = ("medians", "centre", "scale", "gain", "offset", "training", *_PER_LESION)
_OBJECTS = ("estimator", "calibrator")


def model_bytes(model: ClassifierModel) -> bytes:
    """Return a model as the content of a file.

    It holds, beside the model, the names of all features, the radiomics settings, the classes, counts of the training
    data, what it was trained on, the configuration, versions, and the selected features of each training lesion
    without any name.
    """
    import skops.io  # type: ignore[import-untyped]

    about = {
        one.name: getattr(model, one.name) for one in fields(model) if one.name not in (*_ARRAYS, *_OBJECTS, "config")
    }
    about |= {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "notice": RESEARCH_NOTICE,
        "config": to_mapping(model.config),
        "training_sha256": _digest(model),
    }
    content = {"about": json.dumps(about, allow_nan=False)}
    content |= {name: getattr(model, name) for name in (*_ARRAYS, *_OBJECTS)}
    made: bytes = skops.io.dumps(content, compression=zipfile.ZIP_DEFLATED)
    return made


def load_model(path: str | Path) -> ClassifierModel:
    """Read a model from a file.

    Parameters
    ----------
    path
        As `fdglung train-classifier` wrote it.

    Raises
    ------
    ModelFileError
        The file cannot be read or is no model of this program.
    UntrustedModelError
        It holds types that no classifier of this program has; nothing of it was made.
    ModelMismatchError
        It is of another format, of another version of scikit-learn, or its parts do not fit each other.

    """
    import skops.io

    try:
        data = Path(path).read_bytes()
        unknown = sorted(set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED))
    except Exception as error:
        # skops raises whatever a broken schema leads to.
        raise _no_model(path, error) from error
    if unknown:
        raise UntrustedModelError(
            f"The file {path} holds types that no classifier of this program has: {', '.join(unknown[:5])}",
            attribute="--model",
            remedy="Do not use it unless you know who made it; train a model of your own",
        )
    _check_members(path, data)
    try:
        content = skops.io.loads(data, trusted=list(TRUSTED))
        about = json.loads(content["about"])
    except Exception as error:
        raise _no_model(path, error) from error
    _check_about(path, about)
    try:
        return _checked(path, _model(about, content), about)
    except (KeyError, TypeError, AttributeError, FdglungError) as error:
        if isinstance(error, ModelMismatchError):
            raise
        raise _mismatch(path, f"lacks a part or has one that cannot be ({error})") from error


def _no_model(path: str | Path, error: Exception) -> ModelFileError:
    return ModelFileError(
        f"The file {path} is no classifier of this program, or is not whole ({type(error).__name__})",
        attribute="--model",
        remedy="Give the file that `fdglung train-classifier --out` wrote",
    )


def _check_members(path: str | Path, data: bytes) -> None:
    import io

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if (broken := archive.testzip()) is not None:
            raise _no_model(path, ValueError(broken))


def _check_about(path: str | Path, about: Any) -> None:
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise _no_model(path, ValueError("format"))
    if about.get("format_version") != FORMAT_VERSION:
        raise _mismatch(path, f"has format version {about.get('format_version')}, this program reads {FORMAT_VERSION}")
    from importlib.metadata import version

    made, here = (about.get("versions", {}).get("scikit-learn", "?"), version("scikit-learn"))
    if made.split(".")[:2] != here.split(".")[:2]:
        raise _mismatch(path, f"was made with scikit-learn {made}, and {here} is installed")


def _model(about: dict[str, Any], content: dict[str, Any]) -> ClassifierModel:
    given = {name: content[name] for name in (*_ARRAYS, *_OBJECTS)}
    for one in fields(ClassifierModel):
        if one.name not in given and one.name != "config":
            value = about[one.name]
            given[one.name] = tuple(value) if isinstance(value, list) else value
    return ClassifierModel(**given, config=from_mapping(about["config"]))


def _checked(path: str | Path, model: ClassifierModel, about: dict[str, Any]) -> ClassifierModel:
    count = len(model.selected)
    shapes = dict.fromkeys(("medians", "centre", "scale"), (count,)) | {"training": (len(model.codes), count)}
    shapes |= dict.fromkeys(_PER_LESION, (len(model.codes),))
    shapes |= dict.fromkeys(("gain", "offset"), (len(model.harmonised), count))
    wrong = [name for name, shape in shapes.items() if np.shape(getattr(model, name)) != shape]
    if wrong or about["training_sha256"] != _digest(model):
        raise _mismatch(path, f"has parts that do not fit each other: {', '.join(wrong) or 'training'}")
    fits = model.estimator.n_features_in_ == count and list(model.estimator.classes_) == list(range(len(model.classes)))
    if not fits or not set(model.selected) <= set(model.names):
        raise _mismatch(path, "names other features or classes than its estimator has")
    return model


def _mismatch(path: str | Path, what: str) -> ModelMismatchError:
    return ModelMismatchError(
        f"The file {path} {what}", attribute="--model", remedy="Train again with this version of the program"
    )


def _digest(model: ClassifierModel) -> str:
    made = hashlib.sha256()
    for name in _ARRAYS:
        array = np.ascontiguousarray(getattr(model, name))
        made.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    made.update(json.dumps([model.classes, model.selected, model.settings], allow_nan=False).encode())
    return made.hexdigest()
