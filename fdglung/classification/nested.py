"""One training part: features, model and calibration, all decided by folds inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score  # type: ignore[import-untyped]

from fdglung.classification.calibration import calibrated, scores_of
from fdglung.classification.centre_effects import Names
from fdglung.classification.config import ClassifierConfig
from fdglung.classification.estimators import candidates, model
from fdglung.classification.folds import Split, patient_folds
from fdglung.classification.joined_decisions import METHOD, JoinedDecisions, joiner
from fdglung.classification.parts import Part, is_radiomics, parts
from fdglung.classification.preparation import Preparation, prepare, side_by_side

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Fitted:
    """What was learned from a training part.

    Attributes
    ----------
    preparation
        Of raw features.
    estimator
        Fitted model of the prepared features.
    calibrator
        Fitted calibration of its scores; None for the model's own probabilities.
    method
        Of the calibration.
    chosen
        Parameters that the inner folds decided for.
    scores
        Every candidate's parameters and mean score over inner folds.
    part_scores
        Where decisions are joined: each model's mean score over inner folds.

    """

    preparation: Preparation = field(repr=False)
    estimator: Any = field(repr=False)
    calibrator: Any = field(repr=False)
    method: str
    chosen: dict[str, Any]
    scores: tuple[tuple[dict[str, Any], float], ...] = field(repr=False)
    part_scores: dict[str, float] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[int, ...]:
        """Of the raw features, in the order of the prepared ones."""
        return self.preparation.columns

    @property
    def ranked(self) -> tuple[int, ...]:
        """The same, the best first."""
        return self.preparation.ranked

    @property
    def limit(self) -> int:
        """How many features could have been kept."""
        return self.preparation.limit

    def probabilities(self, values: Array, groups: Names = ()) -> Array:
        """Return (lesions, classes) of raw features (lesions, features); groups (lesions,) as they were fitted."""
        prepared = self.preparation.apply(values, groups)
        return probabilities(self.estimator, self.calibrator, prepared, method=self.method)


def fit(
    values: Array,
    codes: Indices,
    patients: Sequence[str],
    centres: Sequence[str],
    *,
    classes: Sequence[str],
    config: ClassifierConfig,
    names: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    lesion_numbers: Indices | None = None,
) -> Fitted:
    """Fit everything on one training part.

    Features are selected anew in each inner fold, so that neither the choice among candidates nor the calibration has
    seen the lesions that it is judged by (Varma & Simon, BMC Bioinformatics 2006;7:91, 10.1186/1471-2105-7-91; Ambroise
    & McLachlan, PNAS 2002;99:6562, 10.1073/pnas.102102699). It is what scikit-learn's ``GridSearchCV`` over the whole
    pipeline and then ``CalibratedClassifierCV`` with ``ensemble=False`` give with the same folds; features are prepared
    once a fold, not once a candidate. Where decisions are joined, this is done for each part, and the joining
    regression is fitted to what the parts say of the inner folds' lesions.

    Parameters
    ----------
    values
        (lesions, features) raw; NaN where there is none.
    codes
        (lesions,) place of each class in `classes`.
    patients, centres
        (lesions,) of each.
    classes
        Names.
    config
        All else.
    names
        (features,) by which parts are told apart; None where all are radiomics.
    groups
        (lesions,) what is harmonised; None for the centres.
    lesion_numbers
        (lesions,) which lesion each row measures; None where each is one of its own. The limit of a tenth counts these.

    Raises
    ------
    TooFewCasesError
        A class has fewer patients than inner folds.
    ParameterError
        Centres cannot be harmonised.
    InputError
        No feature is left, or lesions are too few for one.

    """
    splits, _ = patient_folds(
        codes,
        patients,
        centres,
        classes=classes,
        folds=config.validation.inner_folds,
        seed=config.seed,
        attribute="validation.inner_folds",
    )
    numbers = np.arange(len(codes)) if lesion_numbers is None else lesion_numbers
    known = _Known(codes, np.asarray(patients), np.asarray(centres if groups is None else groups), numbers, splits)
    called = [""] * values.shape[1] if names is None else names
    asked = parts(called, config)
    fitted = [_fit_part(values[:, one.columns], known, is_radiomics(called)[one.columns], one.config) for one in asked]
    if len(fitted) == 1 and not asked[0].name:
        return fitted[0][0]
    return _joined(asked, fitted, known, config)


@dataclass(frozen=True)
class _Known:
    codes: Indices
    patients: NDArray[np.str_]
    groups: NDArray[np.str_]
    lesion_numbers: Indices
    splits: Sequence[Split]


def _fit_part(
    values: Array, known: _Known, harmonised: NDArray[np.bool_], config: ClassifierConfig
) -> tuple[Fitted, Array]:
    """Return what was learned of columns, and logits (lesions, classes) of each lesion from the fold without it."""
    codes, whose, groups = known.codes, known.patients, known.groups
    options = candidates(config)
    outside: list[list[Array]] = [[] for _ in options]
    logits: list[list[Array]] = [[] for _ in options]
    marks: list[list[float]] = [[] for _ in options]

    def prepared(rows: Any) -> Preparation:
        count = len(np.unique(known.lesion_numbers[rows]))
        return prepare(
            values[rows], codes[rows], whose[rows], groups[rows], config=config, harmonised=harmonised, lesions=count
        )

    for train, test in known.splits:
        made = prepared(train)
        inside, tested = made.apply(values[train], groups[train]), made.apply(values[test], groups[test])
        for place, option in enumerate(options):
            fitted = model(config, option).fit(inside, codes[train])
            marks[place].append(_mark(fitted, tested, codes[test], config.validation.score))
            outside[place].append(scores_of(fitted, tested, method=config.calibration))
            logits[place].append(scores_of(fitted, tested, method=METHOD))
    means = [float(np.nanmean(one)) if np.isfinite(one).any() else 0.0 for one in marks]
    best = int(np.argmax(means))
    order = np.argsort(np.concatenate([test for _, test in known.splits]))
    calibrator = None
    if config.calibration != "none":
        calibrator = calibrated(np.concatenate(outside[best])[order], codes, method=config.calibration)
    made = prepared(slice(None))
    found = Fitted(
        preparation=made,
        estimator=model(config, options[best]).fit(made.apply(values, groups), codes),
        calibrator=calibrator,
        method=config.calibration,
        chosen=options[best],
        scores=tuple(zip(options, means, strict=True)),
    )
    return found, np.concatenate(logits[best])[order]


def _joined(
    asked: Sequence[Part], fitted: Sequence[tuple[Fitted, Array]], known: _Known, config: ClassifierConfig
) -> Fitted:
    """Return the models of all parts with a regression of what they say of lesions that they were not fitted on."""
    said = np.column_stack([logits for _, logits in fitted])
    marks = []
    for train, test in known.splits:
        inner = joiner(said[train], known.codes[train], strength=config.fusion.strength)
        marks.append(_mark(inner, said[test], known.codes[test], config.validation.score))
    made = [one for one, _ in fitted]
    estimator = JoinedDecisions(
        [one.estimator for one in made],
        [len(one.columns) for one in made],
        joiner(said, known.codes, strength=config.fusion.strength),
    )
    together = list(zip(asked, made, strict=True))
    chosen = {f"{part.name}.{key}": value for part, one in together for key, value in one.chosen.items()}
    return Fitted(
        preparation=side_by_side([(one.preparation, part.columns) for part, one in together]),
        estimator=estimator,
        calibrator=None,
        method=config.calibration,
        chosen=chosen,
        scores=((chosen, float(np.nanmean(marks))),),
        part_scores={part.name: max(score for _, score in one.scores) for part, one in together},
    )


def probabilities(estimator: Any, calibrator: Any, prepared: Array, *, method: str) -> Array:
    """Return (lesions, classes) of prepared features; `calibrator` None for the model's own."""
    if calibrator is None:
        return np.asarray(estimator.predict_proba(prepared), dtype=np.float64)
    return np.asarray(calibrator.predict_proba(scores_of(estimator, prepared, method=method)), dtype=np.float64)


def macro_auc(codes: Indices, scores: Array) -> float:
    """Return the mean over classes of the area under one against the rest's ROC curve; NaN where none is defined.

    Parameters
    ----------
    codes
        (lesions,) true classes from 0.
    scores
        (lesions, classes), or (lesions, 1) of the second of two classes.

    """
    if scores.shape[1] == 1:
        scores = np.column_stack([-scores, scores])
    present = [n for n in range(scores.shape[1]) if 0 < (codes == n).sum() < len(codes)]
    areas = [float(roc_auc_score(codes == n, scores[:, n])) for n in present]
    return float(np.mean(areas)) if areas else float("nan")


def _mark(fitted: Any, tested: Array, codes: Indices, score: str) -> float:
    if score == "balanced_accuracy":
        return float(balanced_accuracy_score(codes, fitted.predict(tested)))
    return macro_auc(codes, scores_of(fitted, tested, method="none"))
