"""Distributions of pulmonary lymphoma, lung cancer and metastases, each with its source.

Published SUVs are what scanners measured; they stand here for the true ones. `fdglung.phantom.lesions.profiles.SOURCES`
resolves the sources' short names; "round figure" is general knowledge without a publication behind it.
"""

from __future__ import annotations

import numpy as np

from fdglung.phantom.lesions.distributions import Chance, SizeUptake, Spread
from fdglung.phantom.lesions.plans import Sign
from fdglung.phantom.lesions.subtype import EVENLY, Subtype, forms, nodes, zones
from fdglung.phantom.study import LesionClass

LYMPHOMAS = (
    Subtype(
        "MALT lymphoma",
        LesionClass.LYMPHOMA,
        0.6,
        number=(0.36, 0.40, 0.13, 0.07, 0.04),
        sizes=SizeUptake(Spread(28.5, 8.7, 10, 80), Spread(4.4, 3.0, 1.1, 15.3), 0.5, 0.5),
        forms=forms(0.48, 0.01, 0.10, 0.41),
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
        zones=zones(0.06, 0.15, 0.09, 0.15, 0.55),
        hu=(40, 10),
        texture=Spread(0.08, 0.04, 0.01, 0.4),
        nodes=nodes(0.143, 0.2, (14, 4), (4.5, 2.2, 1.5, 14)),
        sources="SUV, forms MALT-29; diameter from its MTV (15.9 +- 17.6 ml); number MALT-28; bronchial signs in "
        "90.5 % of patients and nodes MALT-21; bulging MALT-CT; rest round figures",
    ),
    Subtype(
        "diffuse large B-cell lymphoma",
        LesionClass.LYMPHOMA,
        0.2,
        number=(0.55, 0.25, 0.12, 0.08),
        sizes=SizeUptake(Spread(42, 18, 12, 110), Spread(12, 6, 2, 36), 0.3, 0.6),
        forms=forms(0.62, 0.01, 0.02, 0.35),
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
        zones=zones(0.10, 0.15, 0.20, 0.25, 0.30),
        hu=(40, 10),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=nodes(0.55, 0.4, (22, 8), (17, 6, 4, 40)),
        sources="form, cavity, periphery PPL-SPL; air bronchogram before halo PPL-19; nodes NODES (median 16); lobes "
        "LOBES; rest round figures",
    ),
    Subtype(
        "secondary pulmonary lymphoma",
        LesionClass.LYMPHOMA,
        0.2,
        number=(0.25, 0.20, 0.15, 0.12, 0.10, 0.08, 0.06, 0.04),
        sizes=SizeUptake(Spread(27, 14, 6, 90), Spread(9, 6, 1.5, 35), 0.3, 0.6),
        forms=forms(0.66, 0.02, 0.06, 0.26),
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
        zones=zones(0.25, 0.15, 0.12, 0.13, 0.35),
        hu=(40, 10),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=nodes(0.8, 0.5, (20, 7), (10, 5, 2, 35)),
        sources="hilar place and nodes PPL-SPL; lobes LOBES; rest round figures",
    ),
)

