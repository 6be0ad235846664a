"""Spearman's correlation of two columns, with its interval and p."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

_MOST_EXACT = 8


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation.

    Attributes
    ----------
    rho
        From -1 to 1; NaN with fewer than three pairs or a constant side.
    low, high
        Ends of its interval; NaN with fewer than four pairs, or where all ranks agree.
    p
        Two-sided.
    n
        Pairs in which neither value is missing.
    exact
        Whether p counts all orders, or rests on Student's t.

    """

    rho: float
    low: float
    high: float
    p: float
    n: int
    exact: bool


def rank_correlation(first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95) -> RankCorrelation:
    """Correlate the ranks of two columns, ties at their mean rank.

    Spearman, Am J Psychol 1904;15:72 (doi:10.2307/1412159). p counts all orders with up to eight pairs, and is that of
    scipy's t otherwise. The interval is Fisher's of arctanh rho with the variance (1 + rho^2 / 2) / (n - 3) of Bonett
    and Wright, Psychometrika 2000;65:23 (doi:10.1007/BF02294183).

    Parameters
    ----------
    first, second
        Values (n,); pairs with NaN are left out.
    confidence
        Of the interval.

    """
    from scipy.stats import norm, rankdata, spearmanr

    x, y = np.asarray(first, float), np.asarray(second, float)
    both = ~(np.isnan(x) | np.isnan(y))
    x, y, n = x[both], y[both], int(both.sum())
    if n < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, math.nan, n, exact=False)
    found = spearmanr(x, y)
    rho, p, exact = float(found.statistic), float(found.pvalue), n <= _MOST_EXACT
    if exact:
        ranks, others = rankdata(x), rankdata(y)
        orders = np.array(list(itertools.permutations(range(n))))
        products = others[orders] @ ranks
        middle = n * ranks.mean() * others.mean()
        p = float(np.mean(np.abs(products - middle) >= abs(ranks @ others - middle) - 1e-9))
    low = high = math.nan
    if n > 3 and abs(rho) < 1 - 1e-12:
        half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
        low, high = math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
    return RankCorrelation(rho, low, high, p, n, exact)
