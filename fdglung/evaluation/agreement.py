"""Agreement of two ways to measure the same thing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdglung.evaluation.bootstrap import Bootstrap, Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Agreement of predicted with reference values.

    Attributes
    ----------
    bias
        Mean of prediction less reference.
    lower_limit, upper_limit
        Limits of agreement: bias -/+ 1.96 standard deviations (n - 1) of these differences.
    pearson, spearman, concordance
        Correlation of values, of ranks, and Lin's concordance correlation coefficient.

    """

    bias: Estimate
    lower_limit: Estimate
    upper_limit: Estimate
    pearson: Estimate
    spearman: Estimate
    concordance: Estimate


def agreement(reference: ArrayLike, prediction: ArrayLike, patients: Sequence[str], bootstrap: Bootstrap) -> Agreement:
    """Measure the agreement of pairs, with intervals over patients.

    Bland and Altman, Lancet 1986;327:307; Lin, Biometrics 1989;45:255. What is not defined (limits of one pair,
    correlation with a constant) is NaN.

    Parameters
    ----------
    reference, prediction
        Values (n,) in one unit, finite.
    patients
        Whose each pair is.
    bootstrap
        Makes the intervals.

    """
    x, y = np.asarray(reference, float), np.asarray(prediction, float)
    differences = y - x

    def limit(sign: int) -> Estimate:
        return bootstrap.statistic(lambda rows: limits_of_agreement(differences[rows])[sign], patients)

    return Agreement(
        bias=bootstrap.mean(differences, patients),
        lower_limit=limit(0),
        upper_limit=limit(1),
        pearson=bootstrap.statistic(lambda rows: pearson(x[rows], y[rows]), patients),
        spearman=bootstrap.statistic(lambda rows: spearman(x[rows], y[rows]), patients),
        concordance=bootstrap.statistic(lambda rows: concordance(x[rows], y[rows]), patients),
    )


def limits_of_agreement(differences: Floats) -> tuple[float, float]:
    """Return mean -/+ 1.96 standard deviations (n - 1); NaN with fewer than two differences."""
    if differences.size < 2:
        return math.nan, math.nan
    mean, spread = float(differences.mean()), 1.96 * float(differences.std(ddof=1))
    return mean - spread, mean + spread


def pearson(x: Floats, y: Floats) -> float:
    """Return Pearson's correlation; NaN where a side is constant."""
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: Floats, y: Floats) -> float:
    """Return Spearman's correlation: Pearson's of ranks, ties at their mean rank."""
    from scipy.stats import rankdata

    return pearson(rankdata(x), rankdata(y))


def concordance(x: Floats, y: Floats) -> float:
    """Return Lin's concordance: 2 cov / (var x + var y + (mean x - mean y)^2), moments over n."""
    if x.size < 2:
        return math.nan
    total = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    return float(2 * np.mean((x - x.mean()) * (y - y.mean())) / total) if total else math.nan
