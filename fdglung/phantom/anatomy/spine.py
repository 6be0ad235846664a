"""Spine from atlas to coccyx: bodies, discs, arches, canal with cord, and the sacrum."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, VERTEBRAE, oval, spine_y
from fdglung.phantom.anatomy.solids import Memory, at, between, bone, by_height, chain, meet, noise, union
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Box, Distance, Solid, ellipsoid, smooth_union
from fdglung.phantom.subject import Subject

_BOX: Box = ((-32.0, 32.0), (5.0, 115.0), (-362.0, 182.0))
_ARCH_BOX: Box = ((-54.0, 54.0), (30.0, 150.0), (-372.0, 184.0))

_axis_y = by_height(range(-500, 240, 4), spine_y(np.arange(-500, 240, 4, dtype=np.float32)).tolist(), smooth_mm=2)

body_half_width = by_height((-360, -290, -190, -40, 60, 100, 180), (27, 25.5, 22.5, 18, 16.5, 13.5, 12), smooth_mm=30)
body_half_depth = by_height((-360, -290, -190, -40, 60, 100, 180), (18, 18, 17, 16, 12.5, 9.5, 8.5), smooth_mm=30)
"""Half width and half depth of the vertebral bodies by height in mm (round figures of an adult man)."""

_PITCH = 0.5
_HEIGHTS = np.arange(-420.0, 220.0, _PITCH)


class Column:
    """A subject's spine: its levels, its bend to the side and the fields that all of its parts share."""

    def __init__(self, subject: Subject) -> None:
        rng = subject.rng(161)
        self.size = 1.0 if subject.sex == "M" else 0.92
        self.bend = float(np.clip(rng.normal(0, 1.6), -4, 4))
        self.phase = float(rng.uniform(0, 2 * np.pi))
        self.spur = float(np.clip((subject.age_years - 50) / 30, 0, 1.2)) * float(rng.uniform(0.2, 1.3))
        worn = float(np.clip((subject.age_years - 40) / 60, 0, 0.7))
        rows = [v for v in VERTEBRAE if v[0] != "C1"]
        low = np.array([v[1] for v in rows])
        high = np.array([v[2] for v in rows])
        # discs: 3 to 4 mm in the chest, 8 to 11 mm in the loins, thinner with age
        disc = np.interp(low, (-356, -290, -200, -100, 60, 90), (10, 10, 6, 4, 4, 5))
        disc = disc * (1 - worn * 0.35 * rng.uniform(0.3, 1.7, len(disc)))
        index = np.clip(np.searchsorted(-low, -_HEIGHTS, side="left"), 0, len(rows) - 1)
        self.middle = ((low + disc + high) / 2)[index].astype(np.float32)
        self.half = ((high - low - disc) / 2)[index].astype(np.float32)
        self._memories = Memory(), Memory()

    def centre_x(self, z: Array) -> Array:
        """Sideways place of the spine: a mild scoliosis."""
        result: Array = np.float32(self.bend) * np.sin(z * np.float32(2 * np.pi / 320) + np.float32(self.phase))
        return result

    def level(self, t: Array) -> tuple[Array, Array]:
        """Height above the middle of the vertebral body at hand, and half of that body's height."""
        index = np.clip((t - np.float32(_HEIGHTS[0])) / np.float32(_PITCH), 0, len(_HEIGHTS) - 1).astype(np.int32)
        return t - self.middle[index], self.half[index]

    def fields(self, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        """Return height in the level, half of it, place across and deep, and distance to the bodies' sides."""
        return self._memories[0].recall(self._fields, x, y, z)

    def _fields(self, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        centre = _axis_y(z)
        across, deep = x - self.centre_x(z), y - centre
        t = z + deep * _SLOPE(z)
        height, half = self.level(t)
        part = np.clip(np.abs(height) / half, 0, 1.3)
        waist = np.float32(0.93) + np.float32(0.09 + 0.05 * self.spur) * part**4
        wide, thick = (
            body_half_width(z) * np.float32(self.size) * waist,
            body_half_depth(z) * np.float32(self.size) * waist,
        )
        side = oval(across, deep + np.float32(0.0012) * across**2 * (deep > 0), wide, thick)
        return height, half, across, deep, side

    def body(self, inset: float) -> Distance:
        """Vertebral bodies, `inset` further in."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            height, half, _, _, side = self.fields(x, y, z)
            # end plates are hollow by 1.5 mm
            lid = np.abs(height) - half + np.float32(1.5) * np.clip(-side / 11, 0, 1)
            q = np.float32(1.5)
            rim = np.hypot(np.maximum(side + q, 0), np.maximum(lid + q, 0)) - q
            result: Array = rim + np.minimum(np.maximum(side, lid) + q, 0) + np.float32(inset)
            return result

        return distance

    def discs(self, x: Array, y: Array, z: Array) -> Array:
        """Discs: the column between the bodies, painted before these."""
        return self.fields(x, y, z)[4] + np.float32(0.4)

    def _arch_fields(self, x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        centre = _axis_y(z)
        across = np.abs(x - self.centre_x(z))
        deep = y - centre - body_half_depth(z) * np.float32(self.size) - np.float32(8)
        t = z + (y - centre) * _SLOPE(z)
        height, half = self.level(t)
        # thoracic spinous processes fall steeply to the level below
        steep = _STEEP(z)
        tip, _ = self.level(t + steep * np.maximum(deep, 0))
        return across, deep, height, half, tip, t

    def arch(self, inset: float) -> Distance:
        """Pedicles, laminae, articular, transverse and spinous processes."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            across, deep, height, half, tip, _ = self._memories[1].recall(self._arch_fields, x, y, z)
            size = np.float32(self.size)
            canal = np.hypot(across / np.float32(1.15), deep) - np.float32(8.8)
            pedicle = meet(
                between(across, 9.4, 9.4 + _PEDICLE(z) * size),
                between(deep, -12, 3),
                np.abs(height - 0.25 * half) - 0.55 * half,
            )
            lamina = meet(np.abs(canal - 3.2) - 3.0, -1 - deep, np.abs(height + 0.15 * half) - np.float32(0.85) * half)
            facet = np.hypot(across - _FACET(z), deep - np.float32(3)) - np.float32(6.3)
            facet = meet(facet, np.abs(np.abs(height) - 0) - half - np.float32(2.0))
            reach = _TRANSVERSE(z) * size
            slant = deep - np.float32(3) - _BACKWARD(z) * np.maximum(across - 10, 0)
            transverse = np.hypot(slant, (height - 0.25 * half) * np.float32(0.8)) - np.float32(4.6)
            transverse = meet(transverse, between(across, 8, reach))
            blade = meet(across - _BLADE(z), between(deep, 8, _SPINOUS(z) * size), np.abs(tip + 1) - _TIP(z) * half)
            result = smooth_union(np.minimum(pedicle, transverse), np.minimum(lamina, facet), 4)
            result = smooth_union(result, blade, 4)
            return np.maximum(result, -canal) + np.float32(inset)

        return distance

    def canal(self, x: Array, y: Array, z: Array, half_width: float = 10.0, half_depth: float = 8.0) -> Array:
        """Tube of the canal, from the foramen magnum into the sacrum."""
        deep = y - _axis_y(z) - body_half_depth(z) * np.float32(self.size) - np.float32(8)
        across = x - self.centre_x(z)
        return oval(across, deep, np.full_like(z, half_width), np.full_like(z, half_depth))


def parts(subject: Subject) -> Iterator[Part]:
    """Yield the spine, its canal and the cord, then the sacrum."""
    column = Column(subject)
    rng = subject.rng(162)
    grain = noise(rng, wavelength_mm=(7, 7, 9))
    loss = np.float32(-np.clip((subject.age_years - 55) * 1.1, -35, 45) * rng.uniform(0.7, 1.3))

    def marrow(x: Array, y: Array, z: Array) -> Array:
        height, half, across, deep, _ = column.fields(x, y, z)
        # basivertebral vein: a darker wedge in the back of the middle
        vein = np.exp(-((height / 4) ** 2) - (across / 4) ** 2) * np.clip((deep + 8) / 14, 0, 1)
        rims = (np.abs(height) / half) ** 4
        result: Array = loss + 14 * grain(x, y, z) - np.float32(55) * vein + np.float32(15) * np.minimum(rims, 1)
        return result

    disc_part = Solid(lambda x, y, z: meet(column.discs(x, y, z), between(z, -358, 158)), _BOX)
    yield Part(Tissue.DISC, disc_part, Organ.VERTEBRAE)
    yield from _shell(column.body, _BOX, (-356, 176), 1.2, marrow)
    yield from _shell(column.arch, _ARCH_BOX, (-364, 172), 1.5, None)
    yield from _atlas(subject)
    yield from _sacrum(subject, column)
    tube = ((-20.0, 20.0), (30.0, 120.0), (-400.0, 200.0))
    low, high = -395.0, 197.0
    for tissue, organ, halves in (
        (Tissue.FAT, None, (9.6, 8.0)),
        (Tissue.CSF, Organ.SPINAL_CORD, (8.4, 6.8)),
    ):

        def sac(x: Array, y: Array, z: Array, halves: tuple[float, float] = halves) -> Array:
            return meet(column.canal(x, y, z, *halves), between(z, low, high))

        yield Part(tissue, Solid(sac, tube), organ, fine=True)

    def cord(x: Array, y: Array, z: Array) -> Array:
        swell = _CORD(z)
        deep = y - _axis_y(z) - body_half_depth(z) * np.float32(column.size) - np.float32(8)
        return meet(oval(x - column.centre_x(z), deep, 5.2 * swell, 3.9 * swell), between(z, -222, high))

    yield Part(Tissue.SPINAL_CORD, Solid(cord, tube), Organ.SPINAL_CORD, fine=True)


def _shell(
    make: Callable[[float], Distance],
    box: Box,
    heights: tuple[float, float],
    shell_mm: float,
    marrow: Distance | None,
) -> Iterator[Part]:
    def within(inset: float) -> Solid:
        inner = make(inset)
        return Solid(lambda x, y, z: meet(inner(x, y, z), between(z, *heights)), box)

    yield Part(Tissue.CORTICAL_BONE, within(0.0), Organ.VERTEBRAE, fine=True)
    yield Part(Tissue.VERTEBRAL_MARROW, within(shell_mm), Organ.VERTEBRAE, hu_offset=marrow, fine=True)


def _atlas(subject: Subject) -> Iterator[Part]:
    """Yield C1, a ring with its lateral masses, and the dens of C2."""
    y = at(spine_y, 187)
    ring = [(14 * np.sin(a) * 1.55, y + 12 - 25 * np.cos(a), 187.0) for a in np.linspace(0, 2 * np.pi, 17)]
    masses = [ellipsoid((s * 19, y + 4, 187), (9, 9, 9)) for s in (RIGHT, LEFT)]
    wings = [chain(((s * 20, y + 8, 187), (s * 38, y + 12, 186)), (6, 4.5)) for s in (RIGHT, LEFT)]
    whole = union(chain(ring, [4.2] * len(ring)), *masses, *wings)
    yield from bone(whole, Organ.VERTEBRAE, shell_mm=1.6, marrow=Tissue.VERTEBRAL_MARROW)
    dens = chain(((0, y + 1, 168), (0, y - 2, 192)), (6.5, 5.5))
    yield from bone(dens, Organ.VERTEBRAE, shell_mm=1.6, marrow=Tissue.VERTEBRAL_MARROW)


def _sacrum(subject: Subject, column: Column) -> Iterator[Part]:
    """Yield the sacrum, a wedge of five fused vertebrae with its wings and foramina, and the coccyx."""
    wide = 1.0 if subject.sex == "M" else 1.04

    def distance(x: Array, y: Array, z: Array) -> Array:
        ax = np.abs(x)
        # the wings stand back from the promontory
        deep = y - _axis_y(z) - _BACK_OF_WINGS(z) * np.clip(ax / 50, 0, 1.2)
        flat = oval(ax, deep - np.float32(4), _SACRUM_X(z) * np.float32(wide), _SACRUM_Y(z))
        tilt = z + np.float32(0.45) * (y - _axis_y(z))
        solid = meet(flat, between(tilt, -470, -358))
        crest = meet(ax - np.float32(4), between(deep, 0, 4 + _SACRUM_Y(z) + 7), between(z, -440, -364))
        solid = smooth_union(solid, crest, 6)
        for height in (-378, -400, -421, -441):
            hole = np.hypot(ax - np.float32(22 + (height + 378) * 0.1), (z - height) * 1.0) - 4.2
            solid = np.maximum(solid, -meet(hole, np.abs(deep - 4) - 40))
        return solid

    box: Box = ((-66.0, 66.0), (20.0, 135.0), (-476.0, -352.0))
    yield from bone(Solid(distance, box), Organ.SACRUM, shell_mm=1.4)
    yield from bone(chain(((0, 100, -464), (0, 100, -480), (0, 92, -496)), (7, 6, 4)), Organ.SACRUM, shell_mm=1.4)


_SLOPE_TABLE = np.gradient(spine_y(_HEIGHTS.astype(np.float32)), _PITCH)
_SLOPE = by_height(_HEIGHTS[::20].tolist(), np.clip(_SLOPE_TABLE[::20], -0.5, 0.5).tolist(), smooth_mm=30)
_STEEP = by_height((-360, -200, -150, -110, 20, 70, 170), (0.1, 0.2, 0.5, 0.9, 0.9, 0.5, 0.35))
_PEDICLE = by_height((-360, -290, -200, -40, 60, 170), (14, 10, 8, 5.5, 6, 5))
_FACET = by_height((-360, -290, -200, -40, 60, 90, 170), (22, 18, 15, 13, 15, 19, 18))
_TRANSVERSE = by_height((-360, -290, -225, -192, -150, -40, 60, 80, 100, 170), (44, 46, 38, 22, 24, 35, 38, 32, 26, 24))
_BACKWARD = by_height((-360, -205, -180, -40, 60, 90, 170), (0.05, 0.05, 0.5, 0.65, 0.45, -0.2, -0.4))
_BLADE = by_height((-360, -40, 60, 170), (3.4, 3.0, 3.2, 3.4))
_SPINOUS = by_height((-360, -290, -190, -40, 60, 90, 130, 170), (32, 40, 38, 40, 44, 42, 30, 28))
_TIP = by_height((-360, -220, -150, -40, 60, 170), (0.75, 0.8, 0.5, 0.42, 0.42, 0.40))
_CORD = by_height((-225, -205, -180, -160, 30, 60, 100, 120, 190), (0.35, 0.7, 1.05, 0.9, 0.9, 1.05, 1.25, 1.2, 1.15))
_SACRUM_X = by_height((-470, -440, -400, -375, -356), (14, 26, 44, 55, 56), smooth_mm=14)
_SACRUM_Y = by_height((-470, -440, -400, -375, -356), (6, 8, 15, 19, 19), smooth_mm=14)
_BACK_OF_WINGS = by_height((-470, -440, -400, -356), (0, 2, 8, 24))
