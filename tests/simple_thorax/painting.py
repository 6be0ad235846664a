"""Painting solids with soft edges straight onto a grid, as the simple thorax does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from fdglung.phantom.shapes import Array, Distance, Grid, Solid, capsule


def coverage(solid: Solid, grid: Grid, window: tuple[slice, slice, slice]) -> Array:
    """Fraction of each voxel of a window that a solid fills, from the distance at the voxel's centre.

    The edge is a ramp one in-plane voxel wide: exact for a face across an axis of the plane, good to a few per cent of
    a voxel elsewhere.
    """
    distance = solid.distance(*grid.coordinates(window))
    width = np.float32(max(grid.spacing_mm[0], 0.5))
    shape = tuple(part.stop - part.start for part in window)
    filled: Array = np.broadcast_to(np.clip(np.float32(0.5) - distance / width, 0, 1), shape)
    return filled


def paint(volume: Array, grid: Grid, solid: Solid, value: float | Distance) -> None:
    """Fill a solid in place, mixing with what was there by the fraction that the solid takes of a voxel.

    Parameters
    ----------
    volume
        Array (z, y, x) on `grid`, float32.
    grid
        Where the array lies.
    solid
        What to fill.
    value
        A number, or a function of x, y, z in mm.

    """
    window = grid.window(solid.box)
    if any(part.stop <= part.start for part in window):
        return
    filled = coverage(solid, grid, window)
    target = value(*grid.coordinates(window)) if callable(value) else np.float32(value)
    part = volume[window]
    part += filled * (target - part)


def tube(points: Sequence[Sequence[float]], radius: float) -> tuple[Solid, ...]:
    """Capsules along a line of points."""
    return tuple(capsule(a, b, radius) for a, b in pairwise(points))
