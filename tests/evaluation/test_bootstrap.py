from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fdglung.evaluation.bootstrap import Bootstrap


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation():
    """For 400 patients with a value each, percentiles of means lie at mean -/+ 1.96 SD / sqrt(n)."""
    values = np.random.default_rng(0).normal(10, 3, 400)
    found = Bootstrap(5000).mean(values, [str(n) for n in range(400)])
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_the_interval_is_that_of_scipys_percentile_bootstrap():
    values = np.random.default_rng(1).exponential(size=60)
    theirs = stats.bootstrap(
        (values,), np.median, method="percentile", n_resamples=5000, rng=np.random.default_rng(2)
    ).confidence_interval
    found = Bootstrap(5000).median(values, [str(n) for n in range(60)])
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_lesions_of_a_patient_are_drawn_together():
    """Ten lesions alike in each of 100 patients hold the information of 100, not of 1,000."""
    alike = np.repeat(np.random.default_rng(3).random(100) < 0.7, 10).astype(float)
    owners = [f"p{n // 10}" for n in range(1000)]
    together = Bootstrap().mean(alike, owners)
    apart = Bootstrap().mean(alike, [str(n) for n in range(1000)])
    assert together.value == apart.value
    ratio = (together.high - together.low) / (apart.high - apart.low)
    assert ratio == pytest.approx(math.sqrt(10), rel=0.15)
    assert (together.n, together.patients) == (1000, 100)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    random = np.random.default_rng(4)
    inside = 0
    for _ in range(300):
        rates = random.beta(6, 2, 60)
        lesions = random.integers(1, 6, 60)
        found = random.binomial(lesions, rates)
        owners = [str(n) for n in range(60)]
        interval = Bootstrap(400).ratio(found, lesions, owners, n=int(lesions.sum()))
        inside += interval.low <= 0.75 <= interval.high
    assert 0.90 <= inside / 300 <= 0.98


def test_a_ratio_and_a_statistic_give_the_same_interval():
    values, owners = np.random.default_rng(5).random(90), [f"p{n % 30}" for n in range(90)]
    ratio = Bootstrap(4000).mean(values, owners)
    any_function = Bootstrap(4000).statistic(lambda rows: float(values[rows].mean()), owners)
    assert (ratio.low, ratio.high) == pytest.approx((any_function.low, any_function.high), abs=0.01)


def test_one_patient_has_no_interval_and_nobody_no_value():
    one = Bootstrap().mean([0.5, 0.7], ["a", "a"])
    assert one.value == pytest.approx(0.6)
    assert math.isnan(one.low)
    assert math.isnan(Bootstrap().mean([], []).value)
    assert math.isnan(Bootstrap().median([math.nan], ["a"]).value)


def test_the_same_seed_gives_the_same_interval_and_another_another():
    values, owners = np.random.default_rng(6).random(40), [str(n) for n in range(40)]
    assert Bootstrap(seed=1).mean(values, owners) == Bootstrap(seed=1).mean(values, owners)
    assert Bootstrap(seed=1).mean(values, owners) != Bootstrap(seed=2).mean(values, owners)


def test_more_confidence_makes_a_wider_interval():
    values, owners = np.random.default_rng(7).random(40), [str(n) for n in range(40)]
    narrow, wide = (Bootstrap(confidence=c).mean(values, owners) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
