"""Small builders that the parts of the body share: unions, plates, chains, bones with a shell, and smooth noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Box, Distance, Solid, capsule, profile, smooth_union

Point = Sequence[float] | npt.NDArray[np.floating[Any]]
"""Three coordinates in mm."""

Level = float | np.floating[Any] | Array
"""A bound that may change from place to place."""


def union(*solids: Solid, blend_mm: float = 0.0) -> Solid:
    """Union of solids, its seams rounded over `blend_mm`."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        result = solids[0].distance(x, y, z)
        for solid in solids[1:]:
            other = solid.distance(x, y, z)
            result = smooth_union(result, other, blend_mm) if blend_mm else np.minimum(result, other)
        return result

    low = [min(s.box[axis][0] for s in solids) for axis in range(3)]
    high = [max(s.box[axis][1] for s in solids) for axis in range(3)]
    return Solid(distance, _box(low, high))


def without(solid: Solid, *cut: Distance) -> Solid:
    """Return a solid less what lies within the distances `cut`."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        result = solid.distance(x, y, z)
        for other in cut:
            result = np.maximum(result, -other(x, y, z))
        return result

    return Solid(distance, solid.box)


def grown(solid: Solid, by_mm: float) -> Solid:
    """Return a solid whose surface lies `by_mm` further out (further in where negative)."""
    room = max(by_mm, 0.0)
    low = [side[0] - room for side in solid.box]
    high = [side[1] + room for side in solid.box]
    return Solid(lambda x, y, z: solid.distance(x, y, z) - np.float32(by_mm), _box(low, high))


def chain(points: Sequence[Point], radii: Sequence[float]) -> Solid:
    """Tapering capsules along a line of points, each point with its radius in mm."""
    pieces = [capsule(a, b, r, end_radius=s) for (a, r), (b, s) in pairwise(list(zip(points, radii, strict=True)))]
    return union(*pieces)


def plate(corners: tuple[Point, Point, Point], half_thickness: float) -> Solid:
    """Triangle with a rounded thickness: flat bones and fan-shaped muscles. Distance as in Quilez' udTriangle."""
    a, b, c = (np.asarray(p, np.float64) for p in corners)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal)
    edges = [(p, q - p, np.cross(normal, q - p)) for p, q in ((a, b), (b, c), (c, a))]

    def distance(x: Array, y: Array, z: Array) -> Array:
        gap: Any = np.float32(np.inf)
        inside: Any = True
        for start, along, inward in edges:
            s, g = start.astype(np.float32), along.astype(np.float32)
            p = (x - s[0], y - s[1], z - s[2])
            t = np.clip((p[0] * g[0] + p[1] * g[1] + p[2] * g[2]) / np.float32(along @ along), 0, 1)
            square = (p[0] - t * g[0]) ** 2 + (p[1] - t * g[1]) ** 2 + (p[2] - t * g[2]) ** 2
            within = p[0] * np.float32(inward[0]) + p[1] * np.float32(inward[1]) + p[2] * np.float32(inward[2]) >= 0
            gap = np.minimum(gap, square)
            inside = inside & within
        n = normal.astype(np.float32)
        height = (x - np.float32(a[0])) * n[0] + (y - np.float32(a[1])) * n[1] + (z - np.float32(a[2])) * n[2]
        result: Array = np.where(inside, np.abs(height), np.sqrt(gap)) - np.float32(half_thickness)
        return result

    low, high = (f(np.stack([a, b, c]), axis=0) for f in (np.min, np.max))
    return Solid(distance, _box(low - half_thickness, high + half_thickness))


def shifted(corners: tuple[Point, Point, Point], along: float, *, shrink: float = 0.0) -> tuple[Point, Point, Point]:
    """Move a triangle along its normal (first to second to third corner, right-handed) and shrink it to its centre."""
    p = np.asarray(corners, np.float64)
    normal = np.cross(p[1] - p[0], p[2] - p[0])
    moved = p + along * normal / np.linalg.norm(normal)
    moved = moved + shrink * (moved.mean(axis=0) - moved)
    return moved[0], moved[1], moved[2]


