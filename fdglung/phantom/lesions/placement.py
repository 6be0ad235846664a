"""Finding a place in the body for every lesion of a plan, and what bounds it there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.chest import Chest, read_chest
from fdglung.phantom.lesions.distributions import Floats
from fdglung.phantom.lesions.placed import PlacedLesion, Point, Rod, describe_lobe
from fdglung.phantom.lesions.plans import RIGHT_LOBES, Form, LesionPlan, Zone
from fdglung.phantom.lesions.stations import place_node
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.shapes import Array, Distance

GAP_MM = 3.0
"""Least distance between the bodies of two lesions in mm."""

SHRINK = (1.0, 0.9, 0.8)
"""Shares of its diameter at which a drawn lesion is tried, until it fits."""

LAST_SHRINK = (0.7, 0.6, 0.5)
"""Likewise for the largest lesion of a patient of whom none has found room in the lungs."""

_DEEP = 0.9
"""Depth of a lesion that lies wholly in the lung, in radii."""


def place_lesions(
    plans: Sequence[LesionPlan],
    *,
    organs: sitk.Image,
    rng: np.random.Generator,
    bronchi: npt.NDArray[np.floating[Any]] | None = None,
    bronchi_radii_mm: npt.NDArray[np.floating[Any]] | None = None,
    given: Sequence[PlacedLesion] = (),
) -> tuple[PlacedLesion, ...]:
    """Place drawn lesions in a chest, largest first, so that their bodies do not touch.

    A lesion lies in its lobe and zone. Where there is no room it goes to another zone of the lobe, then to another
    lobe, then is tried smaller (`SHRINK`); one that still does not fit is left out, as is a node for which there is
    no room at its station. So that a patient keeps a lesion, the largest is tried down to half of its diameter
    (`LAST_SHRINK`) where none has fitted.

    Parameters
    ----------
    plans
        As drawn by `draw_disease`.
    organs
        uint8, values of `Organ`, axes those of the patient (LPS, mm), spacing 2 to 5 mm.
    rng
        Source of chance.
    bronchi
        Segments of the bronchial tree, start and stop in mm (LPS), shape (n, 2, 3); None for none.
    bronchi_radii_mm
        Their inner radii, shape (n,).
    given
        Lesions whose place the user gives, such as `PlacedLesion.sphere`; the others keep away from them.

    Returns
    -------
    lesions
        Those given, then the others in the order of their plans.

    Raises
    ------
    ParameterError
        A given lesion that is not wholly inside the body or that touches another; an organ map without lungs or
        not in patient axes; bronchi of another shape; no room for any of the lesions in the lungs.

    """
    segments = _check_bronchi(bronchi, bronchi_radii_mm)
    chest = read_chest(organs, segments)
    _check_given(given, chest)
    taken = [(np.array(lesion.centre_mm), lesion.body.reach_mm) for lesion in given]
    found: dict[int, PlacedLesion] = {}

    def keep(index: int, lesion: PlacedLesion | None) -> None:
        if lesion is not None:
            found[index] = lesion
            taken.append((np.array(lesion.centre_mm), lesion.body.reach_mm))

    largest_first = sorted(range(len(plans)), key=lambda i: -plans[i].diameter_mm)
    in_lungs = [index for index in largest_first if plans[index].kind == "lung"]
    for index in in_lungs:
        keep(index, _place_in_lung(plans[index], chest, taken, rng, SHRINK))
    if in_lungs and not found:
        keep(in_lungs[0], _place_in_lung(plans[in_lungs[0]], chest, taken, rng, LAST_SHRINK))
    if in_lungs and not found:
        raise ParameterError(
            "no lesion finds room in the lungs",
            attribute="plans",
            remedy="Give smaller lesions, or an organ map with larger lungs",
        )
    for index in largest_first:
        if plans[index].kind == "node":
            keep(index, place_node(plans[index], chest, taken, rng))
    return (*given, *(found[index] for index in sorted(found)))


def confinement(lesion: PlacedLesion, organs: sitk.Image) -> Distance | None:
    """Make a function of x, y, z in mm that tells where a lesion may be: 1 in the organs it reaches into, 0 elsewhere.

    Between the organ map's voxels it is linear, steepened to an edge of about a voxel; airways and vessels inside the
    lungs count as lung. None where the lesion may fill everything.

    Parameters
    ----------
    lesion
        As placed; its `reaches_into` names the organs.
    organs
        The organ map of the breath that is painted.

    """
    if lesion.reaches_into is None:
        return None
    values = sitk.GetArrayViewFromImage(organs)
    origin, spacing = np.array(organs.GetOrigin()), np.array(organs.GetSpacing())
    box = np.array(lesion.box)
    # breathing may have moved the lesion since it was placed
    low = np.floor((box[:, 0] - 45 - origin) / spacing).astype(int)
    high = np.ceil((box[:, 1] + 45 - origin) / spacing).astype(int) + 1
    low, high = np.clip(low, 0, None), np.minimum(np.maximum(high, low + 2), organs.GetSize())
    part = values[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    allowed = np.isin(part, lesion.reaches_into)
    if lesion.plan.kind == "lung":
        closed = ndimage.binary_closing(np.pad(allowed, 3), iterations=2)[3:-3, 3:-3, 3:-3]
        allowed |= closed & np.isin(part, (0, Organ.AIRWAYS, Organ.PULMONARY_ARTERY))
    soft = ndimage.gaussian_filter(allowed.astype(np.float32), 0.5)
    first = origin + low * spacing

    def fraction(x: Array, y: Array, z: Array) -> Array:
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        where = [
            np.broadcast_to((axis - np.float32(start)) / np.float32(step), shape)
            for axis, start, step in zip((z, y, x), first[::-1], spacing[::-1], strict=True)
        ]
        values = ndimage.map_coordinates(soft, where, order=1, mode="nearest")
        result: Array = np.clip((values - np.float32(0.5)) * np.float32(2.5) + np.float32(0.5), 0, 1)
        return result

    return fraction


def _check_bronchi(
    bronchi: npt.NDArray[np.floating[Any]] | None, radii: npt.NDArray[np.floating[Any]] | None
) -> tuple[Rod, ...]:
    if bronchi is None:
        return ()
    if bronchi.ndim != 3 or bronchi.shape[1:] != (2, 3) or not np.isfinite(bronchi).all():
        raise ParameterError(
            f"bronchi has the shape {bronchi.shape}", attribute="bronchi", remedy="Give finite numbers (n, 2, 3) in mm"
        )
    if radii is None or radii.shape != (len(bronchi),) or not (np.asarray(radii) > 0).all():
        raise ParameterError(
            "there is not one radius for each bronchus",
            attribute="bronchi_radii_mm",
            remedy="Give a positive radius in mm for each segment",
        )
    rods = []
    for (start, stop), radius in zip(bronchi.astype(float).tolist(), radii.astype(float).tolist(), strict=True):
        rods.append(Rod((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]), radius, radius))
    return tuple(rods)


def _check_given(given: Sequence[PlacedLesion], chest: Chest) -> None:
    for index, lesion in enumerate(given):
        if not chest.holds(lesion.centre_mm, lesion.body.reach_mm):
            raise ParameterError(
                "the lesion is not wholly inside the body",
                attribute=f"given[{index}].centre_mm",
                remedy="Move it inside, or give a smaller one",
            )
        for other in range(index):
            gap = math.dist(given[other].centre_mm, lesion.centre_mm)
            if gap < given[other].body.reach_mm + lesion.body.reach_mm:
                raise ParameterError(
                    f"the lesion touches given[{other}]",
                    attribute=f"given[{index}].centre_mm",
                    remedy="Move one of them, or give smaller ones",
                )


@dataclass(frozen=True)
class _Try:
    """How much of a plan is kept in one attempt."""

    shrink: float
    zone: bool
    lobes: tuple[Organ, ...]
    depth: float


def _place_in_lung(
    plan: LesionPlan,
    chest: Chest,
    taken: Sequence[tuple[Floats, float]],
    rng: np.random.Generator,
    shares: Sequence[float],
) -> PlacedLesion | None:
    own = (plan.lobe,) if plan.lobe is not None else LOBES
    side = RIGHT_LOBES if plan.lobe in RIGHT_LOBES else tuple(lobe for lobe in LOBES if lobe not in RIGHT_LOBES)
    # small ones lie wholly in the lung; large ones lean on the pleura, which bounds them
    deep = _DEEP if plan.diameter_mm < 30 and plan.form != Form.CONSOLIDATION else 0.6
    for shrink in shares:
        for attempt in (
            _Try(shrink, True, own, deep),
            _Try(shrink, False, own, deep),
            _Try(shrink, False, own, 0.5),
            _Try(shrink, False, side, 0.5),
            _Try(shrink, False, LOBES, 0.5),
        ):
            lesion = _attempt(plan, attempt, chest, taken, rng)
            if lesion is not None:
                return lesion
    return None


def _attempt(
    plan: LesionPlan, attempt: _Try, chest: Chest, taken: Sequence[tuple[Floats, float]], rng: np.random.Generator
) -> PlacedLesion | None:
    radius = attempt.shrink * plan.diameter_mm / 2
    good = chest.in_lobe(attempt.lobes) & (chest.depth >= attempt.depth * radius)
    if attempt.zone and plan.zone is not None:
        good &= _in_zone(chest, plan.zone, radius)
    candidates = rng.permutation(np.flatnonzero(good))[:200]
    centres = chest.points[candidates] + chest.jitter(rng, len(candidates))
    for other, away in taken:
        free = np.linalg.norm(centres - other, axis=1) >= away + GAP_MM + 0.8 * radius
        candidates, centres = candidates[free], centres[free]
    enough = 0.95 if attempt.depth == _DEEP and plan.zone != Zone.SUBPLEURAL else 0.7
    for index, (x, y, z) in zip(candidates.tolist()[:12], centres.tolist(), strict=False):
        lesion = _lesion_at(plan, radius, (x, y, z), index, chest)
        reach = lesion.body.reach_mm
        if any(np.linalg.norm(np.subtract((x, y, z), other)) < reach + away + GAP_MM for other, away in taken):
            continue
        if chest.share(lesion.centre_mm, lesion.body, lesion.reaches_into or ()) >= enough:
            return lesion
    return None


def _in_zone(chest: Chest, zone: Zone, radius: float) -> npt.NDArray[np.bool_]:
    if zone == Zone.SUBPLEURAL:
        return chest.depth <= radius + 5
    if zone == Zone.BRONCHIAL:
        return chest.to_bronchus <= 0.5 * radius + 3
    third = {Zone.INNER: 0, Zone.MIDDLE: 1, Zone.OUTER: 2}[zone]
    return np.minimum((chest.outwards * 3).astype(int), 2) == third


def _lesion_at(plan: LesionPlan, radius: float, centre: Point, index: int, chest: Chest) -> PlacedLesion:
    lobe = Organ(int(chest.lobe[index]))
    side = RIGHT_LOBES if lobe in RIGHT_LOBES else tuple(one for one in LOBES if one not in RIGHT_LOBES)
    into = (lobe,) if plan.form == Form.CONSOLIDATION else side
    lesion = PlacedLesion(
        plan,
        centre,
        radius,
        describe_lobe(lobe),
        reaches_into=tuple(int(one) for one in into),
        hilum_mm=chest.hilum(lobe),
        pleura_mm=chest.pleura_of(index),
    )
    return replace(lesion, bronchi=chest.bronchi_near(centre, 1.7 * radius + 5))
