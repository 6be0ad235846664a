"""Solids as signed distances in patient space, and painting them with soft, area-weighted edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Distance = Callable[[Array, Array, Array], Array]
"""Distance to a surface in mm, negative inside, of broadcastable x, y and z in mm (LPS)."""

Box = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Lowest and highest x, y and z in mm (LPS)."""

_TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Solid:
    """A body in patient space.

    Attributes
    ----------
    distance
        Signed distance in mm, to first order near the surface, negative inside.
    box
        Bounds outside of which nothing of the body lies.

    """

    distance: Distance
    box: Box


@dataclass(frozen=True)
class Grid:
    """A regular axial grid whose axes are the patient's (LPS).

    Attributes
    ----------
    origin_mm
        Centre of the first voxel: x, y, z.
    spacing_mm
        Along x, y, z.
    size
        Voxels along x, y, z.

    """

    origin_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    size: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an array on the grid: (z, y, x)."""
        return (self.size[2], self.size[1], self.size[0])

    def window(self, box: Box, *, margin: int = 1) -> tuple[slice, slice, slice]:
        """Slices (z, y, x) of the voxels that touch `box`; empty where none does."""
        slices = []
        for axis in (2, 1, 0):
            low, high = box[axis]
            origin, spacing = self.origin_mm[axis], self.spacing_mm[axis]
            first = int(np.floor((low - origin) / spacing)) - margin
            last = int(np.ceil((high - origin) / spacing)) + margin
            start = min(max(first, 0), self.size[axis])
            slices.append(slice(start, max(start, min(last + 1, self.size[axis]))))
        return (slices[0], slices[1], slices[2])

    def coordinates(self, window: tuple[slice, slice, slice]) -> tuple[Array, Array, Array]:
        """Return x (1, 1, n), y (1, n, 1) and z (n, 1, 1) of a window's voxel centres in mm."""
        z, y, x = (
            (self.origin_mm[axis] + self.spacing_mm[axis] * np.arange(part.start, part.stop)).astype(np.float32)
            for axis, part in zip((2, 1, 0), window, strict=True)
        )
        return x[None, None, :], y[None, :, None], z[:, None, None]


