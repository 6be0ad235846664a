"""Headers like those of the SUV reference objects, to be changed by each test."""

from __future__ import annotations

from typing import Any

import pydicom
from pydicom import DataElement, Dataset

from tests.cases import case

DOSE = 368_080_000.0
HALF_LIFE = 6586.2
WEIGHT = 70.0
INJECTION = (
    "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "Radiopharmaceutical",
)


def header(**changes: Any) -> Dataset:
    """A slice of the default reference object: BQML, START, F-18 at 10:00, scan at 11:00; None removes."""
    dataset = Dataset()
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "^18^Fluorine"
    item.RadionuclideCodeSequence = [code]
    dataset.RadiopharmaceuticalInformationSequence = [item]
    values: dict[str, Any] = {
        "Modality": "PT",
        "SeriesNumber": 4,
        "SeriesInstanceUID": "1.2.3",
        "Manufacturer": "Synthetic",
        "Units": "BQML",
        "CorrectedImage": ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"],
        "DecayCorrection": "START",
        "RescaleSlope": "1.0",
        "RescaleIntercept": "0.0",
        "PatientSex": "O",
        "PatientSize": "1.75",
        "PatientWeight": str(WEIGHT),
        "SeriesDate": "20250101",
        "SeriesTime": "110000.000000",
        "AcquisitionDate": "20250101",
        "AcquisitionTime": "110000.000000",
        "FrameReferenceTime": "150000.0",
        "ActualFrameDuration": "300000",
        "DecayFactor": "1.0",
        "Radiopharmaceutical": "FDG",
        "RadiopharmaceuticalStartTime": "100000.000000",
        "RadiopharmaceuticalStartDateTime": "20250101100000.000000",
        "RadionuclideTotalDose": str(DOSE),
        "RadionuclideHalfLife": str(HALF_LIFE),
    } | changes
    for keyword, value in values.items():
        target = item if keyword in INJECTION else dataset
        if value is not None:
            setattr(target, keyword, value)
    return dataset


def add_private(dataset: Dataset, tag: int, vr: str, value: Any, creator: str | None = None) -> Dataset:
    """Put a private element in, with its creator or without."""
    if creator is not None:
        dataset.add(DataElement((tag & 0xFFFF0000) | (tag >> 8 & 0xFF), "LO", creator))
    dataset.add(DataElement(tag, vr, value))
    return dataset


def factor(uptake_s: float, *, dose: float = DOSE, half_life: float = HALF_LIFE, weight: float = WEIGHT) -> float:
    """SUVbw of 1 Bq/ml: weight in g over the dose left."""
    return float(1000 * weight / (dose * 0.5 ** (uptake_s / half_life)))


def read_series(relative: str, *, pixels: bool = True) -> list[Dataset]:
    """Read a real series from foot to head; skip where it is not there."""
    series = [pydicom.dcmread(path, stop_before_pixels=not pixels) for path in case(relative).glob("*.dcm")]
    return sorted(series, key=lambda dataset: float(dataset.ImagePositionPatient[2]))
