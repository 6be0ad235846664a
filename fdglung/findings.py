"""Findings: everything known of a study's lesions; to and from JSON and CSV."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Side(enum.Enum):
    """Where a lesion's VOI lies; the patient's own left and right."""

    LEFT = "left"
    RIGHT = "right"
    MEDIASTINUM = "mediastinum"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Lesion:
    """One avid lesion and its measurements on its VOI (at least `voi_fraction` of its own SUVmax).

    Attributes
    ----------
    label
        Its value in the label image, from 1, hottest first.
    tracking_uid, tracking_id
        The same in SEG and SR.
    suv_max, suv_mean, suv_peak
        SUVbw in g/ml; SUVpeak is the highest mean over a sphere of 1 cm3, partial voxels weighted.
    mtv_ml
        Metabolic tumour volume: volume of the VOI in ml.
    tlg_g
        Total lesion glycolysis: suv_mean x mtv_ml, in g.
    longest_diameter_mm
        Largest distance between two points of the VOI's surface in mm (IBSI L0JK, maximum 3D diameter).
    centroid_mm, suv_max_position_mm, suv_peak_position_mm
        Patient coordinates (LPS) in mm; centroid unweighted.
    side
        Side of the body, seen from the patient.
    lung_distance_mm
        Shortest distance from the VOI to the border of the lungs, in mm: negative for a VOI wholly inside the lung, 0
        for one that crosses or touches the border, positive outside; None without a lung mask.
    voi_fraction
        Fraction of SUVmax that bounds the VOI.
    warnings
        What a physician must know about this lesion.

    """

    label: int
    tracking_uid: str
    tracking_id: str
    suv_max: float
    suv_mean: float
    suv_peak: float
    mtv_ml: float
    tlg_g: float
    longest_diameter_mm: float
    centroid_mm: tuple[float, float, float]
    suv_max_position_mm: tuple[float, float, float]
    suv_peak_position_mm: tuple[float, float, float]
    side: Side
    lung_distance_mm: float | None
    voi_fraction: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExcludedUptake:
    """Avid uptake inside the lung region that was judged no lung lesion.

    Attributes
    ----------
    reason
        The organ or sign that explains it, such as ``heart``.
    suv_max
        SUVbw in g/ml.
    volume_ml
        Volume of the uptake above the seed threshold, in ml.
    suv_max_position_mm
        Patient coordinates (LPS) in mm.

    """

    reason: str
    suv_max: float
    volume_ml: float
    suv_max_position_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Findings:
    """All that is known of one study.

    Attributes
    ----------
    study_instance_uid, pet_series_uid, ct_series_uid, frame_of_reference_uid
        What the findings refer to; the CT's is None where there is none.
    lesions
        Hottest first.
    excluded
        Avid uptake in the region that was not reported as a lesion, and why.
    total_mtv_ml, total_tlg_g
        Sums over lesions.
    dmax_mm
        Largest distance between the centroids of two lesions in mm; None with fewer than two.
    reference_uptake
        Liver or blood-pool SUVmean that set the seed threshold: name to g/ml.
    provenance
        Versions, model name and checksum, parameters, SUV record: plain JSON values.
    warnings
        All warnings of the study, its SUV conversion, its lungs and its lesions.

    """

    study_instance_uid: str
    pet_series_uid: str
    ct_series_uid: str | None
    frame_of_reference_uid: str
    lesions: tuple[Lesion, ...]
    excluded: tuple[ExcludedUptake, ...]
    total_mtv_ml: float
    total_tlg_g: float
    dmax_mm: float | None
    reference_uptake: dict[str, float]
    provenance: dict[str, object]
    warnings: tuple[str, ...]
