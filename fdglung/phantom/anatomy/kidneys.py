"""Kidneys with cortex, pyramids, sinus and pelvis, their vessels, ureters, and the adrenals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, spine_y
from fdglung.phantom.anatomy.room import Place, Points, Room, Shape, ripple, spline
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Solid, capsule, ellipsoid, smooth_intersection
from fdglung.phantom.subject import Subject


def parts(subject: Subject, room: Room) -> Iterator[Part | Tubes]:
    """Yield renal vessels, kidneys, collecting systems and ureters, and take the kidneys' room.

    One kidney: 165 ml in men, 140 ml in women of usual size (ICRP 89: 155 and 138 g; Cheong et al., CJASN 2007;2:38,
    10.2215/CJN.00930306: 202 and 154 ml on MRI), smaller in the old; the left one slightly larger and 1 to 2 cm higher.
    """
    rng = subject.rng(43)
    size = (subject.weight_kg / 72) ** 0.25 * (1 - 0.004 * max(subject.age_years - 55, 0))
    own = np.clip(rng.standard_normal(), -2, 2)
    wells = []
    for side in (RIGHT, LEFT):
        volume = (165 if subject.sex == "M" else 148) * size * np.exp(0.12 * own + 0.05 * rng.standard_normal())
        anchor = np.array((side * 65.0, 43.0, -252.0 if side == RIGHT else -239.0))
        anchor += np.clip(rng.standard_normal(3), -2, 2) * (2.5, 2.5, 5)
        wells.append((side, anchor, float(volume * (1.04 if side == LEFT else 1.0))))
    for side, anchor, volume in wells:
        yield from _kidney(room, rng, side, anchor, volume)
    for side, anchor, _ in wells:
        yield _ureter(rng, side, anchor)


def adrenals(subject: Subject, room: Room) -> Iterator[Part | Tubes]:
    """Yield both adrenals: thin limbs, a Y behind the vena cava on the right, a lambda before the left kidney.

    About 4 to 5 ml each on CT (ICRP 89: 14 g for both); limbs 3 to 6 mm thick.
    """
    rng = subject.rng(44)
    thick = float(np.clip(1 + 0.12 * rng.standard_normal(), 0.8, 1.3))
    for side, organ in ((RIGHT, Organ.RIGHT_ADRENAL), (LEFT, Organ.LEFT_ADRENAL)):
        centre = np.array((-38.0, 35.0, -199.0) if side == RIGHT else (35.0, 27.0, -203.0))
        place = Place.at(room.frame, centre + 2 * np.clip(rng.standard_normal(3), -2, 2))
        body = capsule((side * -2, -9, 10), (side * 3, -2, -16), 3.6 * thick)
        solids = [body]
        for out, back in ((1.0, 16.0), (10.0, 12.0)):
            for level in (-12.0, -6.0, 0.0, 6.0):
                start = (side * (1 - level * 0.1), -5 - level * 0.2, level)
                stop = (side * (out + 2), back - 4 - level * 0.5, level - 5)
                solids.append(capsule(start, stop, 3.2 * thick, end_radius=2.3 * thick))

        def limbs(x: Array, y: Array, z: Array, place: Place = place, solids: list[Solid] = solids) -> Array:
            u, v, w = place.mm(x, y, z)
            result = solids[0].distance(u, v, w)
            for solid in solids[1:]:
                result = np.minimum(result, solid.distance(u, v, w))
            return result

        box = place.box(((-20.0, 20.0), (-20.0, 24.0), (-26.0, 18.0)))
        grown = room.grow(limbs, box, volume_ml=None, blend_mm=2, gap_mm=-9.0, taken_gap_mm=1.0)
        yield grown.part(Tissue.ADRENAL, organ, fine=True)


def _kidney(
    room: Room,
    rng: np.random.Generator,
    side: int,
    anchor: Points,
    volume: float,
) -> Iterator[Part | Tubes]:
    organ = Organ.RIGHT_KIDNEY if side == RIGHT else Organ.LEFT_KIDNEY
    place = Place.at(room.frame, anchor)
    length = float(np.clip(56 + 2.5 * rng.standard_normal(), 50, 62))
    # upper pole towards the spine and the back; hilum to the middle and the front
    axis = np.array((-side * 0.26, 0.22, 1.0)) + 0.04 * rng.standard_normal(3)
    whole = ellipsoid((0, 0, 0), (28, 25, length), axis=axis)
    axis /= np.linalg.norm(axis)
    door = np.array((-side * 0.86, -0.5, 0.0))
    door -= (door @ axis) * axis
    door /= np.linalg.norm(door)
    across = np.cross(axis, door)
    rows = np.stack([door, across, axis]).astype(np.float32)
    bump = ripple(rng, 26)

    def own(x: Array, y: Array, z: Array) -> tuple[Array, Array, Array]:
        p = place.mm(x, y, z)
        a, b, c = (row[0] * p[0] + row[1] * p[1] + row[2] * p[2] for row in rows)
        return a, b, c

    def free(x: Array, y: Array, z: Array) -> Array:
        a, b, c = own(x, y, z)
        notch = np.sqrt((a - 30) ** 2 + (b * np.float32(1.1)) ** 2 + (c * np.float32(0.62)) ** 2) - np.float32(15)
        outside = whole.distance(*place.mm(x, y, z)) + np.float32(0.7) * bump(x, y, z)
        return smooth_intersection(outside, -notch, 8)

    box = place.box(((-38.0, 38.0), (-36.0, 36.0), (-62.0, 62.0)))
    kidney = room.grow(free, box, volume_ml=volume, blend_mm=6, gap_mm=1.5, taken_gap_mm=5.0)
    yield _renal_vessels(place, side, door)
    yield kidney.part(Tissue.RENAL_CORTEX, organ)
    phase = float(rng.uniform(0, 6))

    def pyramids(x: Array, y: Array, z: Array) -> Array:
        a, b, c = own(x, y, z)
        round_ = np.arctan2(b, -a + 4)
        lobes = np.cos(c * np.float32(2 * np.pi / 21) + phase + np.sign(b)) * np.float32(0.75) + np.float32(0.35)
        lobes = lobes + np.float32(0.45) * np.cos(round_ * 4)
        return np.maximum(kidney.distance(x, y, z) + np.float32(6.5), -4 * lobes)

    yield Shape(room.frame, pyramids, kidney.box).part(Tissue.RENAL_MEDULLA)
    half = float(rng.uniform(8.0, 10.5))

    def sinus(x: Array, y: Array, z: Array) -> Array:
        a, b, c = own(x, y, z)
        radius = np.sqrt(((a - 12) / 17) ** 2 + (b / half) ** 2 + (c / 27) ** 2)
        return (radius - 1) * np.float32(half)

    yield Shape(room.frame, sinus, kidney.box).part(Tissue.VISCERAL_FAT)
    yield _calyces(rng, place, rows, organ)


def _calyces(rng: np.random.Generator, place: Place, rows: Points, organ: Organ) -> Tubes:
    """Renal pelvis, three major calyces, minor calyces at the pyramids' tips."""
    full = float(np.clip(1 + 0.18 * rng.standard_normal(), 0.7, 1.5))
    legs = [((24.0, 0.0, -8.0), (12.0, 0.0, -2.0), 3.6, 5.5)]
    for level in (-22.0, 0.0, 22.0):
        tip = (5.0, float(rng.normal(0, 1.5)), level)
        legs.append(((12.0, 0.0, -2.0), tip, 3.2, 2.4))
        for turn in (-1, 1):
            end = (-2 + float(rng.normal(0, 1)), turn * 7.0, level * 1.15 + turn * 3)
            legs.append((tip, end, 1.6, 3.2))
    starts, stops = (
        np.stack([place.point(*(np.asarray(leg[i], float) @ rows.astype(float))) for leg in legs]) for i in (0, 1)
    )
    radii, ends = (full * np.array([leg[i] for leg in legs]) for i in (2, 3))
    return Tubes(Tissue.RENAL_PELVIS, starts, stops, radii, ends, organ, moves=True)


