"""What a test of groups found."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupTest:
    """A test and its result.

    Attributes
    ----------
    name
        Which test, and which kind of it.
    statistic
        Its statistic; NaN where it was not done.
    statistic_name
        Such as ``t``, ``U`` or ``chi-square``.
    degrees
        Degrees of freedom, if it has any.
    p
        Two-sided; NaN where it was not done.
    n
        How many rows it rests on.
    reason
        Why this test, or why none.

    """

    name: str
    statistic: float
    statistic_name: str
    degrees: tuple[float, ...]
    p: float
    n: int
    reason: str


def no_test(n: int, reason: str) -> GroupTest:
    """Return what stands where no test can be done."""
    return GroupTest("none", math.nan, "", (), math.nan, n, reason)
