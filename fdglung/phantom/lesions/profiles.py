"""Distributions of lung disease on FDG PET/CT by class and subtype, each with its source.

`SOURCES` resolves the short names. "round figure" is general knowledge without a publication behind it. Published SUVs
are what scanners measured; they stand here for the true ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy.special import expit

from fdglung.phantom.lesions.distributions import Chance, Floats, SizeUptake, Spread
from fdglung.phantom.lesions.plans import Form, Sign, Station, Zone
from fdglung.phantom.organs import Organ
from fdglung.phantom.study import LesionClass

DEFAULT_PRIORS: Mapping[LesionClass, float] = MappingProxyType(
    {
        LesionClass.LYMPHOMA: 0.2,
        LesionClass.LUNG_CANCER: 0.4,
        LesionClass.BENIGN: 0.2,
        LesionClass.METASTASIS: 0.2,
    }
)
"""Shares of the four classes among patients: round figures."""

GROUND_GLASS_HU = Spread(380, 60, 220, 560)
"""CT number of ground-glass opacity above -1000 HU: a round figure, the same for all subtypes."""

LEAN_MASS_FACTOR = 1.3
"""SUVbw over SUV by lean mass: James' lean mass of 63 % men and 37 % women of 170 and 158 cm, 70 and 60 kg."""

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


STATIONS: Mapping[str, Mapping[Station, float]] = MappingProxyType(
    {
        "symmetric": {
            Station.RIGHT_HILUM: 0.9,
            Station.LEFT_HILUM: 0.9,
            Station.SUBCARINAL: 0.7,
            Station.RIGHT_PARATRACHEAL: 0.7,
            Station.LEFT_PARATRACHEAL: 0.4,
            Station.AORTOPULMONARY: 0.5,
        },
        "right": {
            Station.RIGHT_HILUM: 0.75,
            Station.LEFT_HILUM: 0.05,
            Station.SUBCARINAL: 0.4,
            Station.RIGHT_PARATRACHEAL: 0.45,
            Station.LEFT_PARATRACHEAL: 0.1,
            Station.AORTOPULMONARY: 0.08,
        },
        "left": {
            Station.RIGHT_HILUM: 0.05,
            Station.LEFT_HILUM: 0.75,
            Station.SUBCARINAL: 0.4,
            Station.RIGHT_PARATRACHEAL: 0.12,
            Station.LEFT_PARATRACHEAL: 0.3,
            Station.AORTOPULMONARY: 0.4,
        },
    }
)
"""Chance of each station where there are nodes, by pattern; drawn again where none comes up. Round figures."""

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "MALT-29": "29 pulmonary MALT lymphomas of 28 patients, PET against Ki-67 (abstract)",
        "MALT-28": "PMID 28830222",
        "MALT-21": "10.3760/cma.j.cn121381-202202009-00228",
        "MALT-CT": "10.2147/CMAR.S327846",
        "PPL-19": "10.3389/fonc.2022.973109",
        "PPL-SPL": "10.3892/ol.2017.6962",
        "NODES": "10.3389/fonc.2025.1643924",
        "NSCLC-540": "540 resected NSCLC, SUVmax by lean mass (2006-2013, one institution), times 1.3",
        "NSCLC-60": "10.1186/s43055-022-00782-4",
        "SOLID-3CM": "10.1186/s12885-019-6274-0",
        "ADENO-CT": "PMC4004700",
        "BENIGN-113": "10.21037/tlcr.2019.06.09",
        "TUBERCULOMA": "Radiology 2000;216:117",
        "OP-50": "10.4274/mirt.03016",
        "FOP": "PMID 25689088",
        "CRYPTO-235": "10.3760/cma.j.issn.1673-4114.2020.01.009",
        "HAMARTOMA": "10.3892/ol.2018.8660",
        "INFLAMED-225": "10.2147/JIR.S304431",
        "METASTASES": "J Korean Radiol Soc 1984",
        "LOBES": "PMC7490509",
    }
)
"""What the short names of the sources stand for."""


