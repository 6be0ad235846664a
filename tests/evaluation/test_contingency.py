from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fdglung.evaluation.contingency import compare_counts
from fdglung.evaluation.exact_tables import exact_p


def brute_force(table):
    """Return the p of every 0/1 order of labels: permutation of the rows' categories, counted one by one."""
    import itertools

    table = np.asarray(table)
    margins = [table.sum(axis=1), table.sum(axis=0)]

    def chance(cells):
        return math.prod(math.factorial(n) for margin in margins for n in margin) / (
            math.factorial(table.sum()) * math.prod(math.factorial(n) for n in cells)
        )

    rows = [
        [c for c in itertools.product(*(range(m + 1) for m in margins[1])) if sum(c) == total] for total in margins[0]
    ]
    every = [
        chance([n for row in tables for n in row])
        for tables in itertools.product(*rows)
        if (np.sum(tables, axis=0) == margins[1]).all()
    ]
    assert sum(every) == pytest.approx(1)
    observed = chance(table.ravel().tolist())
    return sum(p for p in every if p <= observed * (1 + 1e-7))


def test_fewer_than_forty_rows_make_fishers_test_and_forty_chi_square():
    assert compare_counts([[10, 10], [10, 9]]).name == "Fisher's exact"
    assert compare_counts([[10, 10], [10, 10]]).name.startswith("Pearson's chi-square")


def test_more_than_a_fifth_of_small_expected_counts_make_fishers_test():
    # Of four cells one expects 2.7: a quarter. Of ten cells two expect 4: a fifth, not more.
    quarter = compare_counts([[2, 78], [6, 34]])
    assert quarter.name == "Fisher's exact"
    assert "25 % of the cells" in quarter.reason
    fifth = np.array([[4, 20, 20, 20, 20], [4, 20, 20, 20, 20]])
    assert compare_counts(fifth).name.startswith("Pearson's chi-square")
    assert "20 % of the cells" in compare_counts(fifth).reason


def test_chi_square_is_that_of_rs_example():
    """R 4.4, ?chisq.test (Agresti 2007, p. 39): X-squared = 30.07, df = 2, p-value = 2.954e-07."""
    found = compare_counts([[762, 327, 468], [484, 239, 477]])
    assert found.statistic == pytest.approx(30.07, abs=0.005)
    assert found.degrees == (2,)
    assert found.p == pytest.approx(2.954e-07, rel=2e-4)


def test_fishers_test_is_that_of_rs_examples():
    """R 4.4, ?fisher.test: tea (Fisher 1935) two-sided 0.4857; convictions of twins (Fisher 1962) 0.0005367."""
    assert compare_counts([[3, 1], [1, 3]]).p == pytest.approx(0.4857, abs=5e-5)
    assert compare_counts([[2, 10], [15, 3]]).p == pytest.approx(0.0005367, abs=5e-8)


def test_a_larger_table_is_that_of_rs_example_within_the_error_of_random_tables():
    """R 4.4, ?fisher.test, job satisfaction (Agresti 2002, p. 57), 4 x 4: p-value = 0.7827."""
    found = compare_counts([[1, 2, 1, 0], [3, 3, 6, 1], [10, 10, 14, 9], [6, 7, 12, 11]])
    assert "100000 random tables" in found.name
    assert found.p == pytest.approx(0.7827, abs=4 * math.sqrt(0.7827 * 0.2173 / 1e5))
    assert "standard error of p 0.0013" in found.reason


@pytest.mark.parametrize(
    "table",
    [
        [[3, 1, 4], [2, 5, 1]],
        [[1, 0, 2], [0, 3, 1], [2, 1, 0]],
        [[4, 0], [1, 2], [0, 3]],
        [[2, 1, 0, 3], [0, 2, 2, 1]],
    ],
)
def test_every_table_of_the_margins_is_counted_once(table):
    assert exact_p(table) == pytest.approx(brute_force(table), rel=1e-9)
    assert compare_counts(table).p == pytest.approx(brute_force(table), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_tables_of_two_by_two_are_those_of_scipy(seed):
    table = np.random.default_rng(seed).integers(1, 12, (2, 2))
    assert exact_p(table) == pytest.approx(stats.fisher_exact(table).pvalue)
    found = compare_counts(table)
    assert found.statistic == pytest.approx(table[0, 0] * table[1, 1] / (table[0, 1] * table[1, 0]))


def test_random_tables_agree_with_all_tables():
    table = np.array([[6, 2, 1], [1, 5, 4], [3, 3, 9]])
    drawn = stats.fisher_exact(table, method=stats.MonteCarloMethod(n_resamples=50000, rng=np.random.default_rng(1)))
    exact = exact_p(table)
    assert drawn.pvalue == pytest.approx(exact, abs=4 * math.sqrt(exact / 50000))


def test_too_many_tables_are_not_gone_through():
    assert exact_p([[30, 30, 30, 30]] * 4, most=1000) is None


def test_empty_groups_and_categories_are_left_out_and_one_alone_is_no_test():
    assert compare_counts([[3, 0, 1], [1, 0, 3], [0, 0, 0]]).p == pytest.approx(0.4857, abs=5e-5)
    for table in ([[3, 0], [2, 0]], [[3, 4], [0, 0]], [[0, 0], [0, 0]]):
        found = compare_counts(table)
        assert found.name == "none"
        assert math.isnan(found.p)


def test_the_same_seed_gives_the_same_p():
    table = np.random.default_rng(0).integers(0, 6, (5, 5)) + 1
    one, two, other = (compare_counts(table, resamples=2000, seed=seed).p for seed in (1, 1, 2))
    assert one == two != other
