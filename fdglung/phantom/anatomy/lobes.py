"""The five lobes: curved fissures, set so that each lobe has its share of the lungs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.lung_shape import lung_shape
from fdglung.phantom.organs import Organ
from fdglung.phantom.shapes import Array
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]

LOBE_SHARES = {
    Organ.RIGHT_UPPER_LOBE: (17.9, 2.4),
    Organ.RIGHT_MIDDLE_LOBE: (9.3, 1.6),
    Organ.RIGHT_LOWER_LOBE: (26.5, 2.6),
    Organ.LEFT_UPPER_LOBE: (23.1, 2.1),
    Organ.LEFT_LOWER_LOBE: (23.2, 2.4),
}
"""Mean and SD of each lobe's share of the lungs' volume in per cent (PMC7490509)."""

_SPREAD = 0.6
"""Part of the published SD that is drawn: the rest is drawn with the shape of the chest."""


@dataclass(frozen=True)
class Lobes:
    """The fissures of one subject, in organ coordinates.

    Attributes
    ----------
    slopes
        Of the oblique fissure from back to front, by side.
    heights
        Heights of the oblique fissures by side, and of the horizontal one (key 0), in mm.
    bends
        (3, 4) how each surface is curved.

    """

    slopes: dict[int, float]
    heights: dict[int, float]
    bends: Points

    def oblique(self, side: int, x: Array, y: Array, z: Array) -> Array:
        """Signed distance in mm to an oblique fissure, negative in the lower lobe."""
        slope = self.slopes[side]
        rise = z - self._oblique(side, x, y)
        return np.asarray((rise - np.float32(self.heights[side])) / np.float32(np.hypot(1, slope)), np.float32)

    def horizontal(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distance in mm to the horizontal fissure of the right lung, negative in the middle lobe."""
        return np.asarray((z - self._horizontal(x, y) - np.float32(self.heights[0])) * np.float32(0.97), np.float32)

    def depth(self, points: Points, lobe: int) -> Points:
        """Return how far points (n, 3) lie on the lobe's side of its fissures, in mm."""
        x, y, z = (points[:, axis].astype(np.float32) for axis in range(3))
        side = RIGHT if lobe in _RIGHT_LOBES else LEFT
        oblique = self.oblique(side, x, y, z)
        if lobe in (Organ.RIGHT_LOWER_LOBE, Organ.LEFT_LOWER_LOBE):
            return np.asarray(-oblique, np.float64)
        if lobe == Organ.LEFT_UPPER_LOBE:
            return np.asarray(oblique, np.float64)
        horizontal = self.horizontal(x, y, z) * (-1 if lobe == Organ.RIGHT_MIDDLE_LOBE else 1)
        return np.asarray(np.minimum(oblique, horizontal), np.float64)

    def drawn_in(self, points: Points, lobe: int, *, margin_mm: float = 1.5) -> Points:
        """Move points (n, 3) that lie across a fissure back into the lobe, by the shortest way."""
        moved = points.copy()
        for _ in range(3):
            depth = self.depth(moved, lobe)
            across = depth < margin_mm
            if not across.any():
                break
            near = moved[across]
            slope = np.stack([self.depth(near + e, lobe) - self.depth(near - e, lobe) for e in np.eye(3)], axis=1)
            slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
            moved[across] += slope * (margin_mm + 0.2 - depth[across])[:, None]
        return moved

    def _oblique(self, side: int, x: Array, y: Array) -> Array:
        """Like a propeller: steeper and further forward beside the heart, bulging to the front below the hilum."""
        bend = self.bends[0 if side == RIGHT else 1]
        out = np.abs(x) - np.float32(70)
        wave = np.float32(bend[0]) * np.sin((y + np.float32(20)) / np.float32(38))
        twist = np.float32(bend[1]) * out * (y + np.float32(10)) / np.float32(2500)
        return np.asarray(np.float32(self.slopes[side]) * y + wave + twist + np.float32(bend[2]) * out, np.float32)

    def _horizontal(self, x: Array, y: Array) -> Array:
        bend = self.bends[2]
        dome = np.float32(bend[0]) * (((x + 85) / 45) ** 2 + ((y + 25) / 50) ** 2)
        return np.asarray(np.float32(bend[1]) * (y + 20) - dome, np.float32)


_RIGHT_LOBES = (Organ.RIGHT_UPPER_LOBE, Organ.RIGHT_MIDDLE_LOBE, Organ.RIGHT_LOWER_LOBE)


@lru_cache(maxsize=8)
def lobes(subject: Subject) -> Lobes:
    """Set a subject's fissures: their heights follow from the drawn shares."""
    rng = subject.rng(240)
    slopes = {RIGHT: float(rng.normal(0.82, 0.05)), LEFT: float(rng.normal(0.92, 0.05))}
    bends = np.array(((7.0, 6.0, -0.08, 0.0), (8.0, 6.0, -0.10, 0.0), (5.0, 0.12, 0.0, 0.0)))
    bends *= np.clip(rng.normal(1, 0.3, bends.shape), 0.2, 1.8)
    share = {
        lobe: mean + _SPREAD * sd * np.clip(rng.standard_normal(), -2, 2) for lobe, (mean, sd) in LOBE_SHARES.items()
    }
    level = Lobes(slopes, {RIGHT: 0.0, LEFT: 0.0, 0: 0.0}, bends)
    shape = lung_shape(subject)
    heights: dict[int, float] = {}
    for side, lower in ((RIGHT, Organ.RIGHT_LOWER_LOBE), (LEFT, Organ.LEFT_LOWER_LOBE)):
        points = shape.grid_points(side)
        x, y, z = (points[:, axis].astype(np.float32) for axis in range(3))
        rise = z - level._oblique(side, x, y)
        whole = sum(share[lobe] for lobe in share if (lobe in _RIGHT_LOBES) == (side == RIGHT))
        heights[side] = float(np.quantile(rise, share[lower] / whole))
        if side == RIGHT:
            above = rise > heights[side]
            middle, upper = share[Organ.RIGHT_MIDDLE_LOBE], share[Organ.RIGHT_UPPER_LOBE]
            flat = z[above] - level._horizontal(x[above], y[above])
            heights[0] = float(np.quantile(flat, middle / (middle + upper)))
    return Lobes(slopes, heights, bends)
