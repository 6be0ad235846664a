from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fdglung.evaluation.agreement import agreement, concordance, limits_of_agreement, pearson, spearman
from fdglung.evaluation.bootstrap import Bootstrap

LARGE = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427.0])
MINI = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451.0])


def test_limits_are_those_of_bland_and_altmans_own_example():
    """Peak flow by two meters, Lancet 1986;327:307, table 1: bias -2.1, SD 38.8 l/min.

    The paper rounds to limits of -79.7 and 75.5 with 2 SD; 1.96 SD are used here.
    """
    low, high = limits_of_agreement(LARGE - MINI)
    assert (low + high) / 2 == pytest.approx(-2.1, abs=0.05)
    assert (high - low) / 2 / 1.96 == pytest.approx(38.8, abs=0.05)


def test_correlation_is_that_of_the_same_example():
    """The paper gives r = 0.94."""
    assert pearson(LARGE, MINI) == pytest.approx(0.94, abs=0.005)


def test_correlations_are_scipys_with_ties_too():
    random = np.random.default_rng(0)
    x = random.integers(0, 8, 50).astype(float)
    y = x + random.integers(0, 5, 50)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_concordance_is_pearsons_times_the_penalty_for_scale_and_place():
    """Lin 1989: rho_c = rho C_b, C_b = 2 / (v + 1/v + u^2), v = s1/s2, u = (m1 - m2) / sqrt(s1 s2)."""
    v, u = LARGE.std() / MINI.std(), (LARGE.mean() - MINI.mean()) / math.sqrt(LARGE.std() * MINI.std())
    assert concordance(LARGE, MINI) == pytest.approx(pearson(LARGE, MINI) * 2 / (v + 1 / v + u**2))
    assert concordance(LARGE, LARGE) == pytest.approx(1)
    assert concordance(LARGE, LARGE + 200) < 0.5


def test_what_is_not_defined_is_nan():
    assert math.isnan(pearson(np.ones(5), np.arange(5.0)))
    assert math.isnan(limits_of_agreement(np.array([1.0]))[0])
    found = agreement([1.0], [2.0], ["a"], Bootstrap(100))
    assert found.bias.value == 1
    assert math.isnan(found.lower_limit.value)


def test_a_prediction_too_large_by_a_constant_has_that_bias_and_no_spread():
    reference = np.arange(10.0)
    found = agreement(reference, reference + 3, [str(n) for n in range(10)], Bootstrap(200))
    for estimate in (found.bias, found.lower_limit, found.upper_limit):
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((3, 3, 3))
    assert found.pearson.value == pytest.approx(1)
