"""Uptake along the wall of the left ventricle, by the 17 segments of the American Heart Association."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fdglung.phantom.shapes import Array, Distance

SEGMENTS = 17
"""Six at the base and six in the middle, from anterior by the septum to anterolateral, four near the apex, and the
apex (10.1161/hc0402.102975)."""

LATERAL = (5, 6, 11, 12, 16)
"""Numbers, from 1, of the segments in the lateral wall."""

_RINGS = ((6, 1 / 6), (6, 0.5), (4, 0.77), (1, 1.0))
"""Segments of a ring, and where its middle lies on the way from the base to the apex."""

_WIDTH_MM = 30.0
_BLEND_MM = 10.0


def draw_segments(rng: np.random.Generator, myocardium: str) -> tuple[float, ...]:
    """Draw factors of the uptake by segment, their mean 1.

    Patchy myocardium is hot in the lateral wall in two of three, anywhere in the others; shares and spreads are round
    figures.

    Parameters
    ----------
    rng
        Source of chance; the same number of draws whatever the state is.
    myocardium
        "none", "patchy" or "full", as in `fdglung.phantom.fdg_variants.VARIANTS`.

    """
    spread = {"patchy": 0.3, "full": 0.12}.get(myocardium, 0.08)
    factors = np.exp(spread * np.clip(rng.standard_normal(SEGMENTS), -2.2, 2.2))
    lateral, scattered = rng.random() < 0.65, rng.random(SEGMENTS) < 0.35
    if myocardium == "patchy":
        hot = np.isin(np.arange(1, SEGMENTS + 1), LATERAL) if lateral else scattered
        factors *= np.where(hot, 2.4, 0.7)
    return tuple(float(value) for value in factors / factors.mean())


def wall_factor(segments: Sequence[float], base: npt.ArrayLike, apex: npt.ArrayLike) -> Distance:
    """Return the factor of the uptake at places of the left ventricle's wall: that of the segments, blended.

    Parameters
    ----------
    segments
        Factors of the `SEGMENTS`.
    base, apex
        x, y, z in mm of the long axis's ends: the middle of the mitral valve, and the tip; x to the left, y to the
        back, z to the head.

    Returns
    -------
    Distance
        Function of x, y, z, whose mean over the wall is about 1.

    """
    start, stop = np.asarray(base, np.float64), np.asarray(apex, np.float64)
    length = float(np.linalg.norm(stop - start))
    along = (stop - start) / length
    # the anterior wall is the upper one; the septum lies to the right of the long axis
    anterior = np.array((0.0, 0.0, 1.0)) - along[2] * along
    anterior /= np.linalg.norm(anterior)
    septal = np.cross(along, anterior)
    septal *= -np.sign(septal[0])
    places = np.array([_on_wall(way, turn, length) for way, turn in _middles()], np.float32)
    factors = np.asarray(segments, np.float32)

    def factor(x: Array, y: Array, z: Array) -> Array:
        apart = np.broadcast_arrays(*(p - np.float32(s) for p, s in zip((x, y, z), start, strict=True)))
        way, up, in_septum = (
            sum(p * np.float32(a) for p, a in zip(apart, e, strict=True)) for e in (along, anterior, septal)
        )
        # to where the ray from the long axis meets the middle of the wall
        way = np.clip(way / np.float32(length), 0, 1)
        wide = np.float32(_WIDTH_MM) * np.sqrt(1 - way**2) / np.maximum(np.hypot(up, in_septum), np.float32(1e-3))
        seen = (way * np.float32(length), up * wide, in_septum * wide)
        total, weights = np.zeros_like(way), np.full_like(way, 1e-12)
        for place, value in zip(places, factors, strict=True):
            square = sum((p - q) ** 2 for p, q in zip(seen, place, strict=True))
            weight = np.exp(square * np.float32(-0.5 / _BLEND_MM**2))
            total += weight * value
            weights += weight
        return np.asarray(total / weights, np.float32)

    return factor


def _middles() -> list[tuple[float, float]]:
    """Way from base to apex and turn from anterior towards the septum, in radian, of the segments' middles."""
    return [(way, 2 * math.pi * number / many) for many, way in _RINGS for number in range(many)]


def _on_wall(way: float, turn: float, length: float) -> tuple[float, float, float]:
    """Mm along the long axis, towards anterior and towards the septum, on half of an ellipsoid."""
    wide = _WIDTH_MM * math.sqrt(max(1 - way**2, 0))
    return way * length, wide * math.cos(turn), wide * math.sin(turn)
