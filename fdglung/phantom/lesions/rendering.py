"""Painting lesions: coverage, CT number and uptake on any axial grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.bodies import Field, Waves, Window, cover, draw_waves, locate
from fdglung.phantom.lesions.placed import PlacedLesion, Point, Rod
from fdglung.phantom.lesions.plans import Form, Sign
from fdglung.phantom.lesions.rods import fill_rods, ramp
from fdglung.phantom.shapes import Array, Distance, Grid, ball_coverage

LUNG_HU = -850.0
"""CT number of the aerated lung that ground-glass opacity thickens, in HU."""

GLASS_HU = -620.0
"""CT number of the hazy part of a part-solid lesion in HU: a round figure."""

Confine = npt.NDArray[np.generic] | Distance
"""Fractions 0 to 1 of where a lesion may be: an array (z, y, x) of the whole grid, or a function of x, y, z in mm."""


@dataclass(frozen=True)
class Rendered:
    """A lesion on a window of a grid. Arrays are float32, (z, y, x).

    Attributes
    ----------
    grid, window
        Which voxels.
    coverage
        Fraction of each voxel that the lesion fills: for masks, volumes and uptake.
    opacity
        Fraction of each voxel whose CT number is replaced by `hu`: the body, where it is hazy only in part, and the
        halo, spicules, pleural tail and satellites, which are no part of `coverage`.
    hu
        CT number in HU of what it is painted with.
    suv
        True SUVbw in g/ml of the lesion.

    """

    grid: Grid
    window: Window
    coverage: Array
    opacity: Array
    hu: Array
    suv: Array

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml."""
        return math.prod(self.grid.spacing_mm) / 1000

    def paint_ct(self, volume: Array) -> None:
        """Paint a CT in place: float32, HU, (z, y, x), on the whole grid."""
        part = volume[self.window]
        part += self.opacity * (self.hu - part)

    def paint_pet(self, volume: Array) -> None:
        """Paint a PET in place: float32, SUVbw in g/ml, (z, y, x), on the whole grid."""
        part = volume[self.window]
        part += self.coverage * (self.suv - part)


def render(
    lesion: PlacedLesion, grid: Grid, *, shift_mm: Sequence[float] = (0.0, 0.0, 0.0), confine: Confine | None = None
) -> Rendered:
    """Render a lesion on a grid, with partial volumes.

    Parameters
    ----------
    lesion
        What and where.
    grid
        CT, PET or any other axial grid; the window is cut to it and may be empty.
    shift_mm
        x, y, z by which breathing has moved the whole lesion.
    confine
        Where it may be: see `Confine`; for lesions of `place_lesions`, `fdglung.phantom.lesions.placement.confinement`
        makes it of an organ map. None for everywhere.

    Returns
    -------
    Rendered
        Paint it by `Rendered.paint_ct` and `Rendered.paint_pet`.

    Raises
    ------
    ParameterError
        `confine` is an array that is not the grid's.

    """
    dx, dy, dz = (float(part) for part in shift_mm)
    x, y, z = lesion.centre_mm
    centre: Point = (x + dx, y + dy, z + dz)
    bounds = [(low + move, high + move) for (low, high), move in zip(lesion.box, (dx, dy, dz), strict=True)]
    window = grid.window((bounds[0], bounds[1], bounds[2]))
    if any(part.stop <= part.start for part in window):
        empty = np.zeros(tuple(part.stop - part.start for part in window), np.float32)
        return Rendered(grid, window, empty, empty.copy(), empty.copy(), empty.copy())
    if lesion.plan.ball:
        return _paint_ball(lesion, grid, centre, confine)
    if callable(confine):
        return _paint(lesion, grid, window, centre, confine)
    result = _paint(lesion, grid, window, centre, None)
    if confine is None:
        return result
    allowed = _part(confine, grid, window)
    return replace(result, coverage=result.coverage * allowed, opacity=result.opacity * allowed)


def _paint_ball(lesion: PlacedLesion, grid: Grid, centre: Point, confine: Confine | None) -> Rendered:
    window, filled = ball_coverage(centre, lesion.radius_mm, grid)
    if callable(confine):
        x, y, z = (axis - np.float32(c) for axis, c in zip(grid.coordinates(window), centre, strict=True))
        field = locate(lesion.body, x, y, z)
        filled, _ = cover(lesion.body, centre, grid, window, field, allowed=confine)
    elif confine is not None:
        filled = filled * _part(confine, grid, window)
    hu, suv = (np.full_like(filled, value) for value in (lesion.plan.hu, lesion.plan.suv_max))
    return Rendered(grid, window, filled, filled.copy(), hu, suv)


def _part(confine: npt.NDArray[np.generic], grid: Grid, window: Window) -> Array:
    if confine.shape != grid.shape:
        raise ParameterError(
            f"confine has the shape {confine.shape}, the grid {grid.shape}",
            attribute="confine",
            remedy="Give an array (z, y, x) of the whole grid, or a function of x, y, z in mm",
        )
    return np.asarray(confine[window], np.float32)


