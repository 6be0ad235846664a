"""Brown fat above the clavicles, in the axillae and beside the spine, seen where muscles and lungs leave room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, VERTEBRAE, spine_y
from fdglung.phantom.anatomy.room import ripple
from fdglung.phantom.anatomy.solids import at, chain, mirrored, union
from fdglung.phantom.organs import Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Solid
from fdglung.phantom.subject import Subject

_Line = Sequence[tuple[float, float, float]]

_SUPRACLAVICULAR: tuple[tuple[_Line, tuple[float, ...]], ...] = (
    # along the neck's deep fascia, from the nape to behind the clavicle
    (((50, 22, 146), (54, 26, 126), (60, 22, 110)), (4.5, 7, 9.5)),
    (((52, 2, 104), (70, 6, 108), (90, 12, 108)), (9.5, 11, 8)),
)
_AXILLARY: dict[str, tuple[tuple[_Line, tuple[float, ...]], ...]] = {
    "up": ((((108, 8, 84), (118, 14, 60), (124, 16, 32)), (8, 9, 6)),),
    "down": ((((112, 4, 66), (120, 10, 36), (124, 14, 8)), (8, 9, 6)),),
}
"""Lines (left side, canonical mm) and radii."""

_BESIDE_SPINE = ("T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11")


def parts(subject: Subject, surface: BodySurface) -> Iterator[Part]:
    """Yield the depots of neck and axillae: to be painted on the body's fat, before muscles and bones.

    With those of `beside_spine` about 60 ml are left to be seen: active brown fat weighs 59 +- 18 g in those who have
    it (10.2967/jnumed.112.111336), two thirds of it in neck and axillae (10.1073/pnas.1705287114). Less in the old.
    """
    rng = subject.rng(115)
    size = _size(subject)
    ragged = ripple(rng, 16)
    for side in (RIGHT, LEFT):
        for lines in (_SUPRACLAVICULAR, _AXILLARY[subject.arms]):
            depot = union(*(chain(mirrored(line, side), [r * size for r in radii]) for line, radii in lines))

            def distance(x: Array, y: Array, z: Array, depot: Solid = depot) -> Array:
                own = depot.distance(x, y, z) + np.float32(1.5) * ragged(x, y, z)
                return np.maximum(own, surface.skin(x, y, z) + np.float32(6))

            yield Part(Tissue.BROWN_FAT, Solid(distance, depot.box))


def beside_spine(subject: Subject) -> Iterator[Part]:
    """Yield beads beside the thoracic vertebrae: to be painted before lungs and ribs' heads."""
    size = _size(subject)
    levels = {name: (low + high) / 2 for name, low, high in VERTEBRAE}
    for side in (RIGHT, LEFT):
        beads = []
        for name in _BESIDE_SPINE:
            z = levels[name]
            y = at(spine_y, z)
            line = mirrored(((22, y + 4, z), (27, y + 14, z - 2)), side)
            beads.append(chain(line, (5.5 * size, 6.5 * size)))
        yield Part(Tissue.BROWN_FAT, union(*beads))


def _size(subject: Subject) -> float:
    own = 0.06 * float(np.clip(subject.rng(116).standard_normal(), -2, 2))
    # men's larger frame makes up for the smaller factor
    sex = 0.92 if subject.sex == "M" else 1.0
    return sex * (float(np.clip(1.06 - 0.003 * (subject.age_years - 40), 0.9, 1.1)) + own)
