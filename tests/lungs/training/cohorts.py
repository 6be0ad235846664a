"""A cohort as `fdglung phantom` leaves it on disk, of drawn lungs with lobes."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from fdglung.phantom.organs import Organ
from tests.ellipsoids import thorax


def write_cohort(folder, splits=("train", "validation", "external"), every=6):
    """Write one study a split; the upper half of each lung is its upper lobe, the lower half its lower lobe."""
    lines = ["study,patient_id,split"]
    for number, split in enumerate(splits, start=1):
        name = f"study_{number:04}"
        (folder / name).mkdir(parents=True)
        lines.append(f"{name},SYNTHETIC-{number},{split}")
        ct, drawn = thorax()
        organs = np.zeros(ct.GetSize()[::-1], np.uint8)
        half = len(organs) // 2
        for side, (lower, upper) in {
            "right": (Organ.RIGHT_LOWER_LOBE, Organ.RIGHT_UPPER_LOBE),
            "left": (Organ.LEFT_LOWER_LOBE, Organ.LEFT_UPPER_LOBE),
        }.items():
            organs[:half][drawn[side][:half]] = lower
            organs[half:][drawn[side][half:]] = upper
        organs[(sitk.GetArrayFromImage(ct) == 40) & (organs == 0)] = Organ.MUSCLE
        image = sitk.GetImageFromArray(organs)
        image.CopyInformation(ct)
        sitk.WriteImage(ct[:, :, ::every], str(folder / name / "ct.nii.gz"))
        sitk.WriteImage(image[:, :, ::every], str(folder / name / "ct_organs.nii.gz"))
    (folder / "cohort.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
