"""Panoptic quality: how well lesions are told apart and outlined, in one number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class PanopticQuality:
    """Panoptic quality and its two factors.

    Attributes
    ----------
    sq
        Segmentation quality: mean IoU of matched lesions; 0 where none is matched.
    rq
        Recognition quality: 2 TP / (2 TP + FP + FN), the F1 of lesions.
    pq
        sq x rq.

    """

    sq: float
    rq: float
    pq: float


def panoptic_quality(
    matched_iou: Iterable[float], references: int, predictions: int, *, threshold: float = 0.5
) -> PanopticQuality:
    """Return panoptic quality (Kirillov et al., CVPR 2019, equation 1) with panoptica's conventions.

    Parameters
    ----------
    matched_iou
        IoU of each pair of a matching one to one.
    references, predictions
        Numbers of lesions.
    threshold
        Least IoU of a true positive, itself included as in panoptica 2.1.7.

    Returns
    -------
    PanopticQuality
        NaN throughout where there are no lesions in either, 0 throughout where none is matched.

    """
    if references + predictions == 0:
        return PanopticQuality(math.nan, math.nan, math.nan)
    true = [iou for iou in matched_iou if iou >= threshold]
    if not true:
        return PanopticQuality(0.0, 0.0, 0.0)
    sq = sum(true) / len(true)
    rq = 2 * len(true) / (references + predictions)
    return PanopticQuality(sq, rq, sq * rq)
