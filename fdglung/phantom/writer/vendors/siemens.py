"""Siemens' PET/CT headers.

Times, corrections and the private block follow public test metadata; kernels, signs and units without attenuation
correction are general knowledge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydicom import Dataset

from fdglung.phantom.writer.vendors.habits import CtHabits, Habits

if TYPE_CHECKING:
    from fdglung.phantom.writer.scan import Scan

PRIVATE_CREATOR = "SIEMENS MED PT"
"""Of group 0071, whose element 22 is the DateTime of decay correction."""


def siemens(scanner_key: str) -> Habits:
    """Habits of a Siemens scanner; the Vision's CT kernels have the newer names."""
    if scanner_key == "siemens_vision":
        return replace(_HABITS, ct=replace(_HABITS.ct, kernels={"soft": "Br38f", "lung": "Bl64f"}))
    return _HABITS


def _add_private(dataset: Dataset, scan: Scan) -> None:
    block = dataset.private_block(0x0071, PRIVATE_CREATOR, create=True)
    block.add_new(0x22, "DT", f"{scan.timing.reference:%Y%m%d%H%M%S.%f}")


_HABITS = Habits(
    manufacturer="SIEMENS",
    units="BQML",
    nac_units="PROPCPS",
    corrected_image=("NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"),
    nac_corrected_image=("NORM", "DTIM", "DECY", "RAN"),
    values={
        "CollimatorType": "NONE",
        "RandomsCorrectionMethod": "DLYD",
        "AttenuationCorrectionMethod": "measured,AC CT",
        "ScatterCorrectionMethod": "Model-based",
        "ConvolutionKernel": "XYZGAUSSIAN{filter:.2f}",
        "PositionReferenceIndicator": "",
    },
    nac_values={"AttenuationCorrectionMethod": None, "ScatterCorrectionMethod": None},
    frame_reference="mean",
    half_lives={"F-18": "6586.2", "Ga-68": "4062.6"},
    tracers={"fdg": "Fluorodeoxyglucose"},
    time_format="%H%M%S.%f",
    acquisition_shift_s=-5e-6,
    is_signed=False,
    ct=CtHabits(
        kernels={"soft": "B31f", "lung": "B70f"},
        rotation_ms=500,
        values={"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"], "FilterType": "WEDGE_3"},
    ),
    add_private=_add_private,
)
