"""What a classifier says of a study's lesions, as the report carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

UNDETERMINED = "undetermined"
"""Said in place of a class where a lesion is unlike the training lesions, or lacks too many features."""


@dataclass(frozen=True)
class LesionClass:
    """What a classifier says of one lesion.

    Attributes
    ----------
    label
        `fdglung.lesions.Lesion.label`.
    name
        The most probable class, or `UNDETERMINED`.
    probabilities
        Class to its calibrated probability; they sum to 1.
    as_far
        Share of cases like the training's that are as far from the training lesions as this one, or farther.
    prediction_set
        The classes that are not ruled out, the most probable first; `Classification.prediction_set_coverage` is the
        share of lesions like the training's whose set holds their class.
    nearest
        Class to how many of the nearest training lesions are of it.
    imputed
        How many of the classifier's features were missing and were replaced by the training's median.

    """

    label: int
    name: str
    probabilities: dict[str, float]
    as_far: float
    prediction_set: tuple[str, ...]
    nearest: dict[str, int]
    imputed: int


@dataclass(frozen=True)
class PatientClass:
    """What a classifier says of all lesions of a patient together.

    Attributes
    ----------
    name
        The most probable class, or `UNDETERMINED`.
    probabilities
        Class to its calibrated probability; they sum to 1.
    attention
        Label of a lesion, as text, to its weight in this; they sum to 1.

    """

    name: str
    probabilities: dict[str, float]
    attention: dict[str, float]


@dataclass(frozen=True)
class Classification:
    """What a classifier says of all lesions, and which it is.

    Attributes
    ----------
    lesions
        In the order of the findings' lesions.
    classes
        All that it tells apart, in the order of the probabilities.
    model
        Name of its file.
    model_sha256
        Checksum of its file.
    trained_on
        What it was trained on, to follow "trained on"; empty where its maker did not say.
    prediction_set_coverage
        Share of the lesions of each class whose prediction set holds it, among lesions like the training's.
    patient
        What it says of the patient; None of a classifier that looks at single lesions.

    """

    lesions: tuple[LesionClass, ...]
    classes: tuple[str, ...]
    model: str
    model_sha256: str
    trained_on: str
    prediction_set_coverage: float
    patient: PatientClass | None = None

    def of(self, label: int) -> LesionClass | None:
        """Return what is said of a lesion; None where nothing is."""
        return next((lesion for lesion in self.lesions if lesion.label == label), None)

    @property
    def notice(self) -> str:
        """What whoever reads a class must know, in full sentences."""
        origin = (
            f"trained on {self.trained_on}" if self.trained_on else "whose maker does not say what it was trained on"
        )
        return f"Classes of lesions are suggestions by a classifier {origin}. They are no diagnosis."


def classification_from(document: dict[str, Any]) -> Classification:
    """Read what `dataclasses.asdict` made of a `Classification` and JSON gave back.

    Raises
    ------
    KeyError, TypeError
        A field is missing or there is one too many.

    """
    lesions = tuple(
        LesionClass(**{**item, "prediction_set": tuple(item["prediction_set"])}) for item in document["lesions"]
    )
    patient = document.get("patient")
    more = {"patient": None if patient is None else PatientClass(**patient)}
    return Classification(**{**document, "lesions": lesions, "classes": tuple(document["classes"]), **more})
