"""Views of a study along the patient's axes, whichever way its slices lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage as ndi

from fdglung.pipeline import Analysis

Plane = Literal["axial", "coronal", "sagittal"]

PLANE_AXES: dict[Plane, tuple[int, int, int]] = {"axial": (0, 1, 2), "coronal": (0, 2, 1), "sagittal": (1, 2, 0)}
"""Patient axes (0 left, 1 back, 2 head) that run across, up or down, and through each view."""

PLANE_LETTERS: dict[Plane, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "H", "F"),
    "sagittal": ("A", "P", "H", "F"),
}
"""Orientation at the left, right, upper and lower edge: radiological convention, the patient's right on the left."""


@dataclass(frozen=True)
class View:
    """One plane through a point.

    Attributes
    ----------
    plane
        Which.
    pet
        SUVbw, array (down, across).
    ct
        HU on the same pixels, or None without a CT.
    voi
        Share of the lesion's VOI from 0 to 1 on the same pixels.
    width_mm
        Length of either side of the square view.
    position_mm
        Patient coordinate (LPS) of the plane along the axis through it.
    class_map
        Fall of the probability of the lesion's class where a place is covered, on the same pixels; 0 outside the patch,
        None without an image classifier.

    """

    plane: Plane
    pet: NDArray[Any]
    ct: NDArray[Any] | None
    voi: NDArray[Any]
    width_mm: float
    position_mm: float
    class_map: NDArray[Any] | None = None


@dataclass(frozen=True)
class Projection:
    """A maximum intensity projection of the PET with the lesions' outlines.

    Attributes
    ----------
    plane
        ``coronal`` (seen from the front) or ``sagittal`` (seen from the patient's left).
    pet
        SUVbw, array (down, across): head up, the patient's right, or front, at the left.
    lesions
        Per label the projected VOI, boolean array of the same shape.
    width_mm, height_mm
        Size of the picture.

    """

    plane: Plane
    pet: NDArray[Any]
    lesions: dict[int, NDArray[Any]]
    width_mm: float
    height_mm: float


def upright(image: sitk.Image, *, nearest: bool = False) -> sitk.Image:
    """Turn an image so that its axes are the patient's: x to the left, y to the back, z to the head.

    Parameters
    ----------
    image
        Any orientation.
    nearest
        For labels: take the nearest voxel instead of interpolating.

    Returns
    -------
    SimpleITK.Image
        Same voxels in another order, or, for an oblique image, resampled to its bounding box.

    """
    turned = sitk.DICOMOrient(image, "LPS")
    if np.allclose(turned.GetDirection(), np.eye(3).ravel(), atol=0.01):
        return turned
    corners = np.array(
        [
            turned.TransformContinuousIndexToPhysicalPoint(
                [n * end - 0.5 for n, end in zip(turned.GetSize(), c, strict=True)]
            )
            for c in np.ndindex(2, 2, 2)
        ]
    )
    spacing = [min(turned.GetSpacing())] * 3
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = [max(1, int(np.ceil((b - a) / s))) for a, b, s in zip(low, high, spacing, strict=True)]
    origin = [float(a + s / 2) for a, s in zip(low, spacing, strict=True)]
    method = sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear
    axes = [1.0, 0, 0, 0, 1, 0, 0, 0, 1]
    return sitk.Resample(turned, size, sitk.Transform(), method, origin, spacing, axes, 0.0, turned.GetPixelID())


