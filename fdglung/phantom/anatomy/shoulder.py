"""Clavicles, scapulae and humeri, with the arms up or down."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.body_surface import arm_shift_mm
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.solids import Point, bone, chain, mirrored, plate, union, without
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Solid, ellipsoid
from fdglung.phantom.subject import Subject

_POINTS = {
    "up": {
        "superior": (70, 98, 84),
        "inferior": (142, 96, -48),
        "glenoid": (128, 52, 102),
        "root": (84, 112, 52),
        "acromion": (158, 74, 136),
        "coracoid": (112, 16, 98),
        "head": (148, 48, 112),
        "humerus": (156, 40, 140),
        "supraspinous": (112, 84, 106),
        "axilla_back": (150, 66, 45),
        "axilla_front": (124, -16, 78),
        "elbow": (198, 8, 350),
        "clavicle": (148, 44, 128),
    },
    "down": {
        "superior": (62, 98, 78),
        "inferior": (86, 116, -62),
        "glenoid": (134, 44, 62),
        "root": (68, 114, 48),
        "acromion": (166, 50, 96),
        "coracoid": (120, 6, 76),
        "head": (158, 36, 64),
        "humerus": (172, 34, 28),
        "supraspinous": (104, 82, 86),
        "axilla_back": (138, 66, 5),
        "axilla_front": (136, -22, 40),
        "elbow": (213, 46, -215),
        "clavicle": (152, 36, 98),
    },
}


def points(subject: Subject, side: int) -> dict[str, tuple[float, float, float]]:
    """Landmarks of one shoulder in canonical mm, drawn about their means."""
    rng = subject.rng(121, 1 + side)
    shift = rng.normal(0, 2.5, 3)
    names = _POINTS[subject.arms]
    moved = {name: tuple(np.asarray(p, float) + shift) for name, p in names.items()}
    x, y, z = moved["elbow"]
    moved["elbow"] = (x + arm_shift_mm(subject), y, z)
    return {name: mirrored((p,), side)[0] for name, p in moved.items()}


def blade(subject: Subject, side: int) -> tuple[Point, Point, Point]:
    """Corners of the scapula's blade: superior angle, inferior angle, neck."""
    p = points(subject, side)
    return p["superior"], p["inferior"], p["glenoid"]


def parts(subject: Subject) -> Iterator[Part]:
    """Yield scapulae, humeri and clavicles."""
    for side in (RIGHT, LEFT):
        yield from bone(_scapula(subject, side), Organ.SCAPULAE, shell_mm=1.7)
        yield from _humerus(subject, side)
        yield from bone(_clavicle(subject, side), Organ.CLAVICLES, shell_mm=2.0)


def _scapula(subject: Subject, side: int) -> Solid:
    p = points(subject, side)
    outward = np.subtract(p["head"], p["glenoid"])
    outward = outward / np.linalg.norm(outward)
    socket = ellipsoid(np.add(p["glenoid"], 2 * outward), (13, 16, 6.5), axis=outward)
    neck = chain((p["glenoid"], np.subtract(p["glenoid"], 16 * outward)), (9, 5))
    border = chain((p["inferior"], np.add(p["glenoid"], -9 * outward)), (3.8, 4.8))
    medial = chain((p["superior"], p["root"], p["inferior"]), (2.2, 2.4, 3.6))
    # the neck side of the blade's root of the spine stands up to the crest
    crest = np.multiply(np.add(p["root"], p["acromion"]), 0.5) + np.array((0, 6, 2))
    spine = union(
        plate((p["root"], tuple(crest), p["glenoid"]), 2.0),
        plate((tuple(crest), p["acromion"], p["glenoid"]), 2.0),
        chain((p["root"], tuple(crest), p["acromion"]), (3.0, 5.5, 6.0)),
    )
    acromion = chain((p["acromion"], p["clavicle"]), (7.5, 6.5))
    base = np.add(p["glenoid"], -8 * outward)
    bend = (p["coracoid"][0] - side * 6, p["coracoid"][1] + 8, p["coracoid"][2] + 8)
    coracoid = chain((tuple(base), bend, p["coracoid"]), (8, 6.5, 5.5))
    flat = plate((p["superior"], p["inferior"], p["glenoid"]), 2.0)
    whole = union(flat, border, medial, socket, neck, spine, acromion, coracoid, blend_mm=3)
    room = ellipsoid(p["head"], (25, 25, 25))
    return without(whole, room.distance)


def _humerus(subject: Subject, side: int) -> Iterator[Part]:
    p = points(subject, side)
    start, stop = np.asarray(p["head"]), np.asarray(p["elbow"])
    along = (stop - start) / np.linalg.norm(stop - start)
    neck = start + 26 * along + np.array((side * 5.0, -3.0, 0.0))
    middle = start + 60 * along + np.array((side * 5.0, -2.0, 0.0))
    tubercle = chain((start + np.array((side * 13.0, -9.0, 0.0)) + 8 * along, neck), (13, 11))
    shaft = chain((neck, middle, stop), (14, 11.5, 10.5))
    whole = union(ellipsoid(start, (23, 23, 23)), tubercle, shaft, blend_mm=8)
    yield from bone(whole, Organ.HUMERI, shell_mm=1.8)
    # the shaft: thick cortex around fatty marrow
    yield Part(Tissue.CORTICAL_BONE, chain((middle, stop), (11.0, 10.5)), Organ.HUMERI)
    yield Part(Tissue.FAT, chain((middle, stop), (7.0, 6.0)), Organ.HUMERI)


def _clavicle(subject: Subject, side: int) -> Solid:
    end = points(subject, side)["clavicle"]
    rng = subject.rng(122, 1 + side)
    first = np.array((side * 17.0, -62.0, 55.0))
    last = np.asarray(end) - np.array((side * 8.0, 0.0, 0.0))
    # S-shaped: convex to the front by the sternum, to the back by the acromion
    line = []
    for t in np.linspace(0, 1, 9):
        bow = np.array((0, -15 * np.sin(2 * np.pi * min(t, 0.98) * 0.95), 3 * np.sin(np.pi * t)))
        line.append(tuple(first + t * (last - first) + bow + rng.normal(0, 0.4, 3)))
    return chain(line, (10.5, 8.5, 7.2, 6.6, 6.4, 6.4, 6.6, 7.2, 7.6))
