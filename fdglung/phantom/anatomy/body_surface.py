"""The body's outer form: a hull around its muscles, the fat on it, breasts, arms and the skin."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, belly, cage, oval
from fdglung.phantom.anatomy.solids import Memory, chain, mirrored, near, thinned, union
from fdglung.phantom.shapes import Array, Box, Solid, ellipsoid, profile, smooth_intersection, smooth_union
from fdglung.phantom.subject import Subject

TRUNK_BOX: Box = ((-300.0, 300.0), (-240.0, 240.0), (-640.0, 350.0))
"""Where trunk, head and arms lie, in canonical coordinates."""

SKIN_MM = 2.0
"""Thickness of the skin (1 to 4 mm; round figure)."""


@dataclass(frozen=True)
class Habitus:
    """How much fat and muscle a subject carries, 1 for a man of 24 kg/m2.

    Attributes
    ----------
    fat
        Factor of the subcutaneous fat's thickness.
    muscle
        Factor of the muscles' thickness.
    belly, hips
        Further factors of the fat there.

    """

    fat: float
    muscle: float
    belly: float
    hips: float


def habitus(subject: Subject) -> Habitus:
    """Draw a subject's habitus; fat grows by some 19 % a BMI unit, the trunk by 5 mm (round figures)."""
    rng = subject.rng(101)
    male = subject.sex == "M"
    own = np.clip(rng.standard_normal(4), -2, 2)
    surplus = math.log1p(math.exp((subject.body_mass_index - 19.5) / 2.2)) / math.log1p(math.exp((24 - 19.5) / 2.2))
    return Habitus(
        fat=float(surplus * (1.0 if male else 1.5) * (1 + 0.12 * own[0])),
        muscle=float((1.0 if male else 0.8) * (1 - 0.006 * max(subject.age_years - 40, 0)) * (1 + 0.08 * own[1])),
        belly=float(1 + 0.15 * own[2]),
        hips=float((1.0 if male else 1.25) * (1 + 0.1 * own[3])),
    )