def _metastases() -> tuple[float, ...]:
    """Fewer than 10 in 56 %, 10 to 50 in 26 %, more in 18 % (J Korean Radiol Soc 1984), cut at 60."""
    numbers = np.arange(1, 61)
    few, some, many = numbers < 10, (numbers >= 10) & (numbers <= 50), numbers > 50
    inverse = 1 / numbers
    result = np.zeros(60)
    result[few] = 0.56 * inverse[few] / inverse[few].sum()
    result[some] = 0.26 * inverse[some] / inverse[some].sum()
    result[many] = 0.18 / many.sum()
    return tuple(result.tolist())


def _zones(inner: float, middle: float, outer: float, subpleural: float, bronchial: float) -> dict[Zone, float]:
    return dict(zip(Zone, (inner, middle, outer, subpleural, bronchial), strict=True))


def _forms(solid: float, part_solid: float, ground_glass: float, consolidation: float) -> dict[Form, float]:
    return dict(zip(Form, (solid, part_solid, ground_glass, consolidation), strict=True))


def _nodes(
    chance: float, symmetric: float, diameter: tuple[float, float], suv: tuple[float, float, float, float]
) -> Nodes:
    return Nodes(chance, symmetric, SizeUptake(Spread(*diameter, 6, 45), Spread(*suv), 0.3, 0.5))


LYMPHOMAS = (
    Subtype(
        "MALT lymphoma",
        LesionClass.LYMPHOMA,
        0.6,
        number=(0.36, 0.40, 0.13, 0.07, 0.04),
        sizes=SizeUptake(Spread(28.5, 8.7, 10, 80), Spread(4.4, 3.0, 1.1, 15.3), 0.5, 0.5),
        forms=_forms(0.48, 0.01, 0.10, 0.41),
        signs={
            Sign.LOBULATED: Chance(0.46),
            Sign.SPICULATED: Chance(0.05),
            Sign.ILL_DEFINED: Chance(0.45),
            Sign.HALO: Chance(0.20),
            Sign.AIR_BRONCHOGRAM: Chance(0.78, 1.0, 8),
            Sign.CAVITY: Chance(0.03, 0.5, 15),
            Sign.NECROSIS: Chance(0.02, 1.0, 15),
            Sign.PLEURAL_TAIL: Chance(0.10),
            Sign.SATELLITES: Chance(0.08),
        },
        lobes=(0.40, 0.15, 0.45),
        zones=_zones(0.06, 0.15, 0.09, 0.15, 0.55),
        hu=(40, 10),
        texture=Spread(0.08, 0.04, 0.01, 0.4),
        nodes=_nodes(0.143, 0.2, (14, 4), (4.5, 2.2, 1.5, 14)),
        sources="SUV, forms MALT-29; diameter from its MTV (15.9 +- 17.6 ml); number MALT-28; bronchial signs in 90.5 % "
        "of patients and nodes MALT-21; bulging MALT-CT; rest round figures",
    ),
    Subtype(
        "diffuse large B-cell lymphoma",
        LesionClass.LYMPHOMA,
        0.2,
        number=(0.55, 0.25, 0.12, 0.08),
        sizes=SizeUptake(Spread(42, 18, 12, 110), Spread(12, 6, 2, 36), 0.3, 0.6),
        forms=_forms(0.62, 0.01, 0.02, 0.35),
        signs={
            Sign.LOBULATED: Chance(0.5),
            Sign.SPICULATED: Chance(0.12),
            Sign.ILL_DEFINED: Chance(0.3),
            Sign.HALO: Chance(0.2),
            Sign.AIR_BRONCHOGRAM: Chance(0.45, 0.5, 10),
            Sign.CAVITY: Chance(0.2, 0.7, 15),
            Sign.NECROSIS: Chance(0.25, 1.0, 15),
            Sign.PLEURAL_TAIL: Chance(0.12),
            Sign.SATELLITES: Chance(0.1),
        },
        lobes=EVENLY,
        zones=_zones(0.10, 0.15, 0.20, 0.25, 0.30),
        hu=(40, 10),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=_nodes(0.55, 0.4, (22, 8), (17, 6, 4, 40)),
        sources="form, cavity, periphery PPL-SPL; air bronchogram before halo PPL-19; nodes NODES (median 16); rest "
        "round figures",
    ),
    Subtype(
        "secondary pulmonary lymphoma",
        LesionClass.LYMPHOMA,
        0.2,
        number=(0.25, 0.20, 0.15, 0.12, 0.10, 0.08, 0.06, 0.04),
        sizes=SizeUptake(Spread(27, 14, 6, 90), Spread(9, 6, 1.5, 35), 0.3, 0.6),
        forms=_forms(0.66, 0.02, 0.06, 0.26),
        signs={
            Sign.LOBULATED: Chance(0.45),
            Sign.SPICULATED: Chance(0.08),
            Sign.ILL_DEFINED: Chance(0.35),
            Sign.HALO: Chance(0.2),
            Sign.AIR_BRONCHOGRAM: Chance(0.4, 0.7, 10),
            Sign.CAVITY: Chance(0.06, 0.7, 15),
            Sign.NECROSIS: Chance(0.12, 1.0, 15),
            Sign.PLEURAL_TAIL: Chance(0.08),
            Sign.SATELLITES: Chance(0.1),
        },
        lobes=EVENLY,
        zones=_zones(0.25, 0.15, 0.12, 0.13, 0.35),
        hu=(40, 10),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=_nodes(0.8, 0.5, (20, 7), (10, 5, 2, 35)),
        sources="hilar place and nodes PPL-SPL; rest round figures",
    ),
)

