"""All profiles of lung disease on FDG PET/CT, and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fdglung.phantom.lesions.benign import BENIGN
from fdglung.phantom.lesions.distributions import Spread
from fdglung.phantom.lesions.malignant import CANCERS, LYMPHOMAS, METASTASES
from fdglung.phantom.lesions.plans import Station
from fdglung.phantom.lesions.subtype import Subtype
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
        "MALT-29": "Correlation between FDG PET/CT semiquantitative parameters and Ki-67 expression in pulmonary MALT "
        "lymphoma: 29 lesions of 28 patients (abstract)",
        "MALT-28": "PMID 28830222",
        "MALT-21": "10.3760/cma.j.cn121381-202202009-00228",
        "MALT-CT": "10.2147/CMAR.S327846",
        "PPL-19": "10.3389/fonc.2022.973109",
        "PPL-SPL": "10.3892/ol.2017.6962",
        "NODES": "10.3389/fonc.2025.1643924",
        "NSCLC-540": "540 resected NSCLC (October 2006 to January 2013, abstract), SUVmax by lean mass times 1.3, from "
        "James' lean mass of 63 % men and 37 % women of 170 and 158 cm, 70 and 60 kg",
        "SOLID-3CM": "10.1186/s12885-019-6274-0",
        "ADENO-CT": "PMC4004700",
        "BENIGN-113": "10.21037/tlcr.2019.06.09",
        "TUBERCULOMA": "Radiology 2000;216:117",
        "OP-50": "10.4274/mirt.03016",
        "FOP": "PMID 25689088",
        "CRYPTO-235": "10.3760/cma.j.issn.1673-4114.2020.01.009",
        "HAMARTOMA": "10.3892/ol.2018.8660",
        "INFLAMED-225": "10.2147/JIR.S304431",
        "METASTASES": "Lee JS et al., Radiological evaluation of pulmonary metastasis, J Korean Radiol Soc 1984 (117 "
        "of nodular type)",
        "METASTASES-CT": "10.1007/s00117-004-1068-y",
        "LOBES": "PMC7490509",
    }
)
"""What the short names of the sources stand for."""


PROFILES: tuple[Subtype, ...] = LYMPHOMAS + CANCERS + BENIGN + METASTASES
"""All subtypes."""


def subtypes(lesion_class: LesionClass) -> tuple[Subtype, ...]:
    """Return the subtypes of a class; their weights sum to 1."""
    return tuple(subtype for subtype in PROFILES if subtype.lesion_class == lesion_class)
