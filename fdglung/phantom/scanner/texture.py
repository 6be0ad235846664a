"""How noise looks in numbers: its spread and how far it is correlated."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from fdglung.errors import ParameterError


def autocorrelation_fwhm(
    fields: npt.NDArray[np.float32], spacing_mm: tuple[float, float, float]
) -> tuple[float, float]:
    """Full width at half maximum of the noise's autocorrelation, across and along the patient.

    Parameters
    ----------
    fields
        Realisations of the same scan, two or more: (realisation, z, y, x). Their mean is taken out voxel by voxel.
    spacing_mm
        Along x, y, z.

    Returns
    -------
    across, along
        In mm: the geometric mean of x and y, and z. Between the voxels of a lag the curve is taken as straight.

    Raises
    ------
    ParameterError
        A box so small that the autocorrelation does not fall to a half within half of it.

    """
    noise = fields - fields.mean(axis=0, keepdims=True, dtype=np.float64)
    widths = [_half_width(noise, axis) * step for axis, step in zip((3, 2, 1), spacing_mm, strict=True)]
    return 2 * math.sqrt(widths[0] * widths[1]), 2 * widths[2]


def _half_width(noise: npt.NDArray[np.float64], axis: int) -> float:
    """Lag in voxels at which the autocorrelation along an axis is a half."""
    moved = np.moveaxis(noise, axis, 0)
    variance = float((moved**2).mean())
    last = 1.0
    for lag in range(1, len(moved) // 2 + 1):
        value = float((moved[lag:] * moved[:-lag]).mean()) / variance
        if value < 0.5:
            return lag - 1 + (last - 0.5) / (last - value)
        last = value
    raise ParameterError(
        f"the autocorrelation along axis {axis} stays above a half", attribute="fields", remedy="Give a larger box"
    )
