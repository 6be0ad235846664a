"""The lungs of a CT and the box around them: what later steps look into."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike

from fdglung.errors import NoThoraxError

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class LungRegion:
    """The lungs of a CT.

    Attributes
    ----------
    mask
        uint8 on the CT grid: 0 background, 1 right lung, 2 left lung (as lungmask's R231 labels them).
    box_mm
        Lower and upper corner in patient coordinates (LPS), in mm: the lungs' bounding box plus the margin, and more
        where a lung is missing or avid tissue reaches out of it.
    method
        What made the mask, with its weights, such as ``lungmask unet_r231-d5d2fc3d.pth`` or ``classical``.
    weights_sha256
        Checksum of the network's weights; None for the classical method.
    warnings
        What a physician must know, in full sentences.
    lobes
        uint8 on the CT grid: values of `fdglung.lungs.labels.LOBES`; None unless a network told lobes.

    """

    mask: sitk.Image
    box_mm: tuple[Corner, Corner]
    method: str
    weights_sha256: str | None = None
    warnings: tuple[str, ...] = ()
    lobes: sitk.Image | None = None


def bounding_box_mm(mask: sitk.Image, margin_mm: float) -> tuple[Corner, Corner]:
    """Return lower and upper corner of the mask's voxels in patient coordinates (LPS), in mm, margin added.

    Raises
    ------
    NoThoraxError
        If the mask is empty.

    """
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOff()
    statistics.Execute(mask > 0)
    if not statistics.HasLabel(1):
        raise NoThoraxError(
            "no lung was found", series="CT", remedy="Give a CT of the thorax, or analyse the whole PET (--region all)"
        )
    box = statistics.GetBoundingBox(1)
    edges = [(start - 0.5, start + size - 0.5) for start, size in zip(box[:3], box[3:], strict=True)]
    corners = np.array([mask.TransformContinuousIndexToPhysicalPoint(index) for index in itertools.product(*edges)])
    return as_box(corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm)


def as_box(low: ArrayLike, high: ArrayLike) -> tuple[Corner, Corner]:
    """Return two corners (x, y, z) in mm as plain numbers."""
    low, high = np.asarray(low), np.asarray(high)
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def joined_box(one: tuple[Corner, Corner], other: tuple[Corner, Corner]) -> tuple[Corner, Corner]:
    """Return the smallest box that holds two."""
    return as_box(np.minimum(one[0], other[0]), np.maximum(one[1], other[1]))
