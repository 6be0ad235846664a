"""Liver with its fissures and vessels, gallbladder and spleen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy import landmarks
from fdglung.phantom.anatomy.room import Place, Room, Shape, ripple
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Box, Distance, ellipsoid, smooth_intersection, smooth_union
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]


def liver_volume_ml(subject: Subject) -> float:
    """Mean liver volume of an adult of this size: 1267 ml for each m2 of body surface, less 794 ml.

    Vauthey et al., Liver Transpl 2002;8:233 (10.1053/jlts.2002.31654); body surface after Mosteller.
    """
    surface = float(np.sqrt(subject.height_cm * subject.weight_kg / 3600))
    return 1267 * surface - 794


def parts(subject: Subject, room: Room) -> Iterator[Part | Tubes]:
    """Yield gallbladder, liver, portal and hepatic veins and spleen, and take their room.

    Spleen: 180 ml in men, 140 ml in women, falling with age, with a wide scatter (ICRP 89: 150 and 130 g;
    Prassopoulos et al., Eur Radiol 1997;7:246: 215 ml, 107 to 315, on CT).
    """
    rng = subject.rng(41)
    drift = np.clip(rng.standard_normal(12), -2, 2)
    gallbladder = _gallbladder(room, rng)
    target = float(np.clip(liver_volume_ml(subject), 900, 2300) * np.exp(0.09 * drift[0]))
    left_tip = float(6 + 9 * drift[1])
    right = ellipsoid((-72, 2, -168), (86, 108, 94))
    left = ellipsoid((left_tip, -48, -150 + 2 * drift[2]), (68, 44, 46), axis=(0.16, 0.1, 1))
    caudate = ellipsoid((-14, 12, -158), (21, 18, 30))
    bump = ripple(rng, 70)
    slope = float(0.43 + 0.04 * drift[3])

    def free(x: Array, y: Array, z: Array) -> Array:
        body = smooth_union(right.distance(x, y, z), left.distance(x, y, z), 30)
        under = np.float32(-262) + np.float32(slope) * np.maximum(x + 128, 0) + np.float32(0.10) * np.maximum(y, -60)
        under = under + np.float32(3) * bump(x, y, z)
        body = smooth_intersection(body, np.float32(0.9) * (under - z), 26)
        body = smooth_intersection(body, -_lesser_sac(x, y, z), 14)
        return smooth_union(body, caudate.distance(x, y, z), 10)

    box = ((-150.0, 85.0), (-112.0, 104.0), (-268.0, -84.0))
    whole = room.grow(free, box, volume_ml=target, blend_mm=9, gap_mm=0.3, taken_gap_mm=2.0)
    spleen = _spleen(subject, room, rng)
    texture = ripple(rng, 9)
    yield spleen.part(Tissue.SPLEEN, Organ.SPLEEN)
    yield whole.part(Tissue.LIVER, Organ.LIVER, hu_offset=lambda x, y, z: np.float32(1.2) * texture(x, y, z))
    yield from _fissures(room, whole.distance, drift)
    yield _veins(rng, room)
    yield gallbladder.part(Tissue.GALLBLADDER, Organ.GALLBLADDER)


def _lesser_sac(x: Array, y: Array, z: Array) -> Array:
    """Behind the left lobe and left of the hilum, where stomach and lesser omentum lie: the left lobe is a wedge."""
    back = np.float32(0.80) * (y + 26) + np.float32(0.45) * (x - 2)
    result: Array = smooth_intersection(smooth_intersection(-back, -(x + 16), 20), z + np.float32(146), 16)
    return result


def _gallbladder(room: Room, rng: np.random.Generator) -> Shape:
    """A pear under the right lobe, 15 to 55 ml when fasting (Palasciano et al., round figure 30)."""
    anchor = np.array((-52.0, -46.0, -226.0)) + 4 * np.clip(rng.standard_normal(3), -2, 2)
    place = Place.at(room.frame, anchor)
    volume = float(np.clip(30 * np.exp(0.4 * rng.standard_normal()), 12, 70))
    axis = np.array((0.30, 0.62, 0.62)) + 0.12 * rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    fundus = ellipsoid(-6 * axis, (13, 13, 20), axis=axis)
    neck = ellipsoid(18 * axis, (6, 6, 18), axis=axis)

    def free(u: Array, v: Array, w: Array) -> Array:
        return smooth_union(fundus.distance(u, v, w), neck.distance(u, v, w), 10)

    box = place.box(((-32.0, 32.0), (-34.0, 34.0), (-34.0, 34.0)))
    return room.grow(lambda x, y, z: free(*place.mm(x, y, z)), box, volume_ml=volume, gap_mm=1, taken_gap_mm=-0.8)


def _spleen(subject: Subject, room: Room, rng: np.random.Generator) -> Shape:
    mean = (185 if subject.sex == "M" else 145) * (1 - 0.006 * (subject.age_years - 50))
    volume = float(np.clip(mean * np.exp(0.28 * np.clip(rng.standard_normal(), -2, 2)), 60, 420))
    place = Place.at(room.frame, np.array((98.0, 44.0, -172.0)) + 3 * np.clip(rng.standard_normal(3), -2, 2))
    outer = ellipsoid((4, 2, 0), (34, 44, 56), axis=(0.30, -0.42, -1))
    hollow = ellipsoid((-40, -38, -4), (46, 50, 70))
    bump = ripple(rng, 50)

    def free(x: Array, y: Array, z: Array) -> Array:
        u, v, w = place.mm(x, y, z)
        body = smooth_intersection(outer.distance(u, v, w), -hollow.distance(u, v, w), 10)
        return body + np.float32(1.6) * bump(x, y, z)

    box = place.box(((-48.0, 50.0), (-60.0, 60.0), (-68.0, 68.0)))
    return room.grow(free, box, volume_ml=volume, blend_mm=8, gap_mm=0.8, taken_gap_mm=2.0)


def _fissures(room: Room, liver: Distance, drift: npt.NDArray[np.float64]) -> Iterator[Part]:
    """Ligamentum teres, ligamentum venosum and porta hepatis: clefts filled with fat."""
    offset = np.float32(3 * drift[4])

    def teres(x: Array, y: Array, z: Array) -> Array:
        wide = np.float32(1.2) + np.float32(0.07) * np.clip(-172 - z, 0, 70)
        sheet = np.abs(x + 6 - offset - np.float32(0.12) * (y + 60)) - wide
        low = z + np.float32(166) - np.float32(0.25) * (y + 60)
        return smooth_intersection(smooth_intersection(sheet, low, 4), y + np.float32(22), 4)

    def venosum(x: Array, y: Array, z: Array) -> Array:
        sheet = np.abs(y + 8 + np.float32(0.012) * (x - 16) ** 2 - np.float32(0.1) * (z + 160)) - np.float32(0.2) * (
            np.clip(x + 16, 0, 12)
        )
        return np.maximum(np.maximum(sheet, np.abs(x - 6) - np.float32(22)), np.abs(z + 164) - np.float32(20))

    porta = ellipsoid((-26, -8, -194), (26, 8, 11), axis=(-0.3, 0, 1))
    clefts: tuple[tuple[Distance, Box], ...] = (
        (teres, ((-24.0, 16.0), (-104.0, -16.0), (-250.0, -150.0))),
        (venosum, ((-20.0, 34.0), (-26.0, 14.0), (-190.0, -130.0))),
        (porta.distance, porta.box),
    )
    for cleft, box in clefts:

        def inside(x: Array, y: Array, z: Array, cleft: Distance = cleft) -> Array:
            return np.maximum(cleft(x, y, z), liver(x, y, z) - np.float32(3))

        yield Shape(room.frame, inside, box).part(Tissue.VISCERAL_FAT, Organ.FAT)


_PORTAL = (
    ((8, 0, -222), (-10, -4, -208), 6.5, 6.5),
    ((-10, -4, -208), (-30, -6, -190), 6.5, 6.0),
    ((-30, -6, -190), (-16, -24, -172), 5.0, 4.5),
    ((-16, -24, -172), (2, -38, -162), 4.5, 3.5),
    ((-30, -6, -190), (-52, 2, -182), 5.5, 5.0),
)
_PORTAL_TIPS = (
    ((2, -38, -162), (26, -52, -152), 3.0),
    ((2, -38, -162), (22, -56, -172), 2.8),
    ((2, -38, -162), (-20, -62, -172), 3.0),
    ((-52, 2, -182), (-78, -38, -150), 4.0),
    ((-52, 2, -182), (-84, -38, -205), 3.6),
    ((-52, 2, -182), (-92, 34, -148), 4.0),
    ((-52, 2, -182), (-92, 40, -208), 3.8),
    ((-52, 2, -182), (-74, 0, -222), 2.8),
)
_HEPATIC = (
    ((-26, 20, -122), (-64, 26, -140), (-98, 34, -180), 5.0),
    ((-26, 18, -122), (-44, -14, -142), (-60, -50, -182), 4.5),
    ((-24, 14, -124), (-4, -22, -138), (24, -48, -146), 4.2),
    ((-64, 26, -140), (-86, 10, -150), (-108, -14, -172), 3.2),
    ((-44, -14, -142), (-40, -48, -150), (-36, -72, -176), 3.0),
    ((-64, 26, -140), (-84, 52, -150), (-96, 62, -172), 3.0),
)


def _veins(rng: np.random.Generator, room: Room) -> Tubes:
    """Portal and hepatic veins: named trunks, and branches that divide twice beyond their tips."""
    rows = [(np.array(a, float), np.array(b, float), r, q) for a, b, r, q in _PORTAL]
    tips = [(np.array(a, float), np.array(b, float), r) for a, b, r in _PORTAL_TIPS]
    for root, middle, far, wide in _HEPATIC:
        rows.append((np.array(root, float), np.array(middle, float), wide, 0.8 * wide))
        tips.append((np.array(middle, float), np.array(far, float), 0.75 * wide))
    for start, stop, radius in tips:
        bent = 0.5 * (start + stop) + rng.normal(0, 3, 3)
        end = stop + rng.normal(0, 4, 3)
        rows += [(start, bent, radius, 0.8 * radius), (bent, end, 0.8 * radius, 0.55 * radius)]
        ahead = (end - start) / np.linalg.norm(end - start)
        for place, share in ((end, 0.5), (bent, 0.4)):
            for _ in range(3):
                heading = ahead + 0.75 * rng.standard_normal(3)
                twig = place + 20 * heading / np.linalg.norm(heading)
                rows.append((place, twig, share * radius, 0.5 * share * radius))
    inside = [row for row in rows if _within(room, row[1])]
    starts, stops = (np.stack([row[i] for row in inside]) for i in (0, 1))
    radii, ends = (np.array([row[i] for row in inside]) for i in (2, 3))
    return Tubes(Tissue.VENOUS_BLOOD, starts, stops, radii, ends, None, moves=True)


def _within(room: Room, point: Points) -> bool:
    """Whether a twig's end stays under the diaphragm: by the dome's own formula, 8 mm deep."""
    x, y, z = (np.asarray([v], np.float32) for v in point)
    still = room.frame.moved(point)[:, 2].astype(np.float32)
    roof = landmarks.below_dome(x, y, z) < -8
    return bool(roof[0] and landmarks.cage(x, y, still)[0] < -8)