def _renal_vessels(place: Place, side: int, door: Points) -> Tubes:
    hilum = place.point(*(22 * door))
    level = hilum[2] + 8
    front = float(spine_y(np.asarray([level], np.float32))[0]) - 17
    middle = place.point(*(30 * door + np.array((0, 0, 3.0))))
    vein_end = (-20.0, front - 6, level) if side == RIGHT else (-12.0, front - 26, level + 4)
    bend = (0.5 * (vein_end[0] + middle[0]), min(front - 8, middle[1]) - (8 if side == LEFT else 0), level + 2)
    artery = (10.0, front - 8, level + 6)
    starts = np.array([hilum, middle, bend, artery])
    stops = np.array([middle, bend, vein_end, middle + np.array((0, 5.0, 3.0))])
    radii = np.array([4.5, 4.8, 5.0, 2.8])
    return Tubes(Tissue.VENOUS_BLOOD, starts, stops, radii, radii, None, moves=True)


def _ureter(rng: np.random.Generator, side: int, anchor: Points) -> Tubes:
    """From the renal pelvis over the psoas and the iliac vessels to the bladder's base; parts of it collapsed."""
    knots = np.array(
        [
            (side * 40, 32, anchor[2] - 12),
            (side * 41, 22, -290),
            (side * 38, 10, -335),
            (side * 33, 8, -372),
            (side * 42, 30, -410),
            (side * 44, 38, -438),
            (side * 28, 24, -462),
            (side * 13, 8, -472),
        ],
        float,
    )
    points, _ = spline(knots + rng.normal(0, 1.2, knots.shape), np.full(len(knots), 2.0), 8)
    radii = 1.6 + 0.9 * np.clip(np.sin(np.arange(len(points)) * 0.5 + rng.uniform(0, 6)), -0.6, 1)
    return Tubes(Tissue.URETER, points[:-1], points[1:], radii[:-1], radii[1:], None, moves=True)