def by_height(heights: Sequence[float], values: Sequence[float], *, smooth_mm: float = 24) -> Callable[[Array], Array]:
    """As `profile`, to half a millimetre of height and much quicker on whole volumes."""
    fine = np.arange(_HEIGHTS[0], _HEIGHTS[1], 0.5, dtype=np.float32)
    table = profile(heights, values, smooth_mm=smooth_mm)(fine)

    def value(z: Array) -> Array:
        index = ((np.asarray(z, np.float32) - np.float32(_HEIGHTS[0])) * np.float32(2) + np.float32(0.5)).astype(
            np.int32
        )
        found: Array = np.take(table, index, mode="clip")
        return found

    return value


_HEIGHTS = (-720.0, 420.0)


def bone(
    solid: Solid,
    organ: Organ | None,
    *,
    shell_mm: float,
    fine: bool = True,
    marrow: Tissue = Tissue.TRABECULAR_BONE,
    hu_offset: Distance | None = None,
) -> Iterator[Part]:
    """Yield a bone: the whole of it cortical, then its marrow `shell_mm` further in."""
    yield Part(Tissue.CORTICAL_BONE, solid, organ, fine=fine)
    yield Part(marrow, grown(solid, -shell_mm), organ, hu_offset=hu_offset, fine=fine)


def muscle(solid: Solid, grain: Distance, *, rim_mm: float = 1.3) -> Iterator[Part]:
    """Yield a muscle of slightly wavy form with a broken rim of fat, which parts it from what was painted before."""

    def wavy(x: Array, y: Array, z: Array) -> Array:
        wave = np.sin(x * np.float32(0.11) + 1.5 * np.sin(z * np.float32(0.07))) * np.sin(
            y * np.float32(0.13) + 0.05 * z
        )
        result: Array = solid.distance(x, y, z) + np.float32(2.2) * wave
        return result

    def rim(x: Array, y: Array, z: Array) -> Array:
        width = np.float32(0.95) + np.sin(np.float32(0.10) * x - np.float32(0.07) * y + np.float32(0.05) * z)
        result: Array = wavy(x, y, z) - np.float32(rim_mm) * width
        return result

    box = grown(solid, 2.5 + 2 * rim_mm).box
    if rim_mm > 0:
        yield Part(Tissue.FAT, Solid(rim, box))
    yield Part(Tissue.MUSCLE, Solid(wavy, box), Organ.MUSCLE, hu_offset=grain)


class Memory:
    """Fields at the places where they were worked out last: several parts ask for them at the same ones.

    It holds at most `MEMORY_BYTES`, and is gone with the last part that asks. Threads may ask at once; two that ask for
    the same may both work it out.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[Array, ...]] = {}
        self._bytes = 0
        self._guard = Lock()

    def recall(
        self, work: Callable[[Array, Array, Array], tuple[Array, ...]], x: Array, y: Array, z: Array
    ) -> tuple[Array, ...]:
        """Return the fields that `work`, the same one at each call, makes of x, y and z."""
        key = tuple(part for f in (x, y, z) for part in (f.shape, f.flat[0], f.flat[f.size // 2], f.flat[f.size - 1]))
        with self._guard:
            found = self._known.get(key)
        if found is not None:
            return found
        found = work(x, y, z)
        with self._guard:
            if key not in self._known:
                self._known[key] = found
                self._bytes += _size(found)
            while self._bytes > MEMORY_BYTES:
                self._bytes -= _size(self._known.pop(next(iter(self._known))))
        return found


MEMORY_BYTES = 400_000_000
"""Most that one memory holds: the body's surface in a thorax of 2 mm voxels takes a third of it."""


def _size(fields: tuple[Array, ...]) -> int:
    return sum(field.nbytes for field in fields)


