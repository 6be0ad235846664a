"""Star-shaped bodies: an ellipsoid with lobes, a rough surface and cores, whose volume is known by quadrature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fdglung.phantom.shapes import Array, Distance, Grid

Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Waves:
    """Band-limited noise of mean 0 and standard deviation 1: a sum of plane waves.

    Attributes
    ----------
    vectors
        Wave vectors in radians per unit of length, shape (waves, 3).
    phases
        Shape (waves,).

    """

    vectors: Array
    phases: Array

    def at(self, x: Array, y: Array, z: Array) -> Array:
        """Noise at broadcastable x, y, z."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for vector, phase in zip(self.vectors, self.phases, strict=True):
            total += np.cos(vector[0] * x + vector[1] * y + (vector[2] * z + phase))
        total *= np.float32(math.sqrt(2 / len(self.phases)))
        return total


def draw_waves(rng: np.random.Generator, low: float, high: float, count: int) -> Waves:
    """Waves of random direction and phase whose wave number lies between two bounds."""
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    numbers = rng.uniform(low, high, (count, 1))
    return Waves((directions * numbers).astype(np.float32), rng.uniform(0, 2 * np.pi, count).astype(np.float32))


@dataclass(frozen=True)
class Body:
    """Body whose surface every ray from its centre meets once.

    Attributes
    ----------
    radius_mm
        Of the ball of the same volume.
    axes
        Rows are the directions of the half axes, shape (3, 3).
    halves
        Relative half axes.
    exponent
        Of the superellipsoid: 2 for an ellipsoid, more for a fuller one.
    lobes, lobe_depth
        Noise on the sphere of directions whose zeros are notches, and their relative depth.
    rough, rough_depth
        Noise on the sphere of directions, and its relative standard deviation.
    lean
        Vector by which the body is larger towards one side.

    """

    radius_mm: float
    axes: Array
    halves: tuple[float, float, float]
    exponent: float
    lobes: Waves
    lobe_depth: float
    rough: Waves
    rough_depth: float
    lean: tuple[float, float, float]

    def relative_radius(self, x: Array, y: Array, z: Array) -> Array:
        """Distance of the surface along unit vectors, but for a factor common to all directions."""
        power = np.float32(self.exponent)
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
        for axis, half in zip(self.axes, self.halves, strict=True):
            along = np.abs((axis[0] * x + axis[1] * y + axis[2] * z) / np.float32(half))
            total += along * along if self.exponent == 2 else along**power
        surface = (total + np.float32(1e-12)) ** (np.float32(-1) / power)
        factor = np.ones_like(surface)
        if self.lobe_depth:
            # rounded at the zeros, or the notches would be cuts
            notch = np.minimum(np.hypot(self.lobes.at(x, y, z), np.float32(0.2)), 1)
            factor += np.float32(self.lobe_depth) * (notch - np.float32(0.6))
        if self.rough_depth:
            factor += np.float32(self.rough_depth) * self.rough.at(x, y, z)
        if any(self.lean):
            factor += sum(np.float32(a) * p for a, p in zip(self.lean, (x, y, z), strict=True))
        np.clip(factor, 0.45, 1.8, out=factor)
        result: Array = surface * factor
        return result

    @cached_property
    def scale_mm(self) -> float:
        """Factor that gives the body its volume, from 2500 directions."""
        return self.radius_mm / float((self._sampled.astype(np.float64) ** 3).mean()) ** (1 / 3)

    @cached_property
    def reach_mm(self) -> float:
        """Greatest distance of the surface from the centre, to about 1 %."""
        return 1.01 * self.scale_mm * float(self._sampled.max())

    @cached_property
    def _sampled(self) -> Array:
        return self.relative_radius(*_DIRECTIONS)


@dataclass(frozen=True)
class Field:
    """Where points lie in a body.

    Attributes
    ----------
    x, y, z
        Unit vectors from the centre.
    distance
        From the centre in mm.
    surface
        Of the surface in that direction, from the centre, in mm.

    """

    x: Array
    y: Array
    z: Array
    distance: Array
    surface: Array


