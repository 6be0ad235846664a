"""How far networks, and a network and its mirror image, disagree on a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.network.backends import Predictor
from fdglung.network.volume import Box
from fdglung.segmentation_network import predict

_LEFT_RIGHT = 4


def disagreement_ml(
    pet: sitk.Image, ct: sitk.Image | None, predictors: Sequence[Predictor], *, box_mm: Box | None = None
) -> float:
    """Return the standard deviation of the probability of lesion over networks and their mirror images, in ml.

    Each network sees the study as it is and mirrored left to right, as in training; nothing else may change what it
    should say. The deviation is summed over the PET's voxels.

    Parameters
    ----------
    pet, ct, predictors, box_mm
        As of `fdglung.segmentation_network.predict`.

    """
    members = [member for predictor in predictors for member in (predictor, _mirrored(predictor))]
    spread = predict(pet, ct, members, box_mm=box_mm, overlap=0.25).spread
    assert spread is not None  # there are two members or more
    return float(sitk.GetArrayViewFromImage(spread).sum(dtype=np.float64)) * float(np.prod(pet.GetSpacing())) / 1000


def _mirrored(predictor: Predictor) -> Predictor:
    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.flip(predictor.predict(np.ascontiguousarray(np.flip(batch, _LEFT_RIGHT))), _LEFT_RIGHT)

    return replace(predictor, predict=run)
