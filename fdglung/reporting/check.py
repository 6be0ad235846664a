"""The written report read back, before it gets its name."""

from __future__ import annotations

import csv
from pathlib import Path

import highdicom as hd
import numpy as np
import SimpleITK as sitk
from pydicom import dcmread

from fdglung.errors import OutputWriteError
from fdglung.findings import from_json, to_json
from fdglung.pipeline import Analysis
from fdglung.reporting.dicom_common import image_rows, pet_headers


def check_report(analysis: Analysis, folder: Path) -> None:
    """Read the files of a report that are there, and compare them with what they were made from.

    Parameters
    ----------
    analysis
        A study with its findings.
    folder
        Where the report was written.

    Raises
    ------
    OutputWriteError
        A file does not say what it should.

    """
    checks = {
        "lesions.seg.dcm": _seg,
        "measurements.sr.dcm": _sr,
        "report.pdf": _pdf,
        "report.dcm": _dicom_pdf,
        "findings.json": _findings,
        "lesions.csv": _table,
    }
    for name, check in checks.items():
        path = folder / name
        _require(not path.exists() or check(analysis, path), name)


def _seg(analysis: Analysis, path: Path) -> bool:
    return _same_mask(hd.seg.segread(path), analysis)


def _sr(analysis: Analysis, path: Path) -> bool:
    groups = hd.sr.srread(path).content.get_volumetric_roi_measurement_groups()
    uids = [str(group.tracking_uid) for group in groups]
    return uids == [lesion.tracking_uid for lesion in analysis.findings.lesions]


def _pdf(analysis: Analysis, path: Path) -> bool:
    return _whole(path.read_bytes())


def _dicom_pdf(analysis: Analysis, path: Path) -> bool:
    document = dcmread(path)
    held: bytes = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    beside = path.with_name("report.pdf")
    return _whole(held) and (not beside.exists() or held == beside.read_bytes())


def _whole(pdf: bytes) -> bool:
    return pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")


def _findings(analysis: Analysis, path: Path) -> bool:
    return to_json(from_json(path.read_text(encoding="utf-8"))) == to_json(analysis.findings)


def _table(analysis: Analysis, path: Path) -> bool:
    with path.open(encoding="utf-8", newline="") as file:
        labels = [row["lesion"] for row in csv.DictReader(file)]
    return labels == [str(lesion.label) for lesion in analysis.findings.lesions]


def _same_mask(seg: hd.seg.Segmentation, analysis: Analysis) -> bool:
    headers = pet_headers(analysis)
    if len(headers) == analysis.lesions.GetDepth():
        stored = seg.get_pixels_by_source_instance(
            [header.SOPInstanceUID for header in headers],
            combine_segments=True,
            ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )
    else:
        stored = seg.get_pixels_by_source_frame(
            headers[0].SOPInstanceUID,
            list(range(1, analysis.lesions.GetDepth() + 1)),
            combine_segments=True,
            ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )
    return bool(np.array_equal(stored, sitk.GetArrayViewFromImage(analysis.lesions)[image_rows(analysis)]))


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise OutputWriteError(
            f"The file {name} does not hold what was found when it is read back; nothing was left",
            attribute=name,
            remedy="Check the disk and try again; if it happens again, report it as a fault of this software",
        )
