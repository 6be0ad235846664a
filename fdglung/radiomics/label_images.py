"""Label images: which labels there are, their boxes, and how they come to lie on the grid of another image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.radiomics.filters import Box

_MOST_NUMBERS = 65_535
"""Up to this label scipy finds all boxes in one pass; it has a place in memory for every number to the highest."""


def boxes_of(mask: sitk.Image, labels: Sequence[int]) -> dict[int, Box]:
    """Return the bounding boxes (z, y, x) of labels; those that do not occur are left out."""
    array = sitk.GetArrayViewFromImage(mask)
    if array.dtype.kind not in "iu":
        array = array.astype(np.int64)
    wanted = sorted(label for label in labels if label > 0)
    if wanted and wanted[-1] > _MOST_NUMBERS:
        numbers = np.array(wanted)
        places = np.minimum(np.searchsorted(numbers, array), len(numbers) - 1)
        array = np.where(numbers[places] == array, places + 1, 0)
        found = dict(zip(wanted, ndimage.find_objects(array, len(wanted)), strict=True))
    else:
        found = dict(enumerate(ndimage.find_objects(array, max(wanted, default=0)), start=1))
    return {label: found[label] for label in labels if found.get(label) is not None}


def labels_in(array: NDArray[Any]) -> list[int]:
    """Return the whole numbers above 0 that occur in an array, ascending."""
    if array.size and array.max() > _MOST_NUMBERS:
        return [int(label) for label in np.unique(array[array > 0])]
    return [label for label, box in enumerate(ndimage.find_objects(array), start=1) if box is not None]


def on_grid_of(mask: sitk.Image, image: sitk.Image, tolerance: float | None = None) -> sitk.Image:
    """Return a mask on an image's grid: itself where it lies there, else resampled by nearest neighbour.

    Parameters
    ----------
    tolerance
        Largest difference that counts as none: of origin and spacing in voxels, of direction in cosines.

    """
    if lies_on(mask, image, tolerance):
        return mask
    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, mask.GetPixelID())


def lies_on(mask: sitk.Image, image: sitk.Image, tolerance: float | None = None) -> bool:
    """Return whether a mask has the grid of an image, with the tolerance of `on_grid_of`."""
    slack = 1e-6 if tolerance is None else tolerance
    step = image.GetSpacing()[0]
    return (
        mask.GetSize() == image.GetSize()
        and np.allclose(mask.GetOrigin(), image.GetOrigin(), rtol=0, atol=slack * step)
        and np.allclose(mask.GetSpacing(), image.GetSpacing(), rtol=0, atol=slack * step)
        and np.allclose(mask.GetDirection(), image.GetDirection(), rtol=0, atol=slack)
    )
