"""The abdomen and pelvis: the cavity with its fat, and the organs in the order in which they are painted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy import bowel, kidneys, landmarks, liver, pelvic_organs, upper_gut
from fdglung.phantom.anatomy.room import Room
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Solid, profile, smooth_intersection
from fdglung.phantom.subject import Subject

DIAPHRAGM_MM = 3.0
"""Thickness of the diaphragm (round figure: 2 to 4 mm relaxed)."""

FLOOR_MM = -508.0
"""Lowest canonical height of the abdominopelvic cavity."""


def cavity(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the lining of the abdominal cavity (diaphragm, psoas, muscle within the pelvis) and its fat.

    It is painted over body wall and bones, before the lungs.
    """
    thick = DIAPHRAGM_MM * (1.1 if subject.sex == "M" else 0.9)

    def lining(x: Array, y: Array, z: Array) -> Array:
        return _roof(_trunk(x, y, z), x, y, frame.organ_z(z), 0.0)

    def fat(x: Array, y: Array, z: Array) -> Array:
        room = _roof(_trunk(x, y, z) + np.float32(2.5), x, y, frame.organ_z(z), thick)
        return smooth_intersection(room, -behind(subject, x, y, z), 6)

    box = ((-175.0, 175.0), (-135.0, 125.0), (FLOOR_MM - 14, -30.0))
    yield Part(Tissue.MUSCLE, Solid(lining, box), Organ.MUSCLE)
    yield Part(Tissue.VISCERAL_FAT, Solid(fat, box), Organ.FAT)
    yield _crura(frame)


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the organs of abdomen and pelvis, after the lungs and before the heart, great vessels and spine.

    Who comes first below takes the room first; what is painted is in another order, surface over depth.
    """
    room = Room(frame, lambda x, y, z, organ_z: _free(subject, x, y, z, organ_z))
    pelvis = list(pelvic_organs.parts(subject, room))
    urinary = list(kidneys.parts(subject, room))
    adrenals = list(kidneys.adrenals(subject, room))
    glands = list(liver.parts(subject, room))
    gut = list(upper_gut.parts(subject, room))
    bowels = list(bowel.parts(subject, room))
    yield from pelvic_organs.vessels(subject, frame)
    for group in (bowels, gut, pelvis, urinary, glands, adrenals):
        yield from group


def behind(subject: Subject, x: Array, y: Array, z: Array) -> Array:
    """Signed distance to what no organ of the abdomen may enter at the back: spine, psoas, quadratus lumborum."""
    build = np.float32(1.0 if subject.sex == "M" else 0.86)
    axis = landmarks.spine_y(z)
    spine = smooth_intersection(np.abs(x) - np.float32(23), axis - np.float32(17) - y, 14)
    side = np.abs(x) - _PSOAS_X(z)
    radius = _PSOAS_R(z) * build
    psoas = np.hypot(side, (y - _PSOAS_Y(z)) * np.float32(0.85)) - radius
    flank = np.hypot((np.abs(x) - np.float32(58)) * np.float32(0.4), y - axis - np.float32(34)) - _FLANK_R(z) * build
    result: Array = np.minimum(np.minimum(spine, psoas), flank)
    return result


_PSOAS_X = profile((-520, -440, -400, -356, -320, -280, -240, -200), (72, 67, 60, 49, 44, 39, 33, 27))
_PSOAS_Y = profile((-520, -440, -400, -356, -320, -280, -240, -200), (-44, -22, 4, 30, 37, 41, 47, 54))
_PSOAS_R = profile((-520, -440, -400, -356, -320, -280, -240, -190), (14, 17, 19, 22, 21, 17, 10, -4))
_FLANK_R = profile((-420, -350, -300, -250, -210), (4, 14, 13, 8, -6))


def _trunk(x: Array, y: Array, z: Array) -> Array:
    """Inner wall of cage and belly, closed below by the funnel of the pelvic floor."""
    wall = smooth_intersection(landmarks.belly(x, y, z), landmarks.cage(x, y, z), 6)
    floor = np.float32(FLOOR_MM) + np.float32(0.006) * (x * x + (y - 10) * (y - 10)) - z
    return smooth_intersection(wall, floor * np.float32(0.8), 14)


def _roof(wall: Array, x: Array, y: Array, organ_z: Array, depth_mm: float) -> Array:
    return smooth_intersection(wall, landmarks.below_dome(x, y, organ_z) + np.float32(depth_mm), 4)


def _free(subject: Subject, x: Array, y: Array, z: Array, organ_z: Array) -> Array:
    """Where organs may lie: the cavity without what is behind it, nor the room of aorta, vena cava and crura."""
    room = _roof(_trunk(x, y, z) + np.float32(2.0), x, y, organ_z, DIAPHRAGM_MM)
    front = landmarks.spine_y(z) - np.float32(17)
    aorta = np.maximum(np.hypot(x - 9, y - front + 11) - np.float32(14), np.float32(-332) - z)
    cava = np.maximum(np.hypot(x + 22, y - front + 7) - np.float32(13), np.abs(z + 272) - np.float32(76))
    crura = np.maximum(np.hypot(x * np.float32(0.55), y - front) - np.float32(15), np.float32(-250) - z)
    taken = np.minimum(np.minimum(aorta, cava), np.minimum(crura, behind(subject, x, y, z)))
    return np.maximum(room, np.float32(1) - taken)


def _crura(frame: BodyFrame) -> Part:
    """Right and left crus: two straps on the front of the spine, on either side of the aorta."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        level = np.clip((z + 200) / 60, -1, 1)
        front = landmarks.spine_y(z) - np.float32(21) - np.float32(5) * level
        right = np.hypot((x + 8 - 4 * level) * np.float32(0.7), y - front) - np.float32(6.0) - np.float32(2) * level
        left = np.hypot((x - 24 + 2 * level) * np.float32(0.8), y - front) - np.float32(5.0) - np.float32(2) * level
        return np.maximum(np.minimum(right, left), np.abs(z + 205) - np.float32(65))

    del frame  # crura cling to the spine: they do not move
    return Part(Tissue.MUSCLE, Solid(distance, ((-40.0, 50.0), (-20.0, 70.0), (-272.0, -138.0))), Organ.MUSCLE)