CANCERS = (
    Subtype(
        "adenocarcinoma",
        LesionClass.LUNG_CANCER,
        0.47,
        number=(0.93, 0.07),
        sizes=SizeUptake(Spread(29, 12, 8, 85), Spread(6.6, 4.4, 0.8, 30), 0.56, 0.5),
        forms=forms(0.76, 0.18, 0.04, 0.02),
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
        zones=zones(0.07, 0.18, 0.30, 0.35, 0.10),
        hu=(38, 10),
        texture=Spread(0.15, 0.07, 0.01, 0.4),
        nodes=nodes(0.38, 0.05, (14, 5), (10.5, 4, 2, 30)),
        sources="SUV, r(size) NSCLC-540; upper lobes, signs ADENO-CT; halo, rise of signs with size SOLID-3CM; nodes' "
        "SUV NODES (median 10); rest round figures",
    ),
    Subtype(
        "squamous cell carcinoma",
        LesionClass.LUNG_CANCER,
        0.24,
        number=(0.95, 0.05),
        sizes=SizeUptake(Spread(42, 18, 10, 110), Spread(12.9, 6.0, 2, 40), 0.56, 0.5),
        forms=forms(0.94, 0.02, 0.0, 0.04),
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
        zones=zones(0.35, 0.15, 0.15, 0.15, 0.20),
        hu=(38, 10),
        texture=Spread(0.18, 0.08, 0.01, 0.4),
        nodes=nodes(0.45, 0.05, (16, 6), (10.5, 4, 2, 30)),
        sources="SUV, r(size) NSCLC-540; cavity 20-30 % from the literature; upper lobes SOLID-3CM; nodes' SUV NODES; "
        "rest round figures",
    ),
    Subtype(
        "small cell carcinoma",
        LesionClass.LUNG_CANCER,
        0.12,
        number=(0.95, 0.05),
        sizes=SizeUptake(Spread(45, 19, 10, 110), Spread(11, 4, 3, 30), 0.3, 0.5),
        forms=forms(0.97, 0.0, 0.0, 0.03),
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
        zones=zones(0.55, 0.10, 0.06, 0.07, 0.22),
        hu=(38, 10),
        texture=Spread(0.14, 0.06, 0.01, 0.4),
        nodes=nodes(0.85, 0.2, (24, 8), (11, 4, 3, 30)),
        sources="round figures",
    ),
    Subtype(
        "lepidic adenocarcinoma",
        LesionClass.LUNG_CANCER,
        0.09,
        number=(0.80, 0.15, 0.05),
        sizes=SizeUptake(Spread(20, 8, 6, 50), Spread(1.7, 1.4, 0.5, 10), 0.4, 0.5),
        forms=forms(0.15, 0.40, 0.43, 0.02),
        signs={
            Sign.LOBULATED: Chance(0.45, 0.6),
            Sign.SPICULATED: Chance(0.20, 0.6),
            Sign.ILL_DEFINED: Chance(0.30),
            Sign.AIR_BRONCHOGRAM: Chance(0.35, 0.3, 8),
            Sign.PLEURAL_TAIL: Chance(0.25, 0.6),
        },
        lobes=(0.65, 0.06, 0.29),
        zones=zones(0.05, 0.25, 0.40, 0.25, 0.05),
        hu=(30, 12),
        texture=Spread(0.10, 0.05, 0.01, 0.4),
        nodes=nodes(0.05, 0.05, (11, 3), (4, 2, 1.5, 14)),
        sources="SUV NSCLC-540 (bronchioloalveolar); rest round figures",
    ),
    Subtype(
        "inflammatory-type adenocarcinoma",
        LesionClass.LUNG_CANCER,
        0.08,
        number=(0.55, 0.25, 0.12, 0.08),
        sizes=SizeUptake(Spread(46, 17, 15, 110), Spread(6.6, 4.4, 1.0, 25), 0.4, 0.5),
        forms=forms(0.50, 0.04, 0.06, 0.40),
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
        zones=zones(0.08, 0.15, 0.15, 0.27, 0.35),
        hu=(35, 10),
        texture=Spread(0.13, 0.06, 0.01, 0.4),
        nodes=nodes(0.485, 0.1, (14, 5), (8, 4, 2, 30)),
        sources="form, bronchial signs in 75.8 % of patients and nodes MALT-21; SUV NSCLC-540; rest round figures",
    ),
)


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


METASTASES = (
    Subtype(
        "metastasis",
        LesionClass.METASTASIS,
        1.0,
        number=_metastases(),
        sizes=SizeUptake(Spread(14, 8, 4, 75), Spread(5, 4, 0.7, 32), 0.5, 0.6),
        forms=forms(0.96, 0.01, 0.02, 0.01),
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
        zones=zones(0.05, 0.15, 0.42, 0.36, 0.02),
        hu=(38, 10),
        texture=Spread(0.12, 0.06, 0.01, 0.4),
        nodes=nodes(0.22, 0.1, (16, 5), (7, 4, 1.5, 25)),
        sources="number METASTASES; round, smooth, basal, outer METASTASES-CT; rest round figures",
    ),
)