class BodySurface:
    """Distances to a subject's hull of muscles and to the skin, worked out once at each place."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.habitus = habitus(subject)
        self.rim = 1.1 + 0.25 * self.habitus.fat + 0.006 * max(subject.age_years - 50, 0)
        """Factor of the fat between the muscles."""
        self.arms = {side: arm(subject, side) for side in (RIGHT, LEFT)}
        self.breasts = breasts(subject, self.habitus)
        self._thinner = tuple(_CHEST_SHARE * (8 + 12 * (1 - self.habitus.muscle)))
        self._memory = Memory()

    def layers(self, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        """Return distances to the skin, the hull of the muscles, the inner wall of chest and belly, and an angle.

        The angle runs around the trunk from the back (0) to the front (pi).
        """
        return self._memory.recall(self._on_lattice, x, y, z)

    def skin(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance to the skin."""
        return self.layers(x, y, z)[0]

    def _on_lattice(self, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        # points 6 mm apart in the plane are enough: what bends most, the nose, is then off by half a millimetre
        close = min(z.shape[1:]) > 4 and abs(float(x[0, 0, 4] - x[0, 0, 0])) < 4 * _CLOSE_MM
        return thinned(self._work_out, x, y, z, every=(1, 2, 2)) if close else self._work_out(x, y, z)

    def _work_out(self, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        ax = np.abs(x)
        level = _by_height(z)
        front, back, side = (level(p) for p in (_FRONT, _BACK, _SIDE))
        centre, half = (front + back) / 2, (back - front) / 2
        trunk = oval(ax, y - centre, side, half)
        trunk = smooth_intersection(trunk, np.float32(-512) - z, 20)
        girdle = near(_GIRDLE[self.subject.arms], ax, y, z, reach_mm=160)
        hull = smooth_union(smooth_union(trunk, near(_LEGS, ax, y, z, reach_mm=160), 30), girdle, 24)
        wall = inner_wall(x, y, z)
        angle = np.arctan2(ax, (y - 1) * np.float32(1.43))
        # the share of front, side and back in the fat's thickness
        turn = (y - centre) / (np.hypot(ax * np.float32(0.75), y - centre) + 1)
        before, behind = np.maximum(-turn, 0) ** 2, np.maximum(turn, 0) ** 2
        thick = level(self._fat(_FAT_SIDE)) * (1 - before - behind)
        thick = thick + level(self._fat(_FAT_FRONT)) * before + level(self._fat(_FAT_BACK)) * behind
        skin = hull - thick
        for solid in self.breasts:
            skin = smooth_union(skin, near(solid, x, y, z, reach_mm=60), 30)
        skin = smooth_union(skin, near(_FACE, ax, y, z), 10)
        fat = np.float32(2 + 4.0 * self.habitus.fat)
        for solid in self.arms.values():
            skin = smooth_union(skin, near(solid, x, y, z, reach_mm=70) - fat, 9)
        return skin, hull + level(self._thinner), wall, angle

    def _fat(self, table: tuple[float, ...]) -> tuple[float, ...]:
        h = self.habitus
        kinds = np.interp(_HEIGHTS, (-520, -430, -330, -220, -150, 100, 200), (0.8, 1, 1, 1, 0, 0, 0))
        extra = np.interp(_HEIGHTS, (-560, -400, -300, -250), (h.hips, h.hips, h.belly, h.belly))
        head = np.interp(_HEIGHTS, (120, 180), (1, 0))
        # below the chest the frame widens the body already
        power = np.interp(_HEIGHTS, (-560, -440, -330, -190, -100), (0.8, 0.7, 0.5, 0.5, 0.8))
        factors = 1 + (h.fat**power * (1 + kinds * (extra - 1)) - 1) * (0.25 + 0.75 * head)
        return tuple(SKIN_MM + np.asarray(table) * factors)


def inner_wall(x: Array, y: Array, z: Array) -> Array:
    """Signed distance to the inner wall of chest above and belly below, one running into the other."""
    result = np.empty(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32)
    others = tuple(range(1, z.ndim))
    low, high = z.min(axis=others), z.max(axis=others)
    for rows, kind in ((low >= -120, 0), (high <= -200, 1), ((low < -120) & (high > -200), 2)):
        if not rows.any():
            continue
        a, b, c = (f[rows] if f.shape[0] > 1 else f for f in (x, y, z))
        if kind == 2:
            share = np.clip((np.float32(-120) - c) / np.float32(80), 0, 1)
            result[rows] = cage(a, b, c) * (1 - share) + belly(a, b, c) * share
        else:
            result[rows] = (cage, belly)[kind](a, b, c)
    return result


def arm(subject: Subject, side: int) -> Solid:
    """Return the muscles of one arm, up beside the head or down beside the trunk."""
    rng = subject.rng(102, 1 + side)
    points = np.asarray(_ARMS[subject.arms], np.float64)
    swing = rng.normal(0, 6, 2)
    points[1:, 0] += arm_shift_mm(subject)
    points[1:, :2] += swing * np.linspace(0.3, 1, len(points) - 1)[:, None]
    thick = 0.5 + 0.5 * habitus(subject).muscle
    return chain(mirrored(points.tolist(), side), [r * thick for r in _ARM_RADII[subject.arms]])


def arm_shift_mm(subject: Subject) -> float:
    """How far a stout trunk's fat keeps arms that are down from where a lean one's are."""
    return 0.0 if subject.arms == "up" else float(max(13 * (habitus(subject).fat ** 0.8 - 1), 0.0))


def breasts(subject: Subject, body: Habitus) -> tuple[Solid, ...]:
    """Return both breasts of a woman, supine and so fallen to the sides; none of a man."""
    if subject.sex == "M":
        return ()
    rng = subject.rng(103)
    size = float(np.clip(0.85 + 0.11 * body.fat + 0.10 * rng.standard_normal(), 0.62, 1.35))
    aside = float(rng.normal(0, 4)) + 6 * (size - 1)
    made = []
    for side in (RIGHT, LEFT):
        one = size * float(rng.normal(1, 0.03))
        centre = (side * (95 + aside), -82 + 4 * (1 - size), -38 + float(rng.normal(0, 3)))
        made.append(ellipsoid(centre, (46 * one, 74 * one, 72 * one), axis=(side * 0.06, 0.05, 1)))
    return tuple(made)


def _legs(ax: Array, y: Array, z: Array) -> Array:
    side, deep, centre = _LEG_X(z), _LEG_Y(z), _LEG_CENTRE(z)
    leg = oval(ax - centre, y - np.float32(26), side, deep)
    return smooth_intersection(leg, z + np.float32(415), 40)


_SECTIONS = (
    (-600, 150, -70, 116, 10, 8, 12),
    (-520, 158, -76, 120, 14, 10, 20),
    (-480, 164, -80, 122, 17, 16, 24),
    (-440, 163, -90, 122, 18, 18, 24),
    (-400, 156, -101, 118, 17, 19, 20),
    (-340, 149, -109, 114, 17, 19, 15),
    (-290, 148, -110, 114, 18, 18, 13),
    (-240, 152, -110, 117, 18, 16, 11),
    (-190, 158, -106, 122, 17, 12, 9),
    (-130, 164, -105, 128, 16, 8, 8),
    (-60, 169, -102, 133, 15, 7, 8),
    (-30, 169, -101, 134, 14, 7, 8),
    (30, 161, -92, 134, 11, 6, 8),
    (60, 148, -80, 132, 9, 5, 9),
    (80, 134, -68, 128, 7, 5, 9),
    (100, 106, -54, 120, 6, 4, 8),
    (122, 66, -38, 108, 5, 4, 7),
    (150, 56, -36, 96, 4, 4, 6),
    (190, 58, -62, 92, 4, 4, 5),
    (215, 68, -82, 96, 3, 3, 4),
    (235, 74, -88, 101, 3, 3, 4),
    (265, 75, -88, 103, 3, 3, 4),
    (295, 70, -78, 96, 3, 3, 4),
    (318, 52, -52, 72, 3, 3, 4),
    (332, 26, -24, 42, 3, 3, 4),
    (342, 1, 5, 7, 3, 3, 4),
)
"""Height; half width, front and back (y) of the hull of muscles; fat on its sides, front and back, in mm."""

_HEIGHTS, _SIDE, _FRONT, _BACK, _FAT_SIDE, _FAT_FRONT, _FAT_BACK = (
    tuple(float(row[column]) for row in _SECTIONS) for column in range(7)
)


_LEG_X = profile((-640, -560, -500, -440), (74, 80, 84, 76), smooth_mm=30)
_LEG_Y = profile((-640, -560, -500, -440), (82, 90, 94, 86), smooth_mm=30)
_LEG_CENTRE = profile((-640, -560, -500, -440), (84, 84, 80, 76), smooth_mm=30)

_ARMS = {
    "up": ((150, 48, 112), (166, 36, 170), (182, 22, 250), (198, 8, 345)),
    "down": ((164, 32, 62), (184, 36, -10), (204, 44, -120), (214, 46, -215), (214, 22, -330), (204, -8, -440)),
}
_ARM_RADII = {"up": (46, 45, 42, 38), "down": (46, 43, 38, 34, 33, 22)}

_LEGS = Solid(_legs, ((0.0, 180.0), (-90.0, 140.0), (-700.0, -390.0)))

_FACE = union(
    ellipsoid((0, -46, 202), (58, 54, 62)),
    chain(((54, 2, 168), (46, -34, 152), (24, -74, 148), (0, -82, 148)), (12, 16, 16, 16)),
    chain(((0, -94, 222), (0, -106, 200), (6, -102, 197)), (7, 10, 9)),
    blend_mm=12,
)
"""Cheeks, jaw and nose, of |x|."""

_GIRDLE = {
    "up": union(
        chain(((112, 74, -85), (132, 72, -20), (146, 66, 50), (146, 56, 105)), (24, 38, 47, 46)),
        chain(((60, 74, 96), (110, 66, 104), (146, 56, 108)), (40, 44, 44)),
        chain(((40, -82, 0), (84, -74, 22), (120, -30, 58), (146, 40, 100)), (13, 24, 28, 40)),
        blend_mm=20,
    ),
    "down": union(
        chain(((92, 92, -70), (104, 88, 0), (118, 70, 55)), (20, 32, 42)),
        chain(((52, 74, 86), (100, 60, 82), (152, 36, 68)), (40, 40, 40)),
        chain(((40, -82, 0), (84, -74, 22), (126, -28, 44), (158, 26, 62)), (13, 24, 28, 38)),
        blend_mm=20,
    ),
}


def _by_height(z: Array) -> Callable[[tuple[float, ...]], Array]:
    """Look tables up by height, once for all of them."""
    place = np.clip((z - _LOW) / np.float32(2), 0, _COUNT - 1.001)
    index = place.astype(np.int32)
    share = place - index

    def value(table: tuple[float, ...]) -> Array:
        fine = _smooth(tuple(table))
        result: Array = fine[index] * (1 - share) + fine[index + 1] * share
        return result

    return value


_CLOSE_MM = 3.2
_LOW, _COUNT = np.float32(-660), 510
_CHEST_SHARE = np.interp(_HEIGHTS, (-200, -140, 35, 65), (0, 1, 1, 0))


@lru_cache(maxsize=64)
def _smooth(table: tuple[float, ...]) -> Array:
    heights = np.float64(_LOW) + 2 * np.arange(_COUNT)
    values = profile(_HEIGHTS, table, smooth_mm=18)(heights.astype(np.float32))
    return values.astype(np.float32)