def thinned(
    work: Callable[[Array, Array, Array], tuple[Array, ...]],
    x: Array,
    y: Array,
    z: Array,
    *,
    every: tuple[int, int, int],
) -> tuple[Array, ...]:
    """Work smooth fields out at some of the points of a lattice (z, y, x), one of `every`, and linearly between."""
    shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
    chosen = [np.unique(np.append(np.arange(0, n, step), n - 1)) for n, step in zip(shape, every, strict=True)]
    window = np.ix_(*chosen)
    fields = list(work(*(np.broadcast_to(axis, shape)[window] for axis in (x, y, z))))
    for axis, (at, count) in enumerate(zip(chosen, shape, strict=True)):
        if len(at) == count:
            continue
        each = np.arange(count)
        first = np.clip(np.searchsorted(at, each, side="right") - 1, 0, len(at) - 2)
        part = ((each - at[first]) / np.diff(at)[first]).astype(np.float32)
        part = np.expand_dims(part, tuple(a for a in range(3) if a != axis))
        for number, field in enumerate(fields):
            low = np.take(field, first, axis)
            fields[number] = low + part * (np.take(field, first + 1, axis) - low)
    return tuple(fields)


def near(solid: Solid, x: Array, y: Array, z: Array, *, reach_mm: float = 40.0) -> Array:
    """Distance to a solid, worked out around its box only; beyond, `reach_mm`. x, y, z are whole arrays (z, y, x)."""
    result = np.full(x.shape, np.float32(reach_mm))
    window: list[slice] = []
    for axis, (low, high) in zip((z, y, x), solid.box[::-1], strict=True):
        others = tuple(i for i in range(3) if i != len(window))
        touched = (axis.max(axis=others) >= low - reach_mm) & (axis.min(axis=others) <= high + reach_mm)
        if not touched.any():
            return result
        where = np.nonzero(touched)[0]
        window.append(slice(int(where[0]), int(where[-1]) + 1))
    part = (window[0], window[1], window[2])
    result[part] = np.minimum(solid.distance(x[part], y[part], z[part]), np.float32(reach_mm))
    return result


def noise(rng: np.random.Generator, *, wavelength_mm: tuple[float, float, float]) -> Distance:
    """Smooth noise of mean 0 and SD 1, a cell of 48 wavelengths repeated, about `wavelength_mm` long along x, y, z."""
    from scipy import ndimage

    table = ndimage.gaussian_filter(rng.standard_normal((_CELLS,) * 3), 1.3, mode="wrap")
    flat = (table / table.std()).astype(np.float32).ravel()
    scale = [np.float32(4 / length) for length in wavelength_mm]

    def value(x: Array, y: Array, z: Array) -> Array:
        index = (np.floor(z * scale[2]).astype(np.int32) % _CELLS) * (_CELLS * _CELLS)
        index = index + (np.floor(y * scale[1]).astype(np.int32) % _CELLS) * _CELLS
        result: Array = flat[index + np.floor(x * scale[0]).astype(np.int32) % _CELLS]
        return result

    return value


_CELLS = 64


def between(value: Array, low: Level, high: Level) -> Array:
    """Signed distance to the slab low < value < high."""
    result: Array = np.maximum(low - value, value - high)
    return result


def meet(*distances: Array) -> Array:
    """Intersection of distances."""
    result = distances[0]
    for other in distances[1:]:
        result = np.maximum(result, other)
    return result


def at(function: Callable[[Array], Array], place: float) -> float:
    """Return a function of height at one height."""
    return float(function(np.array([place], np.float32))[0])


def mirrored(points: Sequence[Point], side: int) -> list[tuple[float, float, float]]:
    """Points given for the left side, on a side: `RIGHT` or `LEFT`."""
    return [(side * float(p[0]), float(p[1]), float(p[2])) for p in points]


def _box(low: npt.ArrayLike, high: npt.ArrayLike) -> Box:
    bounds = [(float(a), float(b)) for a, b in zip(np.asarray(low), np.asarray(high), strict=True)]
    return (bounds[0], bounds[1], bounds[2])
