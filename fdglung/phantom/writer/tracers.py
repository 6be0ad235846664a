"""How headers name the tracers and their radionuclides."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fdglung.errors import ParameterError


@dataclass(frozen=True)
class Radionuclide:
    """A positron emitter.

    Attributes
    ----------
    name
        Such as ``F-18``.
    code
        Of PS3.16 CID 4020.
    half_life_s
        Half-life in s (Decay Data Evaluation Project; F-18 as scanners write it).
    positron_fraction
        Share of decays that emit a positron (same source).

    """

    name: str
    code: Code
    half_life_s: float
    positron_fraction: float


@dataclass(frozen=True)
class Radiopharmaceutical:
    """A tracer as headers have it.

    Attributes
    ----------
    name
        For the value Radiopharmaceutical.
    code
        Of PS3.16 CID 4021; None where DICOM has none.
    radionuclide
        What it is labelled with.

    """

    name: str
    code: Code | None
    radionuclide: Radionuclide


FLUORINE_18 = Radionuclide("F-18", codes.SCT._18Fluorine, 6586.2, 0.9686)
"""Fluorine-18."""

GALLIUM_68 = Radionuclide("Ga-68", codes.SCT._68Gallium, 4062.6, 0.8914)
"""Gallium-68."""

_FDG = Radiopharmaceutical("Fluorodeoxyglucose F^18^", codes.SCT.FluorodeoxyglucoseF18, FLUORINE_18)
_PSMA_11 = Radiopharmaceutical("PSMA-11 Ga^68^", codes.NCIt.PSMA11Ga68, GALLIUM_68)
_PSMA_1007 = Radiopharmaceutical("PSMA-1007 F^18^", codes.DCM.PSMA1007F18, FLUORINE_18)
_DOTATATE = Radiopharmaceutical("DOTATATE Ga^68^", codes.SCT.DotatateGa68, GALLIUM_68)
_FAPI = Radiopharmaceutical("FAPI-04 Ga^68^", None, GALLIUM_68)


TRACER_KEYS = ("fdg", "psma", "psma_11", "psma_1007", "dotatate", "fapi")
"""Keys that headers can name."""


def radiopharmaceutical(tracer: str) -> Radiopharmaceutical:
    """Find a tracer by its key, one of `TRACER_KEYS`; what follows a known key (``fapi_04``) is not looked at.

    Raises
    ------
    ParameterError
        There is no such tracer.

    """
    for key, found in _BY_KEY.items():
        if tracer.startswith(key):
            return found
    raise ParameterError(
        f"the headers know no tracer {tracer!r}",
        attribute="tracer",
        remedy=f"Give one of {', '.join(TRACER_KEYS)}",
    )


_BY_KEY = {"fdg": _FDG, "psma_1007": _PSMA_1007, "psma": _PSMA_11, "dotatate": _DOTATATE, "fapi": _FAPI}
