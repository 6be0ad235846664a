"""Body wall: skin, subcutaneous fat, breasts and the muscles of trunk, neck, arms and thighs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy import abdominal_muscles, arms, brown_fat, neck_muscles, pelvis, thoracic_muscles
from fdglung.phantom.anatomy.body_surface import SKIN_MM, TRUNK_BOX, BodySurface
from fdglung.phantom.anatomy.solids import grown, noise
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Distance, Solid, ellipsoid
from fdglung.phantom.subject import Subject


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield skin, fat, breasts and muscles, deep layers first.

    Muscles that lie within the belly's inner wall (psoas, iliacus, diaphragm) are those of `deep_parts`.
    """
    surface = BodySurface(subject)
    grain = muscle_grain(subject)
    skin = Solid(surface.skin, TRUNK_BOX)
    strands = noise(subject.rng(111), wavelength_mm=(14, 14, 22))

    def septa(x: Array, y: Array, z: Array) -> Array:
        near = strands(x, y, z)
        result: Array = np.float32(5) * near + np.float32(45) * np.maximum(np.float32(0.22) - np.abs(near), 0)
        return result

    yield Part(Tissue.SKIN, skin, Organ.SKIN)
    yield Part(Tissue.FAT, grown(skin, -SKIN_MM), Organ.FAT, hu_offset=septa)
    yield from brown_fat.parts(subject, surface)
    yield from _breasts(subject, surface)
    for layer in (0, 1, 2):
        yield Part(Tissue.MUSCLE, Solid(_layer(surface, layer), TRUNK_BOX), Organ.MUSCLE, hu_offset=grain)
    yield from abdominal_muscles.hips(surface, grain)
    yield from neck_muscles.parts(subject, surface, grain)
    yield from thoracic_muscles.girdle(subject, surface, grain)
    yield from arms.parts(subject, grain)


def deep_parts(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield hip bones and femora, psoas, iliacus, the loins' muscles, crura and the diaphragm's sheet.

    To be painted after the abdominal cavity's fat, into which they reach, and before the organs.
    """
    yield from pelvis.parts(subject)
    yield from abdominal_muscles.deep(subject, frame, muscle_grain(subject))


def muscle_grain(subject: Subject) -> Distance:
    """Return what fat in and between a muscle's bundles adds to its CT number, in HU: -8 at 30 years, -19 at 80.

    In 1,859 women muscles of the chest had 42 to 36 HU below 45 years and 35 to 23 HU from 75 years on
    (10.1097/RLI.0000000000001012, means by level); the same loss is given to men.
    """
    rng = subject.rng(112)
    coarse = noise(rng, wavelength_mm=(11, 11, 40))
    sheets = noise(rng, wavelength_mm=(16, 16, 60))
    old = float(np.clip((subject.age_years - 35) / 45, 0, 1.2))
    depth = np.float32(4 + 10 * old + 0.25 * max(subject.body_mass_index - 24, 0))
    wide = np.float32(0.18 + 0.07 * old)

    def offset(x: Array, y: Array, z: Array) -> Array:
        n = coarse(x, y, z)
        # streaks: the noise's low tail, drawn out along the fibres; and thin sheets of fat between bundles
        streaks = np.float32(2) - depth * (np.float32(0.5) * n**2 * (n < 0) + np.float32(0.45))
        result: Array = streaks - np.float32(75) * np.clip(1.5 - 1.5 * np.abs(sheets(x, y, z)) / wide, 0, 1)
        return result

    return offset


def _layer(surface: BodySurface, number: int) -> Distance:
    """Thorax above, belly below: each worked out on its own slices only, on both where they overlap."""
    above, below = thoracic_muscles.layer(surface, number), abdominal_muscles.layer(surface, number)

    def distance(x: Array, y: Array, z: Array) -> Array:
        lowest, highest = float(z.min()), float(z.max())
        if lowest > _BELLY_TOP_MM:
            return above(x, y, z)
        if highest < _CHEST_LOW_MM:
            return below(x, y, z)
        return np.minimum(above(x, y, z), below(x, y, z))

    return distance


_BELLY_TOP_MM, _CHEST_LOW_MM = -100.0, -425.0


def _breasts(subject: Subject, surface: BodySurface) -> Iterator[Part]:
    rng = subject.rng(113)
    mesh = noise(rng, wavelength_mm=(16, 16, 18))
    # dense at 30, nearly all fat at 75 and in the stout
    dense = float(
        np.clip(1.05 - 0.011 * (subject.age_years - 30) - 0.012 * (subject.body_mass_index - 24), 0.25, 1.1)
        * (1 + 0.2 * rng.standard_normal())
    )
    for solid in surface.breasts:
        box = solid.box

        def own(x: Array, y: Array, z: Array, solid: Solid = solid) -> Array:
            skin, hull = surface.layers(x, y, z)[:2]
            result: Array = np.maximum(np.maximum(solid.distance(x, y, z) - 4, skin + np.float32(SKIN_MM)), 2 - hull)
            return result

        centre = [(low + high) / 2 for low, high in box]
        side = np.sign(centre[0])
        gland = ellipsoid(
            (centre[0] - side * 2, centre[1] - 8, centre[2] - 2),
            tuple((high - low) / 2 * share for (low, high), share in zip(box, (0.72, 0.9, 0.7), strict=True)),
        )

        def tissue(x: Array, y: Array, z: Array, gland: Solid = gland) -> Array:
            skin, hull = surface.layers(x, y, z)[:2]
            ragged = gland.distance(x, y, z) + 9 * mesh(x, y, z) + np.float32(14 * (1 - dense))
            result: Array = np.maximum(np.maximum(ragged * np.float32(0.6), skin + np.float32(7)), 5 - hull)
            return result

        yield Part(Tissue.FAT, Solid(own, box), Organ.BREASTS)
        yield Part(Tissue.BREAST, Solid(tissue, box), Organ.BREASTS)
