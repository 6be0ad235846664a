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


def cavity(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield the muscle that lines the lesser pelvis, and the fat of the abdominal cavity.

    It is painted over body wall and bones, before psoas, iliacus and diaphragm, and before the lungs.
    """

    def lining(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(smooth_intersection(_trunk(x, y, z), z + np.float32(418), 8), -22 - y)

    def fat(x: Array, y: Array, z: Array) -> Array:
        room = _trunk(x, y, z) + _inset(z)
        room = smooth_intersection(room, landmarks.below_dome(x, y, frame.organ_z(z)) + np.float32(1.5), 4)
        return smooth_intersection(room, -_column(subject, x, y, z), 6)

    low = ((-80.0, 80.0), (-75.0, 85.0), (FLOOR_MM - 14, -400.0))
    yield Part(Tissue.MUSCLE, Solid(lining, low), Organ.MUSCLE)
    box = ((-160.0, 160.0), (-125.0, 112.0), (FLOOR_MM - 14, -30.0))
    yield Part(Tissue.VISCERAL_FAT, Solid(fat, box), Organ.FAT)


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the organs of abdomen and pelvis, after the lungs and before the heart, great vessels and spine.

    Who comes first below takes the room first; what is painted is in another order, surface over depth.
    """
    room = Room(frame, lambda x, y, z, organ_z: _free(subject, x, y, z, organ_z))
    line = bowel.reserve(subject, room)
    pelvis = list(pelvic_organs.parts(subject, room))
    urinary = list(kidneys.parts(subject, room))
    adrenals = list(kidneys.adrenals(subject, room))
    glands = list(liver.parts(subject, room))
    gut = list(upper_gut.parts(subject, room))
    bowels = list(bowel.parts(subject, room, line))
    yield from pelvic_organs.vessels(subject)
    for group in (bowels, gut, pelvis, urinary, glands, adrenals):
        yield from group


def behind(subject: Subject, x: Array, y: Array, z: Array) -> Array:
    """Signed distance to what no organ of the abdomen may enter at the back: spine, psoas, iliacus, flank muscle."""
    build = np.float32(1.0 if subject.sex == "M" else 0.88)
    ax = np.abs(x)
    psoas = np.hypot(ax - _PSOAS_X(z), y - _PSOAS_Y(z)) - _PSOAS_R(z) * build
    iliacus = np.hypot(ax - _ILIACUS_X(z), y - _ILIACUS_Y(z)) - _ILIACUS_R(z) * build
    result: Array = np.minimum(_column(subject, x, y, z), np.minimum(psoas, iliacus))
    return result


# along the lines that the body wall gives these muscles
_PSOAS_Z = (-505, -470, -425, -385, -340, -290, -240, -205, -190)
_PSOAS_X = profile(_PSOAS_Z, (96, 84, 70, 58, 47, 39, 31, 22, 20), smooth_mm=16)
_PSOAS_Y = profile(_PSOAS_Z, (32, 15, 26, 43, 51, 52, 66, 70, 70), smooth_mm=16)
_PSOAS_R = profile(_PSOAS_Z, (9, 16, 18, 20, 20, 17, 11, 6, -8), smooth_mm=16)
_ILIACUS_Z = (-440, -428, -392, -352, -318, -300)
_ILIACUS_X = profile(_ILIACUS_Z, (80, 82, 92, 102, 112, 114), smooth_mm=16)
_ILIACUS_Y = profile(_ILIACUS_Z, (-24, -22, 0, 14, 14, 14), smooth_mm=16)
_ILIACUS_R = profile(_ILIACUS_Z, (8, 13, 14, 11, 7, -6), smooth_mm=16)
_FLANK_R = profile((-330, -305, -250, -210, -195), (-4, 11, 11, 7, -6), smooth_mm=16)
_PELVIS_X = profile((-520, -470, -440, -420, -405, -392, -380), (50, 53, 55, 63, 86, 120, 250), smooth_mm=12)
_CAVA_X = profile((-350, -325, -280, -185, -150), (-12, -20, -23, -27, -26))
_CAVA_Y = profile((-350, -325, -280, -230, -185, -150), (20, 19, 20, 18, 10, 2))
_AORTA_X = profile((-330, -240, -165, -120), (4, 4, 12, 20))
_AORTA_Y = profile((-330, -280, -240, -205, -165, -120), (14, 16, 21, 26, 38, 47))


def _column(subject: Subject, x: Array, y: Array, z: Array) -> Array:
    """Spine, and the muscles of the flank beside it."""
    build = np.float32(1.0 if subject.sex == "M" else 0.88)
    axis = landmarks.spine_y(z)
    spine = smooth_intersection(np.abs(x) - np.float32(23), axis - np.float32(15) - y, 14)
    flank = np.hypot((np.abs(x) - 62) * np.float32(0.55), y - axis - np.float32(24)) - _FLANK_R(z) * build
    result: Array = np.minimum(spine, flank)
    return result


def _inset(z: Array) -> Array:
    """Depth of the fat under the inner wall: more where muscle lines the lesser pelvis."""
    return np.asarray(np.float32(1.2) + np.float32(6) * np.clip((np.float32(-408) - z) / 20, 0, 1), np.float32)


def _trunk(x: Array, y: Array, z: Array) -> Array:
    """Inner wall of cage and belly, narrowed between the acetabula, closed below by the funnel of the pelvic floor."""
    wall = smooth_intersection(landmarks.belly(x, y, z), landmarks.cage(x, y, z), 6)
    across = np.abs(x)
    rami = np.minimum(np.float32(-50) + np.float32(0.0065) * x * x - y, np.float32(-432) - z)
    pelvis = smooth_intersection(across - _PELVIS_X(z), rami, 16)
    floor = np.float32(FLOOR_MM) + np.float32(0.006) * (x * x + (y - 10) * (y - 10)) - z
    return smooth_intersection(smooth_intersection(wall, pelvis, 24), floor * np.float32(0.8), 14)


def _free(subject: Subject, x: Array, y: Array, z: Array, organ_z: Array) -> Array:
    """Where organs may lie: the cavity without what is behind it, nor the room of aorta and vena cava."""
    room = _trunk(x, y, z) + _inset(z)
    room = smooth_intersection(room, landmarks.below_dome(x, y, organ_z) + np.float32(DIAPHRAGM_MM), 4)
    aorta = np.maximum(np.hypot(x - _AORTA_X(z), y - _AORTA_Y(z)) - np.float32(14), np.float32(-332) - z)
    cava = np.maximum(np.hypot(x - _CAVA_X(z), y - _CAVA_Y(z)) - np.float32(12), np.abs(z + 272) - np.float32(78))
    taken = np.minimum(np.minimum(aorta, cava), behind(subject, x, y, z))
    return np.maximum(room, np.float32(1) - taken)
