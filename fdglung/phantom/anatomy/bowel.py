"""Small bowel and colon: long lines that fill the room left, with wall, content, gas and uptake along their length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fdglung.phantom.anatomy.room import STEP_MM, Place, Room, Shape, bounds, fitted, ripple, spline
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, smooth_intersection
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]


def parts(subject: Subject, room: Room, line: ColonLine) -> Iterator[Part | Tubes]:
    """Yield mesenteric vessels, small bowel and colon, and take their room.

    Volumes with content: 1,000 and 880 ml for the small bowel, 670 and 640 ml for the colon in ICRP 89 (men,
    women), to which a third is added for gas and fluid, each with a wide scatter; loops give way where room is short.
    """
    rng = subject.rng(47)
    male = subject.sex == "M"
    spread = np.exp(0.16 * np.clip(rng.standard_normal(2), -2, 2))
    colon, colon_fields = _colon(room, line, float((850 if male else 740) * spread[0]))
    room.take(colon_fields[0], gap_mm=1.5)
    loops, loop_fields, points = _loops(subject, room, rng, float((1350 if male else 1120) * spread[1]))
    yield _mesentery(rng, points)
    yield from _painted_loops(room, rng, loops, loop_fields)
    yield from _painted_colon(room, rng, colon, colon_fields)


_COLON = (
    ((-84, -34, -372), 25),
    ((-92, -22, -346), 28),
    ((-100, 2, -312), 25),
    ((-102, 14, -278), 24),
    ((-92, 6, -252), 22),
    ((-78, -38, -258), 22),
    ((-44, -70, -270), 20),
    ((0, -78, -276), 19),
    ((46, -72, -262), 19),
    ((82, -46, -236), 19),
    ((108, -8, -200), 20),
    ((112, 28, -214), 18),
    ((106, 40, -256), 16),
    ((104, 34, -300), 15),
    ((98, 18, -340), 15),
    ((82, 0, -374), 15),
    ((66, 0, -402), 15),
    ((36, -6, -412), 15),
    ((14, 0, -396), 15),
    ((-10, 22, -404), 15),
    ((-12, 42, -418), 16),
    ((4, 52, -440), 20),
    ((0, 50, -466), 20),
    ((0, 42, -490), 13),
    ((0, 46, -510), 9),
)
"""Colon from the caecum to the anal canal: organ coordinates and radius in mm (round figures of supine CT)."""

_COLON_UPTAKE = (
    (0, 0.04, 0.16, 0.25, 0.45, 0.60, 0.75, 0.85, 0.95, 1),
    (1.5, 1.5, 1.2, 1.0, 0.8, 0.85, 1.0, 1.2, 1.15, 1),
)
"""Uptake against the whole colon's by share of the length: most in caecum, ascending colon and rectosigmoid."""


@dataclass(frozen=True)
class ColonLine:
    """Course of the colon, and the core of it that organs must leave open."""

    points: Points
    radii: npt.NDArray[np.float64]
    bound: Array


def reserve(subject: Subject, room: Room) -> ColonLine:
    """Draw the colon's course and keep a core of it free, before any organ takes room."""
    rng = subject.rng(50)
    knots = np.array([place for place, _ in _COLON], float)
    wide = np.array([radius for _, radius in _COLON], float)
    jitter = np.clip(rng.standard_normal(knots.shape), -2, 2) * (5, 4, 6)
    jitter[-4:] = 0.3 * jitter[-4:]
    sag = float(np.clip(rng.normal(4, 18), -14, 55))
    knots += jitter
    knots[5:10, 2] -= sag * np.array((0.3, 0.9, 1.0, 0.8, 0.3))
    knots[16:20] += rng.normal(0, 9, (4, 3)) * (1, 0.6, 1)
    points, radii = spline(knots, wide * np.exp(0.12 * rng.standard_normal(len(wide))), 3)
    points = _within(points, room)
    # haustra: sacs a few centimetres apart, absent from the rectum
    length = np.arange(len(points)) * 3.0
    beat = np.cumsum(2 * np.pi * 3 / (30 + 7 * np.sin(length / 61 + rng.uniform(0, 6))))
    deep = np.interp(length / length[-1], (0, 0.6, 0.8, 0.88, 1), (0.17, 0.14, 0.10, 0, 0))
    radii = radii * (1 + deep * np.sign(np.sin(beat)) * np.abs(np.sin(beat)) ** 0.7)
    core, _, _ = room.around(points, np.minimum(_CORE_MM, radii))
    # a little wider than what is taken below, so that core and free space overlap
    bound = np.maximum(core - np.float32(3.5), room.bound)
    room.take(core, gap_mm=0.5)
    return ColonLine(points, radii, bound)


