"""A trained classifier: all that prediction needs, and what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.centre_effects import CentreEffects
from fdglung.classification.clinical import Coding
from fdglung.classification.config import ClassifierConfig
from fdglung.classification.nested import Fitted, probabilities
from fdglung.lesion_classes import UNDETERMINED

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

__all__ = ["UNDETERMINED", "ClassifierModel", "compact", "undetermined"]


@dataclass(frozen=True)
class ClassifierModel:
    """A trained classifier.

    Attributes
    ----------
    classes
        Names, in the order of probabilities.
    names
        Of all features that it was offered.
    selected
        Of the features that it uses, in the order of `training`.
    ranked
        The same, the best first.
    medians, centre, scale
        (selected,) what a missing value is replaced by, what is taken off, and what it is then divided by.
    estimator
        scikit-learn model of the selected features.
    calibrator
        scikit-learn calibration of its scores; None for the model's own probabilities.
    training
        (lesions, selected) training lesions, scaled.
    codes
        (lesions,) their classes.
    lesion_numbers
        (lesions,) as in `fdglung.classification.tables.Lesions`: the same for rows that measure one lesion.
    usual, unlike
        `usual_distance` of the training lesions, and (lesions,) how unlike each was when it was left out.
    own_probabilities, patient_weights
        (lesions,) of each training lesion's class when its patient was left out, and
        `fdglung.classification.prediction_sets.patient_weights`.
    settings
        `RadiomicsSettings.digest` of the features; None where it is not known.
    radiomics
        These settings in full, as YAML, so that the features of a new study can be computed; None where not known.
    clinical
        How the clinical columns among the features are coded; empty where there are none.
    harmonised
        Centres, or scanners, whose effects are known.
    gain, offset
        (harmonised, selected) of these: see `fdglung.classification.centre_effects.CentreEffects`.
    config
        What it was trained with.
    trained_on
        What its maker says that it was trained on, to follow "trained on"; empty where nothing is said.
    chosen
        Parameters that the inner folds decided for.
    summary
        Counts of the training data: lesions, patients, classes, centres.
    versions
        Package to version.

    """

    classes: tuple[str, ...]
    names: tuple[str, ...] = field(repr=False)
    selected: tuple[str, ...] = field(repr=False)
    ranked: tuple[str, ...] = field(repr=False)
    medians: Array = field(repr=False)
    centre: Array = field(repr=False)
    scale: Array = field(repr=False)
    estimator: Any = field(repr=False)
    calibrator: Any = field(repr=False)
    training: Array = field(repr=False)
    codes: Indices = field(repr=False)
    lesion_numbers: Indices = field(repr=False)
    usual: float
    unlike: Array = field(repr=False)
    own_probabilities: Array = field(repr=False)
    patient_weights: Array = field(repr=False)
    settings: str | None
    radiomics: str | None = field(repr=False)
    clinical: Coding = field(repr=False)
    harmonised: tuple[str, ...]
    gain: Array = field(repr=False)
    offset: Array = field(repr=False)
    config: ClassifierConfig = field(repr=False)
    trained_on: str
    chosen: dict[str, Any]
    summary: dict[str, Any]
    versions: dict[str, str]

    def prepared(self, values: Array, groups: Sequence[str] | None = None) -> Array:
        """Return selected features (lesions, selected), imputed, scaled and harmonised.

        Groups (lesions,) are centres or scanners, whichever was harmonised by; lesions of others than `harmonised`, and
        all where there are none, stay as they are.
        """
        filled = np.where(np.isnan(values), self.medians, values)
        scaled: Array = (filled - self.centre) / self.scale
        if groups is None:
            return scaled
        return CentreEffects(self.harmonised, self.gain, self.offset).removed(scaled, groups)

    def probabilities(self, prepared: Array) -> Array:
        """Return (lesions, classes) of prepared features."""
        return probabilities(self.estimator, self.calibrator, prepared, method=self.config.calibration)


def undetermined(config: ClassifierConfig, as_far: Array, missing: Array) -> NDArray[np.bool_]:
    """Tell which cases are left undetermined: those as far as few training cases, and those that lack too much.

    Parameters
    ----------
    config
        Has the rule.
    as_far
        (cases,) `fdglung.classification.likeness.share_as_far`.
    missing
        (cases,) share of the model's features that were imputed.

    """
    far: NDArray[np.bool_] = as_far <= config.undetermined.share
    return far | (missing > config.undetermined.most_missing)


def compact(fitted: Fitted, names: tuple[str, ...], values: Array, groups: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a `ClassifierModel` that a fitted training part decides.

    Parameters
    ----------
    fitted
        Of the whole training data.
    names
        Of the features.
    values
        (lesions, features) raw, as it was fitted on.
    groups
        (lesions,) centres or scanners, as it was fitted on.

    """
    made = fitted.preparation
    return {
        "names": names,
        "selected": tuple(names[column] for column in fitted.columns),
        "ranked": tuple(names[column] for column in fitted.ranked),
        "medians": made.medians,
        "centre": made.centre,
        "scale": made.scale,
        "harmonised": made.effects.centres,
        "gain": made.effects.gain,
        "offset": made.effects.offset,
        "estimator": fitted.estimator,
        "calibrator": fitted.calibrator,
        "training": made.apply(values, groups),
        "chosen": fitted.chosen,
    }
