"""GE's PET/CT headers, after a public Discovery ST study and the private dictionary."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydicom import Dataset

from fdglung.phantom.writer.vendors.habits import CtHabits, Habits

if TYPE_CHECKING:
    from fdglung.phantom.writer.scan import Scan
    from fdglung.phantom.writer.timing import SliceTime

PRIVATE_CREATOR = "GEMS_PETD_01"
"""Of group 0009: scan and injection with their times, the reconstruction, the bed."""

MEASURED_BEFORE_S = 600
"""From the measurement of the syringe to the injection (round figure)."""

RESIDUE_BQ = 8.0e6
"""Left in the syringe a minute after the injection (round figure)."""


def ge(scanner_key: str) -> Habits:
    """Habits of a GE scanner; the Discovery ST has another half-life, no PSF and a measured attenuation."""
    if scanner_key != "ge_st":
        return _HABITS
    values = {
        **_HABITS.values,
        "AttenuationCorrectionMethod": "measured,, 0.096000 cm-1,",
        "ScatterCorrectionMethod": "Convolution subtraction",
    }
    return replace(_HABITS, values=values, half_lives={**_HABITS.half_lives, "F-18": "6588.0"})


def _add_private(dataset: Dataset, scan: Scan) -> None:
    timing, half_life = scan.timing, scan.half_life_s
    measured = timing.injected - timedelta(seconds=MEASURED_BEFORE_S)
    emptied = timing.injected + timedelta(seconds=60)
    # the syringe held what was injected and what stayed in it
    held = scan.dose_bq + RESIDUE_BQ * 2 ** (60 / half_life)
    block = dataset.private_block(0x0009, PRIVATE_CREATOR, create=True)
    for element, vr, value in (
        (0x01, "LO", f"GE {scan.scanner.model}"),
        (0x0D, "DT", _stamp(timing.started)),
        (0x11, "LO", scan.scanner.model),
        (0x12, "LO", _HABITS.manufacturer),
        (0x36, "LO", scan.tracer_name),
        (0x38, "FL", held * 2 ** (MEASURED_BEFORE_S / half_life) / 1e6),
        (0x39, "DT", _stamp(measured)),
        (0x3A, "FL", 0.0),
        (0x3B, "DT", _stamp(timing.injected)),
        (0x3C, "FL", RESIDUE_BQ / 1e6),
        (0x3D, "DT", _stamp(emptied)),
        (0x3E, "SH", "".join(reversed(scan.nuclide.split("-")))),
        (0x3F, "FL", half_life),
        (0x40, "FL", scan.tracer.positron_fraction),
        (0x6D, "SL", round(scan.study.acquisition.bed_seconds)),
        (0xB2, "SL", scan.reconstruction.iterations),
        (0xB3, "SL", scan.reconstruction.subsets),
        (0xBA, "SL", 1),
        (0xBB, "FL", scan.reconstruction.filter_fwhm_mm),
    ):
        block.add_new(element, vr, value)


def _add_private_by_slice(dataset: Dataset, scan: Scan, moment: SliceTime) -> None:
    block = dataset.private_block(0x0009, PRIVATE_CREATOR)
    block.add_new(0x6C, "DT", _stamp(moment.started))
    block.add_new(0xD8, "SL", moment.bed + 1)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S}.00"


_HABITS = Habits(
    manufacturer="GE MEDICAL SYSTEMS",
    units="BQML",
    nac_units="PROPCNTS",
    corrected_image=("DECY", "ATTN", "SCAT", "DTIM", "RANSNG", "DCAL", "SLSENS", "NORM"),
    # GE lists ATTN even where nothing was corrected for attenuation
    nac_corrected_image=("DECY", "ATTN", "DTIM", "RANSNG", "DCAL", "SLSENS", "NORM"),
    values={
        "AcquisitionTerminationCondition": "TIME",
        "AcquisitionStartCondition": "MANU",
        "FieldOfViewShape": "CYLINDRICAL RING",
        "CollimatorType": "NONE",
        "RandomsCorrectionMethod": "SING",
        "AttenuationCorrectionMethod": "CTAC-measured,, 0.096000 cm-1,",
        "ScatterCorrectionMethod": "Model Based",
        "PositionReferenceIndicator": "OM",
    },
    nac_values={"AttenuationCorrectionMethod": None, "ScatterCorrectionMethod": "None"},
    frame_reference="start",
    # as single precision spells 6586.2 and 4062.6
    half_lives={"F-18": "6586.2001953125", "Ga-68": "4062.6000976562"},
    tracers={"fdg": "FDG -- fluorodeoxyglucose"},
    time_format="%H%M%S.00",
    index_from_feet=True,
    writes_position=True,
    ct=CtHabits(
        kernels={"soft": "STANDARD", "lung": "LUNG"},
        rotation_ms=800,
        is_signed=True,
        padding=-2000,
        values={
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "FilterType": "BODY FILTER",
            "ScanOptions": "HELICAL MODE",
            "RotationDirection": "CW",
        },
    ),
    add_private=_add_private,
    add_private_by_slice=_add_private_by_slice,
)
