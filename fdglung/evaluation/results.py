"""Rows of the tables: a case, a lesion of the reference, a lesion of the prediction."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CaseRow:
    """One case (``cases.csv``).

    Volumes in ml, distances in mm, SUV in g/ml, TLG in g; NaN is what is not defined. Dice, surface Dice and false
    negative volume are not defined without a reference; distances not where either mask is empty; sensitivity not
    without lesions; panoptic quality not without lesions in both. `lesions_found` counts lesions of the reference with
    any overlap, `lesions_false` predicted lesions without any; ``_iou_01`` and ``_iou_05`` count by IoU of lesions
    matched one to one. SUV and TLG are NaN without a PET.
    """

    case: str
    patient: str
    centre: str
    dice: float
    surface_dice: float
    surface_tolerance_mm: float
    hd95_mm: float
    mean_surface_distance_mm: float
    reference_ml: float
    predicted_ml: float
    false_positive_ml: float
    false_negative_ml: float
    lesions_true: int
    lesions_predicted: int
    lesions_found: int
    lesions_found_iou_01: int
    lesions_found_iou_05: int
    lesions_false: int
    lesions_false_iou_01: int
    lesions_false_iou_05: int
    sensitivity: float
    sq: float
    rq: float
    pq: float
    reference_suv_max: float
    predicted_suv_max: float
    reference_tlg_g: float
    predicted_tlg_g: float
    warnings: str


@dataclass(frozen=True)
class LesionRow:
    """One lesion of the reference (``lesions.csv``).

    `detected` is by any overlap. `iou` and `dice` are those of the predicted lesion matched one to one, NaN without
    one. Centroid in patient coordinates (LPS). `score` is the highest of the predicted lesions that overlap it.
    """

    case: str
    patient: str
    centre: str
    lesion: int
    volume_ml: float
    equivalent_diameter_mm: float
    size_class: str
    detected: bool
    detected_iou_01: bool
    detected_iou_05: bool
    matched_prediction: int | None
    iou: float
    dice: float
    x_mm: float
    y_mm: float
    z_mm: float
    suv_max: float
    suv_mean: float
    tlg_g: float
    score: float


@dataclass(frozen=True)
class PredictedRow:
    """One lesion of the prediction (``predicted.csv``); `false` where no voxel of the reference lies in it."""

    case: str
    patient: str
    centre: str
    prediction: int
    volume_ml: float
    equivalent_diameter_mm: float
    size_class: str
    false: bool
    matched_lesion: int | None
    iou: float
    x_mm: float
    y_mm: float
    z_mm: float
    suv_max: float
    suv_mean: float
    tlg_g: float
    score: float


@dataclass(frozen=True)
class CaseResult:
    """The rows of one case."""

    row: CaseRow
    lesions: tuple[LesionRow, ...]
    predicted: tuple[PredictedRow, ...]
