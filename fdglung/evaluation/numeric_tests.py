"""Numbers compared between groups: t or analysis of variance where they look normal, tests of ranks otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdglung.errors import ParameterError
from fdglung.evaluation.group_test import GroupTest, no_test

Floats = NDArray[np.float64]

VARIANCES = ("unequal", "equal", "levene")
"""What t and analysis of variance take the variances for; by ``levene`` they are equal where its p is 0.05 or more."""

_MOST_SHAPIRO = 5000
_MOST_EXACT = 50


def compare_numbers(groups: Sequence[ArrayLike], *, variances: str = "unequal", alpha: float = 0.05) -> GroupTest:
    """Test whether numbers are alike in all groups.

    Where every group looks normal (`looks_normal`): t for two groups, Welch's (Biometrika 1947;34:28,
    doi:10.1093/biomet/34.1-2.28) or Student's by `variances`, and analysis of variance for more, Welch's (Biometrika
    1951;38:330, doi:10.2307/2332579) or Fisher's. Otherwise Mann and Whitney's test for two (Ann Math Stat 1947;18:50,
    doi:10.1214/aoms/1177730491), exact with fewer than 50 in each and no ties, as R has it, else normal with
    corrections for ties and continuity; and Kruskal and Wallis' for more (J Am Stat Assoc 1952;47:583,
    doi:10.1080/01621459.1952.10483441). Welch's is the default since it keeps its level whatever the variances are:
    Delacre et al., Int Rev Soc Psychol 2017;30:92 (doi:10.5334/irsp.82).

    Parameters
    ----------
    groups
        The values of each group, finite; empty ones are left out.
    variances
        One of `VARIANCES`; Levene's test is about medians (Brown and Forsythe, J Am Stat Assoc 1974;69:364,
        doi:10.1080/01621459.1974.10482955).
    alpha
        Of the check of normality.

    Raises
    ------
    ParameterError
        `variances` is none of these.

    """
    if variances not in VARIANCES:
        raise ParameterError(
            f"{variances} is no way to take variances",
            attribute="--variances",
            remedy=f"Give one of {', '.join(VARIANCES)}",
        )
    kept = [np.asarray(values, float) for values in groups]
    kept = [values for values in kept if values.size]
    n = sum(values.size for values in kept)
    if len(kept) < 2:
        return no_test(n, "fewer than two groups have values")
    if np.ptp(np.concatenate(kept)) == 0:
        return no_test(n, "all values are equal")
    normal = all(looks_normal(values, alpha=alpha) for values in kept)
    found = _of_means(kept, n, variances) if normal else _of_ranks(kept, n)
    empty = len(groups) - len(kept)
    return replace(found, reason=f"{found.reason}; {empty} groups without values") if empty else found


def looks_normal(values: Floats, *, alpha: float = 0.05) -> bool:
    """Tell whether nothing speaks against a normal distribution.

    Shapiro and Wilk (Biometrika 1965;52:591, doi:10.1093/biomet/52.3-4.591) with a p of at least `alpha`; D'Agostino
    and Pearson (Biometrika 1973;60:613, doi:10.1093/biomet/60.3.613) with more than 5,000 values, for which the former
    was not made. Fewer than three values, or equal ones, do not look normal. Few values seldom speak against anything.
    """
    from scipy.stats import normaltest, shapiro

    if values.size < 3 or np.ptp(values) == 0:
        return False
    return float((shapiro if values.size <= _MOST_SHAPIRO else normaltest)(values).pvalue) >= alpha


def _of_means(groups: list[Floats], n: int, variances: str) -> GroupTest:
    from scipy.stats import f_oneway, levene, ttest_ind

    reason = "every group looks normal"
    equal = variances == "equal"
    if variances == "levene":
        p = float(levene(*groups, center="median").pvalue)
        equal = p >= 0.05
        reason += f"; Levene's test p = {p:.3g}"
    if len(groups) == 2:
        found = ttest_ind(*groups, equal_var=equal)
        name = "Student's t" if equal else "Welch's t"
        return GroupTest(name, float(found.statistic), "t", (float(found.df),), float(found.pvalue), n, reason)
    found = f_oneway(*groups, equal_var=equal)
    within = float(n - len(groups)) if equal else _welch_degrees(groups)
    name = "Analysis of variance" if equal else "Welch's analysis of variance"
    degrees = (float(len(groups) - 1), within)
    return GroupTest(name, float(found.statistic), "F", degrees, float(found.pvalue), n, reason)


def _welch_degrees(groups: list[Floats]) -> float:
    """Return the second degrees of freedom of Welch's analysis of variance, which scipy does not tell."""
    weights = np.array([values.size / values.var(ddof=1) for values in groups])
    shares = (1 - weights / weights.sum()) ** 2 / np.array([values.size - 1 for values in groups])
    return float((len(groups) ** 2 - 1) / (3 * shares.sum()))


def _of_ranks(groups: list[Floats], n: int) -> GroupTest:
    from scipy.stats import kruskal, mannwhitneyu

    reason = "a group does not look normal"
    if len(groups) > 2:
        found = kruskal(*groups)
        degrees = (float(len(groups) - 1),)
        return GroupTest("Kruskal-Wallis", float(found.statistic), "H", degrees, float(found.pvalue), n, reason)
    tied = len(np.unique(np.concatenate(groups))) < n
    exact = not tied and max(values.size for values in groups) < _MOST_EXACT
    found = mannwhitneyu(*groups, alternative="two-sided", method="exact" if exact else "asymptotic")
    name = f"Mann-Whitney U, {'exact' if exact else 'normal with corrections for ties and continuity'}"
    return GroupTest(name, float(found.statistic), "U", (), float(found.pvalue), n, reason)
