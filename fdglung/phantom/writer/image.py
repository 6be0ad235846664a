"""What the headers of CT and PET share: patient, study, equipment, geometry, and that all of it is synthetic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from fdglung import __version__
from fdglung.phantom.subject import Subject
from fdglung.phantom.writer.scan import Scan

PATIENT_NAME = "SYNTHETIC^PHANTOM"
"""PatientName of every study."""

MARK = "synthetic"
"""Stands in SeriesDescription, StudyDescription and ImageComments."""


def series_template(scan: Scan, role: str, number: int, description: str, image: sitk.Image) -> Dataset:
    """Return the header that all images of a series share, without times and modality.

    Parameters
    ----------
    scan
        What the study's headers follow from.
    role
        Names the series among the UIDs.
    number, description
        SeriesNumber and SeriesDescription; the latter gets the mark.
    image
        Its geometry is the series'.

    """
    dataset = identity(scan)
    columns, rows, _ = image.GetSize()
    across, down, along = image.GetSpacing()
    set_values(
        dataset,
        {
            "SeriesInstanceUID": scan.uid(role),
            "SeriesNumber": number,
            "SeriesDescription": f"{description} {MARK}",
            "ImageComments": _comment(scan),
            "PatientPosition": "HFS",
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "Rows": rows,
            "Columns": columns,
            "PixelSpacing": [decimal(down), decimal(across)],
            "SliceThickness": decimal(along),
            "ReconstructionDiameter": decimal(columns * across),
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BodyPartExamined": scan.body_part,
        },
    )
    return dataset


def identity(scan: Scan) -> Dataset:
    """Return patient, study and equipment, alike in every object of a study."""
    subject, studied = scan.study.subject, scan.timing.ct_started
    dataset = Dataset()
    set_values(
        dataset,
        {
            "SpecificCharacterSet": "ISO_IR 192",
            "PatientName": PATIENT_NAME,
            "PatientID": patient_id(subject),
            "PatientBirthDate": f"{studied - timedelta(days=365.25 * subject.age_years):%Y%m%d}",
            "PatientSex": subject.sex,
            "PatientAge": f"{int(subject.age_years):03d}Y",
            "PatientSize": decimal(subject.height_cm / 100),
            "PatientWeight": decimal(scan.weight_kg),
            "QualityControlSubject": "YES",
            "StudyInstanceUID": scan.uid("study"),
            "StudyDate": f"{studied:%Y%m%d}",
            "StudyTime": studied.strftime(scan.habits.time_format),
            "StudyID": "1",
            "StudyDescription": f"{MARK} {scan.study.acquisition.tracer.upper()} PET/CT",
            "AccessionNumber": "",
            "ReferringPhysicianName": "",
            "Manufacturer": scan.habits.manufacturer,
            "ManufacturerModelName": scan.scanner.model,
            "InstitutionName": "SYNTHETIC",
            "DeviceSerialNumber": "0",
            "SoftwareVersions": f"fdglung {__version__}",
            "FrameOfReferenceUID": scan.uid("frame of reference"),
            "PositionReferenceIndicator": "",
            "BurnedInAnnotation": "NO",
            "ContributingEquipmentSequence": [contributing_equipment()],
        },
    )
    return dataset


def patient_id(subject: Subject) -> str:
    """Return a PatientID that follows from the subject and says that there is no patient."""
    values = asdict(subject) | {"finds": sorted(subject.finds)}
    return f"SYNTHETIC-{hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]}"


def contributing_equipment() -> Dataset:
    """Return the item that names this software as what synthesised the object (PS3.3 C.12.1.1.5, CID 7005)."""
    equipment = Dataset()
    equipment.Manufacturer = "fdglung"
    equipment.ManufacturerModelName = "fdglung phantom"
    equipment.SoftwareVersions = __version__
    equipment.ContributionDescription = "The images are synthetic: no person was scanned"
    equipment.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.SynthesizingEquipment)]
    return equipment


def set_times(dataset: Dataset, scan: Scan, series: datetime, acquired: datetime, content: datetime) -> None:
    """Set date and time of series, acquisition and content as the vendor spells them."""
    for kind, moment in (("Series", series), ("Acquisition", acquired), ("Content", content)):
        setattr(dataset, f"{kind}Date", f"{moment:%Y%m%d}")
        setattr(dataset, f"{kind}Time", moment.strftime(scan.habits.time_format))


def set_values(dataset: Dataset, values: dict[str, Any]) -> None:
    """Set attributes by keyword; None removes one."""
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)


def instances(scan: Scan, template: Dataset, role: str, image: sitk.Image) -> Iterator[tuple[int, Dataset]]:
    """Give each slice a header of its own, in the order of the image's z axis.

    Yields
    ------
    index, dataset
        The header lacks what depends on modality and pixels. Slices share the elements that they have in common.

    """
    x, y, low = image.GetOrigin()
    _, _, count = image.GetSize()
    spacing = image.GetSpacing()[2]
    for index in range(count):
        dataset = Dataset()
        dataset.update(dict(template.items()))
        dataset.SOPInstanceUID = scan.uid(f"{role} {index}")
        dataset.InstanceNumber = count - index if scan.habits.head_first else index + 1
        height = decimal(low + index * spacing)
        dataset.ImagePositionPatient = [decimal(x), decimal(y), height]
        dataset.SliceLocation = height
        dataset.file_meta = _file_meta(dataset)
        yield index, dataset


def code_item(code: Code) -> Dataset:
    """Return the item of a code sequence."""
    item = Dataset()
    item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def decimal(value: float) -> str:
    """Spell a number as a decimal string (DS): to a millionth, without trailing zeros."""
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def _comment(scan: Scan) -> str:
    factor = scan.study.acquisition.dose_factor
    counts = f"; counts of 1/{factor:g} of the injected dose" if factor != 1 else ""
    return f"{MARK} image made by fdglung {__version__}, no person was scanned{counts}"


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta
