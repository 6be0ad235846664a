"""Treatment response by group: how many responded, and in how many the disease was held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fdglung.errors import UnknownResponseError
from fdglung.evaluation.contingency import compare_counts
from fdglung.evaluation.group_test import GroupTest

CATEGORIES = ("CR", "PR", "SD", "PD", "NE")
"""Complete and partial response, stable and progressive disease, not evaluable."""

_NAMES = {
    **{name.lower(): name for name in CATEGORIES},
    "cmr": "CR",
    "pmr": "PR",
    "smd": "SD",
    "pmd": "PD",
    "complete response": "CR",
    "partial response": "PR",
    "stable disease": "SD",
    "progressive disease": "PD",
    "not evaluable": "NE",
}


@dataclass(frozen=True)
class Rate:
    """A share with its exact interval.

    Attributes
    ----------
    count, n
        How many of how many.
    value, low, high
        Share and ends of its interval; NaN of nobody.

    """

    count: int
    n: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupResponse:
    """Response in one group.

    Attributes
    ----------
    counts
        Of each of `CATEGORIES`.
    missing
        Rows without a response.
    objective, control
        Objective response rate (CR, PR) and disease control rate (CR, PR, SD).

    """

    counts: Mapping[str, int]
    missing: int
    objective: Rate
    control: Rate


@dataclass(frozen=True)
class Response:
    """Response in all groups.

    Attributes
    ----------
    groups
        By name, in order.
    tests
        Of ``objective`` and ``control`` between the groups.

    """

    groups: Mapping[str, GroupResponse]
    tests: Mapping[str, GroupTest]


def treatment_response(
    responses: Mapping[str, Sequence[str]], *, confidence: float = 0.95, resamples: int = 100_000, seed: int = 0
) -> Response:
    """Count responses and rates by group, and compare the rates.

    Categories by RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228, doi:10.1016/j.ejca.2008.10.026) or PERCIST
    (Wahl et al., J Nucl Med 2009;50:122S, doi:10.2967/jnumed.108.057307), whose CMR, PMR, SMD and PMD count
    alike. Rates are of all patients with a category; those not evaluable count as not responding, as RECIST has it.
    Intervals are exact: Clopper and Pearson, Biometrika 1934;26:404 (doi:10.1093/biomet/26.4.404).

    Parameters
    ----------
    responses
        Group to the categories of its rows; "" where missing. Case does not count.
    confidence
        Of the intervals.
    resamples, seed
        See `compare_counts`.

    Raises
    ------
    UnknownResponseError
        A text is no category.

    """
    unknown = sorted(
        {text for texts in responses.values() for text in texts if text and category(text) not in CATEGORIES}
    )
    if unknown:
        raise UnknownResponseError(
            f"{', '.join(unknown[:8])} {'is no category' if len(unknown) == 1 else 'are no categories'} of response",
            attribute="--response",
            remedy="Give CR, PR, SD, PD or NE (CMR, PMR, SMD, PMD), or nothing where it is missing",
        )
    groups = {
        name: _group([category(text) for text in texts if text], texts, confidence) for name, texts in responses.items()
    }
    tests = {
        what: compare_counts(
            [[rate.count, rate.n - rate.count] for group in groups.values() for rate in [getattr(group, what)]],
            resamples=resamples,
            seed=seed,
        )
        for what in ("objective", "control")
    }
    return Response(groups, tests)


def category(text: str) -> str:
    """Return the one of `CATEGORIES` that a text means; the text itself if it means none."""
    return _NAMES.get(text.lower(), text)


def exact_rate(count: int, n: int, *, confidence: float = 0.95) -> Rate:
    """Return a share with Clopper and Pearson's interval."""
    from scipy.stats import binomtest

    if not n:
        return Rate(0, 0, float("nan"), float("nan"), float("nan"))
    found = binomtest(count, n).proportion_ci(confidence, method="exact")
    return Rate(count, n, count / n, float(found.low), float(found.high))


def _group(known: Sequence[str], texts: Sequence[str], confidence: float) -> GroupResponse:
    counts = {name: known.count(name) for name in CATEGORIES}
    responded = counts["CR"] + counts["PR"]
    return GroupResponse(
        counts,
        sum(not text for text in texts),
        exact_rate(responded, len(known), confidence=confidence),
        exact_rate(responded + counts["SD"], len(known), confidence=confidence),
    )
