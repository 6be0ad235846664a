"""A simple thorax of smooth solids, each with its CT number and its FDG uptake.

Patient coordinates (LPS) in mm: x to the patient's left, y to the back, z to the head; the carina is near the origin.
CT numbers and uptake are round figures inside the ranges of healthy adults; no claim of anatomical detail is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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
from tests.simple_thorax.painting import tube

BOTTOM_MM, TOP_MM = -240.0, 158.0
"""The phantom is defined between the upper kidneys and the base of the neck."""

RIGHT, LEFT = -1, 1

_ALL = ((-260.0, 260.0), (-190.0, 210.0), (BOTTOM_MM - 40, TOP_MM + 40))
_TRUNK = ((-235.0, 235.0), (-150.0, 150.0), (BOTTOM_MM - 40, TOP_MM + 40))

_BODY_X = profile((-240, -140, -40, 40, 85, 110, 130, 158), (162, 166, 172, 186, 190, 166, 112, 72))
_BODY_Y = profile((-240, -120, -20, 50, 90, 130, 158), (118, 122, 122, 112, 98, 76, 62))
_BODY_CENTRE_Y = profile((-240, -20, 60, 110, 158), (0, 0, 4, 12, 16))
_FAT = profile((-240, -60, 60, 120, 158), (19, 15, 11, 9, 6))

_CAGE_X = profile((-240, -110, -30, 40, 80, 104, 122), (134, 142, 136, 116, 86, 56, 20), smooth_mm=18)
_CAGE_Y = profile((-240, -110, -30, 40, 80, 104, 122), (94, 99, 95, 80, 60, 42, 16), smooth_mm=18)
_CAGE_CENTRE_Y = profile((-240, -20, 60, 110), (-2, -2, 6, 18))

_SPINE_Y = profile((-240, -150, -40, 60, 158), (50, 62, 74, 66, 44))
_STERNUM_Y = profile((-130, -60, 20, 60, 100), (-100, -99, -90, -76, -50))


@dataclass(frozen=True)
class Part:
    """One painted part of the thorax.

    Attributes
    ----------
    name
        What it is.
    solid
        Where it is.
    hu
        CT number in HU, or a function of x, y, z in mm; None leaves the CT as it was.
    suv
        SUVbw in g/ml, or a function; None leaves the PET as it was.

    """

    name: str
    solid: Solid
    hu: float | Distance | None
    suv: float | Distance | None


def body_distance(x: Array, y: Array, z: Array) -> Array:
    """Signed distance in mm to the skin, negative inside."""
    return _oval(x, y - _BODY_CENTRE_Y(z), _BODY_X(z), _BODY_Y(z))


def lung(side: int) -> Solid:
    """One lung: `RIGHT` or `LEFT`."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        room = _cage(x, y, z) + np.float32(3)
        room = smooth_intersection(room, -_mediastinum(x, y, z, side), 16)
        room = smooth_intersection(room, (_diaphragm(x, y) - z) * np.float32(0.72), 10)
        return smooth_intersection(room, -(_HEART.distance(x, y, z) - np.float32(2)), 12)

    sides = (-150.0, 20.0) if side == RIGHT else (-20.0, 150.0)
    return Solid(distance, (sides, (-108.0, 112.0), (-235.0, 130.0)))


def lung_suv(x: Array, y: Array, z: Array) -> Array:
    """Uptake of the lungs: more at the back and at the base."""
    return np.clip(np.float32(0.5) + np.float32(0.0013) * y - np.float32(0.0006) * (z + 40), 0.3, 0.8)


def lung_hu(x: Array, y: Array, z: Array) -> Array:
    """CT number of the lungs without vessels: -850 in front to -780 at the back."""
    return np.clip(np.float32(-815) + np.float32(0.4) * y + 0 * (x + z), -850, -780)


