"""Hip bones and femora."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.solids import bone, chain, mirrored, plate, union, without
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Solid, ellipsoid
from fdglung.phantom.subject import Subject

HIP_CENTRE = (91.0, 20.0, -442.0)
"""Centre of the left femoral head in canonical mm."""


def parts(subject: Subject) -> Iterator[Part]:
    """Yield hip bones, the symphysis and femora."""
    for side in (RIGHT, LEFT):
        yield from bone(_hip(subject, side), Organ.HIP_BONES, shell_mm=1.5)
    disc = ellipsoid((0, -58, -484), (5, 10, 19))
    yield Part(Tissue.CARTILAGE, disc)
    for side in (RIGHT, LEFT):
        yield from _femur(subject, side)


def _hip(subject: Subject, side: int) -> Solid:
    rng = subject.rng(151)
    flare = 1 + 0.03 * rng.standard_normal()

    def p(x: float, y: float, z: float) -> tuple[float, float, float]:
        return mirrored(((x * (flare if z > -400 else 1.0), y, z),), side)[0]

    front, crest, peak = p(124, -50, -345), p(137, -14, -312), p(132, 30, -300)
    rear, spine = p(88, 82, -318), p(50, 104, -358)
    roof, notch, low = p(92, 14, -408), p(64, 84, -404), p(96, -30, -398)
    wing = union(
        plate((front, crest, roof), 2.6),
        plate((crest, peak, roof), 2.2),
        plate((peak, rear, roof), 2.2),
        plate((rear, spine, notch), 5.0),
        plate((rear, notch, roof), 4.5),
        plate((front, low, roof), 3.5),
        chain((front, crest, peak, rear, spine), (6.5, 6.0, 7.0, 6.0, 8.5)),
        chain((front, low), (6, 7.5)),
        chain((notch, roof), (8, 15)),
        chain((low, roof), (7.5, 14)),
    )
    head = mirrored((HIP_CENTRE,), side)[0]
    socket = union(
        ellipsoid(np.add(head, (-side * 7, 0, 4)), (31, 32, 32)),
        chain((p(88, 40, -455), p(78, 56, -480), p(66, 62, -512)), (15, 13, 15)),
        chain((p(74, -8, -436), p(44, -42, -462), p(14, -58, -474)), (12, 8.5, 9)),
        chain((p(13, -58, -474), p(12, -54, -496)), (9, 8)),
        chain((p(12, -54, -494), p(38, 2, -516), p(62, 56, -520)), (7.5, 6, 9)),
        blend_mm=6,
    )
    whole = union(wing, socket, blend_mm=5)
    # the socket opens outwards, forwards and down
    mouth = np.add(head, (side * 20, -10, -16))
    return without(whole, ellipsoid(head, (26.5, 26.5, 26.5)).distance, ellipsoid(mouth, (26, 24, 26)).distance)


def _femur(subject: Subject, side: int) -> Iterator[Part]:
    male = 1.0 if subject.sex == "M" else 0.9
    head = mirrored((HIP_CENTRE,), side)[0]
    neck, hip, top = mirrored(((122, 30, -462), (140, 40, -472), (144, 44, -450)), side)
    small, below, knee = mirrored(((118, 46, -508), (130, 34, -530), (112, 16, -660)), side)
    whole = union(
        ellipsoid(head, (24 * male, 24 * male, 24 * male)),
        chain((head, neck, hip), (15 * male, 14.5 * male, 18 * male)),
        chain((hip, top), (17 * male, 11 * male)),
        chain((hip, below, knee), (19 * male, 15.5 * male, 14 * male)),
        chain((small, below), (9, 13)),
        blend_mm=8,
    )
    yield from bone(whole, Organ.FEMORA, shell_mm=1.8)
    start, stop = np.asarray(below), np.asarray(knee)
    yield Part(Tissue.CORTICAL_BONE, chain((start, stop), (14.5 * male, 13.8 * male)), Organ.FEMORA)
    yield Part(Tissue.FAT, chain((start + (stop - start) * 0.12, stop), (7.5 * male, 6.5 * male)), Organ.FEMORA)
