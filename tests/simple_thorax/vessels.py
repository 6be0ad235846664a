"""Branching lung vessels that fill a lung, for the texture of its CT."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fdglung.phantom.shapes import Solid, capsule
from tests.simple_thorax.thorax import LEFT, RIGHT, lung

_HILA = {RIGHT: (-40.0, 8.0, -22.0), LEFT: (50.0, 16.0, -18.0)}
_MURRAY = 2.9
"""Exponent that ties the radius of a vessel to those of its branches (about 3; Murray 1926)."""


def lung_vessels(rng: np.random.Generator, *, tips: int = 320, tip_radius_mm: float = 0.8) -> tuple[Solid, ...]:
    """Vessels of both lungs, from the hila to points spread through each lung.

    Parameters
    ----------
    rng
        Source of the tips' places.
    tips
        Ends of vessels in a lung.
    tip_radius_mm
        Radius of the thinnest vessel.

    Returns
    -------
    solids
        Tapering capsules, thickest first.

    """
    solids: list[tuple[float, Solid]] = []
    for side in (RIGHT, LEFT):
        points = _spread(rng, side, tips)
        solids += _branches(np.array(_HILA[side]), points, tip_radius_mm)
    return tuple(solid for _, solid in sorted(solids, key=lambda pair: -pair[0]))


def _spread(rng: np.random.Generator, side: int, count: int) -> npt.NDArray[np.float64]:
    """Points at least 5 mm inside a lung."""
    room = lung(side)
    low, high = (np.array([bound[i] for bound in room.box]) for i in (0, 1))
    tries = rng.uniform(low, high, size=(count * 12, 3)).astype(np.float32)
    depth = room.distance(*(axis.reshape(-1, 1, 1) for axis in tries.T)).ravel()
    return tries[depth < -5][:count].astype(np.float64)


def _branches(
    root: npt.NDArray[np.float64], tips: npt.NDArray[np.float64], tip_radius_mm: float
) -> Iterator[tuple[float, Solid]]:
    """Split the tips in two along their longest axis, again and again."""
    if len(tips) == 0:
        return
    radius = tip_radius_mm * len(tips) ** (1 / _MURRAY)
    if len(tips) == 1:
        yield radius, capsule(root, tips[0], radius, end_radius=0.6 * radius)
        return
    fork = root + (0.34 if len(tips) > 3 else 0.5) * (tips.mean(axis=0) - root)
    yield radius, capsule(root, fork, radius, end_radius=0.85 * radius)
    spread = tips - tips.mean(axis=0)
    axis = np.argmax(spread.var(axis=0))
    order = np.argsort(tips[:, axis], kind="stable")
    half = len(tips) // 2
    yield from _branches(fork, tips[order[:half]], tip_radius_mm)
    yield from _branches(fork, tips[order[half:]], tip_radius_mm)