def parts(*, myocardium_suv: float, kidney_suv: float, vessels: tuple[Solid, ...]) -> Iterator[Part]:
    """Yield everything but lesions, in the order in which it is painted.

    Parameters
    ----------
    myocardium_suv
        SUVbw of the left ventricle's wall.
    kidney_suv
        SUVbw of the renal calyces; the cortex has a third of it.
    vessels
        Lung vessels, as `tests.simple_thorax.vessels.lung_vessels` makes them; seen on CT only.

    """
    yield Part("couch", Solid(_couch, _ALL), -650, None)
    yield Part("body", Solid(body_distance, _TRUNK), -100, 0.3)
    yield Part("muscle", Solid(_muscle, _TRUNK), 50, 0.7)
    for side in (RIGHT, LEFT):
        yield Part("axilla", ellipsoid((side * 146, 2, 62), (17, 34, 46)), -95, 0.3)
        yield Part("scapula", ellipsoid((side * 112, 86, 40), (5, 34, 60), axis=(side * 0.1, -0.15, 1)), 380, 1.0)
        for piece in tube(((side * 14, -58, 96), (side * 60, -52, 106), (side * 120, -8, 116)), 6.5):
            yield Part("clavicle", piece, 420, 1.0)
    yield Part("ribs", Solid(_ribs, ((-165.0, 165.0), (-118.0, 130.0), (BOTTOM_MM - 10, 125.0))), 330, 1.0)
    yield Part("cavity", Solid(_cavity, ((-150.0, 150.0), (-110.0, 112.0), (BOTTOM_MM - 40, 130.0))), 40, 1.1)
    for side in (RIGHT, LEFT):
        yield Part("lung", lung(side), lung_hu, lung_suv)
    for vessel in vessels:
        yield Part("lung vessel", vessel, 35, None)
    yield from _abdomen(kidney_suv)
    yield from _heart(myocardium_suv)
    yield from _great_vessels()
    yield from _airways()
    yield from _spine()
    yield Part("sternum", Solid(_sternum, ((-30.0, 30.0), (-118.0, -40.0), (-120.0, 90.0))), 190, 1.1)


def _oval(x: Array, y: Array, half_x: Array, half_y: Array) -> Array:
    """Distance to an oval between ellipse and rectangle, measured along the ray from its centre."""
    u, v = (x / half_x) ** 2, (y / half_y) ** 2
    level = np.sqrt(np.sqrt(u * u + v * v + np.float32(1.05) * u * v)) + np.float32(1e-4)
    result: Array = (level - 1) * (np.sqrt(x * x + y * y) + np.float32(1e-2)) / level
    return result


def _cage(x: Array, y: Array, z: Array) -> Array:
    """Distance to the inner wall of the rib cage."""
    flat = _oval(x, y - _CAGE_CENTRE_Y(z), _CAGE_X(z), _CAGE_Y(z))
    return smooth_intersection(flat, np.broadcast_to((z - np.float32(119)) * np.float32(0.8), flat.shape), 22)


def _couch(x: Array, y: Array, z: Array) -> Array:
    top = np.float32(146) - np.float32(22) * (x / 210) ** 2
    return np.maximum(np.abs(y - top - 10) - np.float32(5), np.abs(x) - np.float32(210)) + 0 * z


def _muscle(x: Array, y: Array, z: Array) -> Array:
    return body_distance(x, y, z) + _FAT(z)


def _diaphragm(x: Array, y: Array) -> Array:
    """Height of the diaphragm: two domes, the right one higher, deepest at the back."""
    right = -88 - 62 * (((x + 72) / 78) ** 2 + ((y + 8) / 92) ** 2) - np.float32(0.22) * np.maximum(y, 0)
    left = -104 - 60 * (((x - 76) / 76) ** 2 + ((y + 4) / 92) ** 2) - np.float32(0.22) * np.maximum(y, 0)
    middle = -118 - np.float32(0.30) * np.maximum(y, 0) - 60 * ((x / 60) ** 2 + ((y + 20) / 110) ** 2)
    domes = smooth_intersection(smooth_intersection(right, left, 18), middle, 1)
    return np.maximum(domes, np.float32(-232))


def _mediastinum(x: Array, y: Array, z: Array, side: int) -> Array:
    """What keeps a lung from the midline: a thick middle, a thin line behind the sternum."""
    centre = np.float32(4) + np.float32(6) * np.exp(-(((z + 60) / 60) ** 2))
    middle = np.float32(26) + np.float32(8) * np.exp(-(((z + 15) / 40) ** 2)) - np.float32(6) * np.clip(z / 100, 0, 1)
    half = np.float32(5) + middle * np.exp(-((np.abs(y - 14) / 58) ** 4))
    return np.float32(side) * (x - centre) - half


def _cavity(x: Array, y: Array, z: Array) -> Array:
    return _cage(x, y, z) + np.float32(1)


def _below_diaphragm(x: Array, y: Array, z: Array) -> Array:
    roof = (z - _diaphragm(x, y) + np.float32(4)) * np.float32(0.72)
    return smooth_intersection(_cage(x, y, z) + np.float32(4), roof, 10)


def _within_abdomen(solid: Solid) -> Solid:
    def distance(x: Array, y: Array, z: Array) -> Array:
        return smooth_intersection(solid.distance(x, y, z), _below_diaphragm(x, y, z), 8)

    return Solid(distance, solid.box)