@dataclass(frozen=True)
class _Inside:
    """What the inside of a lesion is made of, each a function of the place in it.

    Attributes
    ----------
    bed
        Its noises.
    core, hollow, rot
        Radii of the solid core, the cavity and the necrosis as fractions of the surface's; 0 for none.
    lean
        Vector by which they lie off the centre.
    stones
        Calcium, as balls from the centre; its CT number in HU.

    """

    fine: Waves
    haze: Waves
    mottle: Waves
    shape: Waves
    core: float
    hollow: float
    rot: float
    lean: Point
    stones: tuple[Rod, ...]
    stone_hu: float

    def part(self, field: Field, fraction: float, width: float) -> Array:
        """Fraction of a voxel within an inner surface whose edge is `width` mm soft."""
        factor = 1 + np.float32(0.13) * self.shape.at(field.x, field.y, field.z)
        for lean, along in zip(self.lean, (field.x, field.y, field.z), strict=True):
            factor += np.float32(lean) * along
        edge = np.clip(np.float32(fraction) * factor, 0, 0.88) * field.surface
        return ramp(field.distance - edge, width)


def _inside(lesion: PlacedLesion) -> _Inside:
    rng = np.random.default_rng([lesion.plan.seed, 6])
    plan, radius = lesion.plan, lesion.radius_mm
    fine = draw_waves(rng, 2 * math.pi / 9, 2 * math.pi / 3, 14)
    haze = draw_waves(rng, 2 * math.pi / 22, 2 * math.pi / 6, 16)
    long = float(np.clip(0.8 * radius, 6, 22))
    mottle = draw_waves(rng, 2 * math.pi / (2.2 * long), 2 * math.pi / long, 10)
    core = float(rng.uniform(0.4, 0.65)) if plan.form == Form.PART_SOLID else 0.0
    hollow = float(rng.uniform(0.45, 0.7)) if Sign.CAVITY in plan.signs else 0.0
    rot = float(rng.uniform(0.5, 0.72)) if Sign.NECROSIS in plan.signs else 0.0
    if hollow and rot:
        # the wall of a cavity, or nothing of the necrosis would be left
        rot = max(rot, hollow + 0.12)
    x, y, z = (0.12 * rng.standard_normal(3)).tolist()
    stones: list[Rod] = []
    if Sign.CALCIUM in plan.signs:
        size = float(np.clip(rng.uniform(0.22, 0.42) * radius, 1.2, 5))
        spot = rng.standard_normal(3) * 0.15 * radius
        for _ in range(int(rng.integers(1, 4))):
            stones.append(_ball(spot + rng.standard_normal(3) * 0.5 * size, size * float(rng.uniform(0.6, 1.0))))
    if Sign.POPCORN_CALCIUM in plan.signs:
        for _ in range(int(rng.integers(6, 12))):
            spot = rng.standard_normal(3) * 0.30 * radius
            stones.append(_ball(spot, float(np.clip(rng.uniform(0.10, 0.2) * radius, 0.9, 3))))
    shape = draw_waves(rng, 1.5, 3.5, 5)
    return _Inside(fine, haze, mottle, shape, core, hollow, rot, (x, y, z), tuple(stones), float(rng.uniform(350, 800)))


def _ball(centre: npt.NDArray[np.float64], radius: float) -> Rod:
    point = (float(centre[0]), float(centre[1]), float(centre[2]))
    return Rod(point, point, radius, radius)


def _paint(lesion: PlacedLesion, grid: Grid, window: Window, centre: Point, confine: Distance | None) -> Rendered:
    plan, body, inside = lesion.plan, lesion.body, _inside(lesion)
    x, y, z = (axis - np.float32(c) for axis, c in zip(grid.coordinates(window), centre, strict=True))
    field = locate(body, x, y, z)
    coverage, free = cover(body, centre, grid, window, field, allowed=confine)
    width = float(np.mean(grid.spacing_mm))
    fine = inside.fine.at(x, y, z)
    tissue = ramp(field.distance - field.surface, width) if plan.form in _HAZY else coverage.copy()
    opacity = _opacity(lesion, inside, field, tissue, inside.haze.at(x, y, z), width)
    solid_hu = 30.0 if plan.form == Form.GROUND_GLASS else plan.hu
    hu = np.float32(solid_hu) + np.float32(5) * fine
    shift = tuple(c - p for c, p in zip(centre, lesion.centre_mm, strict=True))
    if lesion.strands or lesion.satellites:
        np.maximum(opacity, fill_rods((*lesion.strands, *lesion.satellites), grid, window, shift), out=opacity)
    if confine is not None:
        # the solid body's border is already cut in its coverage
        np.minimum(opacity, np.maximum(opacity * free, coverage * (plan.form not in _HAZY)), out=opacity)
    suv = _uptake(lesion, inside, field, x, y, z, width)
    if inside.rot:
        hu += inside.part(field, inside.rot, width + 2) * (np.float32(min(16.0, plan.hu)) - hu)
    if inside.hollow:
        hu += inside.part(field, inside.hollow, width) * (np.float32(-960) - hu)
    if inside.stones:
        hu += fill_rods(inside.stones, grid, window, centre) * (np.float32(inside.stone_hu) - hu)
    if lesion.airways:
        # bronchi end where the lesion does: beyond it they belong to the lung
        hu += fill_rods(lesion.airways, grid, window, shift) * (coverage > 0) * (np.float32(-940) - hu)
    return Rendered(grid, window, coverage, opacity, hu, suv)


