"""One training part: features, model and calibration, all decided by folds inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, roc_auc_score  # type: ignore[import-untyped]

from fdglung.classification.calibration import calibrated, scores_of
from fdglung.classification.config import ClassifierConfig
from fdglung.classification.estimators import candidates, model, preparation
from fdglung.classification.folds import patient_folds

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Fitted:
    """What was learned from a training part.

    Attributes
    ----------
    preparation
        Fitted pipeline from raw features to selected, scaled ones.
    columns
        Of the raw features, in the order of the prepared ones.
    ranked
        The same, the best first.
    limit
        How many features could have been kept.
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

    """

    preparation: Any = field(repr=False)
    columns: tuple[int, ...]
    ranked: tuple[int, ...]
    limit: int
    estimator: Any = field(repr=False)
    calibrator: Any = field(repr=False)
    method: str
    chosen: dict[str, Any]
    scores: tuple[tuple[dict[str, Any], float], ...] = field(repr=False)

    def probabilities(self, values: Array) -> Array:
        """Return (lesions, classes) of raw features (lesions, features)."""
        return probabilities(self.estimator, self.calibrator, self.preparation.transform(values), method=self.method)


def fit(
    values: Array,
    codes: Indices,
    patients: Sequence[str],
    centres: Sequence[str],
    *,
    classes: Sequence[str],
    config: ClassifierConfig,
) -> Fitted:
    """Fit everything on one training part.

    Features are selected anew in each inner fold, so that neither the choice among candidates nor the calibration has
    seen the lesions that it is judged by (Varma & Simon, BMC Bioinformatics 2006;7:91, 10.1186/1471-2105-7-91; Ambroise
    & McLachlan, PNAS 2002;99:6562, 10.1073/pnas.102102699). It is what scikit-learn's ``GridSearchCV`` over the whole
    pipeline and then ``CalibratedClassifierCV`` with ``ensemble=False`` give with the same folds; features are prepared
    once a fold, not once a candidate.

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

    Raises
    ------
    TooFewCasesError
        A class has fewer patients than inner folds.
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
    options = candidates(config)
    outside: list[list[Array]] = [[] for _ in options]
    marks: list[list[float]] = [[] for _ in options]
    for train, test in splits:
        prepared, inside = _prepared(values[train], codes[train], np.asarray(patients)[train], config)
        tested = prepared.transform(values[test])
        for place, option in enumerate(options):
            fitted = model(config, option).fit(inside, codes[train])
            marks[place].append(_mark(fitted, tested, codes[test], config.validation.score))
            outside[place].append(scores_of(fitted, tested, method=config.calibration))
    means = [float(np.nanmean(one)) if np.isfinite(one).any() else 0.0 for one in marks]
    best = int(np.argmax(means))
    order = np.concatenate([test for _, test in splits])
    calibrator = None
    if config.calibration != "none":
        scores = np.concatenate(outside[best])[np.argsort(order)]
        calibrator = calibrated(scores, codes, method=config.calibration)
    prepared, inside = _prepared(values, codes, np.asarray(patients), config)
    columns, ranked = _columns(prepared, values.shape[1])
    return Fitted(
        preparation=prepared,
        columns=columns,
        ranked=ranked,
        limit=int(prepared[-1].limit_),
        estimator=model(config, options[best]).fit(inside, codes),
        calibrator=calibrator,
        method=config.calibration,
        chosen=options[best],
        scores=tuple(zip(options, means, strict=True)),
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


def _prepared(values: Array, codes: Indices, patients: NDArray[np.str_], config: ClassifierConfig) -> tuple[Any, Array]:
    pipeline = preparation(config)
    groups = {} if config.selection.stability is None else {"select__groups": patients}
    return pipeline, np.asarray(pipeline.fit(values, codes, **groups).transform(values), dtype=np.float64)


def _mark(fitted: Any, tested: Array, codes: Indices, score: str) -> float:
    if score == "balanced_accuracy":
        return float(balanced_accuracy_score(codes, fitted.predict(tested)))
    return macro_auc(codes, scores_of(fitted, tested, method="none"))


def _columns(pipeline: Any, count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    names = np.arange(count).astype(str)
    left = pipeline[:-1].get_feature_names_out(names).astype(int)
    kept = pipeline[-1].get_support(indices=True)
    return tuple(map(int, left[kept])), tuple(map(int, left[pipeline[-1].order_]))
