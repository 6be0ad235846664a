"""Classes of lesions and of their patients by a trained network, and which training lesions they are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.image.model import ImageClassifierModel
from fdglung.classification.image.patches import network_input
from fdglung.classification.likeness import class_mix, share_as_far, unlikeness
from fdglung.classification.prediction import Classified, prediction_sets
from fdglung.classification.tables import Lesions
from fdglung.lesion_classes import UNDETERMINED

Array = NDArray[np.float64]

SEEN = 1e-4
"""A lesion nearer to a training lesion than this share of what is usual is that lesion."""


@dataclass(frozen=True)
class ClassifiedPatients:
    """What a network says of patients.

    Attributes
    ----------
    names
        Of the patients, or of the cases where patients are not known.
    probabilities
        (patients, classes).
    classes
        (patients,) the most probable, or undetermined where lesions that are undetermined have most of the attention.
    attention
        (lesions,) weight of each lesion in its patient's class; a patient's sum to 1.

    """

    names: tuple[str, ...]
    probabilities: Array = field(repr=False)
    classes: tuple[str, ...]
    attention: Array = field(repr=False)


def classify_images(
    model: ImageClassifierModel, lesions: Lesions, raw: NDArray[np.float32]
) -> tuple[Classified, ClassifiedPatients]:
    """Classify lesions and their patients.

    A lesion is left undetermined where the share of training lesions that are as far from the others, in the network's
    embedding, is at most the configuration's ``undetermined.share``.

    Parameters
    ----------
    model
        As `fdglung.classification.image.training.train` or
        `fdglung.classification.image.model_file.load_image_model` gives it.
    lesions
        What is known of each; lesions of one patient, or of one case where patients are not known, belong together.
    raw
        (lesions, channels, z, y, x) by the model's configuration, as `fdglung.classification.image.patches.patches`
        gives them.

    Returns
    -------
    Classified
        `Classified.prepared` holds the scaled embeddings.
    ClassifiedPatients
        In the order in which they are met.

    """
    count, kinds = len(lesions), len(model.classes)
    owners = _owners(lesions)
    names = tuple(dict.fromkeys(owners))
    embeddings = np.zeros((count, model.training.shape[1]))
    logits, attention = np.zeros((count, kinds)), np.zeros(count)
    patient_logits = np.zeros((len(names), kinds))
    run = model.runner() if count else None
    for place, name in enumerate(names):
        rows = np.array([row for row, owner in enumerate(owners) if owner == name])
        assert run is not None
        answer = run(network_input(raw[rows], model.config))
        embeddings[rows], logits[rows], attention[rows] = answer.embeddings, answer.logits, answer.attention
        patient_logits[place] = answer.patient_logits
    prepared = model.prepared(embeddings)
    rule = model.config.undetermined
    unlike, nearest = unlikeness(prepared, model.training, usual=model.usual, neighbours=rule.neighbours)
    as_far = share_as_far(unlike, model.unlike)
    open_ = as_far <= rule.share
    found = model.lesion_probabilities(logits)
    likeliest = np.array(model.classes)[found.argmax(axis=1)]
    classified = Classified(
        lesions=lesions,
        prepared=prepared,
        probabilities=found,
        classes=tuple(map(str, np.where(open_, UNDETERMINED, likeliest))),
        as_far=as_far,
        prediction_sets=prediction_sets(model, found),
        nearest=class_mix(nearest, model.codes, kinds),
        imputed=np.zeros(count, dtype=np.intp),
        cautions=(*lesions.cautions, *_cautions(model, lesions, prepared)),
    )
    parted = model.patient_probabilities(patient_logits)
    whose = np.array([names.index(owner) for owner in owners], dtype=np.intp)
    far = np.bincount(whose, weights=attention * open_, minlength=len(names)) > 0.5
    chosen = np.where(far, UNDETERMINED, np.array(model.classes)[parted.argmax(axis=1)])
    return classified, ClassifiedPatients(names, parted, tuple(map(str, chosen)), attention)


def _owners(lesions: Lesions) -> Sequence[str]:
    if any(lesions.patients):
        return lesions.patients
    return lesions.keys.get("case", ("",) * len(lesions))


def _cautions(model: ImageClassifierModel, lesions: Lesions, prepared: Array) -> list[Caution]:
    found = []
    known = model.summary["centres"]
    strange = [(row, one) for row, one in zip(lesions.rows, lesions.centres, strict=True) if one and one not in known]
    if strange and any(known):
        names = some(sorted({centre for _, centre in strange}))
        text = (
            f"{rows_text([row for row, _ in strange])}: no training lesion is of {names} "
            f"(known: {some(name for name in known if name)}). Probabilities may not hold there; train with that "
            "centre."
        )
        found.append(Caution(CautionKind.UNSEEN_CENTRE, text))
    nearest, _ = unlikeness(prepared, model.training, usual=model.usual, neighbours=1)
    seen = [row for row, far in zip(lesions.rows, nearest, strict=True) if far < SEEN]
    if seen:
        text = (
            f"{rows_text(seen)} look to the network like a training lesion to the last digit: it has seen them, and "
            "what it says tells nothing of how well it does. Use the training's out-of-fold predictions for these."
        )
        found.append(Caution(CautionKind.SEEN_LESION, text))
    return found
