"""A trained network with all that prediction needs, and what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.image.config import ImageClassifierConfig

if TYPE_CHECKING:
    from collections.abc import Callable

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Answer:
    """What a network says of one patient.

    Attributes
    ----------
    embeddings
        (lesions, length).
    logits
        (lesions, classes).
    attention
        (lesions,); they sum to 1.
    patient_logits
        (classes,).

    """

    embeddings: Array = field(repr=False)
    logits: Array = field(repr=False)
    attention: Array = field(repr=False)
    patient_logits: Array = field(repr=False)


@dataclass(frozen=True)
class ImageClassifierModel:
    """A trained network.

    Attributes
    ----------
    classes
        Names, in the order of probabilities.
    config
        What it was trained with: channels, spacing, size, normalisation and sizes of the network among it.
    weights
        Of `fdglung.classification.image.architecture.LesionNetwork`, by name.
    lesion_temperature, patient_temperature
        What logits are divided by.
    centre, scale
        (length,) mean and standard deviation of the training lesions' embeddings.
    training
        (lesions, length) these, scaled.
    codes
        (lesions,) their classes.
    usual, unlike, own_probabilities, patient_weights
        As in `fdglung.classification.models.ClassifierModel`.
    trained_on
        What its maker says that it was trained on, to follow "trained on"; empty where nothing is said.
    summary
        Counts of the training data: lesions, patients, classes, centres.
    versions
        Package to version.
    onnx
        The same network as ONNX, where the file has it: it is run without torch and MONAI. Else None.

    """

    classes: tuple[str, ...]
    config: ImageClassifierConfig = field(repr=False)
    weights: dict[str, NDArray[Any]] = field(repr=False)
    lesion_temperature: float
    patient_temperature: float
    centre: Array = field(repr=False)
    scale: Array = field(repr=False)
    training: Array = field(repr=False)
    codes: Indices = field(repr=False)
    usual: float
    unlike: Array = field(repr=False)
    own_probabilities: Array = field(repr=False)
    patient_weights: Array = field(repr=False)
    trained_on: str
    summary: dict[str, Any]
    versions: dict[str, str]
    onnx: bytes | None = field(default=None, repr=False)

    def runner(self) -> Callable[[NDArray[np.float32]], Answer]:
        """Return what answers for one patient's normalised patches (lesions, channels, z, y, x).

        Raises
        ------
        ModelMismatchError
            The weights are not those of such a network.

        """
        if self.onnx is not None:
            from fdglung.classification.image.onnx_network import session

            run = session(self.onnx)
            return lambda seen: Answer(*run(seen))
        from fdglung.classification.image.architecture import answers, filled

        network = filled(self.config, len(self.classes), self.weights)
        return lambda seen: Answer(*answers(network, seen))

    def prepared(self, embeddings: Array) -> Array:
        """Return embeddings (lesions, length), scaled as those of the training lesions."""
        return (embeddings - self.centre) / self.scale

    def lesion_probabilities(self, logits: Array) -> Array:
        """Return calibrated probabilities of the lesions' logits (lesions, classes)."""
        return softmax(logits / self.lesion_temperature)

    def patient_probabilities(self, logits: Array) -> Array:
        """Return calibrated probabilities of patients' logits (patients, classes)."""
        return softmax(logits / self.patient_temperature)


def softmax(logits: Array) -> Array:
    """Return probabilities (cases, classes)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares
