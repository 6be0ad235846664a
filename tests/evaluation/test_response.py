from __future__ import annotations

import math

import pytest

from fdglung.errors import UnknownResponseError
from fdglung.evaluation.contingency import compare_counts
from fdglung.evaluation.response import exact_rate, treatment_response

GIVEN = {
    "new": ["CR"] * 5 + ["PR"] * 15 + ["SD"] * 10 + ["PD"] * 8 + ["NE"] * 2 + [""] * 3,
    "old": ["CR"] * 1 + ["PR"] * 9 + ["SD"] * 15 + ["PD"] * 15,
}


def test_the_exact_interval_is_that_of_r():
    """R 4.4, ?binom.test (Conover 1971, p. 97): 682 of 925, 95 percent interval 0.7076683 to 0.7654066."""
    found = exact_rate(682, 925)
    assert (found.low, found.high) == pytest.approx((0.7076683, 0.7654066), abs=5e-8)


def test_the_exact_interval_is_that_of_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for count, n in ((0, 12), (12, 12), (7, 40)):
        found = exact_rate(count, n, confidence=0.9)
        theirs = proportion.proportion_confint(count, n, alpha=0.1, method="beta")
        assert (found.low, found.high) == pytest.approx(theirs, nan_ok=True)


def test_nobody_of_n_has_the_closed_form():
    assert exact_rate(0, 20).high == pytest.approx(1 - 0.025 ** (1 / 20))


def test_rates_are_of_all_with_a_category_and_not_evaluable_ones_do_not_respond():
    found = treatment_response(GIVEN).groups
    assert (found["new"].objective.count, found["new"].objective.n, found["new"].missing) == (20, 40, 3)
    assert found["new"].control.value == 30 / 40
    assert found["old"].objective.value == 10 / 40
    assert found["new"].counts == {"CR": 5, "PR": 15, "SD": 10, "PD": 8, "NE": 2}


def test_rates_are_compared_as_counts():
    tests = treatment_response(GIVEN).tests
    assert tests["objective"] == compare_counts([[20, 20], [10, 30]])
    assert tests["control"] == compare_counts([[30, 10], [25, 15]])


def test_case_does_not_count_and_metabolic_categories_count_alike():
    found = treatment_response({"a": ["cr", "CMR", "Partial response"], "b": ["pmd", "SMD", "ne"]}).groups
    assert found["a"].counts == {"CR": 2, "PR": 1, "SD": 0, "PD": 0, "NE": 0}
    assert found["b"].counts == {"CR": 0, "PR": 0, "SD": 1, "PD": 1, "NE": 1}


def test_a_group_without_any_response_has_no_rate():
    found = treatment_response({"a": ["CR", "PD"], "b": ["", ""]})
    assert math.isnan(found.groups["b"].objective.value)
    assert found.tests["objective"].name == "none"


def test_an_unknown_category_is_named():
    with pytest.raises(UnknownResponseError, match="better is no category"):
        treatment_response({"a": ["CR", "better"]})
