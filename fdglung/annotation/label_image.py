"""A label as a viewer sends it, brought onto its PET's grid and told apart into lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import LabelGridError, NegativeLabelError, NonIntegerLabelError
from fdglung.image_files import read_image
from fdglung.segmentation import SegmentedLesion

_SAME_MM = 0.05
_MOST_LESIONS = np.iinfo(np.uint16).max


def read_label(path: Path | str, pet: sitk.Image) -> sitk.Image:
    """Read a label image and put its voxels onto the grid of its PET.

    Axes that are flipped or in another order are put right, because viewers write them so; nothing is interpolated.

    Parameters
    ----------
    path
        NIfTI, NRRD or MetaImage.
    pet
        Whose grid it must lie on.

    Returns
    -------
    SimpleITK.Image
        uint16 on the grid of `pet`.

    Raises
    ------
    UnreadableImageError
        The file holds no image of three axes.
    LabelGridError
        It lies on another grid.
    NonIntegerLabelError, NegativeLabelError
        A value is no number of a lesion.

    """
    image = read_image(path, attribute="label")
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        raise NonIntegerLabelError(
            "the label holds values that are no whole numbers", attribute="label", remedy="Send a label map"
        )
    if values.min() < 0 or values.max() > _MOST_LESIONS:
        raise NegativeLabelError(
            f"the label holds values outside 0 to {_MOST_LESIONS}",
            attribute="label",
            remedy="Send 0 for background and whole numbers from 1 for lesions",
        )
    whole = sitk.Cast(image, sitk.sitkUInt16)
    if not _on_grid(whole, pet):
        whole = sitk.DICOMOrient(
            whole, sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(pet.GetDirection())
        )
    if not _on_grid(whole, pet):
        raise LabelGridError(
            f"the label lies on another grid than the PET ({image.GetSize()} against {pet.GetSize()} voxels, or "
            "another spacing, origin or direction)",
            attribute="label",
            remedy="Export the segmentation with the PET as its reference volume",
        )
    # The header's rounding errors are not kept.
    whole.CopyInformation(pet)
    return whole


def as_lesions(label: sitk.Image, pet: sitk.Image) -> tuple[sitk.Image, tuple[SegmentedLesion, ...]]:
    """Number the lesions of a label, hottest first from 1.

    Parameters
    ----------
    label
        Several values are lesions as given; one value is a mask, whose parts (18-connected) are lesions.
    pet
        SUVbw in g/ml, on the same grid.

    Returns
    -------
    labels, lesions
        uint16 image, and one entry a label.

    """
    values = sitk.GetArrayFromImage(label)
    if np.unique(values[values > 0]).size <= 1:
        values = ndimage.label(values > 0, structure=ndimage.generate_binary_structure(3, 2))[0]
    suv = sitk.GetArrayViewFromImage(pet)
    found = []
    for value, box in enumerate(ndimage.find_objects(values), start=1):
        if box is not None:
            voi = values[box] == value
            uptake = suv[box][voi]
            found.append((-float(uptake.max()), value, box, voi, float(uptake.min())))
    found.sort(key=lambda item: item[:2])
    labels = np.zeros(values.shape, np.uint16)
    lesions = []
    for number, (hottest, _, box, voi, coolest) in enumerate(found, start=1):
        labels[box][voi] = number
        lesions.append(SegmentedLesion(number, voi_fraction=max(0.0, coolest / -hottest) if hottest < 0 else 0.0))
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(pet)
    return image, tuple(lesions)


def _on_grid(label: sitk.Image, pet: sitk.Image) -> bool:
    if label.GetSize() != pet.GetSize():
        return False
    size = np.array(pet.GetSize())
    corners = [[float(v) for v in size * end] for end in np.ndindex(2, 2, 2)]
    there, here = (
        np.array([image.TransformContinuousIndexToPhysicalPoint(corner) for corner in corners])
        for image in (label, pet)
    )
    return bool(np.abs(there - here).max() <= _SAME_MM)
