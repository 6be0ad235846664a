"""Surfaces and lines that several organs share, in canonical coordinates.

Heights in mm, the carina (disc T4/5) at 0: vertex 330, foramen magnum 195, shoulders 105, lung apices 88,
C7 lower edge 79, medial end of the clavicle 55, right dome of the diaphragm -88, left -104, T12 lower edge -191, L5
lower edge -356, iliac crests -300, top of the acetabula -430, pubic symphysis -490, upper thigh below -520. Round
figures of an adult man.
"""

from __future__ import annotations

import numpy as np

from fdglung.phantom.shapes import Array, ellipsoid, profile, smooth_intersection

RIGHT, LEFT = -1, 1
"""Sign of x."""

VERTEBRAE: tuple[tuple[str, float, float], ...]
"""Name, and heights of the lower and the upper edge with the disc below included; from the head downwards."""


def _vertebrae() -> tuple[tuple[str, float, float], ...]:
    up = {"T4": 20.5, "T3": 20.0, "T2": 19.5, "T1": 19.0, "C7": 16.5, "C6": 15.5, "C5": 15.0, "C4": 15.0, "C3": 15.0}
    up |= {"C2": 24.0, "C1": 15.0}
    down = {f"T{n}": height for n, height in zip(range(5, 13), (21, 22, 22.5, 23, 24, 25, 26, 28), strict=True)}
    down |= {f"L{n}": height for n, height in zip(range(1, 6), (31, 32, 33, 34, 35), strict=True)}
    levels: list[tuple[str, float, float]] = []
    edge = 0.0
    for name, height in up.items():
        levels.insert(0, (name, edge, edge + height))
        edge += height
    edge = 0.0
    for name, height in down.items():
        levels.append((name, edge - height, edge))
        edge -= height
    return tuple(levels)


VERTEBRAE = _vertebrae()

spine_y = profile(
    (-480, -440, -400, -350, -300, -240, -150, -40, 60, 120, 200),
    (92, 86, 66, 46, 40, 48, 62, 74, 64, 44, 36),
)
"""Centre of the vertebral bodies (y) by height; their front is about 16 mm before it."""

sternum_y = profile((-130, -60, 20, 60, 100), (-100, -99, -90, -76, -50))
"""Front of the sternum (y) by height."""

_CAGE_X = profile((-240, -110, -30, 40, 80, 104, 122), (130, 137, 131, 112, 83, 54, 19), smooth_mm=18)
_CAGE_Y = profile((-240, -110, -30, 40, 80, 104, 122), (94, 99, 95, 80, 60, 42, 16), smooth_mm=18)
_CAGE_CENTRE_Y = profile((-240, -20, 60, 110), (-2, -2, 6, 18))

_GUTTER_MM = 12.0

_BELLY_X = profile((-520, -470, -400, -340, -290, -240, -110), (52, 62, 92, 118, 126, 132, 142), smooth_mm=30)
_BELLY_Y = profile((-520, -470, -400, -340, -290, -240, -110), (50, 62, 80, 82, 84, 92, 98), smooth_mm=30)
_BELLY_CENTRE_Y = profile((-520, -470, -400, -340, -290, -240, -110), (10, 12, -6, -14, -12, -4, -2), smooth_mm=30)


def oval(x: Array, y: Array, half_x: Array, half_y: Array) -> Array:
    """Signed distance in mm, along the ray from its centre, to an oval between ellipse and rectangle."""
    u, v = (x / half_x) ** 2, (y / half_y) ** 2
    level = np.sqrt(np.sqrt(u * u + v * v + np.float32(1.05) * u * v)) + np.float32(1e-4)
    result: Array = (level - 1) * (np.sqrt(x * x + y * y) + np.float32(1e-2)) / level
    return result


def cage(x: Array, y: Array, z: Array) -> Array:
    """Signed distance to the inner wall of the rib cage, closed above at the thoracic inlet (z 119)."""
    # beside the spine the chest reaches further back than in the middle
    beside = np.exp(-(((np.abs(x) - np.float32(60)) / np.float32(34)) ** 2)) * np.clip((110 - z) / 70, 0, 1)
    gutter = np.float32(_GUTTER_MM) * beside * np.clip(y / 60, 0, 1)
    flat = oval(x, y - gutter - _CAGE_CENTRE_Y(z), _CAGE_X(z), _CAGE_Y(z))
    return smooth_intersection(flat, np.broadcast_to((z - np.float32(119)) * np.float32(0.8), flat.shape), 22)


def inlet(x: Array, y: Array, z: Array) -> Array:
    """Signed distance to what lies below the thoracic inlet: a dome over each lung's apex, falling to the front.

    The apices reach the neck of the first rib (z 77), some 3 cm above the clavicle's medial end (z 55); round figures
    of an adult man.
    """
    front = (z - np.float32(58) - np.float32(0.55) * (y + np.float32(60))) / np.float32(1.14)
    fall = ((np.abs(x) - np.float32(46)) / np.float32(34)) ** 2 + ((y - np.float32(14)) / np.float32(40)) ** 2
    above = (z - np.float32(90) + np.float32(18) * np.minimum(fall, np.float32(1.4))) * np.float32(0.75)
    return smooth_intersection(front, above, 12)


def belly(x: Array, y: Array, z: Array) -> Array:
    """Signed distance to the inner wall of the abdomen and pelvis, spine and psoas not yet taken away."""
    return oval(x, y - _BELLY_CENTRE_Y(z), _BELLY_X(z), _BELLY_Y(z))


def dome(x: Array, y: Array) -> Array:
    """Height of the diaphragm's upper face: two domes, the right one higher, deepest at the back.

    In organ coordinates, which move with breathing: compare with `BodyFrame.organ_z`.
    """
    right = -88 - 62 * (((x + 72) / 78) ** 2 + ((y + 8) / 92) ** 2) - np.float32(0.22) * np.maximum(y, 0)
    left = -104 - 60 * (((x - 76) / 76) ** 2 + ((y + 4) / 92) ** 2) - np.float32(0.22) * np.maximum(y, 0)
    middle = -118 - np.float32(0.30) * np.maximum(y, 0) - 60 * ((x / 60) ** 2 + ((y + 20) / 110) ** 2)
    domes = smooth_intersection(smooth_intersection(right, left, 18), middle, 1)
    return np.maximum(domes, np.float32(-232))


def below_dome(x: Array, y: Array, organ_z: Array) -> Array:
    """Signed distance to what lies under the diaphragm, negative below it."""
    result: Array = (organ_z - dome(x, y)) * np.float32(0.72)
    return result


VAULT = ellipsoid((0, 12, 257), (68, 85, 70))
"""The room inside the skull's vault, its base not yet taken away."""
