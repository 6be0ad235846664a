"""Small synthetic studies built by hand: boxes for organs, balls for lesions."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import SimpleITK as sitk
from pydicom.uid import generate_uid

from fdglung.phantom.organs import Organ
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.study import Acquisition, LesionClass, SyntheticStudy, TrueLesion
from fdglung.phantom.subject import Find, Subject

LESIONS = (
    (LesionClass.LUNG_CANCER, "adenocarcinoma", "lung", "right upper lobe", (-40.0, -10.0, 35.0), 18.0, 9.0),
    (LesionClass.LUNG_CANCER, "nodal metastasis", "node", "left hilum", (22.0, 4.0, -20.0), 12.0, 5.5),
)

FIELD_MM = (168.0, 156.0, 352.1)


def acquisition(scanner="siemens_mct", **changes) -> Acquisition:
    values = {
        "scanner": scanner,
        "reconstruction": SCANNERS[scanner].reconstructions[0].name,
        "tracer": "fdg",
        "injected_dose_bq": 2.853e8,
        "injected": datetime(2026, 3, 4, 9, 12, 31),
        "started": datetime(2026, 3, 4, 10, 14, 5),
        "bed_seconds": 120.0,
    }
    return Acquisition(**(values | changes))


def grid(size, spacing, dtype):
    image = sitk.Image([*size], dtype)
    image.SetSpacing(spacing)
    image.SetOrigin([-(n - 1) * s / 2 + 0.25 for n, s in zip(size, spacing, strict=True)])
    return image


def coordinates(image):
    axes = [image.GetOrigin()[i] + image.GetSpacing()[i] * np.arange(image.GetSize()[i]) for i in range(3)]
    return axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]


def of(array, like):
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(like)
    return image


def study(
    scanner="siemens_mct",
    *,
    seed=0,
    pet_size=(28, 26, 70),
    ct_size=(40, 36, 20),
    lesions=LESIONS,
    with_nac=False,
    subject=None,
    highest_hu=1200,
    **changes,
) -> SyntheticStudy:
    """A study of a few thousand voxels whose slices differ in their largest value."""
    rng = np.random.default_rng(seed)
    pet_like = grid(pet_size, [field / n for field, n in zip(FIELD_MM, pet_size, strict=True)], sitk.sitkFloat32)
    ct_like = grid(ct_size, [field / n for field, n in zip(FIELD_MM, ct_size, strict=True)], sitk.sitkInt16)
    pet, masks, organs = None, [], []
    for like in (pet_like, ct_like):
        x, y, z = coordinates(like)
        mask = np.zeros(like.GetSize()[::-1], np.uint16)
        organ = np.zeros(mask.shape, np.uint8)
        organ[(abs(x) < 70) & (abs(y) < 60) & (abs(z) < 1000)] = Organ.MUSCLE
        organ[(abs(x + 40) < 25) & (abs(y) < 40) & (abs(z) < 60)] = Organ.RIGHT_UPPER_LOBE
        organ[(abs(x - 40) < 25) & (abs(y) < 40) & (abs(z) < 60)] = Organ.LEFT_LOWER_LOBE
        organ[(abs(x) < 50) & (abs(y) < 40) & (z < -60)] = Organ.LIVER
        for label, lesion in enumerate(lesions, start=1):
            cx, cy, cz = lesion[4]
            mask[(x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 < lesion[5] ** 2] = label
        if like is pet_like:
            pet = 0.4 * (organ > 0) + 1.6 * (organ == Organ.LIVER) + 0.05 * z / 100
            pet = np.abs(pet + rng.normal(0, 0.05, pet.shape))
            for label, lesion in enumerate(lesions, start=1):
                pet[mask == label] = lesion[6]
        masks.append(of(mask, like))
        organs.append(of(organ, like))
    hu = rng.integers(-1024, highest_hu, ct_size[::-1]).astype(np.int16)
    hu[0, 0, :2] = (-1024, highest_hu)
    true = tuple(
        TrueLesion(
            label=label,
            lesion_class=kind,
            subtype=subtype,
            kind=where,
            place=place,
            centre_mm=centre,
            volume_ml=4 / 3 * np.pi * radius**3 / 1000,
            suv_max=suv * 1.1,
            suv_mean=suv,
            hu=38.5,
            signs=("spiculated",) if label == 1 else (),
            tracking_uid=generate_uid(entropy_srcs=[str(seed), str(label)]),
        )
        for label, (kind, subtype, where, place, centre, radius, suv) in enumerate(lesions, start=1)
    )
    pet = pet.astype(np.float32)
    return SyntheticStudy(
        subject=subject or Subject("F", 61.4, 163.2, 58.7, finds=frozenset({Find.EMPHYSEMA, Find.PACEMAKER})),
        acquisition=acquisition(scanner, **changes),
        ct=of(hu, ct_like),
        pet=of(pet, pet_like),
        pet_nac=of(0.3 * pet, pet_like) if with_nac else None,
        lesions=true,
        lesion_mask=masks[0],
        ct_lesion_mask=masks[1],
        organs=organs[0],
        ct_organs=organs[1],
        parameters={"seed": seed, "version": "test"},
    )


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
