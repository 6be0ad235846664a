"""Organs of the neck and the mouth: thyroid, larynx, pharynx with its air, tongue, tonsils, salivary glands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.room import Place, ripple, spline
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import (
    Array,
    Distance,
    Solid,
    capsule,
    ellipsoid,
    profile,
    smooth_intersection,
    smooth_union,
)
from fdglung.phantom.subject import Subject


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the organs of the neck, deep ones first; nothing here moves with breathing.

    Thyroid 20 and 17 ml, parotids 25 and 21 ml and submandibular glands 12 and 10 ml each (ICRP 89: 20 and 17 g;
    salivary glands 85 and 70 g together).
    """
    rng = subject.rng(48)
    own = np.clip(rng.standard_normal(12), -2, 2)
    yield from _mouth(own)
    yield from _pharynx(subject, rng)
    yield from _larynx(subject, own)
    yield _thyroid(subject, frame, rng)
    male = subject.sex == "M"
    for tissue, organ, volume, spots in (
        (Tissue.PAROTID, Organ.PAROTID_GLANDS, 25.0 if male else 21.0, _PAROTID),
        (Tissue.SUBMANDIBULAR, Organ.SUBMANDIBULAR_GLANDS, 12.0 if male else 10.0, _SUBMANDIBULAR),
    ):
        size = np.exp(0.15 * np.clip(rng.standard_normal(), -2, 2))
        for side in (RIGHT, LEFT):
            yield _gland(
                frame, rng, side, tissue, organ, float(volume * size * np.exp(0.05 * rng.standard_normal())), spots
            )
    for side in (RIGHT, LEFT):
        yield Part(Tissue.SUBMANDIBULAR, ellipsoid((side * 11, -52, 155), (4.5, 14, 6), axis=(0, 0.1, 1)))


_Spots = Sequence[tuple[tuple[float, float, float], tuple[float, float, float]]]
_PAROTID: _Spots = (((51, 8, 176), (6.5, 19, 30)), ((45, 18, 180), (9, 9, 22)))
_SUBMANDIBULAR: _Spots = (((28, -19, 139), (9.5, 15, 12)), ((24, -28, 143), (6, 10, 8)))


def _gland(
    frame: BodyFrame,
    rng: np.random.Generator,
    side: int,
    tissue: Tissue,
    organ: Organ,
    volume_ml: float,
    spots: _Spots,
) -> Part:
    anchor = np.asarray(spots[0][0]) * (side, 1, 1) + 1.2 * np.clip(rng.standard_normal(3), -2, 2)
    place = Place.at(frame, anchor, moves=False)
    bump = ripple(rng, 12)
    lobes = [
        ellipsoid((np.asarray(c) - np.asarray(spots[0][0])) * (side, 1, 1), radii, axis=(side * 0.06, 0.05, 1))
        for c, radii in spots
    ]

    def free(x: Array, y: Array, z: Array) -> Array:
        p = place.mm(x, y, z)
        gland = smooth_union(lobes[0].distance(*p), lobes[1].distance(*p), 6) + np.float32(0.7) * bump(*p)
        # flat under the skin of the cheek
        return smooth_intersection(gland, np.abs(x) - np.float32(58), 4)

    box = place.box(((-22.0, 22.0), (-30.0, 30.0), (-40.0, 40.0)))
    grown = _to_volume(free, box, place.volume, volume_ml)
    texture = ripple(rng, 6)
    return Part(tissue, Solid(grown, box), organ, hu_offset=lambda x, y, z: np.float32(6) * texture(x, y, z))


def _to_volume(free: Distance, box: tuple[tuple[float, float], ...], scale: float, volume_ml: float) -> Distance:
    """Inflate or deflate a distance until it holds a volume: sampled every 1.5 mm."""
    axes = [np.arange(low, high, 1.5, dtype=np.float32) for low, high in box]
    depth = np.sort(free(axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]).ravel())
    count = int(volume_ml * 1000 / (1.5**3 * scale))
    swell = np.float32(depth[min(count, len(depth) - 1)])
    return lambda x, y, z: free(x, y, z) - swell


