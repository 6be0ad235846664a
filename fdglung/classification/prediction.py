"""Classes of lesions by a trained model: probabilities, what is undetermined and why, the nearest training cases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.clinical import clinical_cautions, names_of, with_clinical
from fdglung.classification.context import context_caution, with_context
from fdglung.classification.likeness import class_mix, share_as_far, unlikeness
from fdglung.classification.models import UNDETERMINED, ClassifierModel, undetermined
from fdglung.classification.parts import DECISION, measured, part_of
from fdglung.classification.prediction_sets import class_shares, sets_of
from fdglung.classification.tables import Lesions
from fdglung.errors import MissingFeaturesError, SettingsMismatchError

if TYPE_CHECKING:
    from fdglung.classification.image.model import ImageClassifierModel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Classified:
    """What a model says of lesions.

    Attributes
    ----------
    lesions
        With all their features.
    prepared
        (lesions, selected) features of the model, imputed and scaled.
    probabilities
        (lesions, classes).
    classes
        (lesions,) the most probable, or `UNDETERMINED`.
    as_far
        (lesions,) share of cases like the training's that are as far from them, or farther.
    prediction_sets
        (lesions,) classes that are not ruled out, the most probable first.
    nearest
        (lesions, classes) how many of the nearest training lesions are of each class, as `class_mix` has it.
    imputed
        (lesions,) how many of the model's features were missing and were replaced by the training's median.
    cautions
        What to know.

    """

    lesions: Lesions = field(repr=False)
    prepared: Array = field(repr=False)
    probabilities: Array = field(repr=False)
    classes: tuple[str, ...]
    as_far: Array = field(repr=False)
    prediction_sets: tuple[tuple[str, ...], ...]
    nearest: Array = field(repr=False)
    imputed: NDArray[np.intp] = field(repr=False)
    cautions: tuple[Caution, ...]


def classify(model: ClassifierModel, lesions: Lesions) -> Classified:
    """Classify lesions.

    A lesion is left undetermined where the share of training cases that are as far from the others (`share_as_far`) is
    at most the configuration's ``undetermined.share``, or where more of the model's features are missing than
    ``undetermined.most_missing``.

    Parameters
    ----------
    model
        As `fdglung.classification.training.train` or `fdglung.classification.model_file.load_model` gives it.
    lesions
        With at least the features that the model has selected.

    Raises
    ------
    SettingsMismatchError
        The features were computed with other settings than the model's.
    MissingFeaturesError
        Columns that the model has selected are missing.

    """
    lesions = _with_all_parts(model, with_context(lesions, model.config.context))
    values = _selected(model, lesions)
    cautions = list(lesions.cautions)
    imputed = np.isnan(values).sum(axis=1)
    harmonisation = model.config.harmonisation
    groups = None if harmonisation is None else lesions.groups(harmonisation.by)
    prepared = model.prepared(values, groups)
    found = model.probabilities(prepared)
    rule = model.config.undetermined
    unlike, nearest = unlikeness(prepared, model.training, usual=model.usual, neighbours=rule.neighbours)
    as_far = share_as_far(unlike, model.unlike)
    open_ = undetermined(model.config, as_far, imputed / len(model.selected))
    names = np.where(open_, UNDETERMINED, np.array(model.classes)[found.argmax(axis=1)])
    cautions += [*context_caution(lesions, model.config.context), *_cautions(model, lesions, prepared, imputed)]
    return Classified(
        lesions=lesions,
        prepared=prepared,
        probabilities=found,
        classes=tuple(map(str, names)),
        as_far=as_far,
        prediction_sets=prediction_sets(model, found),
        nearest=class_mix(nearest, model.codes, len(model.classes), lesion_numbers=model.lesion_numbers),
        imputed=imputed,
        cautions=tuple(cautions),
    )


def prediction_sets(model: ClassifierModel | ImageClassifierModel, probabilities: Array) -> tuple[tuple[str, ...], ...]:
    """Return the classes of each lesion that a model does not rule out; probabilities are (lesions, classes)."""
    shares = class_shares(probabilities, model.own_probabilities, model.codes, model.patient_weights)
    return sets_of(model.classes, probabilities, shares, coverage=model.config.prediction_set_coverage)


def _with_all_parts(model: ClassifierModel, lesions: Lesions) -> Lesions:
    """Return lesions with columns without values for what is joined with the features and was not given."""
    here = set(lesions.names)
    if model.clinical and not set(names_of(model.clinical)) <= here:
        told = clinical_cautions({}, model.clinical, lesions.rows)
        lesions = with_clinical(replace(lesions, cautions=(*lesions.cautions, *told)), {}, model.clinical)
    bare = [name for name in model.selected if name.startswith(DECISION) and name not in here]
    if not bare:
        return lesions
    others = some(dict.fromkeys(part_of(name) for name in bare))
    text = f"No probabilities of {others} were given; those of a middling lesion stand in for them."
    return replace(
        lesions,
        names=(*lesions.names, *bare),
        values=np.column_stack([lesions.values, np.full((len(lesions), len(bare)), np.nan)]),
        cautions=(*lesions.cautions, Caution(CautionKind.MISSING_DECISIONS, text)),
    )


def _selected(model: ClassifierModel, lesions: Lesions) -> Array:
    if lesions.settings and model.settings and lesions.settings != model.settings:
        raise SettingsMismatchError(
            f"The features were computed with settings {lesions.settings[:12]}, the model's with {model.settings[:12]}",
            attribute="FEATURES",
            remedy="Compute them with the settings beside the training's table: `fdglung radiomics --settings`",
        )
    places = {name: place for place, name in enumerate(lesions.names)}
    missing = [name for name in model.selected if name not in places]
    if missing:
        raise MissingFeaturesError(
            f"{len(missing)} of the {len(model.selected)} features that the model has selected are missing",
            attribute=some(dict.fromkeys(map(measured, missing))),
            remedy="Compute features with the settings that lay beside the training's table, PET and CT as there",
        )
    return lesions.values[:, [places[name] for name in model.selected]]


def _cautions(model: ClassifierModel, lesions: Lesions, prepared: Array, imputed: NDArray[np.intp]) -> list[Caution]:
    found = []
    known = model.summary["centres"]
    new = [row for row, centre in zip(lesions.rows, lesions.centres, strict=True) if centre and centre not in known]
    if new and any(known):
        names = some(sorted({centre for centre in lesions.centres if centre and centre not in known}))
        text = (
            f"{rows_text(new)}: no training lesion is of {names} (known: {some(name for name in known if name)}). "
            "Probabilities may not hold there; harmonise the features, or train with that centre."
        )
        found.append(Caution(CautionKind.UNSEEN_CENTRE, text))
    found += _not_harmonised(model, lesions)
    training = {row.tobytes() for row in np.round(model.training, 9) + 0.0}
    seen = [r for r, row in zip(lesions.rows, np.round(prepared, 9) + 0.0, strict=True) if row.tobytes() in training]
    if seen and len(model.selected) > 1:
        text = (
            f"{rows_text(seen)} have the values of a training lesion: the model has seen them, and what it says "
            "tells nothing of how well it does. Use the training's out-of-fold predictions for these."
        )
        found.append(Caution(CautionKind.SEEN_LESION, text))
    bare = [row for row, count in zip(lesions.rows, imputed, strict=True) if count]
    if bare:
        text = (
            f"{rows_text(bare)} lack up to {int(imputed.max())} of {len(model.selected)} features of the model; the "
            "training's medians stand in for them. Compute the features again, or judge these with care."
        )
        found.append(Caution(CautionKind.IMPUTED_VALUES, text))
    return found


def _not_harmonised(model: ClassifierModel, lesions: Lesions) -> list[Caution]:
    settings = model.config.harmonisation
    if settings is None:
        return []
    groups = lesions.groups(settings.by)
    bare = [row for row, name in zip(lesions.rows, groups, strict=True) if name not in model.harmonised]
    names = some(sorted({name or "not known" for name in groups if name not in model.harmonised}))
    text = (
        f"{rows_text(bare)}: the effects of the {settings.by} {names} are not known, and features are left as they are "
        f"(known: {some(model.harmonised)}). Probabilities may not hold there."
    )
    return [Caution(CautionKind.NOT_HARMONISED, text)] if bare else []
