"""Classes of one study's lesions, from their radiomics."""

from __future__ import annotations

from fdglung.classification.cautions import ROWS
from fdglung.classification.models import ClassifierModel
from fdglung.classification.prediction import classify
from fdglung.classification.tables import lesions_of_table
from fdglung.lesion_classes import LesionClass
from fdglung.radiomics.tables import OK, FeatureTable


def classified(model: ClassifierModel, features: FeatureTable) -> tuple[tuple[LesionClass, ...], tuple[str, ...]]:
    """Classify the lesions of a study.

    Parameters
    ----------
    model
        A trained classifier.
    features
        A row a lesion; its settings must be the model's.

    Returns
    -------
    tuple of LesionClass
        In the order of the rows.
    tuple of str
        What to know of them, in full sentences.

    Raises
    ------
    SettingsMismatchError, MissingFeaturesError
        As `fdglung.classification.prediction.classify` has them.

    """
    found = classify(model, lesions_of_table(features))
    classes = tuple(
        LesionClass(
            label=lesion.label,
            name=found.classes[row],
            probabilities={name: float(found.probabilities[row, code]) for code, name in enumerate(model.classes)},
            as_far=float(found.as_far[row]),
            prediction_set=found.prediction_sets[row],
            nearest={name: int(found.nearest[row, code]) for code, name in enumerate(model.classes)},
            imputed=int(found.imputed[row]),
        )
        for row, lesion in enumerate(features.lesions)
    )
    failed = [
        f"Lesion {lesion.label}: not all features could be computed ({lesion.status}), and its class rests on the rest."
        for lesion in features.lesions
        if lesion.status != OK
    ]
    whose: dict[str, list[int]] = {}
    for lesion in features.lesions:
        for text in dict.fromkeys(lesion.warnings):
            whose.setdefault(text, []).append(lesion.label)
    of_features = [
        f"Lesion{'' if len(labels) == 1 else 's'} {', '.join(map(str, labels))}, features of the class: {text}"
        for text, labels in whose.items()
    ]
    told = (ROWS.sub(r"lesion\1", caution.text) for caution in found.cautions)
    return classes, (*failed, *of_features, *(f"Classes: {text}" for text in told))
