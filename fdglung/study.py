"""A study: PET in SUVbw and CT in HU on their own grids, with the headers that outputs refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import SimpleITK as sitk
from pydicom import Dataset

from fdglung.dicom.series import SeriesVerdict
from fdglung.dicom.suv import SuvRecord


@dataclass(frozen=True)
class Study:
    """One patient's PET and CT, either of which may be absent.

    Attributes
    ----------
    pet
        SUVbw in g/ml, float32, in patient space (LPS, mm).
    ct
        Hounsfield units, float32 or int16, in patient space (LPS, mm).
    pet_headers, ct_headers
        Headers without pixel data: one a slice in the order of the image's z axis (classic series), or the single
        header of an enhanced multi-frame object.
    suv
        How PET became SUV; None where there is no PET.
    series
        Every series that was found, whether it was taken, and why or why not.
    warnings
        What a physician must know about the input, in full sentences.

    """

    pet: sitk.Image | None
    ct: sitk.Image | None
    pet_headers: tuple[Dataset, ...] = field(default=(), repr=False)
    ct_headers: tuple[Dataset, ...] = field(default=(), repr=False)
    suv: SuvRecord | None = None
    series: tuple[SeriesVerdict, ...] = ()
    warnings: tuple[str, ...] = ()


def load(source: Path | str) -> Study:
    """To be written."""
    raise RuntimeError(source)
