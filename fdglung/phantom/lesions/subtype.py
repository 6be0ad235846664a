"""What the distributions of one disease are: the type that the profiles fill in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy.special import expit

from fdglung.phantom.lesions.distributions import Chance, Floats, SizeUptake, Spread
from fdglung.phantom.lesions.plans import Form, Sign, Zone
from fdglung.phantom.organs import Organ
from fdglung.phantom.study import LesionClass

SIGNS_BY_FORM: Mapping[Form, frozenset[Sign]] = MappingProxyType(
    {
        Form.SOLID: frozenset(Sign),
        Form.PART_SOLID: frozenset(
            {
                Sign.LOBULATED,
                Sign.SPICULATED,
                Sign.ILL_DEFINED,
                Sign.AIR_BRONCHOGRAM,
                Sign.PLEURAL_TAIL,
                Sign.SATELLITES,
            }
        ),
        Form.GROUND_GLASS: frozenset({Sign.LOBULATED, Sign.ILL_DEFINED, Sign.AIR_BRONCHOGRAM}),
        Form.CONSOLIDATION: frozenset(
            {
                Sign.LOBULATED,
                Sign.ILL_DEFINED,
                Sign.HALO,
                Sign.AIR_BRONCHOGRAM,
                Sign.CAVITY,
                Sign.NECROSIS,
                Sign.SATELLITES,
            }
        ),
    }
)
"""Signs that a form can carry; the lobulated border of a consolidation is a bulging fissure."""

LOBE_SHARES: Mapping[Organ, float] = MappingProxyType(
    {
        Organ.RIGHT_UPPER_LOBE: 0.179,
        Organ.RIGHT_MIDDLE_LOBE: 0.093,
        Organ.RIGHT_LOWER_LOBE: 0.265,
        Organ.LEFT_UPPER_LOBE: 0.231,
        Organ.LEFT_LOWER_LOBE: 0.232,
    }
)
"""Lobes as shares of the lungs' volume (PMC7490509)."""

EVENLY = (0.41, 0.093, 0.497)
"""Shares of the upper, middle and lower lobes of lesions that are spread by volume (PMC7490509)."""


@dataclass(frozen=True)
class Nodes:
    """Avid nodes of a patient.

    Attributes
    ----------
    chance
        That there are any.
    symmetric
        Share of those patients in whom both hila and the mediastinum take part alike; in the others it is the side of
        the first lesion.
    sizes
        Diameter and SUVmax.

    """

    chance: float
    symmetric: float
    sizes: SizeUptake


@dataclass(frozen=True)
class Subtype:
    """How one disease looks.

    Attributes
    ----------
    name, lesion_class, weight
        What it is, its group, and its share of the group.
    number
        Probabilities of 1, 2, 3 ... lesions in the lungs.
    sizes
        Diameter and SUVmax.
    forms
        Probability of each form.
    signs
        Chance of each sign; those not named do not occur.
    lobes
        Shares of the upper, middle and lower lobes; within the upper and the lower by `LOBE_SHARES`.
    zones
        Probability of each zone.
    hu
        Mean and standard deviation of the CT number of a solid body in HU, normal.
    texture
        Coefficient of variation of the uptake.
    nodes
        Avid nodes.
    sources
        Where the figures are from.

    """

    name: str
    lesion_class: LesionClass
    weight: float
    number: tuple[float, ...]
    sizes: SizeUptake
    forms: Mapping[Form, float]
    signs: Mapping[Sign, Chance]
    lobes: tuple[float, float, float]
    zones: Mapping[Zone, float]
    hu: tuple[float, float]
    texture: Spread
    nodes: Nodes
    sources: str

    @cached_property
    def lobe_probabilities(self) -> Mapping[Organ, float]:
        """Probability of each lobe."""
        groups = (
            (Organ.RIGHT_UPPER_LOBE, Organ.LEFT_UPPER_LOBE),
            (Organ.RIGHT_MIDDLE_LOBE,),
            (Organ.RIGHT_LOWER_LOBE, Organ.LEFT_LOWER_LOBE),
        )
        result = {}
        for share, lobes in zip(self.lobes, groups, strict=True):
            total = sum(LOBE_SHARES[lobe] for lobe in lobes)
            result.update({lobe: share * LOBE_SHARES[lobe] / total for lobe in lobes})
        return MappingProxyType(result)

    def sign_probabilities(self, form: Form, diameter_mm: Floats) -> Floats:
        """Probability of each sign given form and diameters, shape (lesions, signs), in the order of `Sign`."""
        steps = np.log2(diameter_mm / 20)[:, None]
        chances = expit(self._intercepts[form][None, :] + self._slopes[None, :] * steps)
        return np.where(diameter_mm[:, None] >= self._from_mm[None, :], chances, 0.0)

    @cached_property
    def _slopes(self) -> Floats:
        return np.array([self.signs[sign].per_doubling if sign in self.signs else 0.0 for sign in Sign])

    @cached_property
    def _from_mm(self) -> Floats:
        return np.array([self.signs[sign].from_mm if sign in self.signs else 0.0 for sign in Sign])

    @cached_property
    def _intercepts(self) -> Mapping[Form, Floats]:
        result = {form: np.full(len(Sign), -np.inf) for form in Form}
        for column, sign in enumerate(Sign):
            forms = [form for form in Form if sign in SIGNS_BY_FORM[form]]
            if sign in self.signs:
                value = self.signs[sign].intercept(self.sizes, sum(self.forms[form] for form in forms))
                for form in forms:
                    result[form][column] = value
        return result


def zones(inner: float, middle: float, outer: float, subpleural: float, bronchial: float) -> Mapping[Zone, float]:
    """Return the probabilities of the zones."""
    return dict(zip(Zone, (inner, middle, outer, subpleural, bronchial), strict=True))


def forms(solid: float, part_solid: float, ground_glass: float, consolidation: float) -> Mapping[Form, float]:
    """Return the probabilities of the forms."""
    return dict(zip(Form, (solid, part_solid, ground_glass, consolidation), strict=True))


def nodes(
    chance: float, symmetric: float, diameter: tuple[float, float], suv: tuple[float, float, float, float]
) -> Nodes:
    """Return nodes by mean and standard deviation of the diameter, and the spread of SUVmax."""
    return Nodes(chance, symmetric, SizeUptake(Spread(*diameter, 6, 45), Spread(*suv), 0.3, 0.5))