_HAZY = (Form.GROUND_GLASS, Form.PART_SOLID)


def _opacity(lesion: PlacedLesion, inside: _Inside, field: Field, tissue: Array, haze: Array, width: float) -> Array:
    """Fraction of each voxel that is not air any more."""
    plan = lesion.plan
    depth = field.distance - field.surface
    opacity = tissue
    if Sign.ILL_DEFINED in plan.signs:
        soft = max(min(0.55 * lesion.radius_mm, 9.0), width)
        edge = np.clip(np.float32(0.5) - (depth + np.float32(0.22 * soft) * haze) / np.float32(soft), 0, 1)
        opacity = edge * edge * (3 - 2 * edge)
    if plan.form == Form.CONSOLIDATION:
        # acini at the border are filled in part
        rim = np.clip(1 + depth / np.float32(min(8.0, 0.5 * lesion.radius_mm)), 0, 1)
        opacity *= 1 - np.float32(0.4) * rim * np.clip(haze, 0, 1)
    if plan.form in _HAZY:
        glass = plan.hu if plan.form == Form.GROUND_GLASS else GLASS_HU
        fill = np.float32((glass - LUNG_HU) / (30 - LUNG_HU)) * (1 + np.float32(0.12) * haze)
        core = inside.part(field, inside.core, width) if inside.core else np.float32(0)
        opacity *= fill + (1 - fill) * core
    if lesion.halo_mm:
        reach = np.float32(lesion.halo_mm) * np.clip(np.float32(0.75) + np.float32(0.22) * haze, 0.2, 1)
        fade = np.clip(1 - depth / reach, 0, 1)
        np.maximum(opacity, np.float32(0.32) * np.minimum(fade * np.float32(1.15), 1), out=opacity)
    result: Array = np.clip(opacity, 0, 1).astype(np.float32)
    return result


def _uptake(lesion: PlacedLesion, inside: _Inside, field: Field, x: Array, y: Array, z: Array, width: float) -> Array:
    """SUV: highest in the hottest living part, mottled elsewhere, low in necrosis, none in air."""
    plan = lesion.plan
    mean, sd, top = _mottle(lesion, inside)
    suv = 1 + np.float32(plan.texture / sd) * (inside.mottle.at(x, y, z) - np.float32(mean))
    suv = np.float32(plan.suv_max) * np.clip(suv / np.float32(1 + plan.texture * (top - mean) / sd), 0.1, 1)
    if inside.core:
        suv *= np.float32(0.45) + np.float32(0.55) * inside.part(field, inside.core, width)
    if inside.rot:
        low = np.float32(min(1.0, 0.5 * plan.suv_max))
        suv += inside.part(field, inside.rot, width + 2) * (low - suv)
    if inside.hollow:
        low = np.float32(min(0.3, 0.5 * plan.suv_max))
        suv += inside.part(field, inside.hollow, width) * (low - suv)
    result: Array = suv.astype(np.float32)
    return result


def _mottle(lesion: PlacedLesion, inside: _Inside) -> tuple[float, float, float]:
    """Mean, standard deviation and maximum of the living part's mottle, from points spread through the body.

    So no grid has a part in them.
    """
    body = lesion.body
    rng = np.random.default_rng([lesion.plan.seed, 7])
    directions = rng.standard_normal((900, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    surface = np.float32(body.scale_mm) * body.relative_radius(*directions.T)
    depth = rng.random(900).astype(np.float32) ** np.float32(1 / 3)
    points = directions * (surface * depth)[:, None]
    x, y, z = points.T
    mottle = inside.mottle.at(x, y, z)
    field = locate(body, x, y, z)
    alive = np.ones(900, bool)
    for fraction, wanted in ((inside.core, True), (inside.rot, False), (inside.hollow, False)):
        if fraction:
            alive &= (inside.part(field, fraction, 1.0) > 0.5) == wanted
    live = mottle[alive] if alive.sum() > 20 else mottle
    return float(live.mean()), max(float(live.std()), 1e-3), float(live.max())
