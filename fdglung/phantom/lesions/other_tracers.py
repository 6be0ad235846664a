"""How avid the four classes are for other tracers than FDG, as ratios of their mean SUVmax."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from fdglung.errors import ParameterError
from fdglung.phantom.study import LesionClass

_PSMA = {
    LesionClass.LYMPHOMA: 0.4,
    LesionClass.LUNG_CANCER: 0.7,
    LesionClass.BENIGN: 0.45,
    LesionClass.METASTASIS: 0.9,
}

UPTAKE_RATIOS: Mapping[str, Mapping[LesionClass, float]] = MappingProxyType(
    {
        "fdg": dict.fromkeys(LesionClass, 1.0),
        "psma_11": _PSMA,
        "psma_1007": _PSMA,
        "dotatate": {
            LesionClass.LYMPHOMA: 0.4,
            LesionClass.LUNG_CANCER: 0.3,
            LesionClass.BENIGN: 0.4,
            LesionClass.METASTASIS: 3.2,
        },
        "fapi": {
            LesionClass.LYMPHOMA: 0.8,
            LesionClass.LUNG_CANCER: 1.1,
            LesionClass.BENIGN: 1.0,
            LesionClass.METASTASIS: 1.2,
        },
    }
)
"""By tracer and by the class whose looks a patient has: a published mean SUVmax over that of the class's FDG profiles
(lymphoma 6.8, lung cancer 8.2, benign 5.4, metastasis 5.0, subtypes weighted).

PSMA: lung cancer 5.6, metastases of prostate cancer 4.4 (J Nucl Med 2016;57:367), benign opacities 2.4
(10.1186/s40644-018-0154-8), lymphoma medians of 1.7 to 4.4 (10.1097/MNM.0000000000001465); PSMA-1007 as PSMA-11, a
round figure. DOTATATE: high-grade lung tumours 2.2 to 2.8 (J Nucl Med 2009;50:1927), metastases of neuroendocrine
tumours 16.0 (J Nucl Med 2011;52:1864); lymphoma and benign disease are round figures. FAPI: lung cancer 9.1, lung
metastases 6.1, benign lung disease 5.3 (10.3389/fonc.2024.1373286); lymphoma is a round figure.
"""


def uptake_ratios(tracer: str) -> Mapping[LesionClass, float]:
    """Return by what each class's SUVmax of FDG is multiplied for another tracer.

    Raises
    ------
    ParameterError
        `tracer` is no key of `UPTAKE_RATIOS`.

    """
    if tracer not in UPTAKE_RATIOS:
        raise ParameterError(
            f"there is no tracer {tracer!r}", attribute="tracer", remedy=f"Give one of {', '.join(UPTAKE_RATIOS)}"
        )
    return UPTAKE_RATIOS[tracer]
