"""Placing avid nodes at their stations, in the fat between the mediastinum's organs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from fdglung.phantom.lesions.chest import Chest
from fdglung.phantom.lesions.distributions import Floats
from fdglung.phantom.lesions.placed import PlacedLesion
from fdglung.phantom.lesions.plans import LesionPlan, Station
from fdglung.phantom.organs import LOBES, Organ

_OFFSETS = {
    Station.SUBCARINAL: (0.0, 2.0, -16.0),
    Station.RIGHT_PARATRACHEAL: (-16.0, -4.0, 26.0),
    Station.LEFT_PARATRACHEAL: (15.0, 2.0, 24.0),
    Station.AORTOPULMONARY: (28.0, -2.0, 8.0),
}
"""From the carina in mm (LPS): round figures."""

_SEARCH_MM = 26.0
_SPACE = (0, int(Organ.FAT), int(Organ.THYMUS))


def place_node(
    plan: LesionPlan, chest: Chest, taken: Sequence[tuple[Floats, float]], rng: np.random.Generator
) -> PlacedLesion | None:
    """Place a node where there is most room near its station; None where there is none within 26 mm.

    It lies in what no organ takes, fat or thymus; at a hilum in the lung as well. Its centre is at least half its
    radius from airways, vessels, heart, oesophagus and bone, into which it does not reach.
    """
    hilar = plan.station in (Station.RIGHT_HILUM, Station.LEFT_HILUM)
    if hilar:
        anchor = np.array(chest.hila[0 if plan.station == Station.RIGHT_HILUM else 1])
        into = _SPACE + tuple(int(lobe) for lobe in LOBES)
    else:
        anchor = np.array(chest.carina) + _OFFSETS[plan.station or Station.SUBCARINAL]
        into = _SPACE
    index = (anchor - chest.origin_mm) / chest.spacing_mm
    reach = np.ceil((_SEARCH_MM + 12) / chest.spacing_mm)
    low = np.clip(index - reach, 0, None).astype(int)
    high = np.minimum(index + reach + 1, chest.labels.shape[::-1]).astype(int)
    if (high <= low).any():
        return None
    window = tuple(slice(low[axis], high[axis]) for axis in (2, 1, 0))
    free = np.isin(chest.labels[window], into) & chest.body[window]
    room = ndimage.distance_transform_edt(np.pad(free, 1), sampling=chest.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    places = np.argwhere(free)
    points = chest.origin_mm + (places[:, ::-1] + low) * chest.spacing_mm
    away = np.linalg.norm(points - anchor, axis=1)
    depth = room[tuple(places.T)] - chest.spacing_mm.min() / 2
    for shrink in (1.0, 0.9, 0.8, 0.7):
        radius = shrink * plan.diameter_mm / 2
        good = np.flatnonzero((away < _SEARCH_MM) & (depth >= 0.5 * radius))
        cost = away[good] + 3 * rng.random(len(good)) - 2 * np.minimum(depth[good], radius)
        for one in good[np.argsort(cost, kind="stable")]:
            lesion = _at(plan, points[one], radius, into)
            body = lesion.body.reach_mm
            if all(np.linalg.norm(points[one] - other) >= body + apart + 1 for other, apart in taken):
                return lesion
    return None


def _at(plan: LesionPlan, point: Floats, radius: float, into: tuple[int, ...]) -> PlacedLesion:
    x, y, z = (float(part) for part in point)
    return PlacedLesion(plan, (x, y, z), radius, str(plan.station), reaches_into=into)
