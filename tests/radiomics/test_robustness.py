from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.radiomics.robustness import (
    UNDEFINED,
    class_of,
    intraclass_correlation,
    reliability,
    reliability_csv,
)

RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
"""Shrout & Fleiss, Psychol Bull 1979;86:420, table 2: six targets, four judges."""


def simulated(features, *, lesions=15, repetitions=5, between=0.6, raters=0.0, seed=11):
    """Return values with a variance of 1: `between` lesions, `raters` between repetitions, the rest noise."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(lesions, 1, features)) * np.sqrt(between)
    rater = rng.normal(size=(1, repetitions, features)) * np.sqrt(raters)
    return own + rater + rng.normal(size=(lesions, repetitions, features)) * np.sqrt(1 - between - raters)


@pytest.mark.parametrize(
    ("kind", "published", "interval"),
    [
        ("1,1", 0.17, (-0.13, 0.72)),
        ("2,1", 0.29, (0.02, 0.76)),
        ("3,1", 0.71, (0.34, 0.95)),
    ],
)
def test_published_example_of_shrout_and_fleiss(kind, published, interval):
    """Estimates of their table 4; intervals as R's psych 2.4 gives them for the same table."""
    found = intraclass_correlation(RATINGS, kind=kind)
    assert round(float(found.value), 2) == published
    assert (round(float(found.low), 2), round(float(found.high), 2)) == interval


def test_mean_squares_of_the_published_example():
    """Within targets 6.26, which is the square of the standard deviation between judges."""
    assert round(float(intraclass_correlation(RATINGS).within_sd) ** 2, 2) == 6.26


@pytest.mark.parametrize(
    ("kind", "raters", "truth"), [("1,1", 0.0, 0.6), ("2,1", 0.2, 0.6), ("3,1", 0.2, 0.75), ("3,1", 0.0, 0.6)]
)
def test_interval_holds_the_true_value_in_95_of_100_samples(kind, raters, truth):
    found = intraclass_correlation(simulated(6000, raters=raters), kind=kind)
    held = np.mean((found.low <= truth) & (truth <= found.high))
    # Four standard errors of a share of 6000; that of 2,1 is an approximation.
    assert held == pytest.approx(0.95, abs=0.02 if kind == "2,1" else 0.0113)
    assert np.median(found.value) == pytest.approx(truth, abs=0.04)


def test_a_wider_interval_is_more_confident():
    narrow, wide = (intraclass_correlation(RATINGS, kind="2,1", confidence=share) for share in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


@pytest.mark.parametrize("kind", ["1,1", "2,1", "3,1"])
def test_values_that_repeat_exactly_have_an_icc_of_one(kind):
    values = np.repeat(np.array([[1.1], [2.7], [0.4]]), 6, axis=1)
    found = intraclass_correlation(values, kind=kind)
    assert (found.value, found.low, found.high, found.within_sd) == (1, 1, 1, 0)


@pytest.mark.parametrize("kind", ["1,1", "2,1", "3,1"])
def test_values_that_are_all_the_same_have_none(kind):
    found = intraclass_correlation(np.full((4, 3), 0.1), kind=kind)
    assert np.isnan(found.value)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_one_lesion_or_one_repetition_has_none():
    assert np.isnan(intraclass_correlation(np.ones((1, 5))).value)
    assert np.isnan(intraclass_correlation(np.ones((5, 1))).value)


def test_an_offset_of_a_repetition_counts_for_agreement_and_not_for_consistency():
    values = np.arange(8.0)[:, None] + np.array([0.0, 3.0])
    assert intraclass_correlation(values, kind="3,1").value == pytest.approx(1)
    assert intraclass_correlation(values, kind="2,1").value < 0.7


def test_icc_does_not_depend_on_unit_or_zero_of_a_feature():
    values = simulated(50)
    plain = intraclass_correlation(values, kind="2,1")
    scaled = intraclass_correlation(values * 1e-9 + 5e-4, kind="2,1")
    np.testing.assert_allclose(scaled.value, plain.value, rtol=1e-6)
    np.testing.assert_allclose(scaled.low, plain.low, rtol=1e-5, atol=1e-6)


def test_features_at_once_are_features_one_by_one():
    values = simulated(7)
    for kind in ("1,1", "2,1", "3,1"):
        together = intraclass_correlation(values, kind=kind)
        for index in range(7):
            alone = intraclass_correlation(values[:, :, index], kind=kind)
            np.testing.assert_allclose(
                [together.value[index], together.low[index], together.high[index]], [alone.value, alone.low, alone.high]
            )


def test_a_lesion_without_the_feature_in_a_repetition_does_not_count():
    values = simulated(3)
    values[2, 1, 1] = np.nan
    values[5, 0, 1] = np.inf
    found = reliability(values, ["a", "b", "c"])
    assert [one.lesions for one in found] == [15, 13, 15]
    alone = intraclass_correlation(np.delete(values[:, :, 1], [2, 5], axis=0))
    assert found[1].icc == pytest.approx(float(alone.value))
    whole = intraclass_correlation(values[:, :, 2])
    assert found[2].icc == pytest.approx(float(whole.value))


def test_classes_are_those_of_koo_and_li():
    edges = [(-0.2, "poor"), (0.499, "poor"), (0.5, "moderate"), (0.75, "good"), (0.9, "good"), (0.901, "excellent")]
    assert [class_of(icc) for icc, _ in edges] == [name for _, name in edges]
    assert class_of(float("nan")) == UNDEFINED


def test_table_has_a_class_for_the_estimate_and_one_for_the_lower_end():
    values = simulated(1, between=0.85, lesions=8)
    (found,) = reliability(values, ["a"])
    assert found.reliability == class_of(found.icc)
    assert found.reliability_low == class_of(found.low)
    assert found.low < found.icc


def test_csv_has_a_row_a_feature_and_leaves_undefined_numbers_empty():
    values = simulated(2)
    values[:, :, 1] = 4.0
    rows = list(csv.DictReader(io.StringIO(reliability_csv(reliability(values, ["a", "flat"])))))
    assert [row["feature"] for row in rows] == ["a", "flat"]
    assert float(rows[0]["icc"]) == pytest.approx(float(intraclass_correlation(values[:, :, 0]).value))
    assert (rows[1]["icc"], rows[1]["reliability"]) == ("", UNDEFINED)


def test_unknown_kinds_and_confidences_are_refused():
    with pytest.raises(ParameterError, match="kind"):
        intraclass_correlation(RATINGS, kind="4,1")
    with pytest.raises(ParameterError, match="confidence"):
        intraclass_correlation(RATINGS, confidence=95)
