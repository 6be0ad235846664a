"""Muscles of the belly's wall, the loins, the pelvis and the thighs, and the diaphragm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.body_surface import BodySurface, habitus
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, cage, dome, oval, spine_y
from fdglung.phantom.anatomy.solids import at, between, by_height, chain, meet, mirrored, muscle, plate, shifted, union
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Distance, Solid, ellipsoid
from fdglung.phantom.subject import Subject


def layer(surface: BodySurface, number: int) -> Distance:
    """Return a layer: 0 transversus and rectus; 1 internal oblique; 2 external oblique and the thighs' mass."""
    return (_deep, _middle, _outer)[number](surface)


def deep(subject: Subject, frame: BodyFrame, grain: Distance) -> Iterator[Part]:
    """Yield psoas, iliacus, the crura and the sheet of the diaphragm."""
    thick = habitus(subject).muscle * (1.0 if subject.sex == "M" else 0.9)
    rng = subject.rng(131)
    for side in (RIGHT, LEFT):
        own = thick * float(rng.normal(1, 0.05))
        heights = (-205, -240, -290, -340, -385, -425, -470, -505)
        across = (24, 33, 41, 49, 60, 74, 90, 108)
        before = (6, 8, 6, -4, -36, -98, -110, -78)
        radii = (6, 11, 17, 20, 20, 18, 16, 9)
        line = [(a, at(spine_y, h) + b, h) for a, b, h in zip(across, before, heights, strict=True)]
        psoas = chain(mirrored(line, side), [r * own for r in radii])
        yield Part(Tissue.MUSCLE, psoas, Organ.MUSCLE, hu_offset=grain)
        middle = at(spine_y, -250)

        def quadratus(x: Array, y: Array, z: Array, side: int = side, middle: float = middle) -> Array:
            """A flat column from the crest to the twelfth rib, leaning outwards below."""
            across = side * x - (56 - (z + 250) * np.float32(0.12))
            return meet(
                oval(across, y - spine_y(z) - 24, np.full_like(z, 19 * thick), np.full_like(z, 9.5 * thick)),
                between(z, -308, -192),
            )

        sides = sorted((side * 25.0, side * 92.0))
        loin = Solid(quadratus, ((sides[0], sides[1]), (middle - 20, middle + 50), (-310.0, -190.0)))
        yield Part(Tissue.MUSCLE, loin, Organ.MUSCLE, hu_offset=grain)
        wing = tuple(mirrored(((120, -40, -345), (132, 26, -304), (92, 10, -412)), side))
        iliacus = union(
            plate(shifted(wing, -side * 9.0), 7.5 * own),  # type: ignore[arg-type]
            chain(
                mirrored(((106, -14, -375), (92, -28, -410), (88, -34, -440), (92, -20, -472)), side), (9, 12, 12, 10)
            ),
            blend_mm=4,
        )
        yield Part(Tissue.MUSCLE, iliacus, Organ.MUSCLE, hu_offset=grain)
        lumbar = at(spine_y, -230)
        tip = at(spine_y, -160)
        obturator = plate(tuple(mirrored(((56, -14, -446), (60, 46, -440), (50, 22, -500)), side)), 6.5 * own)  # type: ignore[arg-type]
        yield Part(Tissue.MUSCLE, obturator, Organ.MUSCLE, hu_offset=grain)
        pear = chain(mirrored(((28, 92, -405), (66, 78, -418), (118, 48, -440)), side), (9 * own, 12 * own, 6 * own))
        yield Part(Tissue.MUSCLE, pear, Organ.MUSCLE, hu_offset=grain)
        crus = chain(
            mirrored(
                ((8, tip - 26, -165), (12, tip - 20, -190), (15, lumbar - 14, -230), (13, lumbar - 18, -275)), side
            ),
            (4, 5.5 if side == RIGHT else 4.5, 5.5 if side == RIGHT else 4.5, 3),
        )
        yield Part(Tissue.MUSCLE, crus, Organ.MUSCLE, hu_offset=grain)
    yield Part(Tissue.MUSCLE, _diaphragm(frame), Organ.MUSCLE)


