"""Lungs on CT and PET: lobes with density and uptake that follow gravity, texture, and fissures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy import ndimage

from fdglung.phantom.anatomy import chest_finds
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.lobes import Lobes, lobes
from fdglung.phantom.anatomy.lung_shape import LungShape, lung_shape
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Box, Distance, Solid
from fdglung.phantom.subject import Subject

FISSURE_MM = 0.6
"""Thickness that is meant: two soft edges add about a sixth of a voxel."""

_OVER_MM = 5.0
"""A lobe is painted this far beyond a fissure that a later lobe sets: two halves of a voxel would let fat through."""


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield lobes and fissures in the order of painting, with emphysema if the subject has it."""
    shape, split = lung_shape(subject, frame.breath), lobes(subject)
    density, uptake = lung_density(subject, frame), lung_uptake(subject, frame)
    low = frame.moved([(0, 0, 40.0)])[0, 2]

    def lobe(organ: Organ, side: int, cut: Distance | None, box: Box) -> Part:
        return Part(Tissue.LUNG, _within(shape, side, cut, box), organ, density, uptake)

    def fissure(side: int, cut: Distance, box: Box) -> Part:
        return Part(Tissue.FISSURE, _within(shape, side, cut, box), None, None, uptake)

    for side in (RIGHT, LEFT):
        whole = shape.box(side)
        oblique = _lifted(frame, split, side)
        upper = Organ.RIGHT_UPPER_LOBE if side == RIGHT else Organ.LEFT_UPPER_LOBE
        lower = Organ.RIGHT_LOWER_LOBE if side == RIGHT else Organ.LEFT_LOWER_LOBE
        yield lobe(upper, side, _beyond(oblique, _OVER_MM), whole)
        if side == RIGHT:
            horizontal = _lifted(frame, split, 0)
            front = (whole[0], (whole[1][0], 60.0), (whole[2][0], min(whole[2][1], low)))
            yield fissure(side, _slab(horizontal, oblique, FISSURE_MM / 2), front)
            yield lobe(Organ.RIGHT_MIDDLE_LOBE, side, _slab(horizontal, oblique, -FISSURE_MM / 2, deep=1e3), front)
        yield fissure(side, _slab(oblique, None, FISSURE_MM / 2), whole)
        yield lobe(lower, side, _slab(oblique, None, -FISSURE_MM / 2, deep=1e3), whole)
    yield from chest_finds.emphysema(subject, frame)


def lung_density(subject: Subject, frame: BodyFrame) -> Distance:
    """Return the deviation of the lungs' CT number from their mean, in HU, at canonical x, y, z.

    It falls by up to 200 HU from back to front near residual volume and by some 30 HU at total lung capacity (JCAT
    1979;3:740), a little from below upwards, and varies by 15 HU from place to place.
    """
    rng = subject.rng(250)
    slope, lift, bottom = _slopes(subject, frame.breath)
    noise = _noise()
    start = rng.uniform(0, 96, 3)

    def offset(x: Array, y: Array, z: Array) -> Array:
        lean = np.float32(slope) * (y - np.float32(bottom[1])) + np.float32(lift) * (z - np.float32(bottom[2]))
        places = [(p / np.float32(3) + np.float32(s)) for p, s in zip((z, y, x), start, strict=True)]
        grain: Array = ndimage.map_coordinates(noise, np.broadcast_arrays(*places), order=1, mode="grid-wrap")
        return lean + np.float32(19) * grain

    return offset


def lung_uptake(subject: Subject, frame: BodyFrame) -> Distance:
    """Return the factor of the lungs' uptake, 1 on average: the back over the front, and below over above, by 41 %.

    Halves of the lung's volume are compared (10.1007/BF00833385).
    """
    points = np.vstack([lung_shape(subject, frame.breath).grid_points(side, every=3) for side in (RIGHT, LEFT)])
    centre = points.mean(axis=0)
    behind, below = (points[:, 1] > np.median(points[:, 1])), (points[:, 2] < np.median(points[:, 2]))
    # of halves (1 + d) / (1 - d) = 1.41 for a linear course; what lies behind lies low as well
    differences = [points[half, 1:].mean(axis=0) - points[~half, 1:].mean(axis=0) for half in (behind, below)]
    deep, high = np.linalg.solve(np.array(differences) * (0.5, -0.5), np.full(2, 0.41 / 2.41))

    def factor(x: Array, y: Array, z: Array) -> Array:
        lean = np.float32(deep) * (y - np.float32(centre[1])) - np.float32(high) * (z - np.float32(centre[2]))
        return np.asarray(np.clip(1 + lean, 0.3, 1.9) + 0 * x, np.float32)

    return factor


@lru_cache(maxsize=8)
def _slopes(subject: Subject, breath: float) -> tuple[float, float, tuple[float, ...]]:
    points = np.vstack([lung_shape(subject, breath).grid_points(side, every=3) for side in (RIGHT, LEFT)])
    deep = np.ptp(points[:, 1])
    rest = (1 - breath) ** 1.3
    slope = (30 + 170 * rest) / deep
    lift = -(8 + 25 * rest) / 200
    return float(slope), float(lift), tuple(float(v) for v in points.mean(axis=0))


@lru_cache(maxsize=1)
def _noise() -> Array:
    """Return periodic noise of SD 1, correlated over some 6 to 15 mm, 3 mm apart."""
    rng = np.random.default_rng(251)
    total = np.zeros((96, 96, 96))
    for sigma, weight in ((0.9, 1.0), (2.2, 0.7)):
        layer = ndimage.gaussian_filter(rng.standard_normal(total.shape), sigma, mode="wrap")
        total += weight * layer / layer.std()
    return (total / total.std()).astype(np.float32)


def _lifted(frame: BodyFrame, split: Lobes, which: int) -> Distance:
    def distance(x: Array, y: Array, z: Array) -> Array:
        lifted = frame.organ_z(z)
        return split.horizontal(x, y, lifted) if which == 0 else split.oblique(which, x, y, lifted)

    return distance


def _beyond(oblique: Distance, over_mm: float) -> Distance:
    return lambda x, y, z: -oblique(x, y, z) - np.float32(over_mm)


def _slab(surface: Distance, other: Distance | None, edge_mm: float, *, deep: float = 8.0) -> Distance:
    """Below a surface to a depth; above another surface, less what is painted over later."""

    def distance(x: Array, y: Array, z: Array) -> Array:
        below = surface(x, y, z)
        result = below - np.float32(edge_mm)
        if deep < 100:
            result = np.maximum(result, -below - np.float32(deep))
        if other is not None:
            result = np.maximum(result, -other(x, y, z) - np.float32(_OVER_MM - 1))
        return np.asarray(result, np.float32)

    return distance


def _within(shape: LungShape, side: int, cut: Distance | None, box: Box) -> Solid:
    lung = shape.distance(side)

    def distance(x: Array, y: Array, z: Array) -> Array:
        return lung(x, y, z) if cut is None else np.maximum(lung(x, y, z), cut(x, y, z))

    return Solid(distance, box)
