"""How well two annotators agree on a study: Dice of the whole masks, and lesions that both saw."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from fdglung.evaluation.instances import instances, match, overlaps
from fdglung.evaluation.overlap import dice

_SEEN_IOU = 0.1
"""Least overlap of two outlines of one lesion: whether it was seen, not how well it was outlined."""


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement of two labels of one study.

    Attributes
    ----------
    dice
        2 |A and B| / (|A| + |B|); 1 where both are empty.
    lesions
        Number of lesions of each.
    matched
        Lesions that both saw: pairs, one to one and best first, with an IoU of at least 0.1.
    lesion_f1
        2 matched / (sum of lesions); 1 where there are none in either.

    """

    dice: float
    lesions: tuple[int, int]
    matched: int
    lesion_f1: float


def label_agreement(first: sitk.Image, second: sitk.Image) -> LabelAgreement:
    """Compare two labels on one grid.

    Parameters
    ----------
    first, second
        Label images; a mask is parted into its 18-connected components.

    Returns
    -------
    LabelAgreement
        The same whichever comes first.

    """
    arrays = [sitk.GetArrayFromImage(image).astype(np.int32) for image in (first, second)]
    lesions = [instances(array) for array in arrays]
    pairs = overlaps(*lesions)
    matched = int(sum(pairs.iou[pair] >= _SEEN_IOU for pair in match(pairs).values()))
    count = len(lesions[0]) + len(lesions[1])
    whole = dice(arrays[0] > 0, arrays[1] > 0)
    if math.isnan(whole):
        whole = 0.0 if (arrays[1] > 0).any() else 1.0
    return LabelAgreement(
        dice=whole,
        lesions=(len(lesions[0]), len(lesions[1])),
        matched=matched,
        lesion_f1=2 * matched / count if count else 1.0,
    )
