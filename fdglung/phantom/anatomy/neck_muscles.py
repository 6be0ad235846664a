"""Muscles of the neck in front of and beside the spine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.solids import between, chain, meet, mirrored, muscle
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Distance, Solid, smooth_intersection
from fdglung.phantom.subject import Subject

_LINES = (
    # semispinalis, front scalene, middle and hind ones, levator scapulae, longus colli, sternocleidomastoid, splenius
    (((12, 84, 100), (13, 76, 130), (15, 70, 165), (18, 70, 192)), (8, 9, 9, 8)),
    (((26, 30, 165), (30, 30, 120), (46, 18, 84), (58, 10, 72)), (6, 9, 9, 6)),
    (((28, 38, 165), (36, 42, 125), (48, 40, 96), (60, 34, 74)), (6, 10, 12, 8)),
    (((32, 44, 185), (44, 56, 140), (58, 84, 96), (64, 96, 82)), (6, 9, 9, 7)),
    (((8, 24, 185), (9, 30, 150), (9, 40, 110), (9, 50, 80)), (5, 5.5, 6, 5)),
    (((60, 36, 186), (50, 6, 150), (36, -22, 112), (22, -48, 76), (15, -58, 56)), (8, 12, 12, 9, 6)),
    (((16, 84, 80), (22, 78, 120), (34, 68, 160), (52, 52, 192)), (7, 8, 8, 7)),
    (((9, -33, 60), (9, -31, 100), (8, -28, 128)), (4, 4, 4)),
)
"""Lines (left side, canonical mm) and radii of the neck's muscles."""


def parts(subject: Subject, surface: BodySurface, grain: Distance) -> Iterator[Part]:
    """Yield the neck's muscles."""
    thick = 0.4 + 0.6 * surface.habitus.muscle

    def nape(x: Array, y: Array, z: Array) -> Array:
        skin = surface.skin(x, y, z)
        return meet(
            skin + np.float32(9),
            between(z, 106, 196),
            smooth_intersection(
                np.hypot(x, y - 50) - np.float32(72), np.float32(46) - y + np.float32(0.2) * np.abs(x), 12
            ),
        )

    yield Part(
        Tissue.MUSCLE, Solid(nape, ((-85.0, 85.0), (30.0, 120.0), (105.0, 200.0))), Organ.MUSCLE, hu_offset=grain
    )

    def cape(x: Array, y: Array, z: Array) -> Array:
        """Upper trapezius: a sheet under the nape's fat."""
        hull = surface.layers(x, y, z)[1]
        edge = np.abs(x) - np.float32(0.9) * (y - 28) - 14
        return meet(between(hull, -6 * thick, 0), edge, between(z, 110, 190), 30 - y)

    yield Part(
        Tissue.MUSCLE, Solid(cape, ((-90.0, 90.0), (20.0, 125.0), (105.0, 196.0))), Organ.MUSCLE, hu_offset=grain
    )
    for side in (RIGHT, LEFT):
        for line, radii in _LINES:
            solid = chain(mirrored(line, side), [r * thick for r in radii])

            def within(x: Array, y: Array, z: Array, solid: Solid = solid) -> Array:
                return meet(solid.distance(x, y, z), surface.skin(x, y, z) + np.float32(4))

            yield from muscle(Solid(within, solid.box), grain)