_CORE_MM = 9.0


def _within(points: npt.NDArray[np.float64], room: Room) -> npt.NDArray[np.float64]:
    """Draw a course in from the wall, to where its core has room."""
    wall = room.field(room.bound)
    for _ in range(16):
        near = wall(*points.T.astype(np.float32)) > -_CORE_MM
        points = np.where(near[:, None], points - 0.04 * (points - np.array((0, -10, 0))) * (1, 1, 0), points)
        points = ndimage.gaussian_filter1d(points, 1.0, axis=0, mode="nearest")
    return points


def _colon(room: Room, line: ColonLine, volume_ml: float) -> tuple[Shape, tuple[Array, ...]]:
    points = line.points
    distance, number, _ = room.around(points, line.radii)
    cell = STEP_MM**3 * Place.at(room.frame, (0, -20, -300)).volume / 1000
    outside = np.minimum(room.bound + np.float32(1.0), line.bound)
    swell = np.float32(fitted(distance, outside, volume_ml / cell, 5, most_mm=12))
    base, limit = room.field(distance - swell), room.field(outside)

    def surface(x: Array, y: Array, z: Array) -> Array:
        return smooth_intersection(base(x, y, z), limit(x, y, z), 5)

    share = (number / (len(points) - 1)).astype(np.float32)
    outer = smooth_intersection(distance - swell, outside, 5)
    shape = Shape(room.frame, surface, bounds(points, 40))
    return shape, (outer, share, points[:, 1][number].astype(np.float32))


