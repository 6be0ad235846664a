"""How well classes are told apart: confusion matrix, accuracy, precision, recall, F1, area under the ROC curve.

scikit-learn gives the same figures, one draw at a time; here they are worked out for all draws of a bootstrap at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.calibration import brier, calibration_error
from fdglung.evaluation.predictions import Predictions
from fdglung.evaluation.resampled import Key

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALL, MACRO = "all", "macro"
"""In place of a class: over all rows, and the mean over the classes that the truth holds."""


def measures(predictions: Predictions, weights: Floats, *, bins: int = 10) -> dict[Key, Floats]:
    """Measure class probabilities against the truth.

    Parameters
    ----------
    predictions
        Probabilities and truth (rows).
    weights
        How often each row counts (draws, rows).
    bins
        Of the calibration error, equally wide.

    Returns
    -------
    dict
        (measure, class) to a figure a draw. ``accuracy``; ``precision``, ``recall``, ``specificity``, ``f1`` and
        ``auc`` of each class against the rest and their mean (macro), ``brier`` and ``ece`` (`fdglung.evaluation.
        calibration`). A class without a row in the truth has NaN, and the macro mean is that of the others; precision
        is 0 for a class that no row is called. A draw that lacks one of the other classes has no macro mean. Where the
        table has prediction sets, ``coverage`` (how often a set holds the truth) of each class and over all, and
        ``set_size`` (classes in a set); there the rows of a patient that are of one class count as one.

    """
    counts = confusion(predictions, weights)
    hits = np.diagonal(counts, axis1=1, axis2=2)
    true, called, total = counts.sum(axis=2), counts.sum(axis=1), counts.sum(axis=(1, 2))
    found: dict[Key, Floats] = {("accuracy", ALL): _ratio(hits.sum(axis=1), total)}
    by_class = {
        "precision": np.where(true > 0, np.where(called > 0, _ratio(hits, called), 0.0), np.nan),
        "recall": _ratio(hits, true),
        "specificity": np.where(true > 0, _ratio(total[:, None] - true - called + hits, total[:, None] - true), np.nan),
        "f1": np.where(true > 0, _ratio(2 * hits, true + called), np.nan),
        "auc": np.column_stack([auc(scores, is_class, weights) for scores, is_class in _against_rest(predictions)]),
        "brier": np.column_stack([brier(scores, is_class, weights) for scores, is_class in _against_rest(predictions)]),
        "ece": np.column_stack(
            [calibration_error(scores, is_class, weights, bins=bins) for scores, is_class in _against_rest(predictions)]
        ),
    }
    present = list(predictions.present)
    for measure, values in by_class.items():
        for place, name in enumerate(predictions.classes):
            found[measure, f"class {name}"] = values[:, place]
        found[measure, MACRO] = values[:, present].mean(axis=1)
    # Brier, Mon Weather Rev 1950;78:1: the sum over the classes, from 0 to 2.
    found["brier", ALL] = by_class["brier"].sum(axis=1)
    highest = predictions.probabilities.max(axis=1)
    right = predictions.predicted == predictions.truth
    found["ece", ALL] = calibration_error(highest, right, weights, bins=bins)
    return found if predictions.prediction_sets is None else found | _of_sets(predictions, weights)


def _of_sets(predictions: Predictions, weights: Floats) -> dict[Key, Floats]:
    sets = np.asarray(predictions.prediction_sets)
    held = sets[np.arange(len(sets)), predictions.truth]
    of_class = list(zip(predictions.patients, predictions.truth.tolist(), strict=True))
    counts = Counter(of_class)
    weights = weights / np.array([counts[one] for one in of_class])
    total = weights.sum(axis=1)
    found: dict[Key, Floats] = {
        ("coverage", ALL): _ratio(weights @ held, total),
        ("set_size", ALL): _ratio(weights @ sets.sum(1), total),
    }
    for place, name in enumerate(predictions.classes):
        own = predictions.truth == place
        found["coverage", f"class {name}"] = _ratio(weights @ (held & own), weights @ own)
    return found


def confusion(predictions: Predictions, weights: Floats) -> Floats:
    """Return counts (draws, true class, predicted class)."""
    size = len(predictions.classes)
    cells = np.eye(size * size)[predictions.truth * size + predictions.predicted]
    return (weights @ cells).reshape(len(weights), size, size)


def auc(scores: Floats, is_class: Bools, weights: Floats) -> Floats:
    """Return the area under the ROC curve, a draw each; NaN without rows of both kinds.

    The probability that a row of the class scores higher than another, ties counted half: Hanley and McNeil, Radiology
    1982;143:29 (doi:10.1148/radiology.143.1.7063747).

    Parameters
    ----------
    scores
        Higher for the class (rows,).
    is_class
        Whether a row is of the class (rows,).
    weights
        How often each row counts (draws, rows).

    """
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))
    inside, outside = (
        np.add.reduceat(weights[:, order] * kind[order], starts, axis=1) for kind in (is_class, ~is_class)
    )
    below = np.cumsum(outside, axis=1) - outside
    won = (inside * (below + outside / 2)).sum(axis=1)
    return _ratio(won, inside.sum(axis=1) * outside.sum(axis=1))


def roc_points(predictions: Predictions, place: int) -> Mapping[str, Floats]:
    """Return the ROC curve of a class against the rest as scikit-learn draws it, with every threshold.

    The first threshold is infinite: nothing is called the class. There must be rows of both kinds.
    """
    from sklearn.metrics import roc_curve  # type: ignore[import-untyped]

    false, true, thresholds = roc_curve(
        predictions.truth == place, predictions.probabilities[:, place], drop_intermediate=False
    )
    return {"threshold": thresholds, "false_positive_rate": false, "true_positive_rate": true}


def _against_rest(predictions: Predictions) -> list[tuple[Floats, Bools]]:
    return [(predictions.probabilities[:, n], predictions.truth == n) for n in range(len(predictions.classes))]


def _ratio(top: Floats, bottom: Floats) -> Floats:
    whole = np.broadcast_to(bottom, top.shape)
    return np.divide(top, whole, out=np.full(top.shape, np.nan), where=whole > 0)
