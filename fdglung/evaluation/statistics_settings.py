"""What the statistics of a table are told."""

from __future__ import annotations

from dataclasses import dataclass

from fdglung.errors import ParameterError
from fdglung.evaluation.numeric_tests import VARIANCES


@dataclass(frozen=True)
class StatisticsSettings:
    """Parameters of the statistics of a table.

    Attributes
    ----------
    categorical
        Columns of numbers that are codes, such as stages.
    ignore
        Columns to be left out.
    correlate
        Columns of numbers to be correlated; None takes all, if they are at most 20.
    response
        Column of treatment response, if there is one.
    variances
        See `fdglung.evaluation.numeric_tests.compare_numbers`.
    alpha
        Of the check of normality.
    confidence
        Of the intervals.
    resamples, seed
        Of the random tables of Fisher's test.

    Raises
    ------
    ParameterError
        A parameter is outside its range.

    """

    categorical: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    correlate: tuple[str, ...] | None = None
    response: str | None = None
    variances: str = "unequal"
    alpha: float = 0.05
    confidence: float = 0.95
    resamples: int = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            (self.variances in VARIANCES, "variances", f"one of {', '.join(VARIANCES)}"),
            (0 < self.alpha < 1, "normality-alpha", "a share between 0 and 1, such as 0.05"),
            (0 < self.confidence < 1, "confidence", "a share between 0 and 1, such as 0.95"),
            (self.resamples >= 1000, "random-tables", "1000 or more"),
            (self.seed >= 0, "seed", "0 or more"),
        )
        for good, option, wanted in checks:
            if not good:
                raise ParameterError("the value is outside its range", attribute=f"--{option}", remedy=f"Give {wanted}")
