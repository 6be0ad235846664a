"""What acting on a prediction would gain: net benefit over the threshold at which one would act."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.predictions import Predictions
from fdglung.evaluation.resampled import Key

Floats = NDArray[np.float64]

THRESHOLDS: tuple[float, ...] = tuple(round(0.01 * step, 2) for step in range(1, 100))
"""Probabilities of the class from which on one would act."""


def decision_curve(predictions: Predictions, weights: Floats) -> dict[Key, Floats]:
    """Return the net benefit of acting on each class, and of acting on everyone.

    True positives a row less false positives a row, these weighted by the odds of the threshold: Vickers and Elkin,
    Med Decis Making 2006;26:565 (doi:10.1177/0272989X06295361). Acting on nobody has a net benefit of 0.

    Parameters
    ----------
    predictions
        Probabilities and truth (rows).
    weights
        How often each row counts (draws, rows).

    Returns
    -------
    dict
        (``class NAME``, threshold as text, ``model`` or ``everyone``) to a figure a draw.

    """
    limits = np.array(THRESHOLDS)
    odds = limits / (1 - limits)
    total = weights.sum(axis=1, keepdims=True)
    found: dict[Key, Floats] = {}
    for place, name in enumerate(predictions.classes):
        is_class = (predictions.truth == place).astype(float)
        called = (predictions.probabilities[:, [place]] >= limits).astype(float)
        hits, alarms = ((weights * kind) @ called / total for kind in (is_class, 1 - is_class))
        share = (weights @ is_class)[:, None] / total
        for which, values in (("model", hits - alarms * odds), ("everyone", share - (1 - share) * odds)):
            found.update({(f"class {name}", str(t), which): values[:, n] for n, t in enumerate(THRESHOLDS)})
    return found
