"""Many figures of the same rows from the same draws of patients, so that intervals are cheap and models are paired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.bootstrap import Bootstrap, Estimate

Floats = NDArray[np.float64]
Key = tuple[str, ...]
Figures = Callable[[Floats], Mapping[Key, Floats]]
"""Given how often each row counts (draws, rows), returns each figure (draws,); NaN where a draw does not define it."""


@dataclass(frozen=True)
class Resampled:
    """Figures, and what each draw of patients says of them.

    Attributes
    ----------
    values
        Of the rows as they are.
    drawn
        Of each draw (draws,).
    n, patients
        How many rows and patients these rest on.
    bootstrap
        Made the draws.

    """

    values: Mapping[Key, float]
    drawn: Mapping[Key, Floats]
    n: int
    patients: int
    bootstrap: Bootstrap

    def estimate(self, key: Key) -> Estimate:
        """Return a figure with its interval."""
        low, high = self.bootstrap.interval(self.drawn[key], self.patients)
        return Estimate(self.values[key], low, high, self.n, self.patients)

    def estimates(self) -> dict[Key, Estimate]:
        """Return all figures with their intervals."""
        return {key: self.estimate(key) for key in self.values}


@dataclass(frozen=True)
class Difference:
    """A figure of two models on the same rows.

    Attributes
    ----------
    first, second
        Figures of the models, each with its interval.
    difference
        First less second, with the interval of the paired draws.
    p
        Two-sided; NaN with fewer than two patients.

    """

    first: Estimate
    second: Estimate
    difference: Estimate
    p: float


def resample(figures: Iterable[Figures], patients: Sequence[str], bootstrap: Bootstrap) -> tuple[Resampled, ...]:
    """Work out figures for the rows as they are and for every draw of patients.

    Parameters
    ----------
    figures
        One or more sets of figures of the same rows, such as those of two models: the draws are the same for all.
    patients
        Whose each row is; rows of a patient are drawn together.
    bootstrap
        Draws the patients.

    Returns
    -------
    tuple of Resampled
        One for each of `figures`.

    """
    names, owner = np.unique(np.asarray(patients, str), return_inverse=True)
    one = np.ones((1, len(owner)))
    functions = tuple(figures)
    values = [{key: float(value[0]) for key, value in function(one).items()} for function in functions]
    drawn: list[dict[Key, list[Floats]]] = [{key: [] for key in found} for found in values]
    for weights in bootstrap.weights(len(names)):
        for function, blocks in zip(functions, drawn, strict=True):
            for key, value in function(weights[:, owner]).items():
                blocks[key].append(value)
    return tuple(
        Resampled(
            found, {key: np.concatenate(parts) for key, parts in blocks.items()}, len(owner), len(names), bootstrap
        )
        for found, blocks in zip(values, drawn, strict=True)
    )


def difference(first: Resampled, second: Resampled, key: Key) -> Difference:
    """Compare a figure of two models by the same draws.

    p is the share of draws on the rarer side of no difference, doubled and never 0: the interval that just leaves out 0
    has the confidence 1 - p. Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 15.4 (the
    achieved significance level by inverting the interval); the 1 added to both counts is of Davison and Hinkley,
    Bootstrap Methods, 1997, chapter 4.2 (doi:10.1017/CBO9780511802843).
    """
    gaps = first.drawn[key] - second.drawn[key]
    low, high = first.bootstrap.interval(gaps, first.patients)
    value = first.values[key] - second.values[key]
    between = Estimate(value, low, high, first.n, first.patients)
    kept = gaps[np.isfinite(gaps)]
    p = np.nan
    if first.patients > 1 and kept.size and np.isfinite(value):
        # Sums in another order differ by rounding: models that are alike must not differ by it.
        rarer = min((kept <= 1e-12).sum(), (kept >= -1e-12).sum())
        p = min(1.0, 2 * (rarer + 1) / (kept.size + 1))
    return Difference(first.estimate(key), second.estimate(key), between, float(p))