_TRACHEA_Y = profile((90, 140), (8, 2), smooth_mm=10)


def _thyroid(subject: Subject, frame: BodyFrame, rng: np.random.Generator) -> Part:
    volume = (19 if subject.sex == "M" else 15.5) * float(np.exp(0.25 * np.clip(rng.standard_normal(), -2, 2)))
    low = float(np.clip(rng.normal(0, 4), -7, 7))
    centre = np.array((0.0, 4.0, 114.0 + low))
    place = Place.at(frame, centre, moves=False)
    lobes = [
        ellipsoid(
            (side * 16.5, 2 + rng.normal(0, 1), side * rng.normal(0, 2)), (7, 10, 24), axis=(-side * 0.12, 0.1, 1)
        )
        for side in (RIGHT, LEFT)
    ]
    isthmus = ellipsoid((0, -12, -6), (17, 4, 8))
    bump = ripple(rng, 14)

    def free(x: Array, y: Array, z: Array) -> Array:
        p = place.mm(x, y, z)
        both = np.minimum(lobes[0].distance(*p), lobes[1].distance(*p))
        gland = smooth_union(both, isthmus.distance(*p), 8) + np.float32(0.6) * bump(*p)
        windpipe = np.hypot(x, y - _TRACHEA_Y(z)) - np.float32(10.9)
        return smooth_intersection(gland, -windpipe, 2)

    box = place.box(((-30.0, 30.0), (-26.0, 22.0), (-38.0, 38.0)))
    return Part(Tissue.THYROID, Solid(_to_volume(free, box, place.volume, volume), box), Organ.THYROID)


def _mouth(own: npt.NDArray[np.float64]) -> Iterator[Part]:
    tongue = ellipsoid((0, -40, 163 + own[0]), (21, 32, 15), axis=(0, -0.25, 1))
    root = ellipsoid((0, -22, 158), (17, 18, 18))
    floor = ellipsoid((0, -48, 148), (22, 28, 7))

    def muscle(x: Array, y: Array, z: Array) -> Array:
        body = smooth_union(tongue.distance(x, y, z), root.distance(x, y, z), 12)
        return smooth_union(body, floor.distance(x, y, z), 6)

    box = ((-26.0, 26.0), (-80.0, 0.0), (138.0, 186.0))
    yield Part(Tissue.MUSCLE, Solid(muscle, box), Organ.MUSCLE)
    # septum of the tongue: a thin sheet of fat
    yield Part(Tissue.FAT, ellipsoid((0, -44, 158), (0.9, 22, 10)), fine=True)
    yield Part(Tissue.MUSCLE, ellipsoid((0, -22, 183), (16, 13, 5), axis=(0, 0.5, 1)), Organ.MUSCLE)


def _pharynx(subject: Subject, rng: np.random.Generator) -> Iterator[Part | Tubes]:
    """Muscle around the airway from the choanae to the larynx, tonsils, and the air."""
    open_ = float(np.clip(rng.normal(1, 0.15), 0.7, 1.3))
    knots = ((0, -20, 194), (0, -6, 191), (0, -1, 180), (0, -1, 168), (0, -3, 158), (0, -2, 150))
    points, deep = spline(knots, (6, 6.5, 5.5, 5.0, 6.0, 6.0), 4)
    wide = np.interp(points[:, 2], (150, 165, 180, 192), (9, 13, 11, 10)) * open_
    axis_y, half_y, half_x = (
        profile(points[::-1, 2].tolist()[:-3], values[::-1].tolist()[:-3], smooth_mm=6)
        for values in (points[:, 1], deep * open_, wide)
    )

    def air(x: Array, y: Array, z: Array) -> Array:
        across, along = half_x(z), half_y(z)
        level = np.sqrt((x / across) ** 2 + ((y - axis_y(z)) / along) ** 2)
        return np.maximum((level - 1) * along, np.abs(z - 170) - np.float32(23))

    vault = ellipsoid((0, -8, 192), (10 * open_, 13, 8 * open_))

    def whole(x: Array, y: Array, z: Array) -> Array:
        return smooth_union(air(x, y, z), vault.distance(x, y, z), 6)

    box = ((-26.0, 26.0), (-30.0, 20.0), (138.0, 210.0))
    yield Part(Tissue.MUSCLE, Solid(lambda x, y, z: whole(x, y, z) + np.float32(-4), box), Organ.MUSCLE)
    shrink = 1.0 if subject.age_years < 45 else 0.8
    for side in (RIGHT, LEFT):
        yield Part(Tissue.TONSIL, ellipsoid((side * 15, -5, 174), np.array((5, 7, 11)) * shrink))
        yield Part(Tissue.TONSIL, ellipsoid((side * 6, -12, 160), np.array((5, 4, 6)) * shrink))
    yield Part(Tissue.TONSIL, ellipsoid((0, 8, 198), np.array((9, 4, 7)) * shrink))
    yield Part(Tissue.AIR, Solid(whole, box), Organ.AIRWAYS)


