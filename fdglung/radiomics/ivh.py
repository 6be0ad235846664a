"""Features of the intensity-volume histogram (IBSI family P88C)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.roi import Roi


def ivh_features(
    roi: Roi,
    *,
    intensity_range: tuple[float | None, float | None] | None = None,
    bin_width: float | None = None,
    bin_count: int | None = None,
) -> dict[str, float]:
    """Return the 7 features of the intensity-volume histogram.

    Parameters
    ----------
    roi
        Its intensity mask is used.
    intensity_range
        Re-segmentation range, which bounds the histogram (IBSI manual, section 3.5); an open end is the lowest or
        highest intensity.
    bin_width
        Calibrated units, continuous case: width of bins, whose centres stand for their intensities.
    bin_count
        Arbitrary units: number of bins, whose numbers from 1 stand for intensities; `intensity_range` is not used.
        With neither it is the discrete case: intensities are whole numbers, as HU are.

    Returns
    -------
    dict
        ``ivh_v10`` to ``ivh_auc``. Vx is the share of volume from x % of the intensity range on; Ix the lowest
        intensity that at most x % of the volume has; NaN where no intensity is so rare, and V and area NaN where the
        range is a point.

    """
    intensities, shares = _curve(roi.values, intensity_range or (None, None), bin_width, bin_count)
    extent = intensities[-1] - intensities[0]
    fractions = (intensities - intensities[0]) / extent if extent > 0 else np.full(1, math.nan)
    v10, v90 = (_volume(fractions, shares, fraction) for fraction in (0.1, 0.9))
    i10, i90 = (_intensity(intensities, shares, share) for share in (0.1, 0.9))
    return {
        "ivh_v10": v10,
        "ivh_v90": v90,
        "ivh_i10": i10,
        "ivh_i90": i90,
        "ivh_diff_v10_v90": v10 - v90,
        "ivh_diff_i10_i90": i10 - i90,
        "ivh_auc": float(np.dot(np.diff(fractions), shares[1:] + shares[:-1]) / 2) if extent > 0 else math.nan,
    }


def _curve(
    values: NDArray[np.float64],
    ends: tuple[float | None, float | None],
    bin_width: float | None,
    bin_count: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return intensities in ascending order, and the share of voxels that have each of them or more."""
    low = float(values.min()) if ends[0] is None or bin_count is not None else ends[0]
    high = float(values.max()) if ends[1] is None or bin_count is not None else ends[1]
    if bin_count is not None:
        count = bin_count if high > low else 1
        steps = np.floor((values - low) / (high - low) * count) if high > low else np.zeros(values.shape)
        intensities = np.arange(1.0, count + 1)
    elif bin_width is not None:
        count = max(1, math.ceil((high - low) / bin_width - 1e-9))
        steps = np.floor((values - low) / bin_width)
        intensities = low + (np.arange(count) + 0.5) * bin_width
    else:
        count = max(1, math.floor(high - low) + 1)
        steps = np.floor(values - low)
        intensities = low + np.arange(count)
    counts = np.bincount(np.clip(steps, 0, count - 1).astype(np.int64), minlength=count)
    return intensities, counts[::-1].cumsum()[::-1] / values.size


def _volume(fractions: NDArray[np.float64], shares: NDArray[np.float64], fraction: float) -> float:
    """Return the largest share of volume with an intensity fraction of at least `fraction` (IBSI BC2M)."""
    # Fractions such as 0.1 are not exact in binary.
    found = np.flatnonzero(fractions >= fraction - 1e-12)
    return float(shares[found[0]]) if found.size else math.nan


def _intensity(intensities: NDArray[np.float64], shares: NDArray[np.float64], share: float) -> float:
    """Return the lowest intensity that at most `share` of the volume has (IBSI GBPN)."""
    found = np.flatnonzero(shares <= share)
    return float(intensities[found[0]]) if found.size else math.nan
