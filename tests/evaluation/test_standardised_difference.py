from __future__ import annotations

import math

import numpy as np
import pytest

from fdglung.evaluation.standardised_difference import difference_of_counts, difference_of_numbers


def test_means_one_deviation_apart_differ_by_one():
    x = np.random.default_rng(0).normal(size=50)
    x = (x - x.mean()) / x.std(ddof=1)
    assert difference_of_numbers([x, x + 1]) == pytest.approx(1)
    assert difference_of_numbers([3 * x, 4 * x + 5]) == pytest.approx(5 / math.sqrt((9 + 16) / 2))


def test_shares_differ_by_austins_formula():
    """Austin 2009, equation 2, for 30 % and 45 %."""
    expected = 0.15 / math.sqrt((0.3 * 0.7 + 0.45 * 0.55) / 2)
    assert difference_of_counts([[30, 70], [45, 55]]) == pytest.approx(expected)
    assert difference_of_counts([[300, 700], [45, 55]]) == pytest.approx(expected)


def test_several_categories_have_the_distance_of_mahalanobis_whichever_is_left_out():
    counts = np.array([[20, 30, 50], [40, 35, 25]])
    p, q = counts / 100
    total = 0.5 * (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q))
    by_hand = math.sqrt((p - q)[:2] @ np.linalg.solve(total[:2, :2], (p - q)[:2]))
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        assert difference_of_counts(counts[:, order]) == pytest.approx(by_hand)
    # A category that nobody has changes nothing.
    assert difference_of_counts(np.column_stack([counts, [0, 0]])) == pytest.approx(by_hand)


def test_of_several_groups_the_largest_counts():
    x = np.array([-1.0, 0, 1])
    assert difference_of_numbers([x, x + 1, x + 3]) == pytest.approx(3)


def test_what_has_no_spread_has_no_difference_but_that_of_equals():
    assert difference_of_numbers([[1, 1], [1, 1]]) == 0
    assert math.isnan(difference_of_numbers([[1, 1], [2, 2]]))
    assert math.isnan(difference_of_numbers([[1], [2, 3]]))
    assert difference_of_counts([[4, 0], [7, 0]]) == 0
    assert math.isnan(difference_of_counts([[4, 0], [0, 7]]))
    assert math.isnan(difference_of_counts([[4, 2], [0, 0]]))
