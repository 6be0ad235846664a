"""Drawing a patient's disease from the profiles, with a share of patients who look like another class."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.other_tracers import uptake_ratios
from fdglung.phantom.lesions.plans import RIGHT_LOBES, Disease, Form, LesionPlan, Sign, Station
from fdglung.phantom.lesions.profiles import (
    DEFAULT_PRIORS,
    GROUND_GLASS_HU,
    STATIONS,
    subtypes,
)
from fdglung.phantom.lesions.subtype import Subtype
from fdglung.phantom.study import LesionClass

NODE_HU = (38.0, 8.0)
"""Mean and standard deviation of a node's CT number in HU: a round figure, the same for all subtypes."""

_Item = TypeVar("_Item")


def draw_class(rng: np.random.Generator, *, priors: Mapping[LesionClass, float] = DEFAULT_PRIORS) -> LesionClass:
    """Draw a patient's class by the shares of the four classes."""
    shares = check_priors(priors)
    return _choose(rng, list(shares), list(shares.values()))


def draw_disease(
    rng: np.random.Generator,
    lesion_class: LesionClass,
    *,
    overlap: float = 0.1,
    subtype: str | None = None,
    tracer: str = "fdg",
) -> Disease:
    """Draw a patient of a class: subtype, lesions in the lungs and avid nodes.

    SUVmax is drawn given the diameter alone, each sign given the diameter and the form, all else independently: no
    sign tells more of the uptake than subtype and size do.

    Parameters
    ----------
    rng
        Source of chance.
    lesion_class
        The true class.
    overlap
        Probability, 0 to below 1, that the whole appearance is drawn from another class's profile, each of the three
        alike: label noise that no classifier can beat. See `fdglung.phantom.lesions.overlap`.
    subtype
        Name of one of the class's subtypes; None draws it by its weight.
    tracer
        Key of `fdglung.phantom.tracers.TRACERS`. Another one than FDG changes nothing but SUVmax, which is multiplied
        by `fdglung.phantom.lesions.other_tracers.UPTAKE_RATIOS`: its spread, and how it goes with size and subtype,
        stay those of FDG.

    Raises
    ------
    ParameterError
        `overlap` outside its range, or an unknown `lesion_class`, `subtype` or `tracer`.

    """
    check_overlap(overlap)
    if lesion_class not in set(LesionClass):
        raise ParameterError(
            f"{lesion_class!r} is no class", attribute="lesion_class", remedy=f"Give one of {', '.join(LesionClass)}"
        )
    own = subtypes(LesionClass(lesion_class))
    if subtype is not None and subtype not in [one.name for one in own]:
        names = ", ".join(one.name for one in own)
        raise ParameterError(
            f"{subtype!r} is no subtype of {lesion_class}", attribute="subtype", remedy=f"Give {names}"
        )
    ratios = uptake_ratios(tracer)
    drawn = _choose(rng, own, [one.weight for one in own])
    truth = next((one for one in own if one.name == subtype), drawn)
    look = truth
    if rng.random() < overlap:
        other = _choose(rng, [one for one in LesionClass if one != lesion_class])
        others = subtypes(other)
        look = _choose(rng, others, [one.weight for one in others])
    plans = _draw_plans(rng, look, truth, ratios[look.lesion_class])
    return Disease(truth.lesion_class, truth.name, look.lesion_class, look.name, plans)


def check_overlap(overlap: float) -> None:
    """Raise a ParameterError unless `overlap` is a number from 0 to below 1."""
    if isinstance(overlap, bool) or not isinstance(overlap, (int, float)) or not 0 <= overlap < 1:
        raise ParameterError(
            f"overlap is {overlap}, outside its range", attribute="overlap", remedy="Give a number from 0 to below 1"
        )


