"""A painted body carried from one breath to another by a warp, in place of painting it anew."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.shapes import Array, Grid

_COARSE_MM = 24.0


def displacement(before: BodyFrame, after: BodyFrame, grid: Grid, moving: Array) -> sitk.Transform:
    """Return the transform that finds, for a point of the body at one breath, where it was at another.

    Parameters
    ----------
    before, after
        The same subject at the breath that was painted and at the one wanted.
    grid
        Of the painted volumes.
    moving
        float32 (z, y, x) on `grid`: 1 where organs move with the diaphragm, 0 where they only follow the chest.

    Returns
    -------
    sitk.Transform
        For `sitk.Resample` of the painted volumes onto their own grid.

    """
    counts = [int(np.ceil((n - 1) * step / _COARSE_MM)) + 1 for n, step in zip(grid.size, grid.spacing_mm, strict=True)]
    steps = [(n - 1) * step / (count - 1) for n, step, count in zip(grid.size, grid.spacing_mm, counts, strict=True)]
    axes = [grid.origin_mm[a] + steps[a] * np.arange(counts[a]) for a in range(3)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    canonical = after.to_canonical(places)
    organ = canonical.copy()
    organ[:, 2] = after.organ_z(canonical[:, 2].astype(np.float32))
    still, swept = (before.to_patient(points) - places for points in (canonical, before.moved(organ)))
    field = np.empty((*grid.shape, 3))
    for axis in range(3):
        wall, inside = (_enlarged(moves[:, axis].reshape(counts).T, grid.shape) for moves in (still, swept))
        field[..., axis] = wall + moving * (inside - wall)
    image = sitk.GetImageFromArray(field, isVector=True)
    image.SetOrigin(grid.origin_mm)
    image.SetSpacing(grid.spacing_mm)
    return sitk.DisplacementFieldTransform(image)


def carried(image: sitk.Image, transform: sitk.Transform, *, outside: float = 0.0) -> sitk.Image:
    """Carry an image by a `displacement`: labels to the nearest voxel, other values linearly."""
    label = image.GetPixelID() in (sitk.sitkUInt8, sitk.sitkUInt16)
    method = sitk.sitkNearestNeighbor if label else sitk.sitkLinear
    return sitk.Resample(image, image, transform, method, outside)


def _enlarged(coarse: npt.NDArray[Any], shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Interpolate linearly between nodes that lie on the first and the last voxel of each axis."""
    for axis, count in enumerate(shape):
        place = np.linspace(0, coarse.shape[axis] - 1, count)
        low = np.minimum(place.astype(int), coarse.shape[axis] - 2)
        part = np.expand_dims(place - low, tuple(a for a in range(3) if a != axis))
        coarse = np.take(coarse, low, axis) * (1 - part) + np.take(coarse, low + 1, axis) * part
    return coarse
