"""Brain: folded cortex on white matter, deep grey nuclei, ventricles, cerebellum, brainstem; and the eyes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy import landmarks
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.room import ripple
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import (
    Array,
    Distance,
    Solid,
    capsule,
    ellipsoid,
    profile,
    smooth_intersection,
    smooth_union,
)
from fdglung.phantom.subject import Subject

_BOX = ((-70.0, 70.0), (-76.0, 100.0), (192.0, 330.0))


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield fluid, cerebrum, cerebellum, brainstem and ventricles inside `landmarks.VAULT`, and the eyes.

    Volumes: brain 1,450 and 1,300 g (ICRP 89, men and women); ventricles 15 ml at 25 years to 45 ml at 75 (round
    figures); cortex 2.5 to 4 mm thick.
    """
    rng = subject.rng(49)
    old = float(np.clip((subject.age_years - 40) / 45, 0, 1.2))
    rind = np.float32(1.5 + 1.6 * old)
    folds, crumple = ripple(rng, 36, waves=9), ripple(rng, 19, waves=7)
    cerebrum = _cerebrum(rind)

    def sulci(x: Array, y: Array, z: Array) -> Array:
        """Distance to the bottom of the nearest furrow, about: they run where a random field vanishes."""
        depth = np.maximum(-cerebrum(x, y, z) - np.float32(17), 0)
        field = folds(x + 2 * crumple(x, y, z), y, z)
        return np.abs(field) * np.float32(5.0) + depth

    def furrows(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(cerebrum(x, y, z), sulci(x, y, z) - np.float32(0.5 + 0.9 * old))

    def white(x: Array, y: Array, z: Array) -> Array:
        inside = np.maximum(cerebrum(x, y, z) + np.float32(4.4), np.float32(4.0) - sulci(x, y, z))
        # thick white matter above the ventricles whatever the field does
        return smooth_union(inside, _CORE.distance(np.abs(x), y, z), 6)

    del frame  # nothing here moves
    yield Part(Tissue.GREY_MATTER, Solid(cerebrum, _BOX), Organ.BRAIN)
    yield Part(Tissue.CSF, Solid(furrows, _BOX), fine=False)
    yield Part(Tissue.WHITE_MATTER, Solid(white, _BOX))
    yield from _nuclei()
    yield from _ventricles(old, rng)
    yield from _hindbrain(rng)
    for side in (RIGHT, LEFT):
        yield from _eye(side, rng)


_ORBIT = ellipsoid((33, -66, 222), (20, 26, 18))
_CORE = ellipsoid((26, 14, 268), (13, 38, 11))
_FLOOR_FRONT = profile((-80, -30, -16, 20, 60, 90), (227, 227, 208, 207, 234, 238), smooth_mm=10)


def _cerebrum(rind_mm: np.float32) -> Distance:
    def distance(x: Array, y: Array, z: Array) -> Array:
        room = landmarks.VAULT.distance(x, y, z) + rind_mm
        # temporal poles reach lowest at the sides; between them the brainstem comes up
        middle = np.float32(24) * np.exp(-((x / 20) ** 2)) * np.exp(-(((y - 5) / 26) ** 2))
        floor = (_FLOOR_FRONT(y) + middle - z) * np.float32(0.8)
        cut = smooth_intersection(room, floor, 10)
        gap = np.maximum(np.abs(x) - np.float32(1.0) - np.float32(0.4) * rind_mm, _callosum(y) - z)
        orbit = _ORBIT.distance(np.abs(x), y, z) - np.float32(3)
        return np.maximum(np.maximum(cut, -gap), -orbit)

    return distance


def _callosum(y: Array) -> Array:
    """Height of the corpus callosum, where the cleft between the hemispheres ends; none before and behind it."""
    inside = np.clip(1 - ((y - 8) / 44) ** 2, 0, 1)
    return np.asarray(np.float32(232) + np.float32(54) * np.sqrt(inside), np.float32)


def _nuclei() -> Iterator[Part]:
    for side in (RIGHT, LEFT):
        yield Part(Tissue.GREY_MATTER, ellipsoid((side * 10, 22, 262), (8, 15, 9), axis=(0, 0.1, 1)))
        yield Part(Tissue.GREY_MATTER, ellipsoid((side * 25, 2, 258), (6.5, 17, 11)))
        yield Part(Tissue.GREY_MATTER, ellipsoid((side * 12, -14, 264), (5, 11, 10)))


def _ventricles(old: float, rng: np.random.Generator) -> Iterator[Part | Tubes]:
    wide = float((0.75 + 0.75 * old) * np.exp(0.18 * np.clip(rng.standard_normal(), -2, 2)))
    rows = []
    for side in (RIGHT, LEFT):
        line = ((9, -30, 264), (8, -12, 275), (9, 14, 279), (17, 38, 272), (25, 46, 258), (30, 30, 240), (31, 10, 234))
        thick = (3.2, 4.2, 4.6, 5.0, 5.4, 2.8, 1.5)
        for (a, r), (b, q) in zip(zip(line, thick, strict=True), list(zip(line, thick, strict=True))[1:], strict=False):
            rows.append(((side * a[0], *a[1:]), (side * b[0], *b[1:]), r * wide, q * wide))
        rows.append(((side * 24, 46, 262), (side * 22, 66, 258), 4.0 * wide, 1.5))
    starts, stops = (np.array([row[i] for row in rows], float) for i in (0, 1))
    radii, ends = (np.array([row[i] for row in rows], float) for i in (2, 3))
    yield Tubes(Tissue.CSF, starts, stops, radii, ends)
    yield Part(Tissue.CSF, ellipsoid((0, 12, 256), (2.2 * wide, 16, 11)), fine=True)


def _hindbrain(rng: np.random.Generator) -> Iterator[Part]:
    left, right = (ellipsoid((side * 24, 54, 215), (33, 31, 25), axis=(side * -0.2, 0, 1)) for side in (LEFT, RIGHT))
    vermis = ellipsoid((0, 60, 221), (10, 26, 22))
    leaves = ripple(rng, 7)

    def cerebellum(x: Array, y: Array, z: Array) -> Array:
        both = np.minimum(left.distance(x, y, z), right.distance(x, y, z))
        whole = smooth_union(both, vermis.distance(x, y, z), 6)
        return smooth_intersection(whole, landmarks.VAULT.distance(x, y, z) + np.float32(2), 5)

    box = ((-60.0, 60.0), (20.0, 98.0), (186.0, 246.0))
    yield Part(Tissue.CEREBELLUM, Solid(cerebellum, box), Organ.BRAIN, hu_offset=lambda x, y, z: 2 * leaves(x, y, z))
    for side in (RIGHT, LEFT):
        yield Part(Tissue.WHITE_MATTER, ellipsoid((side * 17, 50, 218), (13, 11, 8)))
    stem = capsule((0, 14, 246), (0, 24, 226), 15, end_radius=13)
    cord = capsule((0, 24, 226), (0, 38, 190), 12, end_radius=6.5)

    def brainstem(x: Array, y: Array, z: Array) -> Array:
        return smooth_union(stem.distance(x, y, z), cord.distance(x, y, z), 6)

    yield Part(Tissue.WHITE_MATTER, Solid(brainstem, ((-20.0, 20.0), (-4.0, 48.0), (184.0, 264.0))), Organ.BRAIN)
    yield Part(Tissue.CSF, ellipsoid((0, 39, 220), (6, 3, 11)), fine=True)


def _eye(side: int, rng: np.random.Generator) -> Iterator[Part]:
    """Globe, lens, optic nerve and straight muscles in the orbit's fat."""
    centre = np.array((side * 33.0, -75.0, 222.0)) + 0.6 * rng.standard_normal(3)
    apex = np.array((side * 20.0, -34.0, 224.0))
    for across, up in ((9.0, 0.0), (-9.0, 0.0), (0.0, 9.0), (0.0, -9.0)):
        belly = 0.55 * centre + 0.45 * apex + np.array((across * 1.1, 0, up * 1.1))
        for start, stop, first, last in (
            (apex, belly, 1.2, 2.4),
            (belly, centre + np.array((across, 4.0, up)), 2.4, 1.0),
        ):
            yield Part(Tissue.MUSCLE, capsule(start, stop, first, end_radius=last), Organ.MUSCLE, fine=True)
    yield Part(Tissue.WHITE_MATTER, capsule(apex, centre, 2.0), fine=True)
    yield Part(Tissue.MUSCLE, ellipsoid(centre, (12.4, 12.2, 12.2)))
    yield Part(Tissue.EYE, ellipsoid(centre, (11.2, 11.0, 11.0)))
    yield Part(
        Tissue.EYE,
        ellipsoid(centre + np.array((0, -8.0, 0)), (4.5, 2.2, 4.5)),
        fine=True,
        hu_offset=lambda x, y, z: 60 + 0 * x,
    )
