"""Table 1: every column by group, with what is missing, standardised differences and tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.contingency import compare_counts
from fdglung.evaluation.corrections import benjamini_hochberg, holm
from fdglung.evaluation.data_table import DataTable, Variable
from fdglung.evaluation.group_test import GroupTest
from fdglung.evaluation.numeric_tests import compare_numbers, looks_normal
from fdglung.evaluation.standardised_difference import difference_of_counts, difference_of_numbers
from fdglung.evaluation.statistics_settings import StatisticsSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Numbers:
    """Values of a column in one group; NaN where there are too few.

    Attributes
    ----------
    n, missing
        Values there, and missing.
    mean, sd, median, first_quartile, third_quartile, minimum, maximum
        In the column's unit; SD over n - 1, quartiles interpolated as R's type 7.

    """

    n: int
    missing: int
    mean: float
    sd: float
    median: float
    first_quartile: float
    third_quartile: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Counts:
    """Categories of a column in one group.

    Attributes
    ----------
    n, missing
        Values there, and missing.
    counts
        Of each category.

    """

    n: int
    missing: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A column of the table in all groups.

    Attributes
    ----------
    variable
        The column.
    groups, total
        In each group, and in all.
    normal
        Whether numbers look normal in every group: then the mean speaks for them, otherwise the median.
    difference
        Largest standardised difference of two groups.
    test
        Between the groups.
    p_holm, p_bh
        p corrected for the number of columns tested: Holm's, and Benjamini and Hochberg's.

    """

    variable: Variable
    groups: tuple[Numbers | Counts, ...]
    total: Numbers | Counts
    normal: bool
    difference: float
    test: GroupTest
    p_holm: float
    p_bh: float


def table_one(table: DataTable, settings: StatisticsSettings) -> tuple[Row, ...]:
    """Describe and compare every column of a table.

    Parameters
    ----------
    table
        The table; missing values are left out of a column's figures and counted beside them.
    settings
        Parameters of the tests.

    """
    found = [_row(variable, table.rows, settings) for variable in table.variables]
    p_values = [row.test.p for row in found]
    corrected = zip(found, holm(p_values).tolist(), benjamini_hochberg(p_values).tolist(), strict=True)
    return tuple(
        Row(row.variable, row.groups, row.total, row.normal, row.difference, row.test, p_holm, p_bh)
        for row, p_holm, p_bh in corrected
    )


def _row(variable: Variable, rows: Sequence[Ints], settings: StatisticsSettings) -> Row:
    everyone = np.concatenate(rows)
    if variable.numbers is not None:
        values = variable.numbers
        kept = [values[place][~np.isnan(values[place])] for place in rows]
        test = compare_numbers(kept, variances=settings.variances, alpha=settings.alpha)
        return Row(
            variable,
            tuple(_numbers(values[place]) for place in rows),
            _numbers(values[everyone]),
            all(looks_normal(one, alpha=settings.alpha) for one in kept if one.size),
            difference_of_numbers(kept),
            test,
            math.nan,
            math.nan,
        )
    groups = tuple(_counts(variable, place) for place in rows)
    counts = [group.counts for group in groups]
    test = compare_counts(counts, resamples=settings.resamples, seed=settings.seed)
    total = _counts(variable, everyone)
    return Row(variable, groups, total, False, difference_of_counts(counts), test, math.nan, math.nan)


def _numbers(values: Floats) -> Numbers:
    kept = values[~np.isnan(values)]
    missing = len(values) - len(kept)
    if not kept.size:
        return Numbers(0, missing, *[math.nan] * 7)
    spread = float(kept.std(ddof=1)) if kept.size > 1 else math.nan
    first, median, third = np.percentile(kept, [25, 50, 75]).tolist()
    return Numbers(
        len(kept), missing, float(kept.mean()), spread, median, first, third, float(kept.min()), float(kept.max())
    )


def _counts(variable: Variable, rows: Ints) -> Counts:
    texts = [variable.texts[row] for row in rows]
    counts = tuple(texts.count(name) for name in variable.categories)
    return Counts(sum(counts), len(texts) - sum(counts), counts)
