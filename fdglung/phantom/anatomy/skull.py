"""Skull: vault, base, face with its air, mandible and teeth. The brain is painted by others into `VAULT`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, VAULT
from fdglung.phantom.anatomy.solids import bone, chain, grown, mirrored, union, without
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Solid, ellipsoid
from fdglung.phantom.subject import Subject


def parts(subject: Subject) -> Iterator[Part]:
    """Yield skull, the cranial room filled with fluid, orbits, sinuses and nasal air, mandible, teeth."""
    rng = subject.rng(171)
    thick = float(rng.normal(6.5, 0.7))
    outer = grown(VAULT, thick)
    base = union(
        ellipsoid((0, 28, 198), (24, 24, 10)),
        ellipsoid((0, -8, 206), (20, 26, 14)),
        *(chain(mirrored(((22, 6, 204), (46, 16, 204), (60, 30, 200)), s), (11, 13, 12)) for s in (RIGHT, LEFT)),
        *(chain(mirrored(((60, 34, 198), (58, 32, 178)), s), (11, 6)) for s in (RIGHT, LEFT)),
        blend_mm=6,
    )
    face = union(
        ellipsoid((0, -58, 202), (42, 26, 34)),
        *(chain(mirrored(((30, -72, 204), (54, -50, 208), (64, -14, 210)), s), (9, 6, 4.5)) for s in (RIGHT, LEFT)),
        ellipsoid((0, -70, 240), (52, 16, 16)),
        blend_mm=6,
    )
    hole = ellipsoid((0, 36, 196), (15, 17, 16))
    head = without(union(outer, base, face, blend_mm=3), hole.distance)
    yield from bone(head, Organ.SKULL, shell_mm=1.9, fine=False)
    yield Part(Tissue.CORTICAL_BONE, grown(VAULT, 1.6), Organ.SKULL)
    yield Part(Tissue.CSF, without(VAULT, grown(base, 1).distance), Organ.BRAIN)
    for side in (RIGHT, LEFT):
        yield Part(Tissue.FAT, ellipsoid((side * 33, -66, 222), (20, 26, 18), axis=(side * 0.2, 0.1, 1)))
        yield Part(Tissue.AIR, ellipsoid((side * 27, -56, 192), (13, 17, 15)))
        cells = [ellipsoid((side * (50 + 3 * i), 24 + 5 * (i % 2), 204 - 7 * i), (5, 6, 5)) for i in range(3)]
        yield Part(Tissue.AIR, union(*cells))
        yield Part(Tissue.AIR, ellipsoid((side * 7, -14, 210), (6, 10, 7)))
        yield Part(Tissue.AIR, ellipsoid((side * 14, -77, 243), (11, 5, 9)))
        yield Part(Tissue.AIR, chain(mirrored(((5, -80, 190), (6, -60, 194), (6, -22, 192)), side), (3.5, 6.0, 6)))
        yield Part(Tissue.AIR, chain(mirrored(((7, -70, 214), (7, -36, 216)), side), (5, 5)))
    yield Part(Tissue.CORTICAL_BONE, chain(((0, -84, 196), (0, -30, 206)), (1.5, 1.5)), Organ.SKULL, fine=True)
    yield from _jaws()


def _jaws() -> Iterator[Part]:
    arch = [(34 * np.sin(a), -46 - 34 * np.cos(a)) for a in np.linspace(-1.35, 1.35, 13)]
    upper = chain([(x, y, 172.0) for x, y in arch], [7.0] * 13)
    yield from bone(upper, Organ.SKULL, shell_mm=1.5)
    lower = [(x * 1.12, y + 1, 150.0) for x, y in arch]
    body = chain(lower, [8.0] * 13)
    rami = [chain(mirrored(((40, -40, 152), (47, -6, 160), (50, 6, 196)), s), (8.0, 6.5, 6.5)) for s in (RIGHT, LEFT)]
    yield from bone(union(body, *rami), Organ.SKULL, shell_mm=2.2)
    yield Part(Tissue.CORTICAL_BONE, union(*_teeth(arch)), Organ.SKULL, fine=True)


def _teeth(arch: list[tuple[float, float]]) -> list[Solid]:
    return [ellipsoid((x, y, z), (3.6, 3.6, 7.0)) for z in (168.5, 157.0) for x, y in arch]