def _larynx(subject: Subject, own: npt.NDArray[np.float64]) -> Iterator[Part]:
    """Cricoid, thyroid cartilage, hyoid, epiglottis, the folds and the air between them."""
    size = np.float32(1.0 if subject.sex == "M" else 0.84)
    angle = np.float32(0.95 + 0.05 * own[1])

    def shield(x: Array, y: Array, z: Array) -> Array:
        sheet = np.abs((y + 20 * size) - angle * np.abs(x)) * np.float32(0.72) - np.float32(1.5)
        sheet = np.maximum(sheet, np.abs(x) - 19 * size)
        notch = z - 166 - np.float32(0.5) * np.minimum(np.abs(x) - 6, 3)
        return np.maximum(np.maximum(sheet, notch), 145 - z)

    def cricoid(x: Array, y: Array, z: Array) -> Array:
        ring = np.abs(np.hypot(x, y - 2) - 12 * size) - np.float32(1.8)
        tall = np.float32(4) + np.float32(6) * np.clip((y - 4) / 10, 0, 1)
        return np.maximum(ring, np.abs(z - 138 - tall * np.float32(0.5)) - tall)

    def soft(x: Array, y: Array, z: Array) -> Array:
        level = np.sqrt((x / 17) ** 2 + ((y - 1) / 17) ** 2) / size
        return np.maximum((level - 1) * 18, np.abs(z - 152) - np.float32(15))

    def air(x: Array, y: Array, z: Array) -> Array:
        # the glottis is a slit, the rooms above and below are wide
        across = (np.float32(8.5) - np.float32(5.0) * np.exp(-(((z - 149) / 4) ** 2))) * size
        level = np.sqrt((x / across) ** 2 + ((y - 0) / (9 * size)) ** 2)
        return np.maximum((level - 1) * across, np.abs(z - 154) - np.float32(18))

    box = ((-26.0, 26.0), (-28.0, 24.0), (130.0, 172.0))
    yield Part(Tissue.MUSCLE, Solid(soft, box), Organ.MUSCLE)
    yield Part(Tissue.AIR, Solid(air, box), Organ.AIRWAYS)
    yield Part(Tissue.LARYNX, Solid(shield, box), fine=True)
    yield Part(Tissue.LARYNX, Solid(cricoid, box), fine=True)
    flap = capsule((0, -12, 162), (0, -8, 174), 2.0)
    yield Part(Tissue.LARYNX, Solid(lambda x, y, z: flap.distance(x * np.float32(0.25), y, z), _wide(flap)), fine=True)
    arch = [(24 * size * np.sin(a), -6 - 20 * size * np.cos(a), 172 - 2 * np.cos(a)) for a in np.linspace(-1.7, 1.7, 9)]
    for first, second in pairwise(arch):
        yield Part(Tissue.CORTICAL_BONE, capsule(first, second, 2.3), fine=True)


def _wide(solid: Solid) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    return ((-10.0, 10.0), solid.box[1], solid.box[2])
