"""Two images of one case brought onto one grid."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from fdglung.errors import DisjointGridsError

TOLERANCE_VOXELS = 0.01
"""Grids whose corners lie nearer than that, in units of the smallest spacing, are one grid."""


def same_grid(one: sitk.Image, other: sitk.Image) -> bool:
    """Tell whether two images have the same voxels in the same places, by the places of their corners."""
    if one.GetSize() != other.GetSize():
        return False
    corners = itertools.product(*[(0, size - 1) for size in one.GetSize()])
    limit = TOLERANCE_VOXELS * min(one.GetSpacing())
    return all(
        np.allclose(
            one.TransformIndexToPhysicalPoint(corner), other.TransformIndexToPhysicalPoint(corner), rtol=0, atol=limit
        )
        for corner in corners
    )


def onto_grid(
    image: sitk.Image, reference: sitk.Image, *, what: str, file: str, labels: bool
) -> tuple[sitk.Image, tuple[str, ...]]:
    """Bring an image onto the grid of the reference.

    Parameters
    ----------
    image, reference
        Three-dimensional images in the same patient coordinates (mm).
    what
        What the image is, for the warning: ``"prediction"``.
    file
        Its file, for the error.
    labels
        Nearest neighbour for labels; linear interpolation, with the edge's value half a voxel beyond it, otherwise.

    Returns
    -------
    tuple
        The image on the reference's grid with 0 where it has no voxels, and warnings: none where the grids agree.

    Raises
    ------
    DisjointGridsError
        The images share no space.

    """
    if same_grid(image, reference):
        return image, ()
    ones = sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(image)
    inside = sitk.Resample(ones, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    covered = float(sitk.GetArrayViewFromImage(inside).mean())
    if covered == 0:
        raise DisjointGridsError(
            f"the {what} shares no space with the reference",
            series=file,
            remedy="Check that both are of the same study and written in patient coordinates",
        )
    method = sitk.sitkNearestNeighbor if labels else sitk.sitkLinear
    moved = sitk.Resample(image, reference, sitk.Transform(), method, 0)
    how = "nearest neighbour" if labels else "linear interpolation"
    warnings = [f"The {what} lies on another grid and was resampled to the reference by {how}."]
    if covered < 1:
        warnings.append(f"The {what} covers {100 * covered:.1f} % of the reference's grid; the rest counts as empty.")
    if labels:
        warnings += _lost(image, reference, what)
    return moved, tuple(warnings)


def _lost(image: sitk.Image, reference: sitk.Image, what: str) -> list[str]:
    """Say how much of the labels lies where the reference has no voxels."""
    ones = sitk.Image(reference.GetSize(), sitk.sitkUInt8) + 1
    ones.CopyInformation(reference)
    seen = sitk.GetArrayFromImage(sitk.Resample(ones, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    outside = int(((sitk.GetArrayViewFromImage(image) != 0) & ~seen).sum())
    if not outside:
        return []
    volume = outside * float(np.prod(image.GetSpacing())) / 1000
    return [f"{volume:.2f} ml of the {what} lie outside the reference's grid and were not counted."]
