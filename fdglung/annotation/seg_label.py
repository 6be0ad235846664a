"""A DICOM SEG, of whatever software, as a label on its PET's grid."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset

from fdglung.errors import InputError, LabelGridError, UndecodablePixelDataError, UnknownLabelError

NOT_LESIONS = frozenset({"background", "left lung", "right lung", "lung", "lungs"})
"""Labels of segments that are left out, in small letters: OHIF puts the result of every tool into one SEG."""

_SAME_VOXEL = 0.05
"""Largest distance between the centres of a SEG's and the PET's voxel, in voxels."""


def label_of_seg(seg: Dataset, pet: sitk.Image) -> sitk.Image:
    """Bring a SEG onto the grid of its PET by the places of its frames; nothing is interpolated.

    Parameters
    ----------
    seg
        With its pixels; binary, label map, or fractional, of which at least half counts.
    pet
        Whose grid it must lie on; slices may be missing or in another order.

    Returns
    -------
    SimpleITK.Image
        uint16, each voxel the number of its segment, the lowest where segments overlap; segments labelled as in
        `NOT_LESIONS` are left out.

    Raises
    ------
    LabelGridError
        It lies on another grid, or has no grid.
    UnknownLabelError
        It has left out segments only.
    UndecodablePixelDataError
        Its pixels cannot be read.

    """
    from highdicom.seg import Segmentation

    label = np.zeros(pet.GetSize()[::-1], np.uint16)
    try:
        read = Segmentation.from_dataset(_without_empty_dimensions(seg), copy=False)
        numbers = sorted(int(one.SegmentNumber) for one in read.SegmentSequence if not _is_left_out(one))
        if not numbers:
            raise UnknownLabelError(
                "no segment is one of lesions", attribute="Segment Label (0062,0005)", remedy="Segment the lesions"
            )
        for number in numbers:
            volume = read.get_volume(segment_numbers=[number], combine_segments=False)
            z, y, x = _voxels_of(volume.array[..., 0] >= 0.5, volume.affine, pet)
            free = label[z, y, x] == 0
            label[z[free], y[free], x[free]] = number
    except InputError:
        raise
    except Exception as error:
        # A SEG that breaks the rules makes the readers raise almost anything.
        raise UndecodablePixelDataError(
            f"the segmentation cannot be read ({type(error).__name__})",
            series=f"SEG series {seg.get('SeriesInstanceUID', '?')}",
            remedy="Export it again, as a segmentation of the PET",
        ) from error
    image = sitk.GetImageFromArray(label)
    image.CopyInformation(pet)
    return image


def _without_empty_dimensions(seg: Dataset) -> Dataset:
    """Return a SEG that can be read: OHIF 3.13 names dimensions of its label maps and leaves their values out."""
    frames = seg.get("PerFrameFunctionalGroupsSequence") or ()
    if "DimensionIndexSequence" not in seg or all("FrameContentSequence" in frame for frame in frames):
        return seg
    readable = deepcopy(seg)
    del readable.DimensionIndexSequence
    return readable


def _is_left_out(description: Dataset) -> bool:
    return str(description.get("SegmentLabel") or "").strip().lower() in NOT_LESIONS


def _voxels_of(mask: NDArray[np.bool_], affine: NDArray[np.float64], pet: sitk.Image) -> tuple[NDArray[np.int64], ...]:
    """Return the PET's (z, y, x) indices of what is set in a mask, whose affine leads from its indices to mm (LPS)."""
    places = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    to_mm = np.array(pet.GetDirection()).reshape(3, 3) * np.array(pet.GetSpacing())
    exact = np.linalg.solve(to_mm, (places - np.array(pet.GetOrigin())).T).T
    found = np.rint(exact).astype(np.int64)
    inside = ((found >= 0) & (found < pet.GetSize())).all()
    if not inside or (np.abs(exact - found) > _SAME_VOXEL).any():
        raise LabelGridError(
            "the segmentation lies on another grid than the PET",
            attribute="label",
            remedy="Segment on the PET itself, not on the CT or a reformat",
        )
    return found[:, 2], found[:, 1], found[:, 0]