def _abdomen(kidney_suv: float) -> Iterator[Part]:
    belly = ((-150.0, 150.0), (-110.0, 112.0), (BOTTOM_MM - 40, -80.0))
    yield Part("abdominal fat", Solid(_below_diaphragm, belly), -95, 0.4)
    yield Part("stomach wall", _within_abdomen(ellipsoid((62, -32, -168), (44, 46, 46))), 42, 2.0)
    yield Part("stomach content", _within_abdomen(ellipsoid((62, -32, -170), (38, 40, 38))), 15, 0.6)
    bubble = ellipsoid((62, -32, -170), (37, 39, 37))
    gas = Solid(lambda x, y, z: np.maximum(bubble.distance(x, y, z), y + np.float32(40)), bubble.box)
    yield Part("stomach gas", _within_abdomen(gas), -950, 0.2)
    yield Part("colon", _within_abdomen(ellipsoid((98, -40, -222), (26, 30, 24))), 30, 1.6)
    yield Part("colon gas", _within_abdomen(ellipsoid((98, -44, -222), (20, 22, 18))), -900, 0.4)
    yield Part("spleen", _within_abdomen(ellipsoid((104, 44, -165), (30, 46, 52))), 49, 1.7)
    yield Part("liver", _within_abdomen(Solid(_liver, ((-150.0, 90.0), (-110.0, 105.0), (-280.0, -80.0)))), 55, 2.1)
    for side, height in ((RIGHT, -238.0), (LEFT, -226.0)):
        yield Part("kidney", ellipsoid((side * 60, 58, height), (27, 24, 44)), 32, kidney_suv / 3)
        yield Part("calyces", ellipsoid((side * 56, 58, height - 4), (12, 10, 26)), 20, kidney_suv)


def _liver(x: Array, y: Array, z: Array) -> Array:
    right = ellipsoid((-78, 0, -172), (84, 104, 96)).distance(x, y, z)
    left = ellipsoid((8, -52, -160), (62, 42, 44)).distance(x, y, z)
    return smooth_union(right, left, 20)


_HEART = ellipsoid((28, -38, -80), (47, 45, 60), axis=(0.62, -0.42, -0.55))
_APEX = np.array((0.70, -0.45, -0.45)) / np.linalg.norm((0.70, -0.45, -0.45))
_VENTRICLE = np.array((47.0, -36.0, -90.0))


def _heart(myocardium_suv: float) -> Iterator[Part]:
    yield Part("heart", _HEART, 40, 1.6)
    outer = ellipsoid(_VENTRICLE, (31, 31, 42), axis=_APEX)
    inner = ellipsoid(_VENTRICLE - 3 * _APEX, (20, 20, 34), axis=_APEX)

    def wall(x: Array, y: Array, z: Array) -> Array:
        along = sum((p - np.float32(c)) * np.float32(a) for p, c, a in zip((x, y, z), _VENTRICLE, _APEX, strict=True))
        base = -np.asarray(along, np.float32) - np.float32(20)
        return np.maximum(np.maximum(outer.distance(x, y, z), -inner.distance(x, y, z)), base)

    yield Part("myocardium", Solid(wall, outer.box), 46, myocardium_suv)


def _great_vessels() -> Iterator[Part]:
    blood = 1.6
    for centre, radius in (((-40, -4, -40), 9.0),):
        yield Part("superior vena cava", capsule(centre, (-26, -16, 62), radius), 40, blood)
    arch = ((0, -30, -48), (-10, -28, -8), (-8, -24, 14), (2, -6, 30), (13, 18, 32), (20, 40, 20), (24, 50, -6))
    for piece in tube(arch, 13.5):
        yield Part("aorta", piece, 41, blood)
    for piece in tube(((24, 50, -6), (24, 50, -110), (12, 38, -200), (6, 26, -280)), 11.5):
        yield Part("aorta", piece, 41, blood)
    for piece in tube(((22, -42, -40), (22, -24, -14), (32, 4, -6)), 12.5):
        yield Part("pulmonary trunk", piece, 40, blood)
    for piece in tube(((22, -14, -14), (-14, -4, -16), (-44, 4, -22)), 10.5):
        yield Part("right pulmonary artery", piece, 40, blood)
    yield Part("left pulmonary artery", capsule((32, 4, -6), (50, 18, -16), 10, end_radius=8), 40, blood)
    for piece in tube(((8, 34, 150), (10, 36, 20), (12, 34, -110), (26, 4, -150)), 6.5):
        yield Part("oesophagus", piece, 35, 1.7)
    for start, stop in (((0, -8, 36), (-22, -8, 140)), ((10, 6, 38), (22, 2, 140)), ((16, 22, 36), (40, 16, 130))):
        yield Part("arch vessel", capsule(start, stop, 5), 40, blood)


