"""Confidence intervals by a bootstrap over patients: all scans and lesions of a patient are drawn together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval.

    Attributes
    ----------
    value
        NaN where nothing defines it.
    low, high
        Ends of the interval; NaN with fewer than two patients.
    n
        How many scans or lesions the value rests on.
    patients
        How many patients these belong to.

    """

    value: float
    low: float
    high: float
    n: int
    patients: int


@dataclass(frozen=True)
class Bootstrap:
    """Draws patients with replacement, and takes percentiles of what a statistic says of them.

    Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8.3 and 13.3. Lesions of a patient are alike,
    and intervals that draw lesions are too narrow.

    Attributes
    ----------
    resamples, seed, confidence
        How many draws, from which seed, and which share of them lies within the interval.

    """

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def ratio(self, numerators: ArrayLike, denominators: ArrayLike, patients: Sequence[str], *, n: int) -> Estimate:
        """Estimate the sum of numerators over the sum of denominators, as rates and means are.

        Parameters
        ----------
        numerators, denominators
            One a scan or lesion, finite.
        patients
            Whose each is.
        n
            What the estimate is said to rest on.

        """
        groups, sums = per_patient(np.column_stack([numerators, denominators]).astype(float), patients)
        top, bottom = sums.sum(axis=0) if len(sums) else (0.0, 0.0)
        drawn = np.concatenate([weights @ sums for weights in self.weights(len(groups))])
        low, high = self.interval(_divide(drawn[:, 0], drawn[:, 1]), len(groups))
        value = float(top / bottom) if bottom else math.nan
        return Estimate(value, low, high, n, len(groups))

    def mean(self, values: ArrayLike, patients: Sequence[str]) -> Estimate:
        """Estimate a mean; values that are NaN are left out."""
        kept, owners = finite(values, patients)
        return self.ratio(kept, np.ones(len(kept)), owners, n=len(kept))

    def statistic(self, function: Callable[[Indices], float], patients: Sequence[str]) -> Estimate:
        """Estimate anything that is worked out from rows by their indices.

        Parameters
        ----------
        function
            Given the indices of the rows drawn, with repetitions; NaN where they do not define it.
        patients
            Whose each row is.

        """
        names, owner = np.unique(np.asarray(patients, str), return_inverse=True)
        rows = [np.flatnonzero(owner == n) for n in range(len(names))]
        random = np.random.default_rng(self.seed)
        values = []
        for _ in range(self.resamples if len(names) > 1 else 0):
            drawn = random.integers(len(names), size=len(names))
            values.append(function(np.concatenate([rows[n] for n in drawn])))
        low, high = self.interval(np.array(values, float), len(names))
        value = function(np.arange(len(owner))) if len(owner) else math.nan
        return Estimate(value, low, high, len(owner), len(names))

    def median(self, values: ArrayLike, patients: Sequence[str]) -> Estimate:
        """Estimate a median; values that are NaN are left out."""
        kept, owners = finite(values, patients)
        return self.statistic(lambda rows: float(np.median(kept[rows])), owners)

    def weights(self, patients: int) -> Iterator[Floats]:
        """Give how often each patient is drawn, an array (draws, patients) at a time."""
        random = np.random.default_rng(self.seed)
        share = np.full(patients, 1 / patients) if patients else np.zeros(0)
        for start in range(0, self.resamples, 200):
            count = min(200, self.resamples - start)
            yield random.multinomial(patients, share, size=count).astype(float) if patients else np.zeros((count, 0))

    def interval(self, values: Floats, patients: int) -> tuple[float, float]:
        """Return the percentiles of drawn values; NaN with fewer than two patients. Undefined draws are left out."""
        kept = values[np.isfinite(values)]
        if patients < 2 or not kept.size:
            return math.nan, math.nan
        tail = 50 * (1 - self.confidence)
        low, high = np.percentile(kept, [tail, 100 - tail])
        return float(low), float(high)


def per_patient(rows: Floats, patients: Sequence[str]) -> tuple[NDArray[np.str_], Floats]:
    """Return the patients, and the sums of their rows (patients, columns)."""
    names, owner = np.unique(np.asarray(patients, str), return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, owner, rows)
    return names, sums


def finite(values: ArrayLike, patients: Sequence[str]) -> tuple[Floats, list[str]]:
    """Return the values that are finite, and whose they are."""
    array = np.asarray(values, float)
    kept = np.isfinite(array)
    return array[kept], [patient for patient, keep in zip(patients, kept, strict=True) if keep]


def _divide(top: Floats, bottom: Floats) -> Floats:
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
