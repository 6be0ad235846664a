"""Images and masks at the voxels of a grid (IBSI manual, sections 2.4 and 2.5)."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.radiomics.grids import Array, Grid
from fdglung.radiomics.image_settings import ImageSettings

Mask = NDArray[np.bool_]

_TIE = 1e-6
"""Slack of the mask's threshold: interpolation weights are rounded, and shares of exactly one half are common."""

_SPLINE_MARGIN = 24
"""Voxels around a region that a cubic spline is fitted to; a voxel further away has a weight below 1e-13."""


def resample_image(image: sitk.Image, grid: Grid, settings: ImageSettings) -> Array:
    """Return intensities (z, y, x) at the voxels of a grid, interpolated and rounded as `settings` say.

    Parameters
    ----------
    image
        A voxel outside it gets its nearest value, as far as half a voxel.
    grid
        Such as `lesion_grid` gives. Where its voxels are those of `image`, nothing is interpolated or rounded.
    settings
        `interpolator` and `round_to`.

    """
    own = _own_part(image, grid)
    if own is not None:
        return sitk.GetArrayFromImage(own).astype(np.float64)
    kind = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline3, "nearest": sitk.sitkNearestNeighbor}
    if settings.interpolator == "bspline":
        image = sitk.Cast(part_around(image, grid, _SPLINE_MARGIN), sitk.sitkFloat64)
    values = sitk.GetArrayFromImage(_resampled(image, grid, kind[settings.interpolator]))
    if settings.round_to is not None:
        values = np.rint(values / settings.round_to) * settings.round_to
    return values


def resample_mask(mask: sitk.Image, grid: Grid, threshold: float = 0.5) -> Mask:
    """Return a mask (z, y, x) at the voxels of a grid: linearly interpolated, in from `threshold` on.

    IBSI manual, sections 2.4 and 2.5 (region of interest interpolation and its partial-volume threshold).
    """
    part = part_around(mask, grid, 2)
    inside = sitk.GetImageFromArray((sitk.GetArrayViewFromImage(part) != 0).astype(np.uint8))
    inside.CopyInformation(part)
    own = _own_part(inside, grid)
    if own is not None:
        return np.asarray(sitk.GetArrayFromImage(own) != 0)
    return np.asarray(sitk.GetArrayFromImage(_resampled(inside, grid, sitk.sitkLinear)) >= threshold - _TIE)


def reaches_into(image: sitk.Image, grid: Grid) -> bool:
    """Tell whether an image, with a voxel around it for interpolation, may hold a voxel of a grid; in doubt, yes."""
    corners = np.array(list(itertools.product(*((-1, count) for count in image.GetSize()))))
    points = [image.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners.astype(float).tolist()]
    indices = grid.index_of(np.array(points))
    return bool(((indices.max(axis=0) >= 0) & (indices.min(axis=0) <= np.array(grid.size) - 1)).all())


def _own_part(image: sitk.Image, grid: Grid) -> sitk.Image | None:
    """Return the voxels of a grid where they are voxels of the image, else None."""
    same = np.allclose(image.GetSpacing(), grid.spacing_mm, rtol=0, atol=1e-6) and np.allclose(
        image.GetDirection(), grid.direction, rtol=0, atol=1e-6
    )
    if not same:
        return None
    start = np.array(image.TransformPhysicalPointToContinuousIndex(grid.origin_mm))
    first = np.rint(start).astype(int)
    if np.abs(start - first).max() > 1e-4 or np.any(first < 0) or np.any(first + grid.size > image.GetSize()):
        return None
    return sitk.RegionOfInterest(image, list(grid.size), [int(i) for i in first])


def part_around(image: sitk.Image, grid: Grid, margin: int) -> sitk.Image:
    """Cut an image to a grid and some of its own voxels around."""
    corners = np.array([[(0, n - 1)[bit >> axis & 1] for axis, n in enumerate(grid.size)] for bit in range(8)])
    steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in corners @ steps.T + grid.origin_mm])
    low = np.clip(np.floor(indices.min(axis=0)).astype(int) - margin, 0, np.array(image.GetSize()) - 1)
    high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + margin + 1, low + 1, image.GetSize())
    return sitk.RegionOfInterest(image, [int(n) for n in high - low], [int(i) for i in low])


def _resampled(image: sitk.Image, grid: Grid, kind: int) -> sitk.Image:
    return sitk.Resample(
        image, grid.size, sitk.Transform(), kind, grid.origin_mm, grid.spacing_mm, grid.direction, 0.0, sitk.sitkFloat64
    )
