"""How far groups lie apart in units of their spread, whatever their size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def difference_of_numbers(groups: Sequence[ArrayLike]) -> float:
    """Return the largest standardised difference of means between two of the groups, without sign.

    |difference of means| over the root of the mean of both variances (n - 1): Austin, Stat Med 2009;28:3083
    (doi:10.1002/sim.3697). NaN where a group has fewer than two values, or neither varies and the means differ.
    """
    return _largest([np.asarray(values, float) for values in groups], _of_numbers)


def difference_of_counts(counts: ArrayLike) -> float:
    """Return the largest standardised difference of shares between two of the groups, without sign.

    With two categories |p - q| over the root of the mean of p (1 - p) and q (1 - q); with more the distance of
    Mahalanobis of the shares: Yang and Dalton, SAS Global Forum 2012, paper 335; Austin, Stat Med 2009;28:3083
    (doi:10.1002/sim.3697). NaN where a group is empty, or a difference has no spread to be measured by.

    Parameters
    ----------
    counts
        (groups, categories).

    """
    table = np.asarray(counts, float)
    return _largest(list(table[:, table.sum(axis=0) > 0]), _of_counts)


def _largest(groups: list[Floats], pair: Callable[[Floats, Floats], float]) -> float:
    values = [pair(a, b) for a, b in itertools.combinations(groups, 2)]
    return max(values) if values and not any(map(math.isnan, values)) else math.nan


def _of_numbers(first: Floats, second: Floats) -> float:
    if min(first.size, second.size) < 2:
        return math.nan
    gap = abs(float(first.mean() - second.mean()))
    spread = math.sqrt((float(first.var(ddof=1)) + float(second.var(ddof=1))) / 2)
    if spread == 0:
        return math.nan if gap else 0.0
    return gap / spread


def _of_counts(first: Floats, second: Floats) -> float:
    if not (first.sum() and second.sum()):
        return math.nan
    # One category is what the others leave, and is left out.
    shares = [counts[1:] / counts.sum() for counts in (first, second)]
    gap = shares[0] - shares[1]
    spread = sum(np.diag(share) - np.outer(share, share) for share in shares) / 2
    inverse = np.linalg.pinv(spread, hermitian=True)
    if not np.allclose(spread @ inverse @ gap, gap, atol=1e-9):
        return math.nan
    return math.sqrt(max(0.0, float(gap @ inverse @ gap)))