def ball_coverage(centre_mm: Sequence[float], radius_mm: float, grid: Grid) -> tuple[tuple[slice, slice, slice], Array]:
    """Fraction of each voxel that a ball fills, from samples a twentieth of its radius apart or closer.

    Returns
    -------
    window, fractions
        Slices (z, y, x) around the ball, and the fractions there. Their sum times the voxel volume is the ball's
        volume to one part in a thousand.

    """
    box = tuple((c - radius_mm, c + radius_mm) for c in centre_mm)
    window = grid.window((box[0], box[1], box[2]))
    counts = [math.ceil(20 * spacing / radius_mm) for spacing in grid.spacing_mm]
    squares = []
    for axis, spacing, centre, count in zip(grid.coordinates(window), grid.spacing_mm, centre_mm, counts, strict=True):
        steps = (np.arange(count) + 0.5) / count - 0.5
        squares.append(((axis.ravel()[:, None] + spacing * steps - centre).ravel() ** 2).astype(np.float32))
    x, y, z = squares
    # slice by slice: all samples of a large ball at once would not fit a small machine
    planes = []
    width = np.float32(radius_mm / 20)
    flat = x[None, None, :] + y[None, :, None]
    for heights in z.reshape(-1, counts[2]):
        inside = np.clip(
            np.float32(0.5) - (np.sqrt(flat + heights[:, None, None]) - np.float32(radius_mm)) / width, 0, 1
        )
        blocks = inside.reshape(counts[2], -1, counts[1], len(x) // counts[0], counts[0])
        planes.append(blocks.mean(axis=(0, 2, 4), dtype=np.float64))
    return window, np.stack(planes).astype(np.float32)


def ellipsoid(centre: npt.ArrayLike, radii: npt.ArrayLike, *, axis: npt.ArrayLike | None = None) -> Solid:
    """Ellipsoid with its radii along x, y, z; with `axis`, the last radius lies along that direction."""
    c = np.asarray(centre, np.float32)
    r = np.asarray(radii, np.float32)
    frame = np.eye(3, dtype=np.float32) if axis is None else _frame(axis)

    def distance(x: Array, y: Array, z: Array) -> Array:
        p = (x - c[0], y - c[1], z - c[2])
        if axis is not None:
            p = tuple(row[0] * p[0] + row[1] * p[1] + row[2] * p[2] for row in frame)
        k0 = sum((p[i] / r[i]) ** 2 for i in range(3))
        k1 = sum((p[i] / (r[i] * r[i])) ** 2 for i in range(3))
        root = np.sqrt(k0)
        result: Array = (root - 1) * (root + _TINY) / (np.sqrt(k1) + _TINY / r.min())
        return result

    reach = r if axis is None else np.sqrt(((frame.T * r[None, :]) ** 2).sum(axis=1))
    return Solid(distance, _box(c - reach, c + reach))


def capsule(start: npt.ArrayLike, stop: npt.ArrayLike, radius: float, *, end_radius: float | None = None) -> Solid:
    """Rounded tube between two points; with `end_radius` it tapers."""
    a, b = np.asarray(start, np.float32), np.asarray(stop, np.float32)
    along = b - a
    square = np.float32(max(float(along @ along), 1e-6))
    last = radius if end_radius is None else end_radius

    def distance(x: Array, y: Array, z: Array) -> Array:
        p = (x - a[0], y - a[1], z - a[2])
        t = np.clip((p[0] * along[0] + p[1] * along[1] + p[2] * along[2]) / square, 0, 1)
        gap = sum((p[i] - t * along[i]) ** 2 for i in range(3))
        result: Array = np.sqrt(gap) - (np.float32(radius) + np.float32(last - radius) * t)
        return result

    thick = max(radius, last)
    return Solid(distance, _box(np.minimum(a, b) - thick, np.maximum(a, b) + thick))


def smooth_union(first: Array, second: Array, blend_mm: float) -> Array:
    """Union of two distances whose seam is rounded over `blend_mm` (polynomial smooth minimum)."""
    h = np.maximum(np.float32(blend_mm) - np.abs(first - second), 0) / np.float32(blend_mm)
    result: Array = np.minimum(first, second) - h * h * np.float32(blend_mm / 4)
    return result


def smooth_intersection(first: Array, second: Array, blend_mm: float) -> Array:
    """Intersection of two distances whose edge is rounded over `blend_mm`."""
    h = np.maximum(np.float32(blend_mm) - np.abs(first - second), 0) / np.float32(blend_mm)
    result: Array = np.maximum(first, second) + h * h * np.float32(blend_mm / 4)
    return result


def profile(heights: Sequence[float], values: Sequence[float], *, smooth_mm: float = 24) -> Callable[[Array], Array]:
    """Smooth function of z through about the given values; constant beyond the ends."""
    fine = np.arange(heights[0] - 60, heights[-1] + 61, 1.0)
    steps = np.interp(fine, heights, values)
    half = int(smooth_mm / 2)
    padded = np.pad(steps, half, mode="edge")
    table = np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid").astype(np.float32)
    rise = np.append(np.diff(table), np.float32(0))
    low, last = np.float32(fine[0]), np.float32(len(fine) - 1)

    def value(z: Array) -> Array:
        place = np.clip(z - low, 0, last)
        index = place.astype(np.int32)
        result: Array = table[index] + rise[index] * (place - index)
        return result.astype(np.float32, copy=False)

    return value


def _frame(axis: npt.ArrayLike) -> Array:
    """Rows of an orthonormal frame whose last row is `axis`."""
    w = np.asarray(axis, np.float64)
    w = w / np.linalg.norm(w)
    helper = np.array([0.0, 0.0, 1.0]) if abs(w[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(helper, w)
    u /= np.linalg.norm(u)
    return np.stack([u, np.cross(w, u), w]).astype(np.float32)


def _box(low: npt.NDArray[np.float32], high: npt.NDArray[np.float32]) -> Box:
    bounds = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
    return (bounds[0], bounds[1], bounds[2])
