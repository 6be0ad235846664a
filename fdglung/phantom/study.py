"""What a synthetic study holds: images, masks, the true lesions, and how it was acquired."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

import SimpleITK as sitk

from fdglung.phantom.ct_numbers import Contrast
from fdglung.phantom.scanner.ct import Kernel
from fdglung.phantom.subject import Subject


class LesionClass(StrEnum):
    """The four groups of the study, and what is avid without being a lung lesion."""

    LYMPHOMA = "lymphoma"
    LUNG_CANCER = "lung_cancer"
    BENIGN = "benign"
    METASTASIS = "metastasis"


@dataclass(frozen=True)
class TrueLesion:
    """What is known of one lesion.

    Attributes
    ----------
    label
        Its value in the lesion mask, from 1.
    lesion_class, subtype
        One of the four groups, and what it is within it ("MALT", "adenocarcinoma", "sarcoid node" ...).
    kind
        "lung" or "node".
    place
        Where it is, in words ("right upper lobe", "left hilum" ...).
    centre_mm
        Patient coordinates (LPS) in mm, in the PET.
    volume_ml
        Of the lesion as modelled, necrosis and air included.
    suv_max, suv_mean
        True SUVbw in g/ml, before the scanner blurs it: of its hottest part, and over its volume.
    hu
        Mean CT number in HU.
    signs
        CT signs that it carries ("spiculated", "air bronchogram", "calcium" ...).
    tracking_uid
        DICOM UID that names it in every output.

    """

    label: int
    lesion_class: LesionClass
    subtype: str
    kind: Literal["lung", "node"]
    place: str
    centre_mm: tuple[float, float, float]
    volume_ml: float
    suv_max: float
    suv_mean: float
    hu: float
    signs: tuple[str, ...]
    tracking_uid: str


@dataclass(frozen=True)
class Acquisition:
    """How a study was acquired; what the headers say follows from it.

    Attributes
    ----------
    scanner
        Key of `fdglung.phantom.scanner.SCANNERS`.
    reconstruction
        Name of one of the scanner's reconstructions.
    tracer
        Key of `fdglung.phantom.uptake.TRACERS`.
    injected_dose_bq
        Activity at the time of injection.
    injected, started
        Local times of injection and of the PET's start; values are decay corrected to `started`.
    bed_seconds
        Time a bed position.
    dose_factor
        Counts are those of the injected dose divided by this.
    ct_mas, ct_kernel, ct_contrast, ct_slice_mm
        Tube current and time, reconstruction kernel, contrast medium's phase, slice thickness.

    """

    scanner: str
    reconstruction: str
    tracer: str
    injected_dose_bq: float
    injected: datetime
    started: datetime
    bed_seconds: float
    dose_factor: float = 1.0
    ct_mas: float = 50.0
    ct_kernel: Kernel = "soft"
    ct_contrast: Contrast = "none"
    ct_slice_mm: float = 3.0


@dataclass(frozen=True)
class SyntheticStudy:
    """A synthetic PET/CT and the truth about it. Images lie in patient space (LPS, mm).

    Attributes
    ----------
    subject, acquisition
        Who and how.
    ct
        int16, HU.
    pet
        float32, SUVbw in g/ml.
    pet_nac
        float32, PET without attenuation correction in arbitrary units (the corrected image's scale, lowered by what
        the body absorbs), on the PET's grid; None where it was not asked for.
    lesions
        The true lesions.
    lesion_mask
        uint16 on the PET grid: voxels of which a lesion fills at least half, by label.
    ct_lesion_mask
        uint16 on the CT grid, likewise, where the lesion is at the moment of the CT.
    organs, ct_organs
        uint8 on the PET and on the CT grid: values of `fdglung.phantom.organs.Organ`; 0 elsewhere.
    parameters
        Everything that the study was made from, seed and version included: plain JSON values.

    """

    subject: Subject
    acquisition: Acquisition
    ct: sitk.Image
    pet: sitk.Image
    pet_nac: sitk.Image | None
    lesions: tuple[TrueLesion, ...]
    lesion_mask: sitk.Image
    ct_lesion_mask: sitk.Image
    organs: sitk.Image
    ct_organs: sitk.Image
    parameters: dict[str, object] = field(default_factory=dict)
