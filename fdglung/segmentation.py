"""Avid lung lesions of a study as a label image: one interface, whatever finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from fdglung.errors import NoCtError, NoPetError, ParameterError
from fdglung.lungs import LungRegion
from fdglung.study import Study

if TYPE_CHECKING:
    from fdglung.network.backends import Predictor


@dataclass(frozen=True)
class SegmentationSettings:
    """What a user may choose.

    Attributes
    ----------
    method
        ``threshold``: seeds above an SUV, grown to a fraction of each lesion's own SUVmax; ``network``: a trained
        network's outline, for which the thresholds do not count.
    region
        ``lungs``: lesions in or at the lungs; ``all``: every avid uptake of the PET, physiological uptake included.
    seed_suv
        Lowest SUVmax of a lesion, SUVbw in g/ml.
    reference_factor
        A seed must also have this many times the SUVmean of the liver, or of the mediastinal blood pool where the
        liver cannot be measured.
    voi_fraction
        Fraction of a lesion's SUVmax that bounds its VOI (0.4: MTV40%).
    saddle_fraction
        Two maxima are two lesions when the uptake between them falls below this fraction of the lower one.
    min_volume_ml
        Smallest VOI that is reported, in ml.
    checkpoints
        Files of the networks, whose mean is taken; none for those that ship with fdglung.
    backend
        What the networks run on: ``torch``, ``onnxruntime``, ``openvino``, or the fastest of them (``auto``).
    flips
        Whether a network sees each place mirrored left to right too, which takes twice as long.
    overlap
        Share of a network's window that the next one covers again.
    probability
        Lowest probability of a lesion's voxels.
    min_suv
        Lowest SUVbw of the voxels of a network's lesion, in g/ml: 2.5 leaves the avid part of an outline.

    """

    method: Literal["threshold", "network"] = "threshold"
    region: Literal["lungs", "all"] = "lungs"
    seed_suv: float = 2.5
    reference_factor: float = 1.5
    voi_fraction: float = 0.4
    saddle_fraction: float = 0.7
    min_volume_ml: float = 0.3
    checkpoints: tuple[str, ...] = ()
    backend: Literal["auto", "torch", "onnxruntime", "openvino"] = "auto"
    flips: bool = False
    overlap: float = 0.5
    probability: float = 0.5
    min_suv: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ParameterError
            If a value is outside its range.

        """
        _check_choice("method", self.method, ("threshold", "network"))
        _check_choice("backend", self.backend, ("auto", "torch", "onnxruntime", "openvino"))
        _check_choice("region", self.region, ("lungs", "all"))
        _check_range("seed_suv", self.seed_suv, 0.1, 100)
        _check_range("reference_factor", self.reference_factor, 0, 10)
        _check_range("voi_fraction", self.voi_fraction, 0.05, 0.95)
        _check_range("saddle_fraction", self.saddle_fraction, 0, 1)
        _check_range("min_volume_ml", self.min_volume_ml, 0, 100)
        _check_range("overlap", self.overlap, 0, 0.9)
        _check_range("probability", self.probability, 0.01, 0.99)
        _check_range("min_suv", self.min_suv, 0, 100)


@dataclass(frozen=True)
class SegmentedLesion:
    """What the segmentation knows of one lesion.

    Attributes
    ----------
    label
        Its value in the label image.
    voi_fraction
        Fraction of SUVmax that bounds its VOI; above the fraction asked for where that one ran into other tissue. Of a
        network's outline, the coolest voxel as a fraction of the hottest.
    warnings
        What a physician must know about it.
    confidence
        Mean probability of lesion over its VOI, 0 to 1; None where no network found it.
    confidence_spread
        Mean over its VOI of the standard deviation of the probability over several networks; None with less than two.

    """

    label: int
    voi_fraction: float
    warnings: tuple[str, ...] = ()
    confidence: float | None = None
    confidence_spread: float | None = None


IN_FAT = "fat on the CT, as brown fat is"
"""Reason of uptake that `fdglung.anatomy.lies_in_fat` sets apart."""


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
class LesionSegmentation:
    """Lesions of a study.

    Attributes
    ----------
    labels
        uint16 on the PET grid: the VOI of each lesion, hottest first from 1.
    lesions
        One entry a label.
    excluded
        Avid uptake in the region that is no lung lesion, hottest first; specks with less than `min_volume_ml` above the
        seed threshold are left out.
    seed_suv
        Threshold of the seeds after the reference uptake was heard, SUVbw in g/ml; None where no seeds were used.
    reference_uptake
        SUVmean in g/ml by name (``liver``, ``blood pool``) of what could be measured.
    method
        What found the lesions.
    warnings
        What a physician must know, in full sentences.
    probability
        Probability of lesion on the PET grid, float32; None where no network was used.
    networks
        File name, checksum and backend of each network that was used.

    """

    labels: sitk.Image
    lesions: tuple[SegmentedLesion, ...]
    excluded: tuple[ExcludedUptake, ...]
    seed_suv: float | None
    reference_uptake: dict[str, float]
    method: str
    warnings: tuple[str, ...] = ()
    probability: sitk.Image | None = None
    networks: tuple[dict[str, str], ...] = ()


def segment(
    study: Study,
    lungs: LungRegion | None,
    settings: SegmentationSettings | None = None,
    *,
    predictors: Sequence[Predictor] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> LesionSegmentation:
    """Find the avid lung lesions of a study.

    Parameters
    ----------
    study
        With a PET, and a CT unless the region is ``all``.
    lungs
        The study's lungs; None for the region ``all``, and for a network where no lungs were found, which then searches
        the whole PET and says so.
    settings
        Method and thresholds.
    predictors
        The networks of the settings' checkpoints, opened already; None opens them anew.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    LesionSegmentation

    Raises
    ------
    NoPetError
        If the study has no PET.
    NoCtError
        If the region is ``lungs`` and there is no CT or no lung mask for the thresholds, or no CT for a network that
        needs it.
    CheckpointError
        If a network's checkpoint is missing, broken or does not fit.

    """
    from fdglung.segmentation_threshold import segment_by_threshold

    settings = settings or SegmentationSettings()
    if study.pet is None:
        raise NoPetError(
            "the study holds no PET", remedy="Give the folder that holds the attenuation-corrected PET too"
        )
    tell = progress or (lambda text, fraction: None)
    if settings.method == "network":
        from fdglung.segmentation_network import segment_by_network

        return segment_by_network(study.pet, study.ct, lungs, settings, tell, predictors=predictors)
    if settings.region == "lungs" and (lungs is None or study.ct is None):
        raise NoCtError(
            "the study holds no CT, so the lungs cannot be found",
            remedy="Add the CT of the same study, or analyse all uptake of the PET with --region all",
        )
    return segment_by_threshold(study.pet, study.ct, lungs, settings, tell)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ParameterError(f"{value!r} is no {name}", attribute=name, remedy=f"Choose {' or '.join(choices)}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not (np.isfinite(value) and low <= value <= high):
        raise ParameterError(
            f"{value} is outside {low} to {high}", attribute=name, remedy=f"Give a {name} from {low} to {high}"
        )
