"""Philips' PET/CT headers: counts with private factors (Gemini, Ingenuity) or activity (Vereos).

Units, times and factors follow public test metadata; kernels and units without attenuation correction are general
knowledge.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydicom import Dataset

from fdglung.phantom.writer.vendors.habits import CtHabits, Habits

if TYPE_CHECKING:
    from fdglung.phantom.writer.scan import Scan

PRIVATE_CREATOR = "Philips PET Private Group"
"""Of group 7053: element 00 turns counts into SUVbw, element 09 into Bq/ml."""

ACTIVITY_A_COUNT = 1.6372
"""Calibration in Bq/ml a count (round figure of the right size)."""


def philips(scanner_key: str) -> Habits:
    """Habits of a Philips scanner: the Vereos writes Bq/ml."""
    return in_activity(_HABITS) if scanner_key == "philips_vereos" else _HABITS


def in_activity(habits: Habits) -> Habits:
    """Philips' habits where it writes Bq/ml instead of counts."""
    return replace(
        habits, units="BQML", frame_reference="mean", half_lives={**habits.half_lives, "F-18": "6586.199707"}
    )


def factors(scan: Scan) -> tuple[str, str]:
    """Return what counts are multiplied by for SUVbw and for Bq/ml, as decimal strings of at most 16 signs."""
    return f"{ACTIVITY_A_COUNT / scan.bq_ml_per_suv:.9e}", f"{ACTIVITY_A_COUNT:.6f}"


def _add_private(dataset: Dataset, scan: Scan) -> None:
    if dataset.Units != "CNTS" or "ATTN" not in dataset.CorrectedImage:
        return
    block = dataset.private_block(0x7053, PRIVATE_CREATOR, create=True)
    suv, activity = factors(scan)
    block.add_new(0x00, "DS", suv)
    block.add_new(0x09, "DS", activity)


_HABITS = Habits(
    manufacturer="Philips Medical Systems",
    units="CNTS",
    nac_units="CNTS",
    corrected_image=("DECY", "RADL", "ATTN", "SCAT", "DTIM", "RAN", "NORM"),
    nac_corrected_image=("DECY", "RADL", "DTIM", "RAN", "NORM"),
    values={
        "CollimatorType": "NONE",
        "RandomsCorrectionMethod": "DLYD",
        "AttenuationCorrectionMethod": "CTAC-SG",
        "ScatterCorrectionMethod": "SS-SIMUL",
        "PositionReferenceIndicator": "",
    },
    nac_values={"AttenuationCorrectionMethod": "NONE", "ScatterCorrectionMethod": "NONE"},
    frame_reference="middle",
    half_lives={"F-18": "6588", "Ga-68": "4062.6"},
    tracers={"fdg": "Fluorodeoxyglucose"},
    head_first=False,
    ct=CtHabits(
        kernels={"soft": "B", "lung": "YC"},
        rotation_ms=500,
        values={"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "HELIX"], "FilterType": "B"},
    ),
    add_private=_add_private,
)
