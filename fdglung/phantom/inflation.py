"""A painted body carried from one breath to another by a warp, in place of painting it anew."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from fdglung.phantom.anatomy import cavities
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.images import image_on
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.raster import Volumes, rasterise
from fdglung.phantom.shapes import Array, Grid
from fdglung.phantom.subject import Subject

_COARSE_MM = 24.0
_FINE_MM = 2.25
"""Spacing below which movement, which is smooth, is worked out at every second voxel."""
_FIXED = (
    Organ.MUSCLE,
    Organ.VERTEBRAE,
    Organ.SPINAL_CORD,
    Organ.RIBS,
    Organ.STERNUM,
    Organ.HIP_BONES,
    Organ.SACRUM,
)
"""What breathing does not move, though a cavity's bounds may take some of it in."""


def moving_share(active: Volumes, person: Subject, frame: BodyFrame, grid: Grid) -> Array:
    """Mark, with a soft edge, what breathing moves: what the cavities of chest and abdomen hold.

    Returns
    -------
    Array
        float32 (z, y, x) on `grid`, from 0, where nothing moves with the diaphragm, to 1.

    """
    held = rasterise(cavities(person, frame), frame, grid, organs=True, lattice_mm=8.0)
    fixed = np.isin(cast(npt.NDArray[np.uint8], active.organs), _FIXED)
    inner = (cast(npt.NDArray[np.uint8], held.organs) > 0) & ~fixed
    soft = ndimage.gaussian_filter(inner.astype(np.float32), [8.0 / step for step in grid.spacing_mm[::-1]])
    return np.clip(2 * soft - 0.4, 0, 1).astype(np.float32)


def inflated(
    active: Volumes, grid: Grid, in_pet: BodyFrame, in_ct: BodyFrame, moving: Array, lung_rise_hu: float
) -> Volumes:
    """Carry the body painted at the breath of the PET to that of the CT, where the lungs' CT number is another.

    Parameters
    ----------
    active
        The body on `grid`, without lesions: a warp would stretch them, and lesions do not stretch with the breath.
    grid, in_pet, in_ct, moving
        See `displacement`.
    lung_rise_hu
        By which the lungs' CT number is higher at the CT.

    """
    transform = displacement(in_pet, in_ct, grid, moving)
    hu = carried(image_on(grid, active.hu), transform, outside=-1000.0)
    organs = sitk.GetArrayFromImage(carried(image_on(grid, active.organs), transform))
    still = sitk.GetArrayFromImage(hu)
    still[np.isin(organs, LOBES)] += np.float32(lung_rise_hu)
    return Volumes(still, None, organs)


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
    if min(grid.spacing_mm) < _FINE_MM:
        grid, moving = _every_second(grid, moving)
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


def _every_second(grid: Grid, moving: Array) -> tuple[Grid, Array]:
    # one more beyond an even count: outside of its field a transform moves nothing
    moving = np.pad(moving, [(0, (count - 1) % 2) for count in grid.shape], mode="edge")[::2, ::2, ::2]
    z, y, x = moving.shape
    across, down, along = (2 * step for step in grid.spacing_mm)
    return Grid(grid.origin_mm, (across, down, along), (x, y, z)), moving


def _enlarged(coarse: npt.NDArray[Any], shape: tuple[int, int, int]) -> npt.NDArray[Any]:
    """Interpolate linearly between nodes that lie on the first and the last voxel of each axis."""
    for axis, count in enumerate(shape):
        place = np.linspace(0, coarse.shape[axis] - 1, count)
        low = np.minimum(place.astype(int), coarse.shape[axis] - 2)
        part = np.expand_dims(place - low, tuple(a for a in range(3) if a != axis))
        coarse = np.take(coarse, low, axis) * (1 - part) + np.take(coarse, low + 1, axis) * part
    return coarse
