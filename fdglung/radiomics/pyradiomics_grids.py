"""Voxels that PyRadiomics resamples a lesion to, and the spline that it reads them from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung.radiomics.filters import Box, hull, padded, relative, volume_of, whole

_SPLINE_MARGIN = 48
"""Voxels around a region after which a cubic spline's coefficients are those of the whole image, to the last bit."""


@dataclass(frozen=True)
class LesionGrid:
    """Voxels that a lesion is resampled to, along x, y, z."""

    size: list[int]
    spacing_mm: list[float]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    def resample(self, image: sitk.Image, kind: int, pixel: int) -> sitk.Image:
        """Return an image at these voxels, by an interpolator of SimpleITK."""
        made = sitk.ResampleImageFilter()
        made.SetOutputSpacing(self.spacing_mm)
        made.SetOutputDirection(self.direction)
        made.SetSize(self.size)
        made.SetOutputOrigin(self.origin_mm)
        made.SetOutputPixelType(pixel)
        made.SetInterpolator(kind)
        return made.Execute(image)


def lesion_grid(mask: sitk.Image, box: Box, settings: Mapping[str, Any]) -> LesionGrid:
    """Return the grid of PyRadiomics' ``resampleImage``: the mask's corner, the new spacing, the padded box."""
    old = np.array(mask.GetSpacing())
    first = np.array([part.start for part in box[::-1]])
    count = np.array([part.stop - part.start for part in box[::-1]])
    new = np.array(settings["resampledPixelSpacing"], float)
    new = np.where(new == 0, old, new)
    new = np.where(count != 1, new, old)
    ratio = old / new
    last = np.ceil(np.array(mask.GetSize()) * ratio) - 1
    low = np.floor((first - 0.5) * ratio - settings["padDistance"])
    high = np.ceil((first + count - 0.5) * ratio + settings["padDistance"])
    low, high = np.where(low < 0, 0, low), np.where(high > last, last, high)
    corner = np.array(0.5 * (new - old) / old) + low / ratio
    return LesionGrid(
        size=np.array(high - low + 1, dtype=int).tolist(),
        spacing_mm=new.tolist(),
        origin_mm=mask.TransformContinuousIndexToPhysicalPoint(corner.tolist()),
        direction=mask.GetDirection(),
    )


def spline_coefficients(image: sitk.Image, grids: Iterable[LesionGrid]) -> sitk.Image:
    """Return the cubic spline's coefficients of an image where grids lie, 0 elsewhere.

    The result has the image's origin, so that positions are rounded as PyRadiomics' are: it truncates values of whole
    type, and a last bit decides there.
    """
    view = sitk.GetArrayViewFromImage(image)
    everything = whole(view)
    parts = []
    for grid in grids:
        ends = [(0, n - 1) for n in grid.size]
        steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
        corners = [np.array(grid.origin_mm) + steps @ (i, j, k) for i in ends[0] for j in ends[1] for k in ends[2]]
        indices = np.array([image.TransformPhysicalPointToContinuousIndex(c.tolist()) for c in corners])[:, ::-1]
        low = np.clip(np.floor(indices.min(axis=0)).astype(int) - 2, 0, np.array(view.shape) - 1)
        high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 3, low + 1, view.shape)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        parts.append((z, y, x))
    outer = [padded(part, everything, [_SPLINE_MARGIN] * 3) for part in parts]
    if sum(volume_of(part) for part in outer) > volume_of(padded(hull(parts), everything, [_SPLINE_MARGIN] * 3)):
        parts = [hull(parts)]
        outer = [padded(part, everything, [_SPLINE_MARGIN] * 3) for part in parts]
    coefficients = np.zeros([part.stop for part in hull(parts)])
    for part, around in zip(parts, outer, strict=True):
        fitted = sitk.BSplineDecomposition(sitk.GetImageFromArray(view[around].astype(np.float64)), 3)
        coefficients[part] = sitk.GetArrayViewFromImage(fitted)[relative(part, around)]
    made = sitk.GetImageFromArray(coefficients)
    made.SetOrigin(image.GetOrigin())
    made.SetSpacing(image.GetSpacing())
    made.SetDirection(image.GetDirection())
    return made
