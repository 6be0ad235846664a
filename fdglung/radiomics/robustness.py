"""How well features repeat: intraclass correlation with its confidence interval and class."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from fdglung.errors import ParameterError
from fdglung.settings_checks import one_of, require

Array = NDArray[np.float64]

KINDS = ("1,1", "2,1", "3,1")
"""Intraclass correlations of single values (Shrout & Fleiss, Psychol Bull 1979;86:420).

``1,1``: repetitions of a lesion have no order in common (one-way), the choice for chains of changes (Zwanenburg et al.
2019). ``2,1``: the same raters or scanners for all lesions, drawn from many, absolute agreement. ``3,1``: just these
raters, consistency: what one of them adds to all lesions does not count.
"""

CLASSES: Mapping[str, float] = {"poor": -np.inf, "moderate": 0.5, "good": 0.75, "excellent": 0.9}
"""Class to its least ICC (Koo & Li, J Chiropr Med 2016;15:155, 10.1016/j.jcm.2016.02.012); excellent is above 0.9."""

LEAST_LESIONS = 30
"""Fewer are noted: Koo & Li advise 30 heterogeneous samples. With few, the interval tells more than the ICC."""

FEW = "few lesions"
"""Note of an ICC that rests on fewer than `LEAST_LESIONS`."""

UNDEFINED = "undefined"
"""Class of a feature without an ICC: too few lesions have it, or all have the same value."""


@dataclass(frozen=True)
class Icc:
    """Intraclass correlations, one a feature.

    Attributes
    ----------
    value
        Estimates; NaN where all values are the same, or lesions or repetitions are fewer than 2.
    low, high
        Ends of the confidence interval.
    within_sd
        Standard deviation between repetitions of one lesion (root of the within-lesion mean square), in the unit of
        the feature.

    """

    value: Array
    low: Array
    high: Array
    within_sd: Array


@dataclass(frozen=True)
class Reliability:
    """How well a feature repeats.

    Attributes
    ----------
    feature
        Its name.
    icc, low, high
        Intraclass correlation and its confidence interval.
    reliability
        Class of `icc`, one of `CLASSES` or `UNDEFINED`.
    reliability_low
        Class of `low`. Koo & Li judge by the interval, Zwanenburg et al. 2019 by its lower end.
    within_sd
        Standard deviation between repetitions of one lesion, in the unit of the feature.
    lesions
        How many have the feature in all repetitions; only these count.
    repetitions
        How many.
    note
        `FEW` or empty.

    """

    feature: str
    icc: float
    low: float
    high: float
    reliability: str
    reliability_low: str
    within_sd: float
    lesions: int
    repetitions: int
    note: str


def intraclass_correlation(values: Array, *, kind: str = "1,1", confidence: float = 0.95) -> Icc:
    """Compute intraclass correlations of single values with confidence intervals.

    McGraw & Wong, Psychol Methods 1996;1:30, tables 4 and 7: their ICC(1), ICC(A,1) and ICC(C,1) are Shrout & Fleiss'
    ``1,1``, ``2,1`` and ``3,1``.

    Parameters
    ----------
    values
        (lesion, repetition, ...), finite; or a feature without a finite value somewhere gets NaN.
    kind
        One of `KINDS`.
    confidence
        Of the interval.

    Returns
    -------
    Icc
        Arrays of the shape of `values` without its first two axes.

    Raises
    ------
    ParameterError
        `kind` is unknown, or `confidence` is not between 0 and 1.

    """
    one_of(kind, KINDS, "kind")
    require(0 < confidence < 1, "confidence", "The confidence is not between 0 and 1", "Give 0.95")
    if values.ndim < 2:
        raise ParameterError("The values have no repetitions", attribute="values", remedy="Give (lesion, repetition)")
    n, k = values.shape[:2]
    if n < 2 or k < 2:
        none = np.full(values.shape[2:], np.nan)
        return Icc(none, none, none, none)
    squares = _mean_squares(values)
    quantile = 1 - (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "2,1":
            value, low, high = _agreement(squares, n, k, quantile)
        else:
            error = squares.within if kind == "1,1" else squares.residual
            freedom = n * (k - 1) if kind == "1,1" else (n - 1) * (k - 1)
            ratio = squares.lesions / error
            value = 1 - k / (ratio + k - 1)
            low = 1 - k / (ratio / f_distribution.ppf(quantile, n - 1, freedom) + k - 1)
            high = 1 - k / (ratio * f_distribution.ppf(quantile, freedom, n - 1) + k - 1)
    return Icc(np.asarray(value), np.asarray(low), np.asarray(high), np.sqrt(squares.within))


def reliability(
    values: Array, names: Sequence[str], *, kind: str = "1,1", confidence: float = 0.95
) -> tuple[Reliability, ...]:
    """Tell how well each feature repeats.

    Parameters
    ----------
    values, names
        As `repeated_values` gives them. A lesion that lacks a feature in a repetition does not count for it.
    kind, confidence
        As in `intraclass_correlation`.

    Returns
    -------
    tuple of Reliability
        In the order of `names`.

    """
    require(values.ndim == 3, "values", "The values are not (lesion, repetition, feature)", "Use repeated_values")
    require(values.shape[2] == len(names), "names", "There is not one name for each feature", "Use repeated_values")
    known = np.isfinite(values).all(axis=1)
    found: list[Reliability | None] = [None] * len(names)
    # Features that the same lesions have are computed at once.
    groups: dict[bytes, list[int]] = {}
    for index in range(len(names)):
        groups.setdefault(known[:, index].tobytes(), []).append(index)
    for indices in groups.values():
        counted = known[:, indices[0]]
        icc = intraclass_correlation(values[counted][:, :, indices], kind=kind, confidence=confidence)
        for place, index in enumerate(indices):
            one, low, high = (float(part[place]) for part in (icc.value, icc.low, icc.high))
            found[index] = Reliability(
                feature=names[index],
                icc=one,
                low=low,
                high=high,
                reliability=class_of(one),
                reliability_low=class_of(low),
                within_sd=float(icc.within_sd[place]),
                lesions=int(counted.sum()),
                repetitions=values.shape[1],
                note=FEW if counted.sum() < LEAST_LESIONS else "",
            )
    return tuple(one for one in found if one is not None)


def class_of(icc: float) -> str:
    """Return the class of an ICC: one of `CLASSES`, or `UNDEFINED` for NaN."""
    if np.isnan(icc):
        return UNDEFINED
    if icc > CLASSES["excellent"]:
        return "excellent"
    return next(name for name in ("good", "moderate", "poor") if icc >= CLASSES[name])


def reliability_csv(found: Iterable[Reliability]) -> str:
    """Return reliabilities as comma-separated values, a row a feature; an undefined number is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = [one.name for one in fields(Reliability)]
    writer.writerow(names)
    for one in found:
        row = [getattr(one, name) for name in names]
        writer.writerow("" if isinstance(value, float) and np.isnan(value) else value for value in row)
    return buffer.getvalue()


