"""PET and CT from NIfTI files as a study: SUVbw and HU are taken as given, because the format does not say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from fdglung.errors import EmptyPetError, InvalidPixelError, NoOverlapError
from fdglung.hounsfield import on_hounsfield_scale
from fdglung.image_files import read_image
from fdglung.study import Study


def read_study(pet: Path | str, ct: Path | str | None = None) -> Study:
    """Read a PET and its CT.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    ct
        HU; None for a PET alone. Values stored 0 to 4095 are found out and corrected, which a warning says.

    Returns
    -------
    Study
        Without headers: it can be segmented, not reported.

    Raises
    ------
    UnreadableImageError
        A file is not there, or holds no image of three axes.
    InvalidPixelError
        A voxel is no finite number.
    EmptyPetError
        The PET holds no activity.
    NoOverlapError
        PET and CT share no space.

    """
    pet_image = read_finite(pet)
    if not (sitk.GetArrayViewFromImage(pet_image) > 0).any():
        raise EmptyPetError(f"{Path(pet).name} holds no activity", remedy="Give a PET in SUVbw (g/ml)")
    if ct is None:
        return Study(pet_image, None)
    ct_image = read_finite(ct)
    _check_overlap(pet_image, ct_image, Path(pet).name, Path(ct).name)
    ct_image, notes = on_hounsfield_scale(ct_image)
    return Study(pet_image, ct_image, warnings=notes)


def read_finite(path: Path | str) -> sitk.Image:
    """Read an image of three axes as float32.

    Raises
    ------
    UnreadableImageError
        The file is not there, or holds no image of three axes.
    InvalidPixelError
        A voxel is no finite number.

    """
    image = sitk.Cast(read_image(path), sitk.sitkFloat32)
    if not np.isfinite(sitk.GetArrayViewFromImage(image)).all():
        raise InvalidPixelError(f"{path} holds voxels that are no finite numbers", remedy="Write the image anew")
    return image


def _check_overlap(pet: sitk.Image, ct: sitk.Image, pet_name: str, ct_name: str) -> None:
    boxes = []
    for image in (pet, ct):
        corners = [
            image.TransformContinuousIndexToPhysicalPoint(
                [n * end - 0.5 for n, end in zip(image.GetSize(), ends, strict=True)]
            )
            for ends in np.ndindex(2, 2, 2)
        ]
        boxes.append((np.min(corners, axis=0), np.max(corners, axis=0)))
    (low, high), (other_low, other_high) = boxes
    if not (np.minimum(high, other_high) > np.maximum(low, other_low)).all():
        raise NoOverlapError(
            f"{pet_name} and {ct_name} share no space", remedy="Give the CT of the PET's examination, in its space"
        )
