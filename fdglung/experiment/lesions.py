"""The lesions that were found in one examination: their VOIs, and which lesion of the reference each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.evaluation.instances import instances, match, overlaps
from fdglung.experiment.config import ReferenceSettings
from fdglung.radiomics.label_images import on_grid_of

Labels = NDArray[np.int32]


class ReferenceStatus(StrEnum):
    """What became of a lesion of the reference."""

    FOUND = "found"
    MISSED = "missed"
    FAINT = "SUVmax below the study's least"
    SMALL = "volume below the study's least"


class FoundStatus(StrEnum):
    """What a lesion that was found is."""

    MATCHED = "matched"
    PART = "a further part of a lesion that a larger share was matched with"
    LEFT_OUT = "touches only lesions of the reference that the study leaves out"
    FALSE = "touches no lesion of the reference"


@dataclass(frozen=True)
class ReferenceLesion:
    """One lesion of a reference; SUVmax in g/ml within its outline, volume in ml."""

    label: int
    lesion_class: str
    suv_max: float
    volume_ml: float
    status: ReferenceStatus


@dataclass(frozen=True)
class FoundLesion:
    """One lesion that was found; `reference` is the matched lesion's value, SUVmax in g/ml and MTV in ml of its VOI."""

    label: int
    suv_max: float
    mtv_ml: float
    status: FoundStatus
    reference: int | None
    lesion_class: str


@dataclass(frozen=True)
class ExaminationLesions:
    """All lesions of an examination; images lie on the PET's grid.

    Attributes
    ----------
    voi
        Label image of the VOIs.
    prediction, reference
        What the evaluation compares: the outlines as found, less those that touch only lesions that the study leaves
        out, and the reference less these.
    found, true
        One entry a lesion.

    """

    voi: sitk.Image
    prediction: sitk.Image
    reference: sitk.Image
    found: tuple[FoundLesion, ...]
    true: tuple[ReferenceLesion, ...]


def match_lesions(
    pet: sitk.Image,
    outlines: sitk.Image,
    reference: sitk.Image,
    classes: Mapping[int, str],
    *,
    fraction: float,
    rules: ReferenceSettings,
) -> ExaminationLesions:
    """Make the VOIs, and tell which lesion of the reference each found lesion is.

    Outlines are matched with the reference one to one, best IoU first (`fdglung.evaluation.instances.match`); a class
    is that of the matched lesion.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    outlines
        Label image on the PET's grid.
    reference
        Label image; on another grid it is resampled by nearest neighbour.
    classes
        Value in the reference to class.
    fraction
        Of a lesion's SUVmax that bounds its VOI.
    rules
        Which lesions of the reference the study is about.

    """
    suv = sitk.GetArrayViewFromImage(pet)
    truth = sitk.GetArrayFromImage(on_grid_of(reference, pet)).astype(np.int32)
    found = sitk.GetArrayFromImage(outlines).astype(np.int32)
    voxel_ml = float(np.prod(pet.GetSpacing())) / 1000
    voi = voi_of(suv, found, fraction)
    about = {
        label: (float(suv[truth == label].max()), float((truth == label).sum()) * voxel_ml) for label in _values(truth)
    }
    outside = {label: _outside(*about[label], rules) for label in about}
    kept = np.where(np.isin(truth, [label for label, why in outside.items() if why is None]), truth, 0)
    status, partner = _matched(found, kept, truth)
    prediction = np.where(np.isin(found, [n for n, one in status.items() if one is FoundStatus.LEFT_OUT]), 0, found)
    hit = {label for label in about if outside[label] is None and found[kept == label].any()}
    return ExaminationLesions(
        voi=_image(voi, pet),
        prediction=_image(prediction, pet),
        reference=_image(kept, pet),
        found=tuple(
            FoundLesion(
                label=label,
                suv_max=float(suv[voi == label].max()),
                mtv_ml=float((voi == label).sum()) * voxel_ml,
                status=status[label],
                reference=partner.get(label),
                lesion_class=classes[partner[label]] if label in partner else "",
            )
            for label in _values(found)
        ),
        true=tuple(
            ReferenceLesion(
                label,
                classes[label],
                *about[label],
                outside[label] or (ReferenceStatus.FOUND if label in hit else ReferenceStatus.MISSED),
            )
            for label in about
        ),
    )


def voi_of(suv: NDArray[np.float32], outlines: Labels, fraction: float) -> Labels:
    """Return each outline's voxels of at least a fraction of its own SUVmax; arrays (z, y, x).

    An outline that is such a VOI already, as thresholds make it, stays as it is.
    """
    highest = np.zeros(int(outlines.max(initial=0)) + 1, np.float32)
    np.maximum.at(highest, outlines.ravel(), suv.ravel())
    inside: Labels = np.where((outlines > 0) & (suv >= np.float32(fraction) * highest[outlines]), outlines, 0)
    return inside


def _outside(suv_max: float, volume_ml: float, rules: ReferenceSettings) -> ReferenceStatus | None:
    if suv_max < rules.min_suv_max:
        return ReferenceStatus.FAINT
    return ReferenceStatus.SMALL if volume_ml < rules.min_volume_ml else None


def _matched(found: Labels, kept: Labels, truth: Labels) -> tuple[dict[int, FoundStatus], dict[int, int]]:
    """Return the status of each found lesion, and the lesion of the reference that it is."""
    mine, theirs = instances(found, keep_labels=True), instances(kept, keep_labels=True)
    pairs = overlaps(theirs, mine)
    partner = {
        mine.names[int(pairs.prediction[pair])]: theirs.names[int(pairs.reference[pair])]
        for pair in match(pairs).values()
    }
    touching = {mine.names[int(n)] for n in pairs.prediction}
    status = {}
    for label in mine.names:
        if label in partner:
            status[label] = FoundStatus.MATCHED
        elif label in touching:
            status[label] = FoundStatus.PART
        else:
            status[label] = FoundStatus.LEFT_OUT if truth[found == label].any() else FoundStatus.FALSE
    return status, partner


def _values(labels: Labels) -> list[int]:
    return [int(value) for value in np.unique(labels[labels > 0])]


def _image(array: Labels, like: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.uint16))
    image.CopyInformation(like)
    return image