@dataclass(frozen=True)
class _MeanSquares:
    """Of the analysis of variance: between lesions, within them, between repetitions, and what remains of within."""

    lesions: Array
    within: Array
    repetitions: Array
    residual: Array


def _mean_squares(values: Array) -> _MeanSquares:
    n, k = values.shape[:2]
    # Differences from the first value, so that sums do not lose digits, and equal values have none at all.
    shifted = values - values[:1, :1]
    by_lesion = shifted.mean(axis=1, keepdims=True)
    by_repetition = shifted.mean(axis=0, keepdims=True)
    overall = by_lesion.mean(axis=0, keepdims=True)
    lesions = k * ((by_lesion - overall) ** 2).sum(axis=(0, 1)) / (n - 1)
    within = ((shifted - by_lesion) ** 2).sum(axis=(0, 1)) / (n * (k - 1))
    repetitions = n * ((by_repetition - overall) ** 2).sum(axis=(0, 1)) / (k - 1)
    residual = ((shifted - by_lesion - by_repetition + overall) ** 2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    # Rounding errors are no variance.
    floor = (1e-12 * np.abs(values).max(axis=(0, 1))) ** 2
    clean = [np.where(part <= floor, 0.0, part) for part in (lesions, within, repetitions, residual)]
    return _MeanSquares(*clean)


def _agreement(squares: _MeanSquares, n: int, k: int, quantile: float) -> tuple[Array, Array, Array]:
    """Return ICC(2,1) = ICC(A,1) and its interval (McGraw & Wong's Satterthwaite approximation)."""
    r, c, e = squares.lesions, squares.repetitions, squares.residual
    value = (r - e) / (r + (k - 1) * e + k * (c - e) / n)
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    freedom = (a * c + b * e) ** 2 / ((a * c) ** 2 / (k - 1) + (b * e) ** 2 / ((n - 1) * (k - 1)))
    lower_f = f_distribution.ppf(quantile, n - 1, freedom)
    upper_f = f_distribution.ppf(quantile, freedom, n - 1)
    rest = k * c + (k * n - k - n) * e
    low = n * (r - lower_f * e) / (lower_f * rest + n * r)
    high = n * (upper_f * r - e) / (rest + n * upper_f * r)
    perfect = (c == 0) & (e == 0) & (r > 0)
    return value, np.where(perfect, 1.0, low), np.where(perfect, 1.0, high)
