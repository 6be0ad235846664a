"""Muscles of the chest wall, the back and the shoulder girdle, in layers with fat planes between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy import shoulder
from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, oval, spine_y
from fdglung.phantom.anatomy.solids import between, by_height, chain, meet, mirrored, muscle, plate, shifted
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Distance, Solid, smooth_intersection
from fdglung.phantom.subject import Subject

_ARC = np.float32(120)
"""Millimetres along the wall a radian of the angle around it (round figure)."""


def layer(surface: BodySurface, number: int) -> Distance:
    """Return a layer: 0 intercostals, 1 serratus, pectoralis minor, rhomboid, erector; 2 the broad outer muscles."""
    return (_deep, _middle, _outer)[number](surface)


def girdle(subject: Subject, surface: BodySurface, grain: Distance) -> Iterator[Part]:
    """Yield subscapularis, infraspinatus with teres, supraspinatus and the long muscles to the humerus."""
    thick = surface.habitus.muscle
    for side in (RIGHT, LEFT):
        blade = shoulder.blade(subject, side)
        tip = shoulder.points(subject, side)
        for solid, rim in (
            # teres major and latissimus: to the humerus' front, the axilla's hind fold
            (chain((tip["inferior"], tip["axilla_back"], tip["humerus"]), (16 * thick, 22 * thick, 12 * thick)), 0.0),
            # deltoid's hind part
            (chain((tip["acromion"], tip["humerus"]), (17 * thick, 14 * thick)), 1.0),
            (plate(shifted(blade, -side * (2.0 + 8.5 * thick), shrink=0.02), 8.0 * thick), 1.2),
            (plate(shifted(blade, side * (2.0 + 7.5 * thick), shrink=0.02), 7.5 * thick), 1.2),
            (chain((tip["superior"], tip["supraspinous"], tip["acromion"]), (9 * thick, 12 * thick, 8)), 1.0),
        ):
            yield from muscle(_within(solid, surface), grain, rim_mm=rim * surface.rim)
        # pectoralis towards the humerus: the front fold
        fold = chain((*mirrored(((80, -80, 26),), side), tip["axilla_front"], tip["humerus"]), (10, 14 * thick, 9))
        yield from muscle(_within(fold, surface), grain, rim_mm=0.3)


def _within(solid: Solid, surface: BodySurface) -> Solid:
    def distance(x: Array, y: Array, z: Array) -> Array:
        skin, _, wall, _ = surface.layers(x, y, z)
        return meet(solid.distance(x, y, z), skin + np.float32(6), 17.5 - wall)

    return Solid(distance, solid.box)


def _deep(surface: BodySurface) -> Distance:
    thick = np.float32(2.5 + 4.5 * surface.habitus.muscle)

    def distance(x: Array, y: Array, z: Array) -> Array:
        wall = surface.layers(x, y, z)[2]
        return meet(between(wall, -2, thick * (1 - np.clip((z - 70) / 25, 0, 1))), between(z, -205, 90))

    return distance


def _middle(surface: BodySurface) -> Distance:
    thick = np.float32(surface.habitus.muscle)

    def distance(x: Array, y: Array, z: Array) -> Array:
        _, hull, wall, angle = surface.layers(x, y, z)
        ax = np.abs(x)
        # digitations: the lower edge of the serratus rises towards the front
        low = np.float32(-150) + np.float32(70) * np.clip(angle - np.float32(1.3), 0, 1)
        serratus = meet(
            between(wall, 10.2, 10.2 + 6 * thick), between(angle * _ARC, 0.80 * _ARC, 2.25 * _ARC), between(z, low, 78)
        )
        minor = meet(
            between(wall, 11, 11 + 8 * thick),
            between(angle * _ARC - z * np.float32(0.35), 2.05 * _ARC, 2.48 * _ARC),
            between(z, -28, 72),
        )
        rhomboid = meet(
            between(hull, -17, -17 + 7 * thick), between(ax, 20, 66 + z * np.float32(0.15)), between(z, 0, 84), 40 - y
        )
        result: Array = np.minimum(np.minimum(serratus, minor), rhomboid)
        return np.minimum(result, _erector(ax, y, z, thick))

    return distance


def _outer(surface: BodySurface) -> Distance:
    """Fill the hull outside the middle layer: pectoralis major, latissimus with the scapular mass, trapezius."""
    thick = np.float32(surface.habitus.muscle)

    def distance(x: Array, y: Array, z: Array) -> Array:
        skin, hull, wall, angle = surface.layers(x, y, z)
        ax = np.abs(x)
        rise = np.clip((z + np.float32(75)) / np.float32(90), 0, 1)
        lifted = np.exp(-(((angle - np.float32(2.30)) / np.float32(0.30)) ** 2)) * np.clip((z + 20) / 30, 0, 1)
        inner = np.float32(10.5) + np.float32(10.5) * thick * lifted
        pectoral = meet(
            between(wall, inner, inner + thick * (np.float32(5) + np.float32(14) * rise)),
            between(angle * _ARC, (2.62 - 0.80 * rise) * _ARC, 3.02 * _ARC),
            between(z, -78, 84),
            skin + np.float32(6),
        )
        # the hind mass: everything outside serratus and ribs that is not the axilla's fat
        floor = np.where(z > -150, np.float32(17.8), np.float32(11.5))
        start = 0.46 - 0.26 * np.clip((z + 80) / 60, 0, 1)
        stop = 1.72 - 0.42 * np.clip((z + 70) / 80, 0, 1)
        sector = between(angle * _ARC, start * _ARC, stop * _ARC)
        dorsal = meet(floor - wall, smooth_intersection(hull + np.float32(0.5), sector, 24), between(z, -228, 112))
        dorsal = np.maximum(dorsal, wall - np.float32(17.8) - 10 * thick - 60 * np.clip((z + 110) / 80, 0, 1))
        trapezius = meet(
            between(hull, -9.0 * thick, 0.0),
            between(ax, 3, np.clip(16 + (z + 180) * np.float32(0.45), 16, 120)),
            between(z, -185, 128),
            np.float32(36) - y,
        )
        return np.minimum(np.minimum(pectoral, dorsal), trapezius)

    return distance


_ERECTOR_X = by_height((-470, -420, -330, -240, -150, -40, 60, 110, 190), (10, 20, 30, 31, 28, 22, 18, 15, 16))
_ERECTOR_Y = by_height((-470, -420, -330, -240, -150, -40, 60, 110, 190), (6, 10, 19, 22, 17, 13, 12, 14, 14))
_ERECTOR_CENTRE = by_height((-470, -420, -330, -240, -150, -40, 60, 110, 190), (20, 26, 36, 38, 34, 29, 24, 19, 19))
_ERECTOR_BACK = by_height((-470, -420, -330, -240, -150, -40, 60, 110, 190), (22, 28, 46, 46, 43, 42, 42, 40, 38))


def _erector(ax: Array, y: Array, z: Array, thick: np.float32) -> Array:
    """Paired columns behind the spine, from the sacrum to the neck."""
    column = oval(
        ax - _ERECTOR_CENTRE(z), y - spine_y(z) - _ERECTOR_BACK(z), _ERECTOR_X(z), _ERECTOR_Y(z) * (0.5 + 0.5 * thick)
    )
    groove = oval(ax - 13, y - spine_y(z) - np.float32(40), np.full_like(z, 8.5), np.full_like(z, 13))
    return meet(np.minimum(column, groove), between(np.broadcast_to(z, column.shape), -412, 128))