def locate(body: Body, x: Array, y: Array, z: Array) -> Field:
    """Locate broadcastable points, given in mm from the body's centre."""
    distance = np.sqrt(x * x + y * y + z * z)
    inverse = 1 / np.maximum(distance, np.float32(1e-4))
    u, v, w = x * inverse, y * inverse, z * inverse
    return Field(u, v, w, distance, np.float32(body.scale_mm) * body.relative_radius(u, v, w))


def cover(
    body: Body,
    centre_mm: tuple[float, float, float],
    grid: Grid,
    window: Window,
    field: Field,
    *,
    allowed: Distance | None = None,
) -> tuple[Array, Array]:
    """Fraction of each voxel of a window that the body fills, and fraction that it may fill.

    Voxels that the surface may cross are sampled at points an eighth of the radius apart, 0.3 to 1.5 mm.

    Parameters
    ----------
    body, centre_mm
        What and where.
    grid, window
        Voxels (z, y, x).
    field
        Of the voxels' centres.
    allowed
        Fraction, 0 to 1, of where the body may be, at x, y, z in mm; None for everywhere. Voxels at its edge are
        sampled likewise.

    Returns
    -------
    filled, open
        float32, shape of the window; `filled` is at most `open`.

    """
    depth = field.distance - field.surface
    step = float(np.clip(body.radius_mm / 8, 0.3, 1.5))
    # a ray's distance to the surface is more than the nearest distance where the surface slants
    margin = np.float32(1.6 * (0.5 * math.sqrt(sum(s * s for s in grid.spacing_mm)) + step / 2))
    filled: Array = (depth < 0).astype(np.float32)
    near = np.abs(depth) < margin
    free = np.ones_like(filled)
    if allowed is not None:
        free[:] = allowed(*grid.coordinates(window))
        edge = ndimage.maximum_filter(free, 3) - ndimage.minimum_filter(free, 3) > 0
        # so small a window may hold no voxel's centre on one side of the edge
        near = (near | edge) if min(free.shape) > 2 else np.ones_like(near)
        filled *= free
    where = np.nonzero(near)
    if len(where[0]) == 0:
        return filled, free
    counts = [math.ceil(spacing / step - 1e-6) for spacing in grid.spacing_mm]
    points = [c.ravel()[i] for c, i in zip(grid.coordinates(window), where[::-1], strict=True)]
    offsets = [
        ((np.arange(count) + 0.5) / count - 0.5).astype(np.float32) * np.float32(spacing)
        for count, spacing in zip(counts, grid.spacing_mm, strict=True)
    ]
    grown = [part.ravel() for part in np.meshgrid(*offsets, indexing="ij")]
    chunk = max(1, 400_000 // len(grown[0]))
    for start in range(0, len(where[0]), chunk):
        fine = [p[start : start + chunk, None] + g[None, :] for p, g in zip(points, grown, strict=True)]
        x, y, z = (p - np.float32(c) for p, c in zip(fine, centre_mm, strict=True))
        place = locate(body, x, y, z)
        inside = np.clip(np.float32(0.5) - (place.distance - place.surface) / np.float32(step), 0, 1)
        some = tuple(index[start : start + chunk] for index in where)
        if allowed is not None:
            room = allowed(*fine)
            inside *= room
            free[some] = room.mean(axis=1)
        filled[some] = inside.mean(axis=1)
    return filled, free


def fibonacci(count: int) -> tuple[Array, Array, Array]:
    """Return x, y, z of directions spread evenly over the sphere, each of shape (count,)."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    angle = np.pi * (1 + math.sqrt(5)) * i
    flat = np.sqrt(1 - z * z)
    return tuple(part.astype(np.float32) for part in (flat * np.cos(angle), flat * np.sin(angle), z))  # type: ignore[return-value]


_DIRECTIONS = fibonacci(2500)


def frame_along(direction: npt.ArrayLike) -> Array:
    """Rows of an orthonormal frame whose first row is a direction."""
    first = np.asarray(direction, np.float64)
    first = first / max(float(np.linalg.norm(first)), 1e-9)
    helper = np.array([0.0, 0.0, 1.0]) if abs(first[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    second = np.cross(helper, first)
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)]).astype(np.float32)