CANCERS = (
    Subtype(
        "adenocarcinoma",
        LesionClass.LUNG_CANCER,
        0.47,
        number=(0.93, 0.07),
        sizes=SizeUptake(Spread(29, 12, 8, 85), Spread(6.6, 4.4, 0.8, 30), 0.56, 0.5),
        forms=_forms(0.76, 0.18, 0.04, 0.02),
        signs={
            Sign.LOBULATED: Chance(0.70, 0.6),
            Sign.SPICULATED: Chance(0.55, 0.6),
            Sign.ILL_DEFINED: Chance(0.12),
            Sign.HALO: Chance(0.15),
            Sign.AIR_BRONCHOGRAM: Chance(0.30, 0.3, 10),
            Sign.CAVITY: Chance(0.08, 0.8, 15),
            Sign.NECROSIS: Chance(0.18, 1.2, 15),
            Sign.CALCIUM: Chance(0.07),
            Sign.PLEURAL_TAIL: Chance(0.45, 0.6),
            Sign.SATELLITES: Chance(0.05),
        },
        lobes=(0.69, 0.05, 0.26),
        zones=_zones(0.07, 0.18, 0.30, 0.35, 0.10),
        hu=(38, 10),
        texture=Spread(0.15, 0.07, 0.01, 0.4),
        nodes=_nodes(0.38, 0.05, (14, 5), (10.5, 4, 2, 30)),
        sources="SUV, r(size) NSCLC-540; upper lobes, signs ADENO-CT; halo, rise of signs with size SOLID-3CM; nodes' SUV "
        "NODES (median 10); rest round figures",
    ),
    Subtype(
        "squamous cell carcinoma",
        LesionClass.LUNG_CANCER,
        0.24,
        number=(0.95, 0.05),
        sizes=SizeUptake(Spread(42, 18, 10, 110), Spread(12.9, 6.0, 2, 40), 0.56, 0.5),
        forms=_forms(0.94, 0.02, 0.0, 0.04),
        signs={
            Sign.LOBULATED: Chance(0.65, 0.4),
            Sign.SPICULATED: Chance(0.40, 0.4),
            Sign.ILL_DEFINED: Chance(0.12),
            Sign.HALO: Chance(0.10),
            Sign.AIR_BRONCHOGRAM: Chance(0.10, 0.0, 10),
            Sign.CAVITY: Chance(0.25, 0.8, 15),
            Sign.NECROSIS: Chance(0.42, 1.2, 15),
            Sign.CALCIUM: Chance(0.06),
            Sign.PLEURAL_TAIL: Chance(0.30, 0.4),
            Sign.SATELLITES: Chance(0.04),
        },
        lobes=(0.60, 0.06, 0.34),
        zones=_zones(0.35, 0.15, 0.15, 0.15, 0.20),
        hu=(38, 10),
        texture=Spread(0.18, 0.08, 0.01, 0.4),
        nodes=_nodes(0.45, 0.05, (16, 6), (10.5, 4, 2, 30)),
        sources="SUV, r(size) NSCLC-540; cavity 20-30 % from the literature; upper lobes SOLID-3CM; nodes' SUV NODES; rest "
        "round figures",
    ),
    Subtype(
        "small cell carcinoma",
        LesionClass.LUNG_CANCER,
        0.12,
        number=(0.95, 0.05),
        sizes=SizeUptake(Spread(45, 19, 10, 110), Spread(11, 4, 3, 30), 0.3, 0.5),
        forms=_forms(0.97, 0.0, 0.0, 0.03),
        signs={
            Sign.LOBULATED: Chance(0.70),
            Sign.SPICULATED: Chance(0.25),
            Sign.ILL_DEFINED: Chance(0.12),
            Sign.HALO: Chance(0.05),
            Sign.AIR_BRONCHOGRAM: Chance(0.08, 0.0, 10),
            Sign.CAVITY: Chance(0.02, 0.8, 15),
            Sign.NECROSIS: Chance(0.30, 1.2, 15),
            Sign.CALCIUM: Chance(0.05),
            Sign.PLEURAL_TAIL: Chance(0.12),
            Sign.SATELLITES: Chance(0.03),
        },
        lobes=(0.58, 0.07, 0.35),
        zones=_zones(0.55, 0.10, 0.06, 0.07, 0.22),
        hu=(38, 10),
        texture=Spread(0.14, 0.06, 0.01, 0.4),
        nodes=_nodes(0.85, 0.2, (24, 8), (11, 4, 3, 30)),
        sources="round figures",
    ),
    Subtype(
        "lepidic adenocarcinoma",
        LesionClass.LUNG_CANCER,
        0.09,
        number=(0.80, 0.15, 0.05),
        sizes=SizeUptake(Spread(20, 8, 6, 50), Spread(1.7, 1.4, 0.5, 10), 0.4, 0.5),
        forms=_forms(0.15, 0.40, 0.43, 0.02),
        signs={
            Sign.LOBULATED: Chance(0.45, 0.6),
            Sign.SPICULATED: Chance(0.20, 0.6),
            Sign.ILL_DEFINED: Chance(0.30),
            Sign.AIR_BRONCHOGRAM: Chance(0.35, 0.3, 8),
            Sign.PLEURAL_TAIL: Chance(0.25, 0.6),
        },
        lobes=(0.65, 0.06, 0.29),
        zones=_zones(0.05, 0.25, 0.40, 0.25, 0.05),
        hu=(30, 12),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=_nodes(0.05, 0.05, (11, 3), (4, 2, 1.5, 14)),
        sources="SUV NSCLC-540 (bronchioloalveolar); rest round figures",
    ),
    Subtype(
        "inflammatory-type adenocarcinoma",
        LesionClass.LUNG_CANCER,
        0.08,
        number=(0.55, 0.25, 0.12, 0.08),
        sizes=SizeUptake(Spread(46, 17, 15, 110), Spread(6.6, 4.4, 1.0, 25), 0.4, 0.5),
        forms=_forms(0.50, 0.04, 0.06, 0.40),
        signs={
            Sign.LOBULATED: Chance(0.40),
            Sign.SPICULATED: Chance(0.15),
            Sign.ILL_DEFINED: Chance(0.45),
            Sign.HALO: Chance(0.20),
            Sign.AIR_BRONCHOGRAM: Chance(0.62, 0.5, 10),
            Sign.CAVITY: Chance(0.10, 0.5, 15),
            Sign.NECROSIS: Chance(0.12, 1.0, 15),
            Sign.PLEURAL_TAIL: Chance(0.15),
            Sign.SATELLITES: Chance(0.15),
        },
        lobes=(0.42, 0.08, 0.50),
        zones=_zones(0.08, 0.15, 0.15, 0.27, 0.35),
        hu=(35, 10),
        texture=Spread(0.13, 0.06, 0.01, 0.4),
        nodes=_nodes(0.485, 0.1, (14, 5), (8, 4, 2, 30)),
        sources="form, bronchial signs in 75.8 % of patients and nodes MALT-21; SUV NSCLC-540; rest round figures",
    ),
)

