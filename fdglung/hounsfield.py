"""CT numbers that are stored 0 to 4095: found by their values, and put back on Hounsfield's scale."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

STORED_OFFSET_HU = 1024
"""What CT numbers are raised by where 12 bits are stored without a sign, whose rescale intercept is then -1024."""

_NOISE_HU = 60
_SOFT_TISSUE_HU = (-200, 250)
_AIR_HU = -700
_LEAST_AIR = 0.02
_SAMPLES = 2_000_000
_FEWEST = 1000
"""Voxels below which values tell nothing of their scale."""


def on_hounsfield_scale(ct: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Take the offset of stored values off a CT that was written without its rescale intercept.

    Such a CT has next to nothing below 0, where Hounsfield's scale has air and fat, and its commonest value between
    air and bone is that of soft tissue 1024 too high.

    Parameters
    ----------
    ct
        What should be Hounsfield units, of any number type.

    Returns
    -------
    SimpleITK.Image
        Hounsfield units: `ct` itself, or a corrected copy of its number type (int32 for unsigned ones).
    tuple of str
        What was done, in a full sentence; empty where nothing was.

    """
    if not _is_raised(ct):
        return ct, ()
    signed = ct
    if ct.GetPixelID() in (sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkUInt32):
        signed = sitk.Cast(ct, sitk.sitkInt32)
    return signed - STORED_OFFSET_HU, (
        f"The CT's values lie {STORED_OFFSET_HU} above Hounsfield units (stored 0 to 4095 without a rescale "
        f"intercept); {STORED_OFFSET_HU} was subtracted from each.",
    )


def _is_raised(ct: sitk.Image) -> bool:
    values = sitk.GetArrayViewFromImage(ct).reshape(-1)
    values = values[:: max(1, values.size // _SAMPLES)]
    # What pads the field of view is on neither scale.
    values = values[values > -STORED_OFFSET_HU]
    if values.size < _FEWEST or np.quantile(values, _LEAST_AIR) < -_NOISE_HU:
        return False
    edges = [-np.inf, *(hu + STORED_OFFSET_HU for hu in (_AIR_HU, *_SOFT_TISSUE_HU)), np.inf]
    air, between, tissue, _ = np.histogram(values, edges)[0] / values.size
    # Bone alone has such values too, but then more of it is spongy than compact.
    return bool(air >= _LEAST_AIR and tissue > 0.05 and tissue > between)
