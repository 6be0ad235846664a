"""Painting the thin parts of lesions: spicules, tails, bronchi, calcium."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fdglung.phantom.lesions.bodies import Window
from fdglung.phantom.lesions.placed import Rod
from fdglung.phantom.shapes import Array, Grid


def fill_rods(rods: Sequence[Rod], grid: Grid, window: Window, shift: Sequence[float]) -> Array:
    """Work out which fraction of each voxel of a window thin parts fill.

    Slices are sampled at most 1 mm apart. A part thinner than a voxel fills less of it, in proportion to its width.

    Parameters
    ----------
    rods
        What to fill, in mm.
    grid, window
        Which voxels, (z, y, x).
    shift
        x, y, z in mm by which the parts are moved.

    Returns
    -------
    Array
        float32, shape of the window.

    """
    result = np.zeros(tuple(part.stop - part.start for part in window), np.float32)
    x, y, z = (axis.ravel() - np.float32(s) for axis, s in zip(grid.coordinates(window), shift, strict=True))
    count = max(1, math.ceil(grid.spacing_mm[2] - 1e-6))
    layers = ((np.arange(count) + 0.5) / count - 0.5).astype(np.float32) * np.float32(grid.spacing_mm[2])
    width = max(grid.spacing_mm[0], 0.5)
    for rod in rods:
        ends = np.array([rod.start, rod.stop], np.float32)
        reach = max(rod.radius, rod.end_radius) + width
        near = [
            slice(
                int(np.searchsorted(axis, ends[:, i].min() - reach - (spacing if i == 2 else 0))),
                int(np.searchsorted(axis, ends[:, i].max() + reach + (spacing if i == 2 else 0))),
            )
            for i, (axis, spacing) in enumerate(zip((x, y, z), grid.spacing_mm, strict=True))
        ]
        if any(part.stop <= part.start for part in near):
            continue
        heights = (z[near[2], None] + layers[None, :]).reshape(-1, 1, 1)
        distance = _rod_distance(rod, x[near[0]][None, None, :], y[near[1]][None, :, None], heights)
        thin = np.float32(min(1.0, (rod.radius + rod.end_radius) / width))
        filled = ramp(distance, width) * thin
        filled = filled.reshape(-1, count, *filled.shape[1:]).mean(axis=1)
        part = result[near[2], near[1], near[0]]
        np.maximum(part, filled, out=part)
    return result


def ramp(distance: Array, width: float) -> Array:
    """Fraction of a voxel of a width in mm that is filled, by the distance of its centre to the surface in mm."""
    result: Array = np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1)
    return result


def _rod_distance(rod: Rod, x: Array, y: Array, z: Array) -> Array:
    start, along = np.array(rod.start, np.float32), np.subtract(rod.stop, rod.start).astype(np.float32)
    p = (x - start[0], y - start[1], z - start[2])
    square = np.float32(max(float(along @ along), 1e-6))
    t = np.clip((p[0] * along[0] + p[1] * along[1] + p[2] * along[2]) / square, 0, 1)
    gap = np.sqrt(sum((p[i] - t * along[i]) ** 2 for i in range(3)))
    result: Array = gap - (np.float32(rod.radius) + np.float32(rod.end_radius - rod.radius) * t)
    return result
