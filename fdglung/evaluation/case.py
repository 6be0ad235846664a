"""One case measured: the scan as a whole, each lesion of the reference, each lesion of the prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import UnreadableImageError
from fdglung.evaluation.cases import Case
from fdglung.evaluation.grids import onto_grid
from fdglung.evaluation.instances import Instances, Overlaps, instances, match, overlaps
from fdglung.evaluation.labels import read_labels
from fdglung.evaluation.overlap import dice, false_negative_volume, false_positive_volume
from fdglung.evaluation.panoptic import panoptic_quality
from fdglung.evaluation.results import CaseResult, CaseRow, LesionRow, PredictedRow
from fdglung.evaluation.settings import IOU_THRESHOLDS, EvaluationSettings
from fdglung.evaluation.surface import surface_distances
from fdglung.image_files import read_image

Floats = NDArray[np.float32]


def evaluate_case(case: Case, settings: EvaluationSettings) -> CaseResult:
    """Read the images of a case and measure the prediction against the reference.

    Returns
    -------
    CaseResult
        A row for the case, one for each lesion of the reference and one for each of the prediction.

    Raises
    ------
    UnreadableImageError, NonIntegerLabelError, NegativeLabelError, UnknownLabelError
        A file is no such image.
    DisjointGridsError
        An image shares no space with the reference.

    """
    reference = read_labels(case.reference, allowed=settings.labels)
    prediction, warnings = onto_grid(
        read_labels(case.prediction, allowed=settings.labels),
        reference,
        what="prediction",
        file=str(case.prediction),
        labels=True,
    )
    arrays = [sitk.GetArrayViewFromImage(image) for image in (reference, prediction)]
    box = _box((arrays[0] != 0) | (arrays[1] != 0))
    truth, found = (instances(array[box], split=settings.split, keep_labels=settings.keep_labels) for array in arrays)
    values: dict[str, Floats | None] = {}
    for what, path in (("PET", case.pet), ("score map", case.scores)):
        if path is None:
            values[what] = None
            continue
        image, more = onto_grid(
            sitk.Cast(read_image(path), sitk.sitkFloat32), reference, what=what, file=str(path), labels=False
        )
        warnings += more
        array = sitk.GetArrayFromImage(image)[box]
        if not np.isfinite(array[(truth.labels > 0) | (found.labels > 0)]).all():
            raise UnreadableImageError(
                f"the {what} holds values within lesions that are no numbers",
                series=str(path),
                remedy="Write finite numbers",
            )
        values[what] = array
    measured = _Measured(case, settings, reference, box, truth, found, values["PET"], values["score map"])
    return measured.result(warnings)


@dataclass(frozen=True)
class _Measured:
    """Everything that the rows of a case are made from; arrays (z, y, x) are cropped to `box`."""

    case: Case
    settings: EvaluationSettings
    grid: sitk.Image
    box: tuple[slice, ...]
    truth: Instances
    found: Instances
    pet: Floats | None
    scores: Floats | None

    def result(self, warnings: tuple[str, ...]) -> CaseResult:
        pairs = overlaps(self.truth, self.found)
        matched = match(pairs)
        return CaseResult(
            row=self._case_row(pairs, matched, warnings),
            lesions=tuple(self._lesion_row(n, pairs, matched) for n in range(len(self.truth))),
            predicted=tuple(self._predicted_row(n, pairs, matched) for n in range(len(self.found))),
        )

    @property
    def _voxel_ml(self) -> float:
        return float(np.prod(self.grid.GetSpacing())) / 1000

    def _case_row(self, pairs: Overlaps, matched: dict[int, int], warnings: tuple[str, ...]) -> CaseRow:
        reference, prediction = self.truth.labels > 0, self.found.labels > 0
        distances = surface_distances(reference, prediction, tuple(self.grid.GetSpacing()[::-1]))
        ious = [float(pairs.iou[pair]) for pair in matched.values()]
        quality = panoptic_quality(ious, len(self.truth), len(self.found))
        hit, true = len(np.unique(pairs.reference)), len(self.truth)
        low, high = (sum(iou >= threshold for iou in ious) for threshold in IOU_THRESHOLDS)
        suv = [_suv(self.pet, mask) for mask in (reference, prediction)]
        volumes = [float(mask.sum()) * self._voxel_ml for mask in (reference, prediction)]
        return CaseRow(
            case=self.case.name,
            patient=self.case.patient,
            centre=self.case.centre,
            dice=dice(reference, prediction),
            surface_dice=distances.dice(self.settings.tolerance_mm) if true else math.nan,
            surface_tolerance_mm=self.settings.tolerance_mm,
            hd95_mm=distances.hausdorff(95),
            mean_surface_distance_mm=distances.mean(),
            reference_ml=volumes[0],
            predicted_ml=volumes[1],
            false_positive_ml=false_positive_volume(reference, prediction, self._voxel_ml),
            false_negative_ml=false_negative_volume(reference, prediction, self._voxel_ml),
            lesions_true=true,
            lesions_predicted=len(self.found),
            lesions_found=hit,
            lesions_found_iou_01=low,
            lesions_found_iou_05=high,
            lesions_false=len(self.found) - len(np.unique(pairs.prediction)),
            lesions_false_iou_01=len(self.found) - low,
            lesions_false_iou_05=len(self.found) - high,
            sensitivity=hit / true if true else math.nan,
            sq=quality.sq,
            rq=quality.rq,
            pq=quality.pq,
            reference_suv_max=suv[0][0],
            predicted_suv_max=suv[1][0],
            reference_tlg_g=_tlg(suv[0][1], volumes[0], self.pet),
            predicted_tlg_g=_tlg(suv[1][1], volumes[1], self.pet),
            warnings=" ".join(warnings),
        )

    def _lesion_row(self, index: int, pairs: Overlaps, matched: dict[int, int]) -> LesionRow:
        pair = matched.get(index)
        iou = math.nan if pair is None else float(pairs.iou[pair])
        volume = float(self.truth.voxels[index]) * self._voxel_ml
        diameter = equivalent_diameter_mm(volume)
        suv_max, suv_mean = self._suv_of(self.truth, index)
        low, high = (iou >= threshold for threshold in IOU_THRESHOLDS)
        return LesionRow(
            case=self.case.name,
            patient=self.case.patient,
            centre=self.case.centre,
            lesion=self.truth.names[index],
            volume_ml=volume,
            equivalent_diameter_mm=diameter,
            size_class=self.settings.size_class(diameter),
            detected=index in pairs.reference,
            detected_iou_01=low,
            detected_iou_05=high,
            matched_prediction=None if pair is None else self.found.names[int(pairs.prediction[pair])],
            iou=iou,
            dice=math.nan if pair is None else float(pairs.dice[pair]),
            **self._centroid(self.truth, index),
            suv_max=suv_max,
            suv_mean=suv_mean,
            tlg_g=_tlg(suv_mean, volume, self.pet),
            score=max((self._found_scores[n] for n in pairs.prediction[pairs.reference == index]), default=math.nan),
        )

    def _predicted_row(self, index: int, pairs: Overlaps, matched: dict[int, int]) -> PredictedRow:
        volume = float(self.found.voxels[index]) * self._voxel_ml
        diameter = equivalent_diameter_mm(volume)
        own = [pair for pair in matched.values() if pairs.prediction[pair] == index]
        suv_max, suv_mean = self._suv_of(self.found, index)
        return PredictedRow(
            case=self.case.name,
            patient=self.case.patient,
            centre=self.case.centre,
            prediction=self.found.names[index],
            volume_ml=volume,
            equivalent_diameter_mm=diameter,
            size_class=self.settings.size_class(diameter),
            false=index not in pairs.prediction,
            matched_lesion=self.truth.names[int(pairs.reference[own[0]])] if own else None,
            iou=float(pairs.iou[own[0]]) if own else math.nan,
            **self._centroid(self.found, index),
            suv_max=suv_max,
            suv_mean=suv_mean,
            tlg_g=_tlg(suv_mean, volume, self.pet),
            score=self._found_scores[index],
        )

    @cached_property
    def _found_scores(self) -> tuple[float, ...]:
        """The score of each predicted lesion; NaN without a score map."""
        if self.scores is None:
            return (math.nan,) * len(self.found)
        inside = [self.scores[self.found.boxes[n]][self.found.mask(n)] for n in range(len(self.found))]
        return tuple(float(v.max() if self.settings.score == "max" else v.mean(dtype=float)) for v in inside)

    def _suv_of(self, lesions: Instances, index: int) -> tuple[float, float]:
        return _suv(None if self.pet is None else self.pet[lesions.boxes[index]], lesions.mask(index))

    def _centroid(self, lesions: Instances, index: int) -> dict[str, float]:
        """Return the centroid in patient coordinates (LPS) in mm."""
        inner = [part.start for part in lesions.boxes[index]]
        start = np.add(inner, [part.start for part in self.box])
        place = (np.argwhere(lesions.mask(index)).mean(axis=0) + start)[::-1]
        point = self.grid.TransformContinuousIndexToPhysicalPoint([float(i) for i in place])
        return dict(zip(("x_mm", "y_mm", "z_mm"), map(float, point), strict=True))


def equivalent_diameter_mm(volume_ml: float) -> float:
    """Return the diameter in mm of the sphere of a volume in ml."""
    return float(2 * (3 * 1000 * volume_ml / (4 * math.pi)) ** (1 / 3))


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box (z, y, x) that holds a mask; one voxel where the mask is empty."""
    if not mask.any():
        return (slice(0, 1),) * 3
    sides = []
    for axis in range(3):
        (occupied,) = np.nonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        sides.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(sides)


def _suv(pet: Floats | None, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Return SUVmax and SUVmean in g/ml within a mask; NaN without a PET or with an empty mask."""
    if pet is None or not mask.any():
        return math.nan, math.nan
    values = pet[mask]
    return float(values.max()), float(values.mean(dtype=float))


def _tlg(suv_mean: float, volume_ml: float, pet: Floats | None) -> float:
    """Return total lesion glycolysis in g: SUVmean x volume; 0 where there is no lesion."""
    if pet is None:
        return math.nan
    return suv_mean * volume_ml if volume_ml else 0.0