AIRWAYS = (
    ((0, 2, 170), (0, 8, 90), 9.0),
    ((0, 8, 90), (0, 16, 2), 9.0),
    ((0, 16, 2), (-32, 18, -16), 7.0),
    ((0, 16, 2), (44, 22, -22), 6.2),
    ((-32, 18, -16), (-56, 14, 8), 4.4),
    ((-32, 18, -16), (-44, 18, -48), 5.4),
    ((-44, 18, -48), (-62, 34, -84), 3.6),
    ((-44, 18, -48), (-66, -14, -70), 3.0),
    ((44, 22, -22), (62, 12, 6), 4.0),
    ((44, 22, -22), (58, 38, -64), 4.4),
    ((58, 38, -64), (76, 46, -98), 3.0),
)
"""Trachea, main and lobar bronchi: start, stop, inner radius in mm."""


def _airways() -> Iterator[Part]:
    for start, stop, radius in AIRWAYS:
        yield Part("airway wall", capsule(start, stop, radius + 1.6), 20, None)
    for start, stop, radius in AIRWAYS:
        yield Part("airway", capsule(start, stop, radius), -980, 0.2)


def _spine() -> Iterator[Part]:
    column = ((-70.0, 70.0), (15.0, 130.0), (BOTTOM_MM - 40, TOP_MM + 40))
    yield Part("vertebrae", Solid(_vertebrae, column), 330, 1.4)
    yield Part("marrow", Solid(lambda x, y, z: _vertebrae(x, y, z, shrink=2.5), column), 165, 1.4)
    yield Part("discs", Solid(_discs, column), 85, 0.8)
    yield Part("arches", Solid(_arches, column), 420, 1.3)
    canal = Solid(lambda x, y, z: np.hypot(x, y - _SPINE_Y(z) - np.float32(26)) - np.float32(8.5), column)
    yield Part("spinal canal", canal, 20, 1.2)


_LEVEL_MM = 24.0


def _level(z: Array) -> Array:
    """Height within a vertebral level, -12 to 12 mm, 0 at the middle of the body."""
    return (z + np.float32(_LEVEL_MM / 2)) % np.float32(_LEVEL_MM) - np.float32(_LEVEL_MM / 2)


def _bodies(x: Array, y: Array, z: Array) -> Array:
    waist = np.float32(1) - np.float32(0.07) * np.cos(_level(z) * np.float32(np.pi / 12))
    back = np.maximum(y - _SPINE_Y(z), 0)
    return _oval(x, y - _SPINE_Y(z) + np.float32(0.12) * back, 18 * waist, 16 * waist)


def _vertebrae(x: Array, y: Array, z: Array, *, shrink: float = 0.0) -> Array:
    return np.maximum(_bodies(x, y, z), np.abs(_level(z)) - np.float32(10)) + np.float32(shrink)


def _discs(x: Array, y: Array, z: Array) -> Array:
    return np.maximum(_bodies(x, y, z), np.float32(10) - np.abs(_level(z)))


def _arches(x: Array, y: Array, z: Array) -> Array:
    """Laminae, transverse and spinous processes."""
    back = y - _SPINE_Y(z) - np.float32(26)
    ring = np.abs(np.hypot(x, back) - np.float32(11)) - np.float32(2.5)
    ring = np.maximum(ring, np.abs(_level(z)) - np.float32(8))
    across = np.hypot(back - np.float32(0.25) * np.abs(x), _level(z - 2)) - np.float32(4.5)
    across = np.maximum(across, np.abs(np.abs(x) - np.float32(22)) - np.float32(11))
    tip = np.hypot(x, np.float32(0.6) * _level(z + np.float32(0.5) * back)) - np.float32(3)
    tip = np.maximum(tip, np.abs(back - np.float32(13)) - np.float32(6))
    return np.minimum(np.minimum(ring, across), tip)


def _sternum(x: Array, y: Array, z: Array) -> Array:
    wide = np.float32(17) + np.float32(9) * np.clip((z - 40) / 40, 0, 1)
    flat = np.hypot(x * np.float32(6) / wide, y - _STERNUM_Y(z) - np.float32(-6)) - np.float32(6)
    return np.maximum(flat, np.abs(z + 14) - np.float32(96))


def _ribs(x: Array, y: Array, z: Array) -> Array:
    """Ribs: a shell around the cage where the height fits one of the slanting courses."""
    depth = _cage(x, y, z) - np.float32(5.5)
    result = np.full(depth.shape, np.float32(50))
    near = np.nonzero(np.abs(depth) < 8)
    xs, ys, zs = (np.broadcast_to(axis, depth.shape)[near] for axis in (x, y, z))
    turn = np.arctan2(np.abs(xs), ys - 10) / np.float32(np.pi)
    course = np.float32(70) * turn**1.3
    height = _level(zs + course - np.float32(4))
    tubes = np.sqrt((depth[near] * np.float32(1.35)) ** 2 + (height * np.float32(0.85)) ** 2) - np.float32(5.2)
    end = np.float32(16) * (turn - np.float32(0.86) - np.float32(0.06) * np.clip((zs - 20) / 60, -1, 1)) * 10
    result[near] = np.maximum(tubes, np.minimum(end, 40))
    return result
