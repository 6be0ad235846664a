"""Classes of one study's lesions, and of its patient, from the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from fdglung.classification.cautions import ROWS
from fdglung.classification.image.model import ImageClassifierModel
from fdglung.classification.image.patches import patches
from fdglung.classification.image.prediction import classify_images
from fdglung.classification.tables import Lesions
from fdglung.lesion_classes import LesionClass, PatientClass


@dataclass(frozen=True)
class StudyClasses:
    """What a network says of a study.

    Attributes
    ----------
    lesions
        In the order of the labels that were given.
    patient
        Of all its lesions together.
    maps
        Label to where the network looks, on the patch's own grid: by how much the probability of the lesion's most
        probable class falls when a place is covered.
    warnings
        What to know, in full sentences.

    """

    lesions: tuple[LesionClass, ...]
    patient: PatientClass
    maps: dict[int, sitk.Image] = field(repr=False)
    warnings: tuple[str, ...]


def classified_images(
    model: ImageClassifierModel,
    images: Mapping[str, sitk.Image | None],
    labels: sitk.Image,
    wanted: tuple[int, ...],
    *,
    explained: tuple[int, ...] = (),
    progress: Callable[[str, float], None] | None = None,
) -> StudyClasses:
    """Classify the lesions of a study.

    Parameters
    ----------
    model
        A trained network.
    images
        ``PET`` in SUVbw (g/ml) and ``CT`` in HU; None where there is none.
    labels
        The lesions.
    wanted
        Their labels, one or more.
    explained
        Labels of lesions that get a map.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    NoPetError, NoCtError
        The network looks at an image that is not there.

    """
    tell = progress or (lambda text, fraction: None)
    cut = patches(images, labels, model.config, only=wanted)
    tell("patches cut", 0.2)
    found, patients = classify_images(model, study_lesions(wanted), cut.raw)
    tell("lesions classified", 0.4)
    lesions = tuple(
        LesionClass(
            label=label,
            name=found.classes[row],
            probabilities={name: float(found.probabilities[row, code]) for code, name in enumerate(model.classes)},
            as_far=float(found.as_far[row]),
            prediction_set=found.prediction_sets[row],
            nearest={name: int(found.nearest[row, code]) for code, name in enumerate(model.classes)},
            imputed=0,
        )
        for row, label in enumerate(wanted)
    )
    patient = PatientClass(
        name=patients.classes[0],
        probabilities={name: float(patients.probabilities[0, code]) for code, name in enumerate(model.classes)},
        attention={str(label): float(patients.attention[row]) for row, label in enumerate(wanted)},
    )
    told = [ROWS.sub(r"lesion\1", caution.text) for caution in found.cautions]
    maps: dict[int, sitk.Image] = {}
    try:
        for row, label in enumerate(wanted):
            if label in explained:
                from fdglung.classification.image.explanation import as_image, occlusion_map

                code = int(found.probabilities[row].argmax())
                maps[label] = as_image(occlusion_map(model, cut.raw[row], code), cut.grids[row])
                tell("lesions explained", 0.4 + 0.6 * len(maps) / len(explained))
    except ImportError:
        # A model of ONNX needs neither to classify.
        told.append("Where the network looks is not shown, because torch and MONAI are not installed.")
    return StudyClasses(lesions, patient, maps, tuple(f"Classes: {text}" for text in told))


def study_lesions(labels: tuple[int, ...]) -> Lesions:
    """Return what is known of a study's lesions: their labels, which warnings name; patient and centre are not."""
    blank = ("",) * len(labels)
    return Lesions(
        names=(),
        values=np.zeros((len(labels), 0)),
        keys={"lesion": tuple(map(str, labels))},
        patients=blank,
        centres=blank,
        labels=blank,
        rows=tuple(label - 1 for label in labels),
    )