BENIGN = (
    Subtype(
        "tuberculoma",
        LesionClass.BENIGN,
        0.24,
        number=(0.72, 0.20, 0.08),
        sizes=SizeUptake(Spread(21, 8, 7, 55), Spread(4.2, 2.2, 0.8, 15), 0.3, 0.5),
        forms=_forms(0.95, 0.01, 0.0, 0.04),
        signs={
            Sign.LOBULATED: Chance(0.30),
            Sign.SPICULATED: Chance(0.22),
            Sign.ILL_DEFINED: Chance(0.20),
            Sign.HALO: Chance(0.10),
            Sign.AIR_BRONCHOGRAM: Chance(0.08, 0.0, 10),
            Sign.CAVITY: Chance(0.18, 0.8, 12),
            Sign.NECROSIS: Chance(0.22, 1.0, 12),
            Sign.CALCIUM: Chance(0.35),
            Sign.PLEURAL_TAIL: Chance(0.35),
            Sign.SATELLITES: Chance(0.70),
        },
        lobes=(0.68, 0.07, 0.25),
        zones=_zones(0.07, 0.23, 0.35, 0.27, 0.08),
        hu=(48, 16),
        texture=Spread(0.12, 0.06, 0.01, 0.4),
        nodes=_nodes(0.25, 0.15, (12, 3), (3.8, 1.6, 1.5, 12)),
        sources="diameter, SUV, satellites TUBERCULOMA; spiculation INFLAMED-225; rest round figures",
    ),
    Subtype(
        "pneumonia",
        LesionClass.BENIGN,
        0.16,
        number=(0.60, 0.25, 0.10, 0.05),
        sizes=SizeUptake(Spread(42, 16, 12, 110), Spread(4.55, 2.77, 0.9, 18), 0.2, 0.5),
        forms=_forms(0.18, 0.04, 0.08, 0.70),
        signs={
            Sign.LOBULATED: Chance(0.19),
            Sign.SPICULATED: Chance(0.04),
            Sign.ILL_DEFINED: Chance(0.65),
            Sign.HALO: Chance(0.25),
            Sign.AIR_BRONCHOGRAM: Chance(0.60, 0.5, 10),
            Sign.CAVITY: Chance(0.08, 0.5, 15),
            Sign.NECROSIS: Chance(0.06, 0.5, 15),
            Sign.PLEURAL_TAIL: Chance(0.08),
            Sign.SATELLITES: Chance(0.25),
        },
        lobes=(0.32, 0.12, 0.56),
        zones=_zones(0.05, 0.17, 0.15, 0.33, 0.30),
        hu=(32, 10),
        texture=Spread(0.12, 0.06, 0.01, 0.4),
        nodes=_nodes(0.40, 0.2, (11, 3), (3.3, 1.2, 1.5, 9)),
        sources="SUV BENIGN-113 (inflammatory); bulging MALT-CT; rest round figures",
    ),
    Subtype(
        "focal organising pneumonia",
        LesionClass.BENIGN,
        0.15,
        number=(0.86, 0.10, 0.04),
        sizes=SizeUptake(Spread(34, 10, 18, 60), Spread(4.0, 2.0, 1.5, 13.1), 0.3, 0.5),
        forms=_forms(0.68, 0.10, 0.02, 0.20),
        signs={
            Sign.LOBULATED: Chance(0.35),
            Sign.SPICULATED: Chance(0.35),
            Sign.ILL_DEFINED: Chance(0.40),
            Sign.HALO: Chance(0.18),
            Sign.AIR_BRONCHOGRAM: Chance(0.40, 0.3, 10),
            Sign.CAVITY: Chance(0.05, 0.5, 15),
            Sign.NECROSIS: Chance(0.06, 0.5, 15),
            Sign.PLEURAL_TAIL: Chance(0.35),
            Sign.SATELLITES: Chance(0.18),
        },
        lobes=(0.42, 0.08, 0.50),
        zones=_zones(0.04, 0.12, 0.27, 0.45, 0.12),
        hu=(35, 10),
        texture=Spread(0.12, 0.06, 0.01, 0.4),
        nodes=_nodes(0.45, 0.15, (11, 3), (3.27, 1.1, 1.5, 9)),
        sources="number, diameter, SUV (median 3.5, 2.1-13.1) FOP; nodes' SUV OP-50; margins INFLAMED-225; rest round "
        "figures",
    ),
    Subtype(
        "consolidative organising pneumonia",
        LesionClass.BENIGN,
        0.10,
        number=(0.20, 0.30, 0.25, 0.15, 0.10),
        sizes=SizeUptake(Spread(40, 14, 14, 100), Spread(6.5, 3.2, 1.5, 20), 0.2, 0.6),
        forms=_forms(0.12, 0.04, 0.14, 0.70),
        signs={
            Sign.LOBULATED: Chance(0.15),
            Sign.ILL_DEFINED: Chance(0.60),
            Sign.HALO: Chance(0.30),
            Sign.AIR_BRONCHOGRAM: Chance(0.70, 0.5, 10),
            Sign.PLEURAL_TAIL: Chance(0.06),
            Sign.SATELLITES: Chance(0.15),
        },
        lobes=(0.32, 0.08, 0.60),
        zones=_zones(0.03, 0.10, 0.17, 0.40, 0.30),
        hu=(35, 10),
        texture=Spread(0.11, 0.05, 0.01, 0.4),
        nodes=_nodes(0.76, 0.35, (12, 3), (3.27, 1.1, 1.5, 9)),
        sources="SUV (mean 6.5), nodes OP-50; rest round figures",
    ),
    Subtype(
        "sarcoidosis",
        LesionClass.BENIGN,
        0.12,
        number=(0.08, 0.12, 0.14, 0.15, 0.14, 0.12, 0.10, 0.07, 0.05, 0.03),
        sizes=SizeUptake(Spread(14, 6, 5, 45), Spread(15.1, 5.7, 3, 40), 0.2, 0.7),
        forms=_forms(0.80, 0.02, 0.03, 0.15),
        signs={
            Sign.LOBULATED: Chance(0.35),
            Sign.SPICULATED: Chance(0.15),
            Sign.ILL_DEFINED: Chance(0.45),
            Sign.HALO: Chance(0.12),
            Sign.AIR_BRONCHOGRAM: Chance(0.25, 0.7, 8),
            Sign.CAVITY: Chance(0.02, 0.5, 12),
            Sign.CALCIUM: Chance(0.06),
            Sign.PLEURAL_TAIL: Chance(0.10),
            Sign.SATELLITES: Chance(0.50),
        },
        lobes=(0.58, 0.10, 0.32),
        zones=_zones(0.15, 0.20, 0.10, 0.15, 0.40),
        hu=(40, 10),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=_nodes(0.92, 0.95, (20, 6), (12, 5, 3, 35)),
        sources="SUV BENIGN-113; rest round figures",
    ),
    Subtype(
        "hamartoma",
        LesionClass.BENIGN,
        0.10,
        number=(0.97, 0.03),
        sizes=SizeUptake(Spread(17, 8, 6, 50), Spread(1.5, 0.6, 0.5, 4.5), 0.3, 0.5),
        forms=_forms(1.0, 0.0, 0.0, 0.0),
        signs={
            Sign.LOBULATED: Chance(0.50),
            Sign.SPICULATED: Chance(0.01),
            Sign.ILL_DEFINED: Chance(0.02),
            Sign.CALCIUM: Chance(0.09),
            Sign.POPCORN_CALCIUM: Chance(0.22),
            Sign.PLEURAL_TAIL: Chance(0.04),
            Sign.SATELLITES: Chance(0.01),
        },
        lobes=EVENLY,
        zones=_zones(0.08, 0.27, 0.40, 0.22, 0.03),
        hu=(15, 25),
        texture=Spread(0.08, 0.04, 0.01, 0.4),
        nodes=_nodes(0.03, 0.1, (11, 3), (2.8, 0.9, 1.3, 7)),
        sources="SUV, diameter, calcium in 4 of 14 HAMARTOMA; rest round figures",
    ),
    Subtype(
        "cryptococcoma",
        LesionClass.BENIGN,
        0.13,
        number=(0.35, 0.20, 0.15, 0.10, 0.08, 0.06, 0.04, 0.02),
        sizes=SizeUptake(Spread(7.5, 5.0, 3.5, 45), Spread(3.5, 2.9, 0.6, 16), 0.5, 0.5),
        forms=_forms(0.93, 0.02, 0.01, 0.04),
        signs={
            Sign.LOBULATED: Chance(0.30),
            Sign.SPICULATED: Chance(0.18),
            Sign.ILL_DEFINED: Chance(0.25),
            Sign.HALO: Chance(0.175),
            Sign.AIR_BRONCHOGRAM: Chance(0.06, 0.5, 8),
            Sign.CAVITY: Chance(0.03, 0.5, 12),
            Sign.PLEURAL_TAIL: Chance(0.15),
            Sign.SATELLITES: Chance(0.15),
        },
        lobes=(0.28, 0.08, 0.64),
        zones=_zones(0.02, 0.05, 0.10, 0.80, 0.03),
        hu=(38, 10),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=_nodes(0.08, 0.2, (11, 3), (3.3, 1.2, 1.5, 9)),
        sources="diameter (7 +- 5 mm), SUV, lower lobes, subpleural place, halo (10.5-25 %) CRYPTO-235; rest round figures",
    ),
)

