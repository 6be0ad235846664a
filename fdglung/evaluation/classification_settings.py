"""What an evaluation of class probabilities is told."""

from __future__ import annotations

from dataclasses import dataclass

from fdglung.errors import ParameterError
from fdglung.evaluation.bootstrap import Bootstrap


@dataclass(frozen=True)
class ClassificationSettings:
    """Parameters of an evaluation of class probabilities.

    Attributes
    ----------
    bins
        Of the calibration, equally wide from 0 to 1.
    resamples, seed, confidence
        Of the bootstrap over patients.

    Raises
    ------
    ParameterError
        A parameter is outside its range.

    """

    bins: int = 10
    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        checks = (
            (2 <= self.bins <= 100, "bins", "2 to 100 bins"),
            (self.resamples >= 100, "bootstrap", "100 resamples or more"),
            (self.seed >= 0, "seed", "0 or more"),
            (0 < self.confidence < 1, "confidence", "a share between 0 and 1, such as 0.95"),
        )
        for good, option, wanted in checks:
            if not good:
                raise ParameterError("the value is outside its range", attribute=f"--{option}", remedy=f"Give {wanted}")

    @property
    def bootstrap(self) -> Bootstrap:
        """What makes the intervals."""
        return Bootstrap(self.resamples, self.seed, self.confidence)
