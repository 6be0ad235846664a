"""Small PET and CT series as DICOM files, to be changed by each test; no test may show whose they are."""

from __future__ import annotations

import copy
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from fdglung import study
from fdglung.errors import InputError
from tests.dicom.suv_headers import factor, header

SECRETS = ("SECRET", "Q4711", "19010203")
SUVBW = factor(3600)
"""SUVbw of 1 Bq/ml in these series, by the closed form of the SUV tests."""
AXIAL = (1, 0, 0, 0, 1, 0)
PET_CLASS, CT_CLASS = "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.2"
_WHOSE = {"PatientName": "SECRET^PATIENT", "PatientID": "Q4711", "PatientBirthDate": "19010203"}


def pet_series(count: int = 6, **changes: Any) -> list[Dataset]:
    """PET of 7 rows x 9 columns, 4 mm slices, slopes that differ by slice; see `_series` for what can be changed."""
    base = header(SeriesNumber=4, SeriesInstanceUID="1.2.3.4")
    base.ImageType, base.SeriesType, base.SOPClassUID = ["ORIGINAL", "PRIMARY"], ["STATIC", "IMAGE"], PET_CLASS
    defaults = {"pixel_spacing": (5.0, 4.0), "start": (-16.0, -15.0, -100.0), "step": (0.0, 0.0, 4.0)}
    slopes = changes.pop("slopes", [0.5 + 0.25 * index for index in range(count)])
    stored = changes.pop("stored", None)
    if stored is None:
        stored = np.random.default_rng(1).integers(0, 2000, (count, 7, 9)).astype(np.int16)
    series = _series(base, stored, **defaults | changes)
    for index, dataset in enumerate(series):
        if "RescaleSlope" not in changes and slopes is not None:
            dataset.RescaleSlope = slopes[index]
    return series


def ct_series(count: int = 8, **changes: Any) -> list[Dataset]:
    """CT of 12 rows x 10 columns, 3 mm slices, around the PET of `pet_series`; intercept -1024."""
    base = Dataset()
    base.Modality, base.SOPClassUID, base.SeriesNumber, base.SeriesInstanceUID = "CT", CT_CLASS, 2, "1.2.3.2"
    base.ImageType, base.RescaleSlope, base.RescaleIntercept = ["ORIGINAL", "PRIMARY", "AXIAL"], 1, -1024
    base.RescaleType, base.ConvolutionKernel = "HU", "SOFT"
    defaults = {"pixel_spacing": (4.0, 4.5), "start": (-20.0, -20.0, -101.0), "step": (0.0, 0.0, 3.0)}
    stored = changes.pop("stored", None)
    if stored is None:
        stored = np.random.default_rng(2).integers(0, 3000, (count, 12, 10)).astype(np.int16)
    return _series(base, stored, **defaults | changes)


def _series(
    base: Dataset,
    stored: np.ndarray,
    *,
    pixel_spacing: Sequence[float],
    start: Sequence[float],
    step: Sequence[float],
    orientation: Sequence[float] = AXIAL,
    **attributes: Any,
) -> list[Dataset]:
    """One dataset a slice of stored values (z, y, x), at start + k x step; an attribute of None is removed."""
    series = []
    values = {"FrameOfReferenceUID": "1.2.3.9", "StudyInstanceUID": "1.2.3.0", "StudyDate": "20250101", **_WHOSE}
    for index, plane in enumerate(stored):
        dataset = copy.deepcopy(base)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(base.SeriesInstanceUID), str(attributes), str(index)])
        dataset.InstanceNumber = index + 1
        dataset.ImageOrientationPatient = list(orientation)
        place = np.asarray(start, float) + index * np.asarray(step, float)
        dataset.ImagePositionPatient = [round(float(value), 6) for value in place]
        dataset.PixelSpacing, dataset.SliceThickness = list(pixel_spacing), float(np.linalg.norm(step))
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        for keyword, value in (values | attributes).items():
            if value is None:
                if keyword in dataset:
                    delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        set_pixels(dataset, plane)
        series.append(dataset)
    return series


def set_pixels(dataset: Dataset, plane: np.ndarray) -> None:
    """Store one slice (y, x) as it is: integers as PixelData, float32 as FloatPixelData."""
    dataset.Rows, dataset.Columns = plane.shape[-2:]
    dataset.BitsAllocated = 8 * plane.dtype.itemsize
    if plane.dtype.kind == "f":
        dataset.FloatPixelData = plane.tobytes()
        return
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    dataset.PixelRepresentation = int(plane.dtype.kind == "i")
    dataset.PixelData = plane.tobytes()
    dataset["PixelData"].VR = "OW"


def write(folder: Path, series: Sequence[Dataset], *, syntax: str = ExplicitVRLittleEndian, name: str = "") -> Path:
    """Write a series, a file a slice, compressed where the transfer syntax is an encapsulated one; returns folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, dataset in enumerate(series):
        to_file(dataset, syntax).save_as(
            folder / f"{name or dataset.Modality}{index:03d}.dcm", enforce_file_format=True
        )
    return folder


def to_file(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    """Give a dataset its file meta information and its encoding."""
    syntax = pydicom.uid.UID(syntax)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax.is_encapsulated else syntax
    file = FileDataset(
        "",
        copy.deepcopy(dataset),
        preamble=b"\0" * 128,
        file_meta=meta,
        is_implicit_VR=syntax.is_implicit_VR,
        is_little_endian=syntax.is_little_endian,
    )
    if syntax.is_encapsulated:
        file.compress(syntax, generate_instance_uid=False)
    return file


def truth_pet(series: Sequence[Dataset]) -> np.ndarray:
    """SUVbw (z, y, x) by the closed form, in the order of the list."""
    return np.stack([pixels(one) * float(one.RescaleSlope) * SUVBW for one in series])


def pixels(dataset: Dataset) -> np.ndarray:
    kind = "i" if dataset.PixelRepresentation else "u"
    return np.frombuffer(dataset.PixelData, f"<{kind}{dataset.BitsAllocated // 8}").reshape(dataset.Rows, -1)


def refusal(error: type[InputError], source: Path, **options: Any) -> str:
    """Message with which a study is refused; it must say what to do and must not say whose study it is."""
    with pytest.raises(error) as caught:
        study.load(source, **options)
    assert type(caught.value) is error
    message = str(caught.value)
    assert caught.value.remedy in message
    assert not any(secret in message for secret in SECRETS)
    return message


class Records(logging.Handler):
    """Keeps every line of every log."""

    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