def hips(surface: BodySurface, grain: Distance) -> Iterator[Part]:
    """Yield the gluteal muscles and the long muscles of the thighs, parted by fat."""
    thick = surface.habitus.muscle
    for side in (RIGHT, LEFT):
        for line, radii in _THIGH:
            solid = chain(mirrored(line, side), [r * thick for r in radii])

            def within(x: Array, y: Array, z: Array, solid: Solid = solid) -> Array:
                result: Array = np.maximum(solid.distance(x, y, z), surface.layers(x, y, z)[1] + np.float32(1))
                return result

            yield from muscle(Solid(within, solid.box), grain, rim_mm=1.4 * surface.rim)
        front, peak, rear, top = mirrored(((124, -46, -345), (134, 28, -302), (90, 78, -322), (146, 40, -448)), side)
        for corners in ((front, peak, top), (peak, rear, top)):
            fan = plate(shifted(corners, side * 9.0, shrink=0.02), 15 * thick)

            def flank(x: Array, y: Array, z: Array, fan: Solid = fan) -> Array:
                result: Array = np.maximum(fan.distance(x, y, z), surface.layers(x, y, z)[1] + np.float32(3))
                return result

            yield Part(Tissue.MUSCLE, Solid(flank, fan.box), Organ.MUSCLE, hu_offset=grain)
        # fat between the gluteus maximus and what lies under it, in the groin, beside the anal canal
        for centre, radii in (
            ((78, 76, -455), (34, 7, 42)),
            ((72, -66, -468), (20, 13, 44)),
            ((26, 78, -492), (19, 30, 34)),
        ):
            yield Part(Tissue.FAT, ellipsoid(mirrored((centre,), side)[0], radii))

        def buttock(x: Array, y: Array, z: Array, side: int = side) -> Array:
            """Gluteus maximus: a thick sheet under the buttock's fat, from the sacrum to the thigh."""
            hull = surface.layers(x, y, z)[1]
            return meet(
                between(hull, -_GLUTEUS(z) * np.float32(thick), 0.5),
                between(side * x, 10 + np.maximum(np.float32(-430) - z, 0) * 0.12, 138),
                (50 + np.abs(x) * 0.05) - y,
                between(z, -552, -330),
            )

        bounds = sorted((side * 4.0, side * 150.0))
        yield from muscle(
            Solid(buttock, ((bounds[0], bounds[1]), (40.0, 160.0), (-556.0, -326.0))), grain, rim_mm=1.6 * surface.rim
        )


def _diaphragm(frame: BodyFrame) -> Solid:
    """Sheet of 3 mm under the lungs: seen where fat lies beneath it."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        sheet = np.abs((frame.organ_z(z) - dome(x, y)) * np.float32(0.72)) - np.float32(1.6)
        result: Array = np.maximum(sheet, cage(x, y, z) - 1)
        return result

    heights = frame.moved([(0, 0, -240), (0, 0, -80)])[:, 2]
    return Solid(distance, ((-150.0, 150.0), (-112.0, 108.0), (float(heights[0]), float(heights[1]))))


def _deep(surface: BodySurface) -> Distance:
    thick = np.float32(surface.habitus.muscle)

    def distance(x: Array, y: Array, z: Array) -> Array:
        wall, angle = surface.layers(x, y, z)[2:]
        ax = np.abs(x)
        front = np.where(y < 0, ax, 90)
        transverse = meet(
            between(wall, -1, 3.2), between(z, -455, -195), _RECTUS(z) + 3 - front, np.float32(0.42 * 120) - angle * 120
        )
        rectus = meet(
            between(wall, 0.5, 1.5 + 9.5 * thick), between(ax, 4.5, _RECTUS(z)), between(z, -478, -125), y + 20
        )
        return np.minimum(transverse, rectus)

    return distance


def _middle(surface: BodySurface) -> Distance:
    thick = np.float32(surface.habitus.muscle)

    def distance(x: Array, y: Array, z: Array) -> Array:
        wall, angle = surface.layers(x, y, z)[2:]
        front = np.where(y < 0, np.abs(x), 90)
        oblique = meet(
            between(wall, 4.6, 4.6 + 5 * thick),
            between(z, -445, -205),
            _RECTUS(z) + 6 - front,
            np.float32(0.55 * 120) - angle * 120,
        )
        return oblique

    return distance


_RECTUS = by_height((-480, -440, -400, -330, -130), (20, 38, 56, 66, 68))
_GLUTEUS = by_height((-520, -470, -420, -370, -335), (34, 44, 44, 26, 6))


def _outer(surface: BodySurface) -> Distance:
    thick = np.float32(surface.habitus.muscle)

    def distance(x: Array, y: Array, z: Array) -> Array:
        _, hull, wall, angle = surface.layers(x, y, z)
        ax = np.abs(x)
        front = np.where(y < 0, ax, 90)
        oblique = meet(
            between(wall, 11.2, 11.2 + 4.6 * thick),
            between(z, -420, -135),
            _RECTUS(z) + 8 - front,
            np.float32(0.75 * 120) - angle * 120,
        )
        result: Array = oblique
        if float(np.min(z)) < -440:
            thigh = meet(hull + 1, z + np.float32(452) - np.float32(0.4) * np.maximum(y, 0), 14 - ax - y * 0.2)
            result = np.minimum(result, thigh)
        return result

    return distance


_THIGH = (
    # vasti, rectus femoris, tensor fasciae latae, sartorius, adductors (two), hamstrings
    (((112, 4, -660), (128, 12, -500)), (44, 24)),
    (((98, -38, -660), (106, -44, -520), (106, -44, -410)), (22, 17, 7)),
    (((132, -18, -560), (136, -26, -450), (128, -40, -360)), (9, 16, 8)),
    (((46, -36, -640), (76, -56, -540), (112, -54, -400)), (9, 9, 6)),
    (((48, 24, -660), (42, 16, -540), (24, -10, -494)), (36, 30, 8)),
    (((46, -14, -620), (38, -32, -500)), (17, 10)),
    (((84, 78, -660), (78, 78, -560), (70, 66, -515)), (32, 26, 8)),
)
"""Lines and radii of the thigh's muscles, left side, mm."""
