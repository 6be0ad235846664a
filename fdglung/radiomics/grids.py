"""Grids of voxels in the patient: an image's at another spacing, and the part of it that holds a lesion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import InputError

Array = NDArray[np.float64]
Whole = tuple[int, int, int]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Grid:
    """Where voxels lie in the patient (LPS). Size, spacing and origin along x, y, z; direction row by row."""

    size: Whole
    spacing_mm: Point
    origin_mm: Point
    direction: tuple[float, ...]

    def part(self, start: Whole, size: Whole) -> Grid:
        """Return the box of `size` voxels from the index `start` (both x, y, z)."""
        shift = np.array(self.direction).reshape(3, 3) @ (np.array(start) * self.spacing_mm)
        x, y, z = (float(o + s) for o, s in zip(self.origin_mm, shift, strict=True))
        return replace(self, size=size, origin_mm=(x, y, z))

    def index_of(self, points: Array) -> Array:
        """Return continuous indices (n, 3; x, y, z) of points (n, 3) in mm."""
        steps = np.array(self.direction).reshape(3, 3) * self.spacing_mm
        return np.asarray(np.linalg.solve(steps, (points - self.origin_mm).T).T)


def resampled_grid(image: sitk.Image, spacing_mm: tuple[float, float, float] | None) -> Grid:
    """Return an image's grid at another spacing, aligned at the centres (IBSI manual, section 2.4).

    Parameters
    ----------
    image
        Its voxels are not looked at.
    spacing_mm
        Along x, y and z; 0 keeps an axis, None keeps all.

    Returns
    -------
    Grid
        The smallest that covers the image.

    """
    old = np.array(image.GetSpacing())
    size = np.array(image.GetSize())
    wanted = np.array(spacing_mm or (0, 0, 0), float)
    new = np.where(wanted > 0, wanted, old)
    count = np.ceil(np.round(size * old / new, 6)).astype(int)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = np.array(image.GetOrigin()) + direction @ (((size - 1) * old - (count - 1) * new) / 2)
    return Grid(_whole(count), _point(new), _point(origin), tuple(map(float, image.GetDirection())))


def lesion_grid(whole: Grid, mask: sitk.Image, *, margin_mm: float = 0.0) -> Grid:
    """Return the part of a grid that holds a mask and a margin, as far as the grid goes.

    Raises
    ------
    InputError
        The mask is empty or lies outside the grid.

    """
    start, stop = _extent(mask)
    corners = np.array([[(start, stop)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)]) - 0.5
    steps = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    indices = whole.index_of(corners @ steps.T + mask.GetOrigin())
    margin = margin_mm / np.array(whole.spacing_mm) + 1
    low = np.maximum(np.floor(indices.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(indices.max(axis=0) + margin) + 1, whole.size).astype(int)
    if np.any(high <= low):
        raise InputError(
            "The mask lies outside the image", attribute="mask", remedy="Give a mask in the space of the image"
        )
    return whole.part(_whole(low), _whole(high - low))


def _extent(mask: sitk.Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first index and the one after the last (x, y, z) of a mask's voxels."""
    array = sitk.GetArrayViewFromImage(mask)
    # One pass over the voxels; the others are over a plane.
    plane = np.array([np.any(part != 0, axis=0) for part in array])
    lines = [np.flatnonzero(line) for line in (plane.any(axis=0), _columns(array), plane.any(axis=1))]
    if not len(lines[0]):
        raise InputError("The mask is empty", attribute="mask", remedy="Give a mask that holds a lesion")
    return np.array([line[0] for line in lines]), np.array([line[-1] + 1 for line in lines])


def _columns(array: NDArray[np.generic]) -> NDArray[np.bool_]:
    return np.any([np.any(part != 0, axis=1) for part in array], axis=0)


def _whole(values: NDArray[np.int64]) -> Whole:
    x, y, z = (int(value) for value in values)
    return x, y, z


def _point(values: Array) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
