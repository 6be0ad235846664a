"""Fisher's exact test of any table of counts by going through all tables of the same margins."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_ROUNDING = 1e-7


def exact_p(counts: ArrayLike, *, most: int = 300_000) -> float | None:
    """Return the probability of a table as unlikely as this one or more, its margins given.

    Freeman and Halton, Biometrika 1951;38:141 (doi:10.2307/2332323). As in R's fisher.test, tables count as equally
    unlikely within a relative difference of 1e-7.

    Parameters
    ----------
    counts
        Whole numbers (rows, columns), no row and no column of zeros.
    most
        More tables than this are not gone through.

    Returns
    -------
    float or None
        None where there are more.

    """
    table = np.asarray(counts, np.int64)
    if table.shape[0] > table.shape[1]:
        table = table.T
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, table.sum() + 1)))])
    left, weights = table.sum(axis=1)[None, :], np.zeros(1)
    for total in table.sum(axis=0)[:-1]:
        filled = _fill_column(left, weights, int(total), log_factorials, most)
        if filled is None:
            return None
        left, weights = filled
    weights = weights - log_factorials[left].sum(axis=1)
    margins = log_factorials[table.sum(axis=0)].sum() + log_factorials[table.sum(axis=1)].sum()
    logs = weights + margins - log_factorials[table.sum()]
    observed = float(margins - log_factorials[table.sum()] - log_factorials[table].sum())
    return min(1.0, float(np.exp(logs[logs <= observed + math.log1p(_ROUNDING)]).sum()))


def _fill_column(
    left: Ints, weights: Floats, total: int, log_factorials: Floats, most: int
) -> tuple[Ints, Floats] | None:
    """Put a column of this total into each unfinished table, in every way; `left` is what each row still needs."""
    rest = np.full(len(left), total)
    for row in range(left.shape[1]):
        high = np.minimum(left[:, row], rest)
        low = np.maximum(0, rest - left[:, row + 1 :].sum(axis=1))
        ways = high - low + 1
        if ways.sum() > most:
            return None
        parent = np.repeat(np.arange(len(left)), ways)
        put = np.arange(len(parent)) - np.repeat(np.cumsum(ways) - ways, ways) + low[parent]
        left = left[parent]
        left[:, row] -= put
        rest = rest[parent] - put
        weights = weights[parent] - log_factorials[put]
    return left, weights
