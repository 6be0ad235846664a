"""Bladder, prostate and seminal vesicles or uterus and ovaries, testes, and the iliac vessels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.room import Place, Room, Shape, ripple, spline
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Solid, ellipsoid, smooth_union
from fdglung.phantom.subject import Subject


def parts(subject: Subject, room: Room) -> Iterator[Part | Tubes]:
    """Yield the pelvic organs from the back to the front, and take their room.

    Bladder: 60 to 400 ml, mostly under 200 after voiding before a PET. Prostate: 22 ml at 30 years, growing to 35 to 40
    at 75 (Rhodes et al., J Urol 1999;161:1174: 1.6 % a year). Uterus: 75 ml, 35 ml after the menopause; ovaries 7 and
    3 ml (Merz et al. 1996; Pavlik et al., Gynecol Oncol 2000;77:410). Testes: 18 ml each (ICRP 89: 35 g for both).
    """
    rng = subject.rng(45)
    filling = float(np.clip(60 + 110 * rng.gamma(1.1), 60, 400))
    if subject.sex == "M":
        prostate = _prostate(subject, room, rng)
        vesicles = _vesicles(room, rng)
        bladder = _bladder(room, rng, filling, -484.0)
        yield from vesicles
        yield prostate.part(Tissue.PROSTATE, Organ.PROSTATE)
        yield from _testes(room.frame, rng)
    else:
        bladder = _bladder(room, rng, filling, -496.0)
        yield from _womb(subject, room, rng, filling)
    yield bladder.part(Tissue.MUSCLE, Organ.URINARY_BLADDER)
    yield bladder.inner(float(np.clip(5.5 - filling / 90, 2.2, 4.5))).part(Tissue.BLADDER)


def vessels(subject: Subject) -> Iterator[Tubes]:
    """Yield iliac arteries and veins, from the ends of aorta (z -330) and inferior vena cava (z -350) to the groins."""
    rng = subject.rng(46)
    winding = 0.6 + 0.03 * max(subject.age_years - 40, 0)
    build = 1.0 if subject.sex == "M" else 0.88
    for side in (RIGHT, LEFT):
        common = [(4, 13, -326), (side * 16 + 3, 12, -346), (side * 32, 8, -368)]
        outer = [(side * 46, -2, -396), (side * 58, -18, -428), (side * 64, -34, -462), (side * 66, -46, -500)]
        outer += [(side * 67, -46, -540)]
        yield _vessel(rng, common + outer, (8, 6.5, 5.5, 4.8, 4.5, 4.5, 4.5, 4.2), build, winding, Tissue.BLOOD)
        inner = [(side * 32, 8, -368), (side * 42, 26, -392), (side * 50, 44, -420), (side * 52, 46, -446)]
        yield _vessel(rng, inner, (3.8, 3.5, 2.6, 1.8), build, winding, Tissue.BLOOD)
        common = [(-16, 18, -344), (side * 18 - 5, 21, -362), (side * 34, 18, -384)]
        outer = [(side * 44, 8, -404), (side * 53, -8, -430), (side * 56, -26, -464), (side * 57, -38, -500)]
        outer += [(side * 58, -36, -540)]
        yield _vessel(rng, common + outer, (9, 7, 6.5, 6, 5.8, 5.5, 5, 5), build, winding, Tissue.VENOUS_BLOOD)
        inner = [(side * 34, 18, -384), (side * 46, 36, -404), (side * 52, 50, -430)]
        yield _vessel(rng, inner, (4.5, 4, 2.5), build, winding, Tissue.VENOUS_BLOOD)


def _vessel(
    rng: np.random.Generator,
    knots: Sequence[tuple[float, float, float]],
    radii: tuple[float, ...],
    build: float,
    winding_mm: float,
    tissue: Tissue,
) -> Tubes:
    places = np.asarray(knots, float)
    places[1:-1] += rng.normal(0, winding_mm, places[1:-1].shape)
    points, wide = spline(places, radii, 6)
    wide = wide * build
    return Tubes(tissue, points[:-1], points[1:], wide[:-1], wide[1:], None)


def _bladder(room: Room, rng: np.random.Generator, volume_ml: float, base: float) -> Shape:
    radius = (volume_ml * 1000 / (4 / 3 * np.pi)) ** (1 / 3)
    flat = float(np.clip(0.62 + volume_ml / 900, 0.62, 0.95))
    wide, deep, tall = radius * 1.12 / flat**0.5, radius * 0.95 / flat**0.5, radius * flat / 1.06
    place = Place.at(room.frame, (rng.normal(0, 1.5), -30 + 0.75 * deep, base + tall))
    whole = ellipsoid((0, 0, 0), (wide, deep, tall), axis=(0, -0.25, 1))
    box = place.box(((-wide - 8, wide + 8), (-deep - 12, deep + 12), (-tall - 12, tall + 12)))
    distance, _ = place.shape(whole)
    # room is wanted for the bowel that lies on it and for what is behind it
    return room.grow(distance, box, volume_ml=volume_ml, blend_mm=8, gap_mm=1, taken_gap_mm=2)


def _prostate(subject: Subject, room: Room, rng: np.random.Generator) -> Shape:
    volume = 22 * 1.016 ** max(subject.age_years - 30, 0) * float(np.exp(0.25 * np.clip(rng.standard_normal(), -2, 2)))
    place = Place.at(room.frame, (0, 2, -492), moves=False)
    whole = ellipsoid((0, 0, 0), (25, 18, 20))
    distance, box = place.shape(whole)
    return room.grow(distance, box, volume_ml=volume, blend_mm=5, gap_mm=0.5, taken_gap_mm=0.5)


def _vesicles(room: Room, rng: np.random.Generator) -> list[Part]:
    found = []
    for side in (RIGHT, LEFT):
        place = Place.at(room.frame, (side * 17, 21 + rng.normal(0, 1), -466 + rng.normal(0, 2)), moves=False)
        lobe, bump = ellipsoid((0, 0, 0), (7, 6, 19), axis=(side * 1, 0.25, 0.45)), ripple(rng, 9)
        base, box = place.shape(lobe)

        def free(x: Array, y: Array, z: Array, base=base, bump=bump) -> Array:  # type: ignore[no-untyped-def]
            return base(x, y, z) + np.float32(0.9) * bump(x, y, z)

        found.append(room.grow(free, box, volume_ml=None, blend_mm=3).part(Tissue.PROSTATE, fine=True))
    return found


def _womb(subject: Subject, room: Room, rng: np.random.Generator, filling: float) -> Iterator[Part]:
    old = subject.age_years > 52
    volume = (36 if old else 75) * float(np.exp(0.25 * np.clip(rng.standard_normal(), -2, 2)))
    lean = float(rng.normal(0, 0.15))
    place = Place.at(room.frame, (rng.normal(0, 4), 20 + filling * 0.03, -446 + filling * 0.05), moves=False)
    fundus = ellipsoid((lean * 20, -10, 10), (25, 18, 26), axis=(lean, -0.8, 0.6))
    cervix = ellipsoid((0, 6, -18), (13, 12, 22), axis=(0, -0.1, 1))

    def free(x: Array, y: Array, z: Array) -> Array:
        u, v, w = place.mm(x, y, z)
        return smooth_union(fundus.distance(u, v, w), cervix.distance(u, v, w), 14)

    box = place.box(((-38.0, 38.0), (-46.0, 34.0), (-46.0, 42.0)))
    uterus = room.grow(free, box, volume_ml=volume, blend_mm=6, gap_mm=1)
    yield uterus.part(Tissue.UTERUS, Organ.UTERUS)
    yield uterus.inner(10 if not old else 8).part(Tissue.UTERUS, hu_offset=lambda x, y, z: np.float32(-14) + 0 * x)
    for side in (RIGHT, LEFT):
        spot = Place.at(room.frame, (side * 40 + rng.normal(0, 3), 16 + rng.normal(0, 5), -424 + rng.normal(0, 5)))
        distance, box = spot.shape(ellipsoid((0, 0, 0), (9, 10, 14), axis=(side * 0.4, 0.3, 1)))
        ovary = room.grow(distance, box, volume_ml=3.2 if old else 7.0, blend_mm=4, gap_mm=0.5)
        yield ovary.part(Tissue.UTERUS, hu_offset=lambda x, y, z: np.float32(-12) + 0 * x)


def _testes(frame: BodyFrame, rng: np.random.Generator) -> Iterator[Part]:
    """Scrotum with both testes, below and before the symphysis."""
    place = Place.at(frame, (0, -66, -556), moves=False)
    sac = ellipsoid((0, 0, 0), (34, 26, 34))
    distance, box = place.shape(sac)
    yield Part(Tissue.SKIN, Solid(distance, box), Organ.SKIN)
    yield Part(Tissue.FAT, Solid(lambda x, y, z: place.shape(sac)[0](x, y, z) + np.float32(2.5), box), Organ.FAT)
    for side in (RIGHT, LEFT):
        size = float(np.exp(0.05 * np.clip(rng.standard_normal(), -2, 2)))
        body = ellipsoid((side * 15.5, rng.normal(0, 2), rng.normal(-3, 2)), (13 * size, 14.5 * size, 22.5 * size))
        distance, box = place.shape(body)
        yield Part(Tissue.TESTIS, Solid(distance, box), Organ.TESTES)
