"""Intensity-based statistics of a region of interest (IBSI family UHIW)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.roi import Roi


def intensity_features(roi: Roi) -> dict[str, float]:
    """Return the 18 intensity-based statistics, without discretisation.

    Parameters
    ----------
    roi
        Its intensity mask is used.

    Returns
    -------
    dict
        ``stat_mean`` to ``stat_rms`` in IBSI's order; of one intensity alone, skewness and kurtosis are NaN.

    """
    values = roi.values
    square = float(np.dot(values, values))
    features = {f"stat_{name}": value for name, value in distribution(values).items()}
    return features | {"stat_energy": square, "stat_rms": math.sqrt(square / values.size)}


def distribution(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the statistics that intensities (IBSI UHIW) and grey levels (IBSI ZVCW) have in common.

    Parameters
    ----------
    values
        One a voxel, in any order, not empty.

    Returns
    -------
    dict
        IBSI's names without the family: mean, var (population), skew, kurt (0 for a normal distribution), median, min,
        p10, p90, max, iqr, range, mad, rmad (between the 10th and 90th percentile), medad (mean distance from the
        median), cov, qcod. What is a ratio to 0 is NaN.

    """
    count = values.size
    ordered = np.sort(values)
    low, high = float(ordered[0]), float(ordered[-1])
    p10, p25, median, p75, p90 = (_percentile(ordered, share) for share in (0.1, 0.25, 0.5, 0.75, 0.9))
    mean = float(values.mean())
    centred = ordered - mean
    squares = centred * centred
    variance = float(squares.sum()) / count if high > low else 0.0
    central = ordered[np.searchsorted(ordered, p10, "left") : np.searchsorted(ordered, p90, "right")]
    # Of two voxels neither lies between the percentiles.
    central = central if central.size else ordered
    return {
        "mean": mean,
        "var": variance,
        "skew": _ratio(float(np.dot(squares, centred)) / count, variance**1.5),
        "kurt": _ratio(float(np.dot(squares, squares)) / count, variance**2) - 3,
        "median": median,
        "min": low,
        "p10": p10,
        "p90": p90,
        "max": high,
        "iqr": p75 - p25,
        "range": high - low,
        "mad": float(np.abs(centred).sum()) / count,
        "rmad": float(np.abs(central - central.mean()).mean()),
        "medad": float(np.abs(ordered - median).sum()) / count,
        "cov": _ratio(math.sqrt(variance), mean),
        "qcod": _ratio(p75 - p25, p75 + p25),
    }


def _percentile(ordered: NDArray[np.float64], share: float) -> float:
    """Interpolate linearly between the two nearest ranks, as NumPy does."""
    place = share * (ordered.size - 1)
    below = int(place)
    above = min(below + 1, ordered.size - 1)
    low, high, part = float(ordered[below]), float(ordered[above]), place - below
    return high - (high - low) * (1 - part) if part >= 0.5 else low + (high - low) * part


def _ratio(above: float, below: float) -> float:
    return above / below if below != 0 else math.nan
