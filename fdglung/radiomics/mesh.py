"""Area, volume and outermost points of the mesh around a mask."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Spacing = tuple[float, float, float]

_BITS = np.arange(8).reshape(2, 2, 2)
"""A cell's corners (z, y, x) as bits of its number."""


def area_and_volume(mask: NDArray[np.bool_], spacing_mm: Spacing) -> tuple[float, float]:
    """Return the surface in mm2 and the volume in mm3 of the mesh that cuts half-way between voxels in and out.

    PyRadiomics' marching cubes, without going through the mesh: a cell of eight voxel centres is one of 256, and what
    each of these adds is asked of PyRadiomics' own code once.

    Parameters
    ----------
    mask
        ROI (z, y, x).
    spacing_mm
        Along z, y and x.

    """
    padded = np.pad(mask, 1).astype(np.uint8)
    numbers = np.zeros(tuple(n - 1 for n in padded.shape), np.uint8)
    for bit, (z, y, x) in enumerate(np.ndindex(2, 2, 2)):
        part = padded[z : z + numbers.shape[0], y : y + numbers.shape[1], x : x + numbers.shape[2]]
        numbers |= part << np.uint8(bit)
    places = np.flatnonzero((numbers > 0) & (numbers < 255))
    cells = numbers.ravel()[places]
    indices = np.unravel_index(places, numbers.shape)
    own, slopes = _volumes()
    volume = own[cells].sum() + sum(np.dot(slopes[cells, axis], line) for axis, line in enumerate(indices))
    return float(_areas(spacing_mm)[cells].sum()), float(volume * np.prod(spacing_mm))


def outermost_points(mask: NDArray[np.bool_], spacing_mm: Spacing) -> Array:
    """Return vertices (n, 3; z, y, x in mm) of the same mesh that include all of its convex hull.

    Of vertices on one line along an axis only the first and the last can lie on the hull.
    """
    points = []
    for axis in range(3):
        lines = np.moveaxis(mask, axis, 2)
        first, second = np.nonzero(lines.any(axis=2))
        rows = lines[first, second]
        start = rows.argmax(axis=1) - 0.5
        stop = rows.shape[1] - rows[:, ::-1].argmax(axis=1) - 0.5
        for end in (start, stop):
            point = np.stack([first, second, end], axis=1)
            points.append(np.insert(point[:, :2], axis, point[:, 2], axis=1))
    return np.concatenate(points) * np.array(spacing_mm)


@lru_cache(maxsize=64)
def _areas(spacing_mm: Spacing) -> Array:
    """Return the area in mm2 of the mesh in each kind of cell."""
    return np.array([_measured(_cell(number), spacing_mm)[0] for number in range(256)])


@lru_cache(maxsize=1)
def _volumes() -> tuple[Array, Array]:
    """Return what each kind of cell of size 1 adds to the volume at the origin, and more a step along z, y and x.

    A mesh's volume is the sum over its triangles of a . (b x c) / 6, which changes linearly as a cell is shifted. A
    cell cannot be shifted by itself: an empty layer before it makes another cell of its first layer, whose share is
    taken off.
    """
    own = np.array([_measured(_cell(number), (1.0, 1.0, 1.0))[1] for number in range(256)])
    slopes = np.zeros((256, 3))
    for axis in range(3):
        for number in range(256):
            cell = _cell(number)
            first = np.take(cell, [0], axis=axis)
            empty = np.zeros_like(first)
            before = int((np.concatenate([empty, first], axis=axis).astype(int) << _BITS).sum())
            shifted = _measured(np.concatenate([empty, cell], axis=axis), (1.0, 1.0, 1.0))[1]
            slopes[number, axis] = shifted - own[before] - own[number]
    return own, slopes


def _cell(number: int) -> NDArray[np.int8]:
    return ((number >> _BITS) & 1).astype(np.int8)


def _measured(mask: NDArray[np.int8], spacing_mm: Spacing) -> tuple[float, float]:
    from radiomics import cShape

    area, volume, _ = cShape.calculate_coefficients(np.ascontiguousarray(mask), np.array(spacing_mm, np.float64))
    return float(area), float(volume)
