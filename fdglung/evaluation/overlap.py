"""Overlap of whole masks: Dice, and volumes that are false as autoPET defines them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.instances import components

Mask = NDArray[np.bool_]


def dice(reference: Mask, prediction: Mask) -> float:
    """Return 2 |A and B| / (|A| + |B|); NaN where the reference is empty, as autoPET has it.

    Dice, Ecology 1945;26:297; github.com/ClinicalDataScience/autoPETIII, evaluation_metrics.py.
    """
    if not reference.any():
        return math.nan
    return float(2 * (reference & prediction).sum() / (reference.sum() + prediction.sum()))


def false_positive_volume(reference: Mask, prediction: Mask, voxel_ml: float) -> float:
    """Return the volume in ml of the prediction's components that no voxel of the reference touches.

    18-connected components of the whole mask; one without any overlap counts whole, one with any overlap not at all
    (github.com/ClinicalDataScience/autoPETIII, evaluation_metrics.py).

    Parameters
    ----------
    reference, prediction
        Masks (z, y, x) on one grid.
    voxel_ml
        Volume of a voxel in ml.

    """
    return _untouched(prediction, reference) * voxel_ml


def false_negative_volume(reference: Mask, prediction: Mask, voxel_ml: float) -> float:
    """Return the volume in ml of the reference's components that the prediction misses; NaN without a reference.

    As `false_positive_volume` with the roles changed.
    """
    return _untouched(reference, prediction) * voxel_ml if reference.any() else math.nan


def _untouched(mask: Mask, other: Mask) -> int:
    """Count the voxels of the components of `mask` that share no voxel with `other`."""
    labels, count = components(mask)
    voxels = np.bincount(labels.ravel(), minlength=count + 1)
    voxels[0] = 0
    voxels[np.unique(labels[other])] = 0
    return int(voxels.sum())