def _painted_colon(room: Room, rng: np.random.Generator, colon: Shape, fields: tuple[Array, ...]) -> Iterator[Part]:
    share, middle = fields[1], fields[2]
    segments = np.interp(np.linspace(0, 1, 40), *_COLON_UPTAKE) * np.exp(0.35 * rng.standard_normal(40))
    uptake = room.field(np.interp(share, np.linspace(0, 1, 40), segments).astype(np.float32))
    # how high gas stands in each segment: full of stool at 1.2, full of gas at -1.2 of the radius
    mean = np.interp(np.linspace(0, 1, 26), (0, 0.2, 0.35, 0.6, 0.75, 1), (-0.1, 0.25, -0.6, 0.1, 0.6, 0.3))
    level = np.clip(mean + rng.normal(0, 0.7, 26), -1.5, 1.5) * 15
    surface = room.field((middle - np.interp(share, np.linspace(0, 1, 26), level)).astype(np.float32))
    wall = float(rng.uniform(2.0, 2.8))
    stool, specks = ripple(rng, 11, waves=7), ripple(rng, 6, waves=7)
    yield colon.part(Tissue.COLON_WALL, Organ.COLON, suv_factor=uptake)
    lumen = colon.inner(wall)
    yield lumen.part(
        Tissue.COLON_CONTENT,
        hu_offset=lambda x, y, z: 22 * stool(x, y, z) - 70 * np.clip(specks(x, y, z) - 1.2, 0, 1),
        suv_factor=uptake,
    )

    def gas(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(colon.distance(x, y, z) + np.float32(wall), y - surface(x, y, z) + 3 * stool(x, y, z))

    yield Shape(room.frame, gas, colon.box).part(Tissue.BOWEL_GAS)


_ROOT = np.array((6.0, 2.0, -262.0))
"""Root of the mesentery, before the third part of the duodenum."""


def _loops(
    subject: Subject, room: Room, rng: np.random.Generator, volume_ml: float
) -> tuple[Shape, tuple[Array, ...], Points]:
    cell = STEP_MM**3 * Place.at(room.frame, (0, -20, -320)).volume / 1000
    x, y, z = np.broadcast_arrays(room.x, room.y, room.z)
    # the compartment: below the transverse colon's root, before the spine, between the flanks, down to the pelvis
    home = (room.bound < 0) & (np.abs(x) < 108) & (z < -216) & (z > -468)
    home &= (z < -258) | (x > 8)
    home &= y < 34 + 12 * (z < -390)
    volume_ml = min(volume_ml, 0.80 * float(home.sum()) * cell)
    scale = np.asarray(Place.at(room.frame, (0, -20, -320)).scale)
    pitch = float(np.clip(22.0 + 1.5 * rng.standard_normal(), 19.5, 25))
    knots = _packed(room, rng, scale, pitch, home, volume_ml)
    order = _tour(knots * scale, np.array((30, -10, -245.0)) * scale, np.array((-74, -24, -352.0)) * scale)
    knots = knots[order] + rng.normal(0, 0.10 * pitch, knots.shape) / scale
    wide = pitch * 0.56 * np.exp(0.16 * rng.standard_normal(len(knots)))
    points, radii = spline(knots, wide, 4)
    folds = 1 + 0.05 * np.sin(np.arange(len(radii)) * 4 / 5.0)
    distance, number, other = room.around(points, radii * folds, apart=int(2.2 * pitch / 4))
    outside = room.bound + np.float32(0.6)
    swell = fitted(distance, outside, volume_ml / cell, 5, most_mm=8)
    base, limit = room.field(distance - np.float32(swell)), room.field(outside)

    def surface(x: Array, y: Array, z: Array) -> Array:
        return smooth_intersection(base(x, y, z), limit(x, y, z), 4)

    share = np.linspace(0, 1, len(points))[number].astype(np.float32)
    seam = (0.5 * (other - distance)).astype(np.float32)
    middle = points[:, 1][number].astype(np.float32)
    return Shape(room.frame, surface, bounds(points, 24)), (seam, share, middle), points


def _packed(
    room: Room,
    rng: np.random.Generator,
    scale: npt.NDArray[np.float64],
    pitch: float,
    home: npt.NDArray[np.bool_],
    volume_ml: float,
) -> Points:
    """Points about `pitch` (patient mm) apart in the compartment: a close packing, turned at random, jittered."""
    from scipy.spatial.transform import Rotation

    reach = int(260 / pitch) + 2
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = grid[grid.sum(axis=1) % 2 == 0] * (pitch / np.sqrt(2))
    cells = Rotation.random(random_state=int(rng.integers(2**31))).apply(cells) + rng.normal(
        0, 0.08 * pitch, cells.shape
    )
    places = cells / scale + np.array((0, -25, -335))
    index = [np.rint((places[:, a] - low) / STEP_MM).astype(int) for a, low in ((2, -528), (1, -132), (0, -168))]
    inside = np.all([(i >= 0) & (i < n) for i, n in zip(index, home.shape, strict=True)], axis=0)
    places, index = places[inside], [i[inside] for i in index]
    spot = (index[0], index[1], index[2])
    kept = home[spot] & (room.bound[spot] < -0.42 * pitch)
    places = places[kept]
    # one point stands for a length of about the pitch, of a tube as wide as the pitch
    count = max(int(volume_ml * 1000 / (pitch * np.pi / 4 * (1.08 * pitch) ** 2)), 25)
    if len(places) > count:
        central = np.linalg.norm((places - _ROOT) * (1, 1.4, 0.6), axis=1)
        score = 0.7 * central + 30 * rng.standard_normal(len(places))
        places = places[np.argsort(-score)[:count]]
    return places


def _tour(places: Points, first: Points, last: Points) -> npt.NDArray[np.int64]:
    """Order that visits all points in short steps from near `first` to near `last`: nearest neighbour, then 2-opt."""
    count = len(places)
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    start, stop = (
        int(np.linalg.norm(places - first, axis=1).argmin()),
        int(np.linalg.norm(places - last, axis=1).argmin()),
    )
    free = np.ones(count, bool)
    free[[start, stop]] = False
    order = [start]
    while free.any():
        row = np.where(free, gaps[order[-1]], np.inf)
        order.append(int(row.argmin()))
        free[order[-1]] = False
    path = np.array([*order, stop])
    for _round in range(40):
        improved = False
        for i in range(count - 2):
            here, following = path[i], path[i + 1]
            ends, after = path[i + 1 : -1], path[i + 2 :]
            gain = gaps[here, following] + gaps[ends, after] - gaps[here, ends] - gaps[following, after]
            best = int(gain.argmax())
            if gain[best] > 1e-6:
                path[i + 1 : i + 2 + best] = path[i + 1 : i + 2 + best][::-1].copy()
                improved = True
        if not improved:
            break
    return path


def _painted_loops(room: Room, rng: np.random.Generator, loops: Shape, fields: tuple[Array, ...]) -> Iterator[Part]:
    seam, share, middle = fields
    # uptake and filling change from loop to loop: 60 stretches along the length
    stretch = np.linspace(0, 1, 60)
    level = np.interp(share, stretch, np.exp(0.35 * rng.standard_normal(60)) * np.linspace(1.15, 0.9, 60))
    uptake = room.field(level.astype(np.float32))
    full = np.clip(rng.normal(0.35, 0.8, 60), -1, 1.6)
    depth = room.field((np.float32(4.6) - 2.4 * np.interp(share, stretch, full)).astype(np.float32))
    airy = np.where(rng.random(60) < 0.16, rng.uniform(-6, 4, 60), -30)
    gas_level = room.field((middle + np.interp(share, stretch, airy)).astype(np.float32))
    apart, mixed = room.field(seam.astype(np.float32)), ripple(rng, 8)
    yield loops.part(Tissue.SMALL_BOWEL, Organ.SMALL_BOWEL, suv_factor=uptake)

    def lumen(x: Array, y: Array, z: Array) -> Array:
        wall = depth(x, y, z)
        return np.maximum(loops.distance(x, y, z) + wall, np.float32(0.75) * wall - apart(x, y, z))

    inner = Shape(room.frame, lumen, loops.box)
    yield inner.part(
        Tissue.SMALL_BOWEL,
        hu_offset=lambda x, y, z: 8 * mixed(x, y, z) - 24,
        suv_factor=lambda x, y, z: np.float32(0.4) * uptake(x, y, z),
    )

    def gas(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(lumen(x, y, z), y - gas_level(x, y, z))

    yield Shape(room.frame, gas, loops.box).part(Tissue.BOWEL_GAS)


def _mesentery(rng: np.random.Generator, points: Points) -> Tubes:
    """Superior mesenteric branches that fan out from the root to the loops."""
    rows = []
    trunk = np.array(((7, 4, -214), (8, -8, -236), (6, -14, -262), (-6, -20, -300), (-24, -22, -335)), float)
    for a, b, r in zip(trunk[:-1], trunk[1:], (3.6, 3.4, 3.0, 2.4), strict=True):
        rows.append((a, b, r, 0.9 * r))
    for target in points[:: max(len(points) // 46, 1)]:
        from_ = trunk[1:][np.linalg.norm(trunk[1:] - target, axis=1).argmin()] + rng.normal(0, 1, 3)
        middle = 0.5 * (from_ + target) + rng.normal(0, 6, 3)
        radius = float(rng.uniform(1.1, 2.0))
        rows += [(from_, middle, radius, 0.8 * radius), (middle, target, 0.8 * radius, 0.5 * radius)]
    starts, stops = (np.stack([row[i] for row in rows]) for i in (0, 1))
    radii, ends = (np.array([row[i] for row in rows]) for i in (2, 3))
    return Tubes(Tissue.VENOUS_BLOOD, starts, stops, radii, ends, None, moves=True)
