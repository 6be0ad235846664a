from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fdglung.errors import ParameterError
from fdglung.evaluation.numeric_tests import compare_numbers, looks_normal

SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
"""Hours of sleep gained with two drugs: R's data set sleep (Student 1908)."""

PLANTS = (
    [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14],
    [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
    [6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26],
)
"""Dried weight of plants: R's data set PlantGrowth (Dobson 1983)."""

MAY = [41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37]
AUGUST = [39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85]
"""Ozone in New York, 1973: R's data set airquality."""


def test_welchs_t_is_that_of_r():
    """R 4.4, ?t.test: t.test(extra ~ group, data = sleep): t = -1.8608, df = 17.776, p-value = 0.07939."""
    found = compare_numbers(SLEEP)
    assert found.name == "Welch's t"
    assert found.statistic == pytest.approx(-1.8608, abs=5e-5)
    assert found.degrees == (pytest.approx(17.776, abs=5e-4),)
    assert found.p == pytest.approx(0.07939, abs=5e-6)


def test_students_t_is_that_of_statsmodels_and_is_said_to_be_his():
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    t, p, degrees = weightstats.ttest_ind(*SLEEP, usevar="pooled")
    found = compare_numbers(SLEEP, variances="equal")
    assert found.name == "Student's t"
    assert (found.statistic, found.p, found.degrees[0]) == pytest.approx((t, p, degrees))


def test_levenes_test_chooses_and_is_said():
    random = np.random.default_rng(0)
    narrow, wide = random.normal(0, 1, 40), random.normal(0, 4, 40)
    assert compare_numbers([narrow, wide], variances="levene").name == "Welch's t"
    found = compare_numbers(SLEEP, variances="levene")
    assert found.name == "Student's t"
    assert f"{stats.levene(*SLEEP, center='median').pvalue:.3g}" in found.reason


def test_analysis_of_variance_is_that_of_r():
    """R 4.4, anova(lm(weight ~ group, PlantGrowth)): F = 4.8461 on 2 and 27, Pr(>F) = 0.01591."""
    found = compare_numbers(PLANTS, variances="equal")
    assert found.name == "Analysis of variance"
    assert found.statistic == pytest.approx(4.8461, abs=5e-5)
    assert found.degrees == (2, 27)
    assert found.p == pytest.approx(0.01591, abs=5e-6)


def test_welchs_analysis_of_variance_is_that_of_statsmodels():
    oneway = pytest.importorskip("statsmodels.stats.oneway")
    theirs = oneway.anova_oneway([np.array(group) for group in PLANTS], use_var="unequal")
    found = compare_numbers(PLANTS)
    assert found.name == "Welch's analysis of variance"
    assert (found.statistic, found.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert found.degrees == pytest.approx(theirs.df)


def test_welchs_analysis_of_two_groups_is_welchs_t():
    theirs = stats.f_oneway(*SLEEP, equal_var=False)
    found = compare_numbers(SLEEP)
    assert found.statistic**2 == pytest.approx(theirs.statistic)
    assert found.p == pytest.approx(theirs.pvalue)


def test_mann_and_whitneys_test_with_ties_is_that_of_r():
    """R 4.4, ?wilcox.test: wilcox.test(Ozone ~ Month, airquality, Month %in% c(5, 8)): W = 127.5, p = 0.0001208."""
    found = compare_numbers([MAY, AUGUST])
    assert found.statistic == 127.5
    assert found.p == pytest.approx(0.0001208, abs=5e-8)
    assert found.name == "Mann-Whitney U, normal with corrections for ties and continuity"


def test_mann_and_whitneys_test_without_ties_is_exact_as_in_r():
    """R 4.4, ?wilcox.test (Hollander and Wolfe 1973, p. 69): W = 35, one-sided p = 0.1272; both sides are twice it."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    found = compare_numbers([term, early], alpha=0.99)
    assert found.name == "Mann-Whitney U, exact"
    assert found.statistic == 35
    assert found.p == pytest.approx(2 * 0.1272, abs=1e-4)


def test_kruskal_and_walliss_test_is_that_of_r():
    """R 4.4, ?kruskal.test (Hollander and Wolfe 1973, p. 116): chi-squared = 0.77143, df = 2, p-value = 0.68."""
    groups = [[2.9, 3.0, 2.5, 2.6, 3.2], [3.8, 2.7, 4.0, 2.4], [2.8, 3.4, 3.7, 2.2, 2.0]]
    found = compare_numbers(groups, alpha=0.99)
    assert found.name == "Kruskal-Wallis"
    assert found.statistic == pytest.approx(0.77143, abs=5e-6)
    assert found.degrees == (2,)
    assert found.p == pytest.approx(0.68, abs=5e-3)


def test_normality_is_that_of_shapiro_and_of_dagostino_for_many_values():
    random = np.random.default_rng(0)
    assert looks_normal(random.normal(size=80))
    assert not looks_normal(random.lognormal(size=80))
    many = random.normal(size=6000)
    assert looks_normal(many) == (stats.normaltest(many).pvalue >= 0.05)
    assert not looks_normal(random.exponential(size=6000))
    for few in ([1.0, 2.0], [3.0] * 9):
        assert not looks_normal(np.array(few))


def test_one_group_that_does_not_look_normal_makes_ranks():
    random = np.random.default_rng(1)
    assert compare_numbers([random.normal(size=40), random.lognormal(0, 1, 40)]).name.startswith("Mann-Whitney")
    assert compare_numbers([*PLANTS, random.lognormal(0, 1, 40)]).name == "Kruskal-Wallis"


def test_what_cannot_be_tested_is_said():
    assert "fewer than two groups" in compare_numbers([[1.0, 2], []]).reason
    assert "all values are equal" in compare_numbers([[1.0, 1], [1.0]]).reason
    assert math.isnan(compare_numbers([[1.0, 1], [1.0]]).p)
    found = compare_numbers([*SLEEP, []])
    assert found.name == "Welch's t"
    assert found.reason.endswith("1 groups without values")


def test_an_unknown_way_to_take_variances_is_refused():
    with pytest.raises(ParameterError):
        compare_numbers(SLEEP, variances="same")
