"""The free space of the abdomen: organs grow in it to a volume in millilitres, each giving way to those before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Box, Distance, Solid, smooth_intersection

Points = npt.NDArray[np.float64]
Wall = Callable[[Array, Array, Array, Array], Array]
"""Signed distance in mm of canonical x, y, z and of the organ coordinate z: negative where organs may lie."""

STEP_MM = 4.0
_LOW = np.array((-168.0, -132.0, -528.0))
_COUNT = (85, 61, 113)
_FAR = np.float32(99)


@dataclass(frozen=True)
class Place:
    """Patient millimetres along x, y, z around an anchor: sizes there do not stretch with the body's habitus.

    Attributes
    ----------
    anchor
        Organ coordinates.
    scale
        Patient mm for one mm of organ coordinates along each axis, at the anchor.

    """

    anchor: tuple[float, float, float]
    scale: tuple[float, float, float]

    @classmethod
    def at(cls, frame: BodyFrame, anchor: npt.ArrayLike, *, moves: bool = True) -> Place:
        """Measure a frame's scale around an anchor in organ (moves) or canonical coordinates."""
        centre = np.asarray(anchor, np.float64)
        ends = np.concatenate([centre + 15 * np.eye(3), centre - 15 * np.eye(3)])
        seen = frame.to_patient(frame.moved(ends) if moves else ends)
        scale = [float((seen[a, a] - seen[a + 3, a]) / 30) for a in range(3)]
        x, y, z = (float(v) for v in centre)
        return cls((x, y, z), (scale[0], scale[1], scale[2]))

    @property
    def volume(self) -> float:
        """Patient mm3 for one mm3 of organ coordinates."""
        return self.scale[0] * self.scale[1] * self.scale[2]

    def mm(self, x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        """Carry organ coordinates to patient mm from the anchor."""
        u, v, w = (
            (p - np.float32(a)) * np.float32(s) for p, a, s in zip((x, y, z), self.anchor, self.scale, strict=True)
        )
        return u, v, w

    def shape(self, solid: Solid) -> tuple[Distance, Box]:
        """Carry a solid, modelled in patient mm from the anchor, to organ coordinates."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            return solid.distance(*self.mm(x, y, z))

        return distance, self.box(solid.box)

    def box(self, box: Box) -> Box:
        """Carry a box in patient mm from the anchor to organ coordinates."""
        low, high = ([a + b[end] / s for a, s, b in zip(self.anchor, self.scale, box, strict=True)] for end in (0, 1))
        return ((low[0], high[0]), (low[1], high[1]), (low[2], high[2]))

    def point(self, u: float, v: float, w: float) -> Points:
        """Organ coordinates (3,) of a point in patient mm from the anchor."""
        return np.asarray(self.anchor) + np.array((u, v, w)) / np.asarray(self.scale)


@dataclass(frozen=True)
class Shape:
    """A solid in organ coordinates, and the frame in which it moves."""

    frame: BodyFrame
    distance: Distance
    box: Box

    def part(
        self,
        tissue: Tissue,
        organ: Organ | None = None,
        *,
        hu_offset: Distance | None = None,
        suv_factor: Distance | None = None,
        fine: bool = False,
    ) -> Part:
        """Make a part whose fields, too, are functions of organ coordinates."""
        return Part(
            tissue,
            self.frame.moving(Solid(self.distance, self.box)),
            organ,
            self._moving(hu_offset),
            self._moving(suv_factor),
            fine,
        )

    def inner(self, depth_mm: float, *more: Distance, blend_mm: float = 3.0) -> Shape:
        """Return what lies deeper than `depth_mm`, and inside of `more`."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            result = self.distance(x, y, z) + np.float32(depth_mm)
            for other in more:
                result = smooth_intersection(result, other(x, y, z), blend_mm)
            return result

        return Shape(self.frame, distance, self.box)

    def _moving(self, field: Distance | None) -> Distance | None:
        if field is None:
            return None
        return lambda x, y, z: field(x, y, self.frame.organ_z(z))


class Room:
    """Free space on a lattice of organ coordinates, 4 mm apart; taken up organ by organ.

    Parameters
    ----------
    frame
        Of the body that is built.
    wall
        Bounds the space at first.

    """

    def __init__(self, frame: BodyFrame, wall: Wall) -> None:
        self.frame = frame
        axes = [low + STEP_MM * np.arange(count) for low, count in zip(_LOW, _COUNT, strict=True)]
        x, y, z = (axis.astype(np.float32) for axis in axes)
        still = frame.moved(np.stack([0 * axes[2], 0 * axes[2], axes[2]], axis=1))[:, 2].astype(np.float32)
        self.x, self.y, self.z = x[None, None, :], y[None, :, None], z[:, None, None]
        bound = wall(self.x, self.y, still[:, None, None], self.z)
        self.bound: Array = np.array(np.broadcast_to(bound, (len(z), len(y), len(x))), np.float32)

    def field(self, values: Array) -> Distance:
        """Return a function of organ coordinates that interpolates values (z, y, x) of the lattice."""
        from scipy.ndimage import map_coordinates

        held = values.copy()

        def value(x: Array, y: Array, z: Array) -> Array:
            shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
            places = np.empty((3, *shape), np.float32)
            for row, (p, low) in enumerate(zip((z, y, x), _LOW[::-1], strict=True)):
                places[row] = (p - np.float32(low)) / np.float32(STEP_MM)
            result: Array = map_coordinates(held, places, order=1, mode="nearest", output=np.float32)
            return result

        return value

    def grow(
        self,
        free: Distance,
        box: Box,
        *,
        volume_ml: float | None,
        blend_mm: float = 6.0,
        gap_mm: float = 1.5,
        taken_gap_mm: float | None = None,
    ) -> Shape:
        """Grow an organ to its volume where there is room, and take that room away.

        Parameters
        ----------
        free
            Signed distance, organ coordinates, of the organ as it would be without neighbours.
        box
            Bounds of it, organ coordinates, before it is grown.
        volume_ml
            Volume aimed at in the patient: `free` is inflated or deflated until it has it; None leaves it as it is.
        blend_mm
            Rounding of edges against neighbours.
        gap_mm
            Kept from what took room before.
        taken_gap_mm
            Kept free around this organ for those that come later; `gap_mm` where it is None.

        """
        limit = self.field(self.bound + np.float32(gap_mm))
        window = self._window(box, 20)
        here = self._coordinates(window)
        given = np.broadcast_to(free(*here), self.bound[window].shape)
        bound = self.bound[window] + np.float32(gap_mm)
        swell = 0.0
        if volume_ml is not None:
            centre = tuple((low + high) / 2 for low, high in box)
            cell_ml = STEP_MM**3 * Place.at(self.frame, centre).volume / 1000
            swell = fitted(given, bound, volume_ml / cell_ml, blend_mm)

        def distance(x: Array, y: Array, z: Array) -> Array:
            return smooth_intersection(free(x, y, z) - np.float32(swell), limit(x, y, z), blend_mm)

        grown = max(swell, 0.0) + 2
        low_x, low_y, low_z = ((b[0] - grown, b[1] + grown) for b in box)
        self.take(
            smooth_intersection(given - np.float32(swell), bound, blend_mm),
            window,
            gap_mm=gap_mm if taken_gap_mm is None else taken_gap_mm,
        )
        return Shape(self.frame, distance, (low_x, low_y, low_z))

    def take(self, distance: Array, window: tuple[slice, slice, slice] | None = None, *, gap_mm: float = 0.0) -> None:
        """Take away the room where a distance on the lattice is below `gap_mm`."""
        place = (slice(None),) * 3 if window is None else window
        np.maximum(self.bound[place], np.float32(gap_mm) - distance, out=self.bound[place])

    def around(
        self, points: Points, radii: npt.NDArray[np.float64], *, apart: int | None = None
    ) -> tuple[Array, npt.NDArray[np.int32], Array]:
        """Distance on the lattice, in patient mm, to balls along a line, and which ball is next.

        Parameters
        ----------
        points, radii
            (n, 3) organ coordinates, (n,) patient mm.
        apart
            Balls whose numbers differ by more than this belong to different loops: the third result is then the
            distance to the nearest ball of another loop.

        Returns
        -------
        distance, number, other
            (z, y, x) each; 99 mm where nothing is near.

        """
        place = Place.at(self.frame, points.mean(axis=0))
        scale = np.asarray(place.scale)
        first = np.full(self.bound.shape, _FAR)
        other = np.full(self.bound.shape, _FAR)
        number = np.zeros(self.bound.shape, np.int32)
        for index, (point, radius) in enumerate(zip(points, radii, strict=True)):
            reach = (radius + 14) / scale
            window = self._window(tuple((p - r, p + r) for p, r in zip(point, reach, strict=True)), 0)  # type: ignore[arg-type]
            x, y, z = self._coordinates(window)
            square = ((x - np.float32(point[0])) * np.float32(scale[0])) ** 2
            square = square + ((y - np.float32(point[1])) * np.float32(scale[1])) ** 2
            gap = np.sqrt(square + ((z - np.float32(point[2])) * np.float32(scale[2])) ** 2) - np.float32(radius)
            best = first[window]
            nearer = gap < best
            if apart is not None:
                far = np.abs(number[window] - index) > apart
                pushed = nearer & far
                rest = other[window]
                rest[pushed] = best[pushed]
                behind = ~nearer & far
                rest[behind] = np.minimum(rest[behind], gap[behind])
            best[nearer] = gap[nearer]
            number[window][nearer] = index
        return first, number, other

    def _window(self, box: Box, margin_mm: float) -> tuple[slice, slice, slice]:
        slices = []
        for axis in (2, 1, 0):
            ends = [(edge - _LOW[axis]) / STEP_MM for edge in (box[axis][0] - margin_mm, box[axis][1] + margin_mm)]
            start = min(max(int(np.floor(ends[0])), 0), _COUNT[axis] - 1)
            slices.append(slice(start, max(min(int(np.ceil(ends[1])) + 1, _COUNT[axis]), start + 1)))
        return (slices[0], slices[1], slices[2])

    def _coordinates(self, window: tuple[slice, slice, slice]) -> tuple[Array, Array, Array]:
        return self.x[..., window[2]], self.y[:, window[1]], self.z[window[0]]


def fitted(given: Array, bound: Array, cells: float, blend_mm: float, *, most_mm: float = 25.0) -> float:
    """Return how far to inflate a distance, within a bound, for it to take so many cells of the lattice."""
    near = (given < most_mm + 6) & (bound < 6)
    own, limit = given[near], bound[near]
    low, high = -most_mm, most_mm
    for _ in range(14):
        swell = 0.5 * (low + high)
        share = np.clip(0.5 - smooth_intersection(own - np.float32(swell), limit, blend_mm) / STEP_MM, 0, 1)
        low, high = (swell, high) if float(share.sum()) < cells else (low, swell)
    return 0.5 * (low + high)


def spline(points: npt.ArrayLike, values: npt.ArrayLike, step_mm: float) -> tuple[Points, npt.NDArray[np.float64]]:
    """Draw a smooth line through points (n, 3), sampled every `step_mm`, values (n,) alongside.

    Cubic interpolation over the chord length (shape-preserving, so that loops do not overshoot).
    """
    from scipy.interpolate import CubicSpline, PchipInterpolator

    places = np.asarray(points, np.float64)
    chord = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1) ** 0.6)])
    fine = np.linspace(0, chord[-1], 40 * len(places))
    line = CubicSpline(chord, places)(fine)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.interp(np.arange(0, length[-1], step_mm), length, fine)
    smooth: Points = CubicSpline(chord, places)(at)
    return smooth, np.asarray(PchipInterpolator(chord, np.asarray(values, np.float64))(at))


def bounds(points: Points, margin_mm: float) -> Box:
    """Box around points (n, 3)."""
    low, high = points.min(axis=0) - margin_mm, points.max(axis=0) + margin_mm
    sides = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
    return (sides[0], sides[1], sides[2])


def ripple(rng: np.random.Generator, wavelength_mm: float, *, waves: int = 5) -> Distance:
    """Smooth random field of organ coordinates with unit standard deviation: a sum of plane waves."""
    direction = rng.standard_normal((waves, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    turns = (direction * (2 * np.pi / wavelength_mm) * rng.uniform(0.7, 1.3, (waves, 1))).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, waves).astype(np.float32)
    height = np.float32(np.sqrt(2 / waves))

    def value(x: Array, y: Array, z: Array) -> Array:
        total = np.float32(0)
        for (a, b, c), phase in zip(turns, phases, strict=True):
            total = total + np.sin(a * x + b * y + c * z + phase)
        return np.asarray(height * total, np.float32)

    return value
