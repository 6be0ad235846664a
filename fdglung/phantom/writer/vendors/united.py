"""United Imaging's PET/CT headers; from general knowledge throughout, for want of public test metadata."""

from __future__ import annotations

from fdglung.phantom.writer.vendors.habits import CtHabits, Habits


def united(scanner_key: str) -> Habits:
    """Habits of a United Imaging scanner; all models write alike."""
    return _HABITS


_HABITS = Habits(
    manufacturer="UIH",
    units="BQML",
    nac_units="PROPCPS",
    corrected_image=("NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"),
    nac_corrected_image=("NORM", "DTIM", "DECY", "RAN"),
    values={
        "CollimatorType": "NONE",
        "RandomsCorrectionMethod": "DLYD",
        "AttenuationCorrectionMethod": "CT-based",
        "ScatterCorrectionMethod": "Monte Carlo",
        "PositionReferenceIndicator": "",
    },
    nac_values={"AttenuationCorrectionMethod": None, "ScatterCorrectionMethod": None},
    frame_reference="mean",
    half_lives={"F-18": "6586.2", "Ga-68": "4062.6"},
    tracers={"fdg": "FDG"},
    time_format="%H%M%S.%f",
    bed_gap_s=2.0,
    ct=CtHabits(
        kernels={"soft": "B_SOFT_B", "lung": "B_VSHARP_C"},
        rotation_ms=500,
        values={"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
    ),
)