METASTASES = (
    Subtype(
        "metastasis",
        LesionClass.METASTASIS,
        1.0,
        number=_metastases(),
        sizes=SizeUptake(Spread(14, 8, 4, 75), Spread(5, 4, 0.7, 32), 0.5, 0.6),
        forms=_forms(0.96, 0.01, 0.02, 0.01),
        signs={
            Sign.LOBULATED: Chance(0.18, 0.6),
            Sign.SPICULATED: Chance(0.04),
            Sign.ILL_DEFINED: Chance(0.06),
            Sign.HALO: Chance(0.05),
            Sign.AIR_BRONCHOGRAM: Chance(0.03, 0.5, 10),
            Sign.CAVITY: Chance(0.04, 0.8, 12),
            Sign.NECROSIS: Chance(0.12, 1.2, 15),
            Sign.CALCIUM: Chance(0.02),
            Sign.PLEURAL_TAIL: Chance(0.04),
            Sign.SATELLITES: Chance(0.02),
        },
        lobes=(0.32, 0.08, 0.60),
        zones=_zones(0.05, 0.15, 0.42, 0.36, 0.02),
        hu=(38, 10),
        texture=Spread(0.12, 0.06, 0.01, 0.4),
        nodes=_nodes(0.22, 0.1, (16, 5), (7, 4, 1.5, 25)),
        sources="number, round, smooth, basal, outer METASTASES; rest round figures",
    ),
)

PROFILES: tuple[Subtype, ...] = LYMPHOMAS + CANCERS + BENIGN + METASTASES
"""All subtypes."""


def subtypes(lesion_class: LesionClass) -> tuple[Subtype, ...]:
    """Return the subtypes of a class; their weights sum to 1."""
    return tuple(subtype for subtype in PROFILES if subtype.lesion_class == lesion_class)
