"""Twelve pairs of ribs on the cage's surface, their cartilages, and the sternum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from scipy import ndimage

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, cage, spine_y, sternum_y
from fdglung.phantom.anatomy.solids import Memory, at, bone, chain, mirrored, noise, union
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Box, Solid, ellipsoid
from fdglung.phantom.subject import Subject


@dataclass(frozen=True)
class Course:
    """Way of one rib around the cage.

    Attributes
    ----------
    head_mm
        Height at the spine.
    front_mm
        Height of the bony end.
    front_angle
        Angle around the cage, 0 at the back and pi at the front, of the bony end.
    sternum_mm
        Height at which its cartilage ends at the sternum or at the cartilage above; None for the floating ribs.
    half_height, half_thickness
        Of the cross-section in mm.

    """

    head_mm: float
    front_mm: float
    front_angle: float
    sternum_mm: float | None
    half_height: float
    half_thickness: float


COURSES = (
    Course(77, 44, 2.62, 38, 7.2, 3.45),
    Course(62, 6, 2.62, 4, 5.9, 3.65),
    Course(42, -36, 2.60, -17, 5.7, 3.85),
    Course(21, -68, 2.58, -38, 5.7, 3.95),
    Course(0, -100, 2.53, -58, 5.9, 4.05),
    Course(-21, -132, 2.46, -76, 6.1, 4.15),
    Course(-43, -163, 2.38, -92, 6.3, 4.15),
    Course(-66, -190, 2.28, -120, 6.1, 4.05),
    Course(-90, -212, 2.16, -148, 5.9, 3.95),
    Course(-115, -229, 2.02, -176, 5.7, 3.85),
    Course(-143, -236, 1.62, None, 5.1, 3.55),
    Course(-172, -232, 0.98, None, 4.3, 3.25),
)
"""The twelve ribs in canonical coordinates; they keep to the cage of `landmarks.cage` (round figures)."""

_BOX: Box = ((-160.0, 160.0), (-118.0, 118.0), (-262.0, 112.0))
_DEPTH_MM = np.float32(5.6)
_START = 0.36
_STEP_ANGLE, _STEP_MM = 0.02, 1.5
_LOW_MM = -264.0
_MAP = (round(376 / _STEP_MM), round((np.pi + 0.04) / _STEP_ANGLE))


def parts(subject: Subject) -> Iterator[Part]:
    """Yield the ribs from their angles to the sternum, cartilages first."""
    rng = subject.rng(141)
    drawn = {side: _maps(courses) for side, courses in _drawn(subject).items()}
    memory = Memory()
    old = float(np.clip((subject.age_years - 45) / 35, 0, 1.1)) * float(rng.uniform(0.5, 1.5))
    clots = noise(rng, wavelength_mm=(13, 13, 13))

    def calcified(x: Array, y: Array, z: Array) -> Array:
        result: Array = np.float32(330 * old) * np.maximum(clots(x, y, z) - np.float32(1.1 - 0.5 * old), 0)
        return result

    def fields(x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        return memory.recall(partial(_unrolled, drawn), x, y, z)

    def rib(inset: float) -> Solid:
        return Solid(lambda x, y, z: _rounded(fields(x, y, z), 0, inset), _BOX)

    cartilage = Solid(
        lambda x, y, z: _rounded(fields(x, y, z), 1, 0.0), ((-125.0, 125.0), (-118.0, 0.0), (-215.0, 60.0))
    )
    yield Part(Tissue.CARTILAGE, cartilage, None, hu_offset=calcified)
    yield Part(Tissue.CORTICAL_BONE, rib(0.0), Organ.RIBS)
    yield Part(Tissue.TRABECULAR_BONE, rib(1.25), Organ.RIBS)


def heads(subject: Subject) -> Iterator[Part]:
    """Yield heads and necks, from the vertebrae to where the ribs join the cage."""
    for side, courses in _drawn(subject).items():
        for number, course in enumerate(courses):
            z = course.head_mm
            body = at(spine_y, z)
            first = float(_heights(course, np.array([_START + 0.02]))[0])
            x, y = _on_cage(_START + 0.02, first)
            line = [(15.0, body + 9, z), (23, body + 17, z + 1)]
            if number < 10:
                line.append((37, body + 29, z - 1))
            line.append((x, y, first))
            solid = chain(mirrored(line, side), [5.0, 4.2, 4.6, 5.0][: len(line)])
            yield from bone(solid, Organ.RIBS, shell_mm=1.3)


def sternum(subject: Subject) -> Iterator[Part]:
    """Yield manubrium, body and xiphoid process."""
    rng = subject.rng(143)
    wide = float(rng.normal(1, 0.07)) * (1.0 if subject.sex == "M" else 0.9)
    length = float(rng.normal(0, 4))

    def slab(low: float, high: float, halves: tuple[float, float], deep: tuple[float, float]) -> Solid:
        pieces = []
        for t0, t1 in pairwise(np.linspace(0, 1, 7)):
            t = (t0 + t1) / 2
            z = low + t * (high - low)
            half = (halves[0] + t * (halves[1] - halves[0])) * wide
            thick = deep[0] + t * (deep[1] - deep[0])
            y = at(sternum_y, z) + thick
            pieces.append(ellipsoid((0.3 * np.sin(z), y, z), (half, thick, (high - low) / 6 + 9)))
        return union(*pieces, blend_mm=8)

    body = slab(-92 - length, -4, (20, 15), (6.0, 6.0))
    manubrium = slab(14, 42, (20, 29), (6.5, 7.5))
    yield from bone(union(body, manubrium), Organ.STERNUM, shell_mm=1.4)
    tip = chain(
        ((0, at(sternum_y, -104) + 7, -104 - length), (2, -88, -130 - length)),
        (5.0, 3.0),
    )
    yield Part(Tissue.CARTILAGE if subject.age_years < 40 else Tissue.TRABECULAR_BONE, tip, Organ.STERNUM, fine=True)


def _drawn(subject: Subject) -> dict[int, tuple[Course, ...]]:
    """Courses of both sides with this person's own slant, height and thickness."""
    rng = subject.rng(142)
    slant = rng.normal(0, 4)
    thick = 1.0 if subject.sex == "M" else 0.9
    made = {}
    for side in (RIGHT, LEFT):
        made[side] = tuple(
            Course(
                c.head_mm + rng.normal(0, 1.2),
                c.front_mm + slant + rng.normal(0, 2.0),
                c.front_angle + rng.normal(0, 0.02),
                c.sternum_mm,
                c.half_height * thick * rng.normal(1, 0.05),
                c.half_thickness * thick,
            )
            for c in COURSES
        )
    return made


