"""Largest distances between vertices of the mesh around a mask: in space, and in planes along the axes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from fdglung.radiomics.mesh import Spacing, outermost_points

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def diameters(mask: Mask, spacing_mm: Spacing) -> tuple[float, float, float, float]:
    """Return the largest distances in mm between vertices that share z, that share y, that share x, and of all.

    These are PyRadiomics' maximum 2D diameters (slice, column, row) and its maximum 3D diameter. It compares all
    vertices; here only those at the ends of their lines are, and only in planes that can hold the largest distance.

    Parameters
    ----------
    mask
        A lesion (z, y, x), not empty.
    spacing_mm
        Along z, y and x.

    """
    z, y, x = (_in_planes(mask, axis, spacing_mm) for axis in range(3))
    return z, y, x, _largest(outermost_points(mask, spacing_mm))


def _in_planes(mask: Mask, axis: int, spacing_mm: Spacing) -> float:
    steps = np.delete(np.array(spacing_mm), axis)
    planes = [points * steps for points in _planes(np.moveaxis(mask, axis, 0))]
    # A plane whose box has a smaller diagonal than the distance found cannot hold a larger one.
    planes.sort(key=lambda points: -_diagonal(points))
    largest = 0.0
    for points in planes:
        if _diagonal(points) <= largest:
            break
        largest = max(largest, _largest(points))
    return largest


def _planes(mask: Mask) -> Iterator[Array]:
    """Yield, for each plane across the first axis that has vertices, those that include all of their convex hull."""
    for plane in mask:
        if plane.any():
            down, along = _ends(plane.T)[:, ::-1], _ends(plane)
            # Vertices lie half-way between a voxel in and one out.
            yield np.concatenate([along + _half(along, 1), down + _half(down, 0)])
    empty = np.zeros_like(mask[:1])
    for plane in np.concatenate([empty, mask]) != np.concatenate([mask, empty]):
        if plane.any():
            yield _ends(plane)


def _ends(plane: Mask) -> Array:
    """Return the first and then the last voxel (row, column) of each row that has any."""
    rows = np.flatnonzero(plane.any(axis=1))
    first = plane[rows].argmax(axis=1)
    last = plane.shape[1] - 1 - plane[rows][:, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([rows, first], axis=1), np.stack([rows, last], axis=1)]).astype(np.float64)


def _half(ends: Array, axis: int) -> Array:
    """Return the way from voxels of `_ends` to the vertices before the first and behind the last ones."""
    way = np.zeros_like(ends)
    middle = len(ends) // 2
    way[:middle, axis], way[middle:, axis] = -0.5, 0.5
    return way


def _diagonal(points: Array) -> float:
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))


def _largest(points: Array) -> float:
    if len(points) > 64:
        try:
            points = points[ConvexHull(points).vertices]
        except QhullError:
            # Points of one line have no hull.
            points = np.unique(points, axis=0)
    return float(pdist(points).max()) if len(points) > 1 else 0.0
