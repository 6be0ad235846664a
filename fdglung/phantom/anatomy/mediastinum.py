"""What else is inside the rib cage: its fat and linings, oesophagus, thymus and normal lymph nodes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy.heart import spline
from fdglung.phantom.anatomy.landmarks import below_dome, cage, inlet, sternum_y
from fdglung.phantom.anatomy.lung_shape import PLEURA_MM, SHEET_MM
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Box, Distance, Solid, ellipsoid
from fdglung.phantom.subject import Subject

_CHEST: Box = ((-152.0, 152.0), (-118.0, 116.0), (-250.0, 122.0))

_APEX_MUSCLE_MM = 12.0

_OESOPHAGUS = (
    (0, 15, 152),
    (1, 19, 128),
    (3, 22, 100),
    (4, 27, 70),
    (5, 30, 40),
    (5, 33, 10),
    (6, 36, -12),
    (9, 37, -40),
    (12, 36, -75),
    (17, 29, -105),
    (23, 16, -130),
    (30, 4, -152),
)

_NODES = (
    ("4R", (-16, 2, 14), 3),
    ("2R", (-15, -4, 38), 2),
    ("4L", (10, 10, 6), 2),
    ("5", (26, 6, 8), 2),
    ("6", (4, -44, 8), 2),
    ("7", (2, 22, -20), 3),
    ("8", (0, 32, -66), 1),
    ("10R", (-36, 10, -10), 2),
    ("10L", (46, 10, -20), 2),
    ("11R", (-44, 22, -38), 2),
    ("11L", (56, 22, -34), 2),
    ("3A", (-10, -46, 30), 1),
)
"""Nodal station, its place in organ coordinates, and the most nodes that are drawn there."""


def cavity(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield the lining of the chest with the diaphragm, as muscle, and the fat that fills it until organs do.

    What lies more than 8 mm under the diaphragm's upper face is left alone.
    """

    def room(x: Array, y: Array, z: Array) -> Array:
        # the neck's muscles above the lungs' apices stay
        return np.maximum(cage(x, y, z), inlet(x, y, z) - np.float32(PLEURA_MM))

    def lined(x: Array, y: Array, z: Array) -> Array:
        under = below_dome(x, y, frame.organ_z(z))
        return np.asarray(np.maximum(room(x, y, z) - np.float32(0.5), -under - np.float32(8)), np.float32)

    def filled(x: Array, y: Array, z: Array) -> Array:
        above = np.float32(SHEET_MM) - below_dome(x, y, frame.organ_z(z))
        # about the apices scaleni and the first ribs' muscles fill what the lungs leave
        muscle = np.float32(_APEX_MUSCLE_MM) * np.clip((z - np.float32(30)) / 30, 0, 1)
        return np.asarray(np.maximum(room(x, y, z) + np.float32(PLEURA_MM - 1) + muscle, above), np.float32)

    yield Part(Tissue.MUSCLE, Solid(lined, _CHEST), Organ.MUSCLE)
    yield Part(Tissue.VISCERAL_FAT, Solid(filled, _CHEST), Organ.FAT)


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield thymus, lymph nodes and oesophagus in the order of painting."""
    yield from _thymus(subject, frame)
    yield from lymph_nodes(subject, frame)
    yield from _oesophagus(subject, frame)


def lymph_nodes(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield normal nodes: 4 to 8 mm across their short axis, up to twice as long."""
    rng = subject.rng(280)
    for _, place, most in _NODES:
        for _ in range(int(rng.integers(0, most + 1))):
            short = float(rng.uniform(2.0, 3.8))
            radii = short * np.array((1.0, float(rng.uniform(1, 1.3)), float(rng.uniform(1.2, 2.0))))
            centre = np.array(place) + rng.normal(0, (3, 3, 5))
            axis = rng.standard_normal(3) + np.array((0, 0, 1.5))
            yield Part(Tissue.LYMPH_NODE, frame.moving(ellipsoid(centre, radii, axis=axis)), None, fine=True)


def _thymus(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Two flat lobes behind the manubrium: soft in the young, strands in fat from 40 years on."""
    rng = subject.rng(281)
    full = float(np.clip((52 - subject.age_years) / 30 + rng.normal(0, 0.12), 0, 1))
    if full < 0.05:
        return
    for side in (-1, 1):
        thick = (3 + 5 * full) * float(rng.uniform(0.8, 1.2))
        centre = np.array((side * (8 + 3 * full) - 1, float(sternum_y(np.array(12.0))) + 38 + rng.normal(0, 2), 8.0))
        radii = np.array((6 + 8 * full, thick, 26 + 8 * full))
        solid = frame.moving(ellipsoid(centre, radii, axis=(side * 0.12, 0.15, 1)))
        # with age, more and more of it is fat
        yield Part(Tissue.THYMUS, solid, Organ.THYMUS, hu_offset=_even(-95 * (1 - full)))


def _even(value: float) -> Distance:
    return lambda x, y, z: np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), np.float32(value))


def _oesophagus(subject: Subject, frame: BodyFrame) -> Iterator[Tubes]:
    rng = subject.rng(282)
    points = np.array(_OESOPHAGUS, np.float64)
    points[1:-1] += np.clip(rng.standard_normal((len(points) - 2, 3)), -2, 2) * (1.5, 0.8, 0)
    centre = spline(points, step_mm=5)
    size = float(np.clip(rng.normal(1, 0.08), 0.8, 1.2)) * (1.0 if subject.sex == "M" else 0.92)
    radius = size * (5.4 + 0.8 * np.clip((-centre[:, 2] - 60) / 90, 0, 1) + 0.4 * np.sin(centre[:, 2] / 9))
    # flat from front to back: two tubes side by side
    for shift in (-2.6, 2.6):
        line = centre + np.array((shift, 0.0, 0.0))
        yield Tubes(Tissue.OESOPHAGUS, line[:-1], line[1:], radius[:-1], radius[1:], Organ.OESOPHAGUS, moves=True)
    for _ in range(int(rng.integers(0, 4))):
        first = int(rng.integers(3, max(4, len(centre) - 14)))
        air = centre[first : first + int(rng.integers(3, 8))]
        bore = np.full(len(air), float(rng.uniform(1.2, 3.2)))
        yield Tubes(Tissue.AIR, air[:-1], air[1:], bore[:-1], bore[1:], Organ.OESOPHAGUS, moves=True)
