"""The network that classifies lesions: what a configuration describes, trained and run by the library."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fdglung.classification.image.architecture import build
from fdglung.classification.image.cases import ImageLesions, read_images
from fdglung.classification.image.config import ImageClassifierConfig, from_mapping
from fdglung.classification.image.model import ImageClassifierModel
from fdglung.classification.image.model_file import load_image_model
from fdglung.classification.image.prediction import classify_images
from fdglung.classification.image.report import about_document, classes_files, training_files
from fdglung.classification.image.training import ImageTraining
from fdglung.classification.image.training import train as cross_validated
from fdglung.files import write_files

_LOG = logging.getLogger(__name__)


def config(**values: Any) -> ImageClassifierConfig:
    """Describe a training; see `fdglung.classification.image.config.ImageClassifierConfig`."""
    return from_mapping(values)


def cases(
    dataset_dir: str, datalist: str, labels: str, description: ImageClassifierConfig, cache_dir: str = ""
) -> ImageLesions:
    """Read the lesions of a list and their classes; `datalist` and `labels` are relative to `dataset_dir`."""
    root = Path(dataset_dir)
    cache = Path(cache_dir) if cache_dir else None
    return read_images(root / datalist, description, labels=root / labels, cache=cache, progress=_told("cases"))


def network(description: ImageClassifierConfig, classes: list[str], seed: int = 0) -> torch.nn.Module:
    """Build the network with random weights."""
    return build(description, len(classes), seed=seed)


def train(given: ImageLesions, description: ImageClassifierConfig, model: str, trained_on: str = "") -> ImageTraining:
    """Train and test by folds of patients, and write the model with what `fdglung train-image-classifier` writes."""
    done = cross_validated(given, description, trained_on=trained_on, progress=_told("training"))
    write_files(training_files(done, Path(model)))
    return done


def model(path: str) -> ImageClassifierModel:
    """Read a trained model."""
    return load_image_model(path)


def classify(trained: ImageClassifierModel, path: str, dataset_dir: str, datalist: str, out: str) -> None:
    """Write the classes of all lesions of a list, as `fdglung classify` does.

    Parameters
    ----------
    trained
        What `model` gave.
    path
        Where it came from, for its checksum.
    dataset_dir, datalist
        The list, relative to its folder.
    out
        A table that ends in ``.csv``.

    """
    given = read_images(Path(dataset_dir) / datalist, trained.config, progress=_told("cases"))
    found, patients = classify_images(trained, given.lesions, given.raw)
    about = about_document(trained, found, model_sha256=hashlib.sha256(Path(path).read_bytes()).hexdigest())
    write_files(classes_files(trained, found, patients, about, Path(out)))


def _told(what: str) -> Callable[[str, float], None]:
    """Return what logs each tenth of the work."""
    tenths = [0]

    def tell(text: str, fraction: float) -> None:
        if fraction * 10 >= tenths[0] + 1:
            tenths[0] = int(fraction * 10)
            _LOG.info("%s: %s, %d %%", what, text, 10 * tenths[0])

    return tell