def projections(analysis: Analysis) -> tuple[Projection, Projection]:
    """Project the PET from the front and from the left.

    Parameters
    ----------
    analysis
        A study with its findings; the PET must be there.

    Returns
    -------
    tuple of Projection
        Coronal and sagittal, cropped to the body with a margin.

    """
    pet_image = upright(analysis.study.pet)
    pet = sitk.GetArrayViewFromImage(pet_image)
    labels = sitk.GetArrayFromImage(upright(analysis.lesions, nearest=True))
    spacing = np.array(pet_image.GetSpacing()[::-1])
    planes: tuple[tuple[Plane, int], ...] = (("coronal", 1), ("sagittal", 2))
    pictures = {plane: np.flipud(pet.max(axis=axis)) for plane, axis in planes}
    body = {plane: _body_columns(picture) for plane, picture in pictures.items()}
    boxes = ndi.find_objects(labels)
    result = []
    for plane, axis in planes:
        columns = body[plane]
        lesions = {}
        for label, box in enumerate(boxes, 1):
            if box is None:
                continue
            shadow = np.zeros(pictures[plane].shape, bool)
            kept = tuple(part for n, part in enumerate(box) if n != axis)
            shadow[kept] = (labels[box] == label).any(axis=axis)
            lesions[label] = np.flipud(shadow)[:, columns]
        picture = pictures[plane][:, columns]
        across = spacing[2] if plane == "coronal" else spacing[1]
        result.append(Projection(plane, picture, lesions, picture.shape[1] * across, picture.shape[0] * spacing[0]))
    return result[0], result[1]


def views(analysis: Analysis, label: int, *, pixels: int = 240) -> tuple[View, View, View]:
    """Cut the three planes through the hottest point of a lesion.

    Parameters
    ----------
    analysis
        A study with its findings; the PET must be there.
    label
        The lesion's number.
    pixels
        Pixels along either side of a view.

    Returns
    -------
    tuple of View
        Axial, coronal and sagittal: squares centred on the lesion, 60 mm wider than it and at least 120 mm wide.

    """
    lesion = next(item for item in analysis.findings.lesions if item.label == label)
    width = float(np.clip(lesion.longest_diameter_mm + 60.0, 120.0, 300.0))
    mask = sitk.Cast(sitk.Equal(analysis.lesions, float(label)), sitk.sitkFloat32)
    pet, ct = analysis.study.pet, analysis.study.ct
    looked = analysis.class_maps.get(label)
    cut = []
    for plane in PLANE_AXES:
        grid = _plane_grid(plane, lesion.suv_max_position_mm, lesion.centroid_mm, width, pixels)
        cut.append(
            View(
                plane,
                pet=_resample(pet, grid, plane, sitk.sitkLinear, 0.0),
                ct=None if ct is None else _resample(ct, grid, plane, sitk.sitkLinear, -1024.0),
                voi=_resample(mask, grid, plane, sitk.sitkLinear, 0.0),
                width_mm=width,
                position_mm=lesion.suv_max_position_mm[PLANE_AXES[plane][2]],
                class_map=None if looked is None else _resample(looked, grid, plane, sitk.sitkLinear, 0.0),
            )
        )
    return cut[0], cut[1], cut[2]


def _body_columns(picture: NDArray[Any]) -> slice:
    """Find the columns that hold the body, with a margin of five pixels."""
    inside = np.flatnonzero(np.percentile(picture, 98, axis=0) > 0.3)
    if inside.size == 0:
        return slice(0, picture.shape[1])
    return slice(max(0, int(inside[0]) - 5), int(inside[-1]) + 6)


def _plane_grid(
    plane: Plane, point: tuple[float, float, float], middle: tuple[float, float, float], width: float, pixels: int
) -> sitk.Image:
    """Make an empty one-voxel-thick image along the patient's axes; through `point`, centred on `middle`."""
    across, down, _ = PLANE_AXES[plane]
    size, origin, step = [1, 1, 1], list(point), width / pixels
    for axis in (across, down):
        size[axis] = pixels
        # A lesion longer than the view would otherwise push its hottest point out of the picture.
        offset = float(np.clip(middle[axis], point[axis] - width / 3, point[axis] + width / 3))
        origin[axis] = offset - width / 2 + step / 2
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetOrigin([float(x) for x in origin])
    grid.SetSpacing([step, step, step])
    return grid


def _resample(image: sitk.Image, grid: sitk.Image, plane: Plane, method: int, outside: float) -> NDArray[Any]:
    cut = sitk.Resample(image, grid, sitk.Transform(), method, outside, sitk.sitkFloat32)
    array = sitk.GetArrayFromImage(cut)
    if plane == "axial":
        return array[0]
    return np.flipud(array[:, 0, :] if plane == "coronal" else array[:, :, 0])
