"""From patient space to canonical coordinates and back: size, habitus, breath and a person's own irregularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fdglung.phantom.shapes import Array, Box, Grid, Solid, profile
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]

CANONICAL_HEIGHT_CM = 176.0
CANONICAL_BREATH = 0.9
DOME_EXCURSION_MM = 115.0
"""Scale of the way that organs take with the diaphragm; its domes take about 85 mm from residual volume to total lung
capacity (round figure)."""

_CONTROL_MM = 75.0
_CONTROL_LOW = np.array((-375.0, -300.0, -750.0))
_CONTROL_COUNT = (11, 9, 17)
_WARP_SD_MM = 2.6


class BodyFrame:
    """The smooth map between a subject's patient space (LPS, mm) and canonical coordinates.

    Parameters
    ----------
    subject
        Whose body it is.
    breath
        Lung inflation that is shown: the subject's own on CT, about 0.35 in free breathing.

    """

    def __init__(self, subject: Subject, breath: float) -> None:
        self.subject, self.breath = subject, breath
        rng = subject.rng(1)
        height = subject.height_cm / CANONICAL_HEIGHT_CM
        male = subject.sex == "M"
        bmi = subject.body_mass_index
        own = np.clip(rng.standard_normal(3), -2, 2)
        across = float(height**0.6 * (1.02 if male else 0.95) * (1 + 0.03 * own[0]))
        deep = float(height**0.5 * (1.0 if male else 0.95) * (1 + 0.04 * own[1]))
        fat = float(np.clip(bmi - 24, -6, 16))
        deep_belly = deep * (1 + 0.030 * fat * (1.15 if male else 0.9))
        across_belly = across * (1 + 0.015 * fat)
        # from residual volume to total lung capacity the chest widens by a tenth and deepens by a fifth (round figures)
        chest = 1 + 0.14 * (self.breath - CANONICAL_BREATH)
        heights = (-600, -480, -380, -260, -120, -30, 120, 160, 340)
        hips = 1.0 if male else 1.05
        head = 0.5 + 0.5 * height
        ends = (across * hips, across * hips, 0.5 * (across + across_belly), across_belly)
        x_scale = (*ends, across * (1 + 0.006 * fat), across * chest, across, head, head)
        y_scale = (deep, deep, deep_belly, deep_belly, deep * (1 + 0.012 * fat), deep * chest**1.8, deep, head, head)
        self._x_scale = profile(heights, x_scale, smooth_mm=50)
        self._y_scale = profile(heights, y_scale, smooth_mm=50)
        self._z_scale = float(height**0.95 * (1 + 0.015 * own[2]))
        control = rng.standard_normal((3, *_CONTROL_COUNT[::-1])) * _WARP_SD_MM * 1.9
        control[2] *= 0.6
        self._control = control

    def coordinates(self, grid: Grid) -> tuple[Array, Array, Array]:
        """Return canonical x, y, z in mm at a grid's voxel centres, each (z, y, x) float32."""
        axes = [grid.origin_mm[a] + grid.spacing_mm[a] * np.arange(grid.size[a]) for a in range(3)]
        bases = [_basis(axes[a], _CONTROL_LOW[a], _CONTROL_COUNT[a]).astype(np.float32) for a in range(3)]
        bent = []
        for part in self._control.astype(np.float32):
            field = np.tensordot(part, bases[0], axes=(2, 1))
            field = np.tensordot(bases[1], field, axes=(1, 1)).transpose(1, 0, 2)
            bent.append(np.tensordot(bases[2], field, axes=(1, 0)).astype(np.float32))
        x, y, z = (axis.astype(np.float32) for axis in axes)
        level = z / np.float32(self._z_scale)
        bent[0] += x[None, None, :] / self._x_scale(level)[:, None, None]
        bent[1] += y[None, :, None] / self._y_scale(level)[:, None, None]
        bent[2] += level[:, None, None]
        return bent[0], bent[1], bent[2]

    def to_canonical(self, points: npt.ArrayLike) -> Points:
        """Carry points (n, 3) from patient space to canonical coordinates, in mm."""
        p = np.atleast_2d(np.asarray(points, np.float64))
        level = p[:, 2] / self._z_scale
        straight = np.stack(
            [p[:, 0] / self._x_scale(level), p[:, 1] / self._y_scale(level), level],
            axis=1,
        )
        return straight + self._bend(p)

    def to_patient(self, points: npt.ArrayLike) -> Points:
        """Carry canonical points (n, 3) to patient space, in mm, to 0.01 mm."""
        c = np.atleast_2d(np.asarray(points, np.float64))
        p = c.copy()
        for _ in range(30):
            aim = c - self._bend(p)
            level = aim[:, 2]
            new = np.stack(
                [aim[:, 0] * self._x_scale(level), aim[:, 1] * self._y_scale(level), level * self._z_scale],
                axis=1,
            )
            moved = np.abs(new - p).max(initial=0.0)
            p = new
            if moved < 1e-3:
                break
        return p

    def organ_z(self, z: Array) -> Array:
        """Return the height at which an organ that moves with breathing was modelled, of canonical heights z in mm."""
        shift = DOME_EXCURSION_MM * (self.breath - CANONICAL_BREATH)
        result: Array = z + np.float32(shift) * _follows_diaphragm(z)
        return result

    def moved(self, points: npt.ArrayLike) -> Points:
        """Carry points (n, 3) of organ coordinates (those of `organ_z`) to canonical ones."""
        c = np.atleast_2d(np.asarray(points, np.float64)).copy()
        heights = np.arange(-700.0, 400.0, 0.5)
        c[:, 2] = np.interp(c[:, 2], self.organ_z(heights.astype(np.float32)), heights)
        return c

    def moving(self, solid: Solid) -> Solid:
        """Return a solid, modelled in organ coordinates, as it stands at this breath."""

        def distance(x: Array, y: Array, z: Array) -> Array:
            return solid.distance(x, y, self.organ_z(z))

        low, high = (solid.box[2][i] for i in (0, 1))
        ends = self.moved([(0, 0, low), (0, 0, high)])[:, 2]
        box: Box = (solid.box[0], solid.box[1], (float(ends[0]), float(ends[1])))
        return Solid(distance, box)

    def _bend(self, points: Points) -> Points:
        places = ((points - _CONTROL_LOW) / _CONTROL_MM).T[::-1]
        bent: Points = np.stack(
            [
                ndimage.map_coordinates(part, places, order=3, mode="grid-constant", prefilter=False)
                for part in self._control
            ],
            axis=1,
        )
        return bent


_follows_diaphragm = profile((-460, -425, -285, -150, -40, 20, 55), (0, 0.06, 0.97, 1, 1, 0.25, 0), smooth_mm=30)
"""Share of the diaphragm's way that an organ takes, by height."""


def _basis(places: npt.NDArray[np.float64], low: float, count: int) -> npt.NDArray[np.float64]:
    """Cubic B-spline weights (n, count) of control points `_CONTROL_MM` apart."""
    u = np.abs((places[:, None] - low) / _CONTROL_MM - np.arange(count)[None, :])
    near = 2 / 3 - u**2 + u**3 / 2
    far = np.clip(2 - u, 0, None) ** 3 / 6
    return np.where(u < 1, near, far)
