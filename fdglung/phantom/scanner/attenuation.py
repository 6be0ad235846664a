"""Attenuation of 511 keV photons: from CT numbers to linear coefficients."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

_SOFT_SLOPE = 9.6e-5
_BREAK = 1047.0
_BONE_SLOPE = 5.10e-5
_BONE_OFFSET = 4.71e-2

WATER_PER_CM = 1000 * _SOFT_SLOPE
"""Linear attenuation coefficient of water at 511 keV in 1/cm."""


def mu_map(hu: npt.ArrayLike) -> Array:
    """Linear attenuation coefficients at 511 keV of CT numbers.

    Two straight lines, for air and water mixed below the break and water and bone mixed above it, with the figures for
    120 kV of Carney et al. 2006 (10.1118/1.2174132). Metal follows the bone's line, as on scanners.

    Parameters
    ----------
    hu
        CT numbers in HU, of any shape.

    Returns
    -------
    Array
        float32 of the same shape, in 1/cm; nowhere below 0.

    """
    above_air = np.array(hu, np.float32)
    above_air += 1000
    np.maximum(above_air, 0, out=above_air)
    is_bone = above_air >= _BREAK
    slope = np.where(is_bone, np.float32(_BONE_SLOPE), np.float32(_SOFT_SLOPE))
    above_air *= slope
    above_air += np.where(is_bone, np.float32(_BONE_OFFSET), np.float32(0))
    return above_air
