"""Counts of categories compared between groups: chi-square, or Fisher's exact test where counts are small."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdglung.evaluation.exact_tables import exact_p
from fdglung.evaluation.group_test import GroupTest, no_test

Ints = NDArray[np.int64]

LEAST_ROWS = 40
"""Fewer rows make Fisher's test."""

LEAST_EXPECTED = 5
"""Expected counts below this are small."""

MOST_SMALL = 0.2
"""A larger share of small counts makes Fisher's test: Cochran, Biometrics 1954;10:417 (doi:10.2307/3001616)."""


def compare_counts(counts: ArrayLike, *, resamples: int = 100_000, seed: int = 0) -> GroupTest:
    """Test whether categories are shared out alike in all groups.

    Fisher's exact test where there are fewer than `LEAST_ROWS` rows, or more than `MOST_SMALL` of the cells expect
    fewer than `LEAST_EXPECTED`; otherwise Pearson's chi-square without continuity correction (Pearson, Philos Mag
    1900;50:157, doi:10.1080/14786440009463897). Fisher's test of larger tables than 2 x 2 is that of Freeman and Halton
    (Biometrika 1951;38:141, doi:10.2307/2332323): every table of the same margins is counted, or, where these are too
    many, random ones, and the name says which.

    Parameters
    ----------
    counts
        Whole numbers (groups, categories). Rows and columns of zeros are left out.
    resamples, seed
        Of random tables.

    Returns
    -------
    GroupTest
        The statistic of Fisher's test is the odds ratio of a 2 x 2 table (not defined for others).

    """
    table = np.asarray(counts, np.int64)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n = int(table.sum())
    if min(table.shape, default=0) < 2:
        return no_test(n, "fewer than two groups or two categories have rows")
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / n
    small = float((expected < LEAST_EXPECTED).mean())
    if n < LEAST_ROWS:
        return _fisher(table, n, f"{n} rows are fewer than {LEAST_ROWS}", resamples, seed)
    if small > MOST_SMALL:
        reason = f"{100 * small:.0f} % of the cells expect fewer than {LEAST_EXPECTED}"
        return _fisher(table, n, reason, resamples, seed)
    from scipy.stats import chi2_contingency

    found = chi2_contingency(table, correction=False)
    reason = f"{n} rows; {100 * small:.0f} % of the cells expect fewer than {LEAST_EXPECTED}"
    if expected.min() < 1:
        reason += "; one expects fewer than 1, take care"
    return GroupTest(
        "Pearson's chi-square, no continuity correction",
        float(found.statistic),
        "chi-square",
        (float(found.dof),),
        float(found.pvalue),
        n,
        reason,
    )


def _fisher(table: Ints, n: int, reason: str, resamples: int, seed: int) -> GroupTest:
    from scipy.stats import MonteCarloMethod, fisher_exact

    if table.shape == (2, 2):
        found = fisher_exact(table)
        return GroupTest("Fisher's exact", float(found.statistic), "odds ratio", (), float(found.pvalue), n, reason)
    p = exact_p(table)
    if p is not None:
        return GroupTest("Fisher's exact (Freeman-Halton)", np.nan, "", (), p, n, reason)
    random = MonteCarloMethod(n_resamples=resamples, rng=np.random.default_rng(seed))
    p = float(fisher_exact(table, method=random).pvalue)
    error = np.sqrt(p * (1 - p) / resamples)
    name = f"Fisher's exact (Freeman-Halton), {resamples} random tables"
    return GroupTest(name, np.nan, "", (), p, n, f"{reason}; standard error of p {error:.2g}")