def check_priors(priors: Mapping[LesionClass, float]) -> dict[LesionClass, float]:
    """Return shares of all four classes, in their order, that sum to 1; raise a ParameterError where they cannot."""
    known = all(one in set(LesionClass) and isinstance(share, (int, float)) for one, share in priors.items())
    shares = {one: float(priors.get(one, 0.0)) for one in LesionClass} if known else {}
    total = sum(shares.values())
    if not known or min(shares.values()) < 0 or not 0 < total < math.inf:
        raise ParameterError(
            f"priors are {dict(priors)}", attribute="priors", remedy="Give each class a share of 0 or more, not all 0"
        )
    return {one: share / total for one, share in shares.items()}


def station_probability(pattern: str, stations: frozenset[Station]) -> float:
    """Probability of a set of stations, not empty, in a pattern of `STATIONS`."""
    chances = STATIONS[pattern]
    empty = math.prod(1 - chance for chance in chances.values())
    found = math.prod(chance if station in stations else 1 - chance for station, chance in chances.items())
    return found / (1 - empty)


def _choose(rng: np.random.Generator, items: Sequence[_Item], weights: Sequence[float] | None = None) -> _Item:
    """Choose one item by weight; takes one number from the generator."""
    if weights is None:
        return items[min(int(rng.random() * len(items)), len(items) - 1)]
    edges = list(accumulate(weights))
    return items[min(bisect_right(edges, rng.random() * edges[-1]), len(items) - 1)]


def _draw_plans(rng: np.random.Generator, look: Subtype, truth: Subtype, ratio: float) -> tuple[LesionPlan, ...]:
    number = _choose(rng, range(1, len(look.number) + 1), look.number)
    diameters, uptakes = look.sizes.draw(rng, number)
    textures = look.texture.draw(rng, number)
    lobes = look.lobe_probabilities
    plans = []
    for diameter, uptake, texture in zip(diameters, uptakes, textures, strict=True):
        form = _choose(rng, list(look.forms), list(look.forms.values()))
        plans.append(
            LesionPlan(
                lesion_class=truth.lesion_class,
                subtype=truth.name,
                diameter_mm=float(diameter),
                suv_max=ratio * float(uptake),
                hu=_draw_hu(rng, look, form),
                texture=float(texture),
                form=form,
                signs=_draw_signs(rng, look, form, float(diameter)),
                lobe=_choose(rng, list(lobes), list(lobes.values())),
                zone=_choose(rng, list(look.zones), list(look.zones.values())),
                seed=int(rng.integers(2**63)),
            )
        )
    return (*plans, *_draw_nodes(rng, look, truth, ratio, right=plans[0].lobe in RIGHT_LOBES))


def _draw_hu(rng: np.random.Generator, look: Subtype, form: Form) -> float:
    if form == Form.GROUND_GLASS:
        return float(GROUND_GLASS_HU.draw(rng, 1)[0]) - 1000
    return float(rng.normal(*look.hu))


def _draw_signs(rng: np.random.Generator, look: Subtype, form: Form, diameter: float) -> frozenset[Sign]:
    found = rng.random(len(Sign)) < look.sign_probabilities(form, np.array([diameter]))[0]
    return frozenset(sign for sign, has in zip(Sign, found.tolist(), strict=True) if has)


def _draw_nodes(
    rng: np.random.Generator, look: Subtype, truth: Subtype, ratio: float, *, right: bool
) -> tuple[LesionPlan, ...]:
    if rng.random() >= look.nodes.chance:
        return ()
    pattern = "symmetric" if rng.random() < look.nodes.symmetric else "right" if right else "left"
    stations: list[Station] = []
    while not stations:
        stations = [station for station, chance in STATIONS[pattern].items() if rng.random() < chance]
    diameters, uptakes = look.nodes.sizes.draw(rng, len(stations))
    return tuple(
        LesionPlan(
            lesion_class=truth.lesion_class,
            subtype=f"{truth.name} node",
            diameter_mm=float(diameter),
            suv_max=ratio * float(uptake),
            hu=float(rng.normal(*NODE_HU)),
            texture=0.05,
            kind="node",
            station=station,
            seed=int(rng.integers(2**63)),
        )
        for station, diameter, uptake in zip(stations, diameters, uptakes, strict=True)
    )
