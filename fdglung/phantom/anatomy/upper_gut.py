"""Stomach, pancreas and duodenum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.room import Room, Shape, bounds, ripple, spline
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array
from fdglung.phantom.subject import Subject


def parts(subject: Subject, room: Room) -> Iterator[Part | Tubes]:
    """Yield pancreas with splenic vein, duodenum and stomach, and take their room.

    Stomach: wall 150 g (M) and 140 g (F) and content 250 g (ICRP 89), the content drawn from fasting to a meal.
    Pancreas: 70 to 90 ml on CT at 20 to 60 years, half of it at 90 (Saisho et al., Clin Anat 2007;20:933,
    10.1002/ca.20543). Duodenum: about 60 ml with its content (round figure).
    """
    rng = subject.rng(42)
    male = subject.sex == "M"
    content = float(np.clip(120 * np.exp(0.6 * rng.standard_normal()), 30, 380))
    stomach = _stomach(room, rng, (150 if male else 135) + content)
    age = float(np.clip(1.15 - 0.011 * max(subject.age_years - 50, 0), 0.6, 1.15))
    pancreas = _pancreas(room, rng, float((80 if male else 68) * age * np.exp(0.16 * np.clip(rng.normal(), -2, 2))))
    duodenum = _duodenum(room, rng, float((70 if male else 60) * np.exp(0.15 * np.clip(rng.normal(), -2, 2))))
    yield _splenic_vein(rng)
    lobules = ripple(rng, 7)
    yield pancreas.part(Tissue.PANCREAS, Organ.PANCREAS, hu_offset=lambda x, y, z: 7 * lobules(x, y, z) - 4)
    yield duodenum.part(Tissue.DUODENUM, Organ.DUODENUM)
    fluid = ripple(rng, 25)
    lumen = duodenum.inner(3.2)
    yield lumen.part(Tissue.DUODENUM, hu_offset=lambda x, y, z: 12 * fluid(x, y, z) - 14, suv_factor=_half)
    bubble = duodenum.inner(3.6, lambda x, y, z: 14 * (np.float32(0.9) - fluid(x, y, z)), lambda x, y, z: y + 22)
    yield bubble.part(Tissue.BOWEL_GAS, fine=True)
    yield from _painted_stomach(stomach, rng)


def _half(x: Array, y: Array, z: Array) -> Array:
    return np.asarray(np.float32(0.5) + 0 * x, np.float32)


def _stomach(room: Room, rng: np.random.Generator, volume_ml: float) -> Shape:
    knots = np.array(
        [
            (62, 28, -134),
            (72, 8, -150),
            (74, -22, -174),
            (62, -46, -200),
            (38, -58, -222),
            (10, -56, -230),
            (-12, -46, -224),
            (-26, -40, -216),
        ],
        float,
    )
    knots += np.clip(rng.standard_normal(knots.shape), -2, 2) * (3, 4, 5)
    knots[3:6, 2] += rng.normal(0, 9)
    points, radii = spline(knots, (26, 32, 30, 25, 20, 17, 12, 8), 5)
    distance, _, _ = room.around(points, radii)
    base, folds = room.field(distance), ripple(rng, 30)

    def free(x: Array, y: Array, z: Array) -> Array:
        return base(x, y, z) + np.float32(1.3) * folds(x, y, z)

    return room.grow(free, bounds(points, 36), volume_ml=volume_ml, blend_mm=12, gap_mm=1.5)


def _painted_stomach(stomach: Shape, rng: np.random.Generator) -> Iterator[Part]:
    rugae, mixed = ripple(rng, 13), ripple(rng, 8)
    level = float(rng.uniform(-52, -22))
    yield stomach.part(Tissue.STOMACH_WALL, Organ.STOMACH)

    def thick(x: Array, y: Array, z: Array) -> Array:
        antrum = np.clip((np.float32(30) - x) / 40, 0, 1)
        return np.float32(4.0) + np.float32(2.5) * antrum + np.float32(1.2) * rugae(x, y, z)

    def lumen(x: Array, y: Array, z: Array) -> Array:
        return stomach.distance(x, y, z) + thick(x, y, z)

    inner = Shape(stomach.frame, lumen, stomach.box)
    lumps = float(rng.uniform(3, 14))
    yield inner.part(Tissue.STOMACH_CONTENT, hu_offset=lambda x, y, z: np.float32(lumps) * mixed(x, y, z))

    def gas(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(lumen(x, y, z), y - np.float32(level))

    yield Shape(stomach.frame, gas, stomach.box).part(Tissue.BOWEL_GAS, fine=True)


def _pancreas(room: Room, rng: np.random.Generator, volume_ml: float) -> Shape:
    knots = np.array(
        [
            (-12, 2, -248),
            (-26, -4, -240),
            (-25, -10, -224),
            (-6, -18, -213),
            (20, -16, -205),
            (48, 0, -197),
            (76, 22, -188),
        ],
        float,
    )
    tilt = rng.normal(0, 6)
    knots[4:, 2] += tilt * np.array((0.4, 0.8, 1.2))
    knots += np.clip(rng.standard_normal(knots.shape), -2, 2) * 2.5
    points, radii = spline(knots, (8, 13, 13, 8, 9.5, 10, 8.5), 3)
    distance, _, _ = room.around(points, radii)
    base, lobes = room.field(distance), ripple(rng, 13)
    depth = float(np.clip(0.9 + 0.025 * (rng.uniform(30, 80) - 40), 0.7, 1.9))

    def free(x: Array, y: Array, z: Array) -> Array:
        return base(x, y, z) + np.float32(depth) * lobes(x, y, z)

    return room.grow(free, bounds(points, 18), volume_ml=volume_ml, blend_mm=4, gap_mm=1, taken_gap_mm=1.5)


def _duodenum(room: Room, rng: np.random.Generator, volume_ml: float) -> Shape:
    knots = np.array(
        [
            (-28, -38, -215),
            (-42, -24, -213),
            (-50, -4, -224),
            (-52, 6, -250),
            (-48, 6, -276),
            (-32, 4, -290),
            (-6, -4, -293),
            (16, -2, -286),
            (28, 4, -266),
            (32, -8, -246),
        ],
        float,
    )
    knots += np.clip(rng.standard_normal(knots.shape), -2, 2) * 2.5
    knots[:, 2] += rng.normal(0, 4)
    points, radii = spline(knots, (10, 12, 12, 12, 12, 11, 10, 10, 10, 10), 3)
    radii = radii * (1 + 0.12 * np.sin(np.arange(len(radii)) * 3 / 9 + rng.uniform(0, 6)))
    distance, _, _ = room.around(points, radii)
    return room.grow(room.field(distance), bounds(points, 18), volume_ml=volume_ml, blend_mm=5, gap_mm=0.5)


def _splenic_vein(rng: np.random.Generator) -> Tubes:
    """Splenic vein along the pancreas' back, and the superior mesenteric vein that meets it behind the neck."""
    knots = ((84, 30, -182), (62, 22, -191), (36, 8, -201), (8, 0, -210), (-6, -4, -212))
    first, _ = spline(np.asarray(knots) + rng.normal(0, 1.5, (5, 3)), np.full(5, 4.0), 6)
    down = ((-6, -4, -212), (-4, -14, -236), (-6, -22, -262), (-14, -26, -300))
    second, _ = spline(down, np.full(4, 5.0), 6)
    starts = np.concatenate([first[:-1], second[:-1]])
    stops = np.concatenate([first[1:], second[1:]])
    radii = np.concatenate([np.full(len(first) - 1, 4.0), np.linspace(5.5, 4, len(second) - 1)])
    return Tubes(Tissue.VENOUS_BLOOD, starts, stops, radii, radii, None, moves=True)
