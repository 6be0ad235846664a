from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fdglung.evaluation.rank_correlation import rank_correlation


def test_rho_and_p_are_those_of_scipy():
    random = np.random.default_rng(0)
    x = random.integers(0, 12, 60).astype(float)
    y = x + random.normal(0, 6, 60)
    found, theirs = rank_correlation(x, y), stats.spearmanr(x, y)
    assert (found.rho, found.p, found.n, found.exact) == (
        pytest.approx(theirs.statistic),
        pytest.approx(theirs.pvalue),
        60,
        False,
    )


@pytest.mark.parametrize("y", [[2, 1, 4, 3, 6, 5], [1, 1, 2, 3, 5, 4]])
def test_few_pairs_have_the_p_of_all_orders(y):
    x = np.arange(6.0)
    theirs = stats.permutation_test((x,), lambda a: stats.spearmanr(a, y).statistic, permutation_type="pairings")
    found = rank_correlation(x, y)
    assert found.exact
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-3)


def test_all_ranks_of_five_agreeing_have_two_orders_of_120():
    found = rank_correlation([1, 2, 3, 4, 5], [10, 20, 30, 40, 99])
    assert (found.rho, found.p) == (pytest.approx(1), pytest.approx(2 / 120))
    assert math.isnan(found.low)


def test_pairs_with_a_missing_value_are_left_out():
    x, y = np.arange(12.0), np.random.default_rng(2).normal(size=12)
    gaps = y.copy()
    gaps[[3, 7]] = np.nan
    kept = np.delete(np.arange(12), [3, 7])
    assert rank_correlation(x, gaps) == rank_correlation(x[kept], y[kept])
    assert rank_correlation(x, gaps).n == 10


def test_nineteen_of_twenty_intervals_hold_the_truth():
    """Of a normal pair with r = 0.6, rho is 6 / pi arcsin(r / 2): Pearson 1907."""
    random, inside = np.random.default_rng(3), 0
    truth = 6 / math.pi * math.asin(0.3)
    for _ in range(600):
        x = random.normal(size=40)
        found = rank_correlation(x, 0.6 * x + 0.8 * random.normal(size=40))
        inside += found.low <= truth <= found.high
    assert 0.925 <= inside / 600 <= 0.975


def test_what_is_constant_or_too_few_has_no_correlation():
    for x, y in (([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2], [1, 2])):
        found = rank_correlation(x, y)
        assert math.isnan(found.rho)
        assert math.isnan(found.p)