def _heights(course: Course, angle: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Heights of a rib's midline: slow at first, steep at the flank, slower again in front."""
    t = np.clip((angle - 0.1) / (course.front_angle - 0.1), 0, 1)
    fall = t**1.25 * (1 - 0.12 * t) / 0.88
    return course.head_mm + (course.front_mm - course.head_mm) * fall


def _maps(courses: tuple[Course, ...]) -> tuple[Array, Array, Array]:
    """On the unrolled cage (height, angle): distance to the ribs' and the cartilages' edges, and half thickness."""
    z = (_LOW_MM + _STEP_MM * np.arange(_MAP[0]))[:, None]
    angle = (_STEP_ANGLE * np.arange(_MAP[1]))[None, :]
    radius = np.interp(z, (-240, -110, -30, 40, 80, 104), (116, 122, 116, 98, 76, 52))
    ribs = np.full(_MAP, 60.0)
    thick = np.full(_MAP, 3.5)
    cartilage = np.full(_MAP, 60.0)
    for number, course in enumerate(courses):
        middle = _heights(course, angle)
        slope = np.gradient(middle[0], _STEP_ANGLE)[None, :] / radius
        off = np.abs(z - middle) / np.sqrt(1 + slope**2)
        t = (angle - _START) / (course.front_angle - _START)
        half = course.half_height * (1 + 0.12 * np.clip(2 * t - 1, 0, 1))
        if number >= 10:
            half = half * np.clip(1.15 - 0.5 * t, 0.5, 1)
        beyond = np.maximum(np.maximum(angle - course.front_angle, _START - angle) * radius, 0)
        gap = np.hypot(off, beyond) - half
        nearer = gap < ribs
        ribs = np.where(nearer, gap, ribs)
        thick = np.where(nearer, course.half_thickness, thick)
        if course.sternum_mm is not None:
            last = np.pi - 0.14 if number < 7 else min(course.front_angle + 0.32, 2.75)
            line = np.array([(course.front_mm, course.front_angle - 0.02), (course.sternum_mm, last)])
            # a costal cartilage runs on in the rib's line, then bends up to the sternum
            knee = line.mean(axis=0) - np.array((0.22 * max(course.sternum_mm - course.front_mm, 0), 0.02))
            for (z0, a0), (z1, a1) in pairwise((line[0], knee, line[1])):
                along = np.array((z1 - z0, (a1 - a0) * 110))
                s = np.clip(((z - z0) * along[0] + (angle - a0) * 110 * along[1]) / (along @ along), 0, 1)
                dz, da = z - z0 - s * along[0], (angle - a0) * radius - s * along[1] * radius / 110
                cartilage = np.minimum(cartilage, np.hypot(dz, da) - 5.6)
    return ribs.astype(np.float32), cartilage.astype(np.float32), thick.astype(np.float32)


def _unrolled(drawn: dict[int, tuple[Array, Array, Array]], x: Array, y: Array, z: Array) -> tuple[Array, ...]:
    """Return distances to the edges of ribs and cartilages along the surface, depth, half thickness."""
    depth = np.broadcast_to(cage(x, y, z), np.broadcast_shapes(x.shape, y.shape, z.shape)) - _DEPTH_MM
    ribs, cartilage = np.full(depth.shape, np.float32(60)), np.full(depth.shape, np.float32(60))
    thick = np.full(depth.shape, np.float32(3.5))
    near = np.nonzero(np.abs(depth) < 13)
    xs, ys, zs = (np.broadcast_to(axis, depth.shape)[near] for axis in (x, y, z))
    angle = np.arctan2(np.abs(xs), (ys - 1) * np.float32(1.43))
    where = np.stack([(zs - np.float32(_LOW_MM)) / np.float32(_STEP_MM), angle / np.float32(_STEP_ANGLE)])
    values = [np.empty(len(xs), np.float32) for _ in range(3)]
    for side, tables in drawn.items():
        mine = xs * side > 0 if side == LEFT else xs <= 0
        for value, table in zip(values, tables, strict=True):
            value[mine] = ndimage.map_coordinates(table, where[:, mine], order=1, mode="nearest", output=np.float32)
    ribs[near], cartilage[near], thick[near] = values
    return ribs, cartilage, depth, thick


def _rounded(fields: tuple[Array, ...], kind: int, inset: float) -> Array:
    """Signed distance to a rib or a cartilage: a bar with rounded edges lying on the cage."""
    radius = np.float32(3.2)
    edge = fields[kind] + radius
    depth = np.abs(fields[2]) - (fields[3] if kind == 0 else np.float32(4.2)) + radius
    outside = np.hypot(np.maximum(edge, 0), np.maximum(depth, 0))
    result: Array = outside + np.minimum(np.maximum(edge, depth), 0) - radius + np.float32(inset)
    return result


def _on_cage(angle: float, height: float) -> tuple[float, float]:
    """Return x > 0 and y of the ribs' middle at an angle and a height."""
    radii = np.arange(40.0, 190.0, 0.5, dtype=np.float32)
    x, y = radii * np.float32(np.sin(angle)), 1 + radii * np.float32(np.cos(angle) / 1.43)
    depth = cage(x, y, np.full_like(x, height)) - _DEPTH_MM
    index = int(np.argmin(np.abs(depth)))
    return float(x[index]), float(y[index])
