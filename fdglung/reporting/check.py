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
    """Read a report's files and compare them with what they were made from.

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
    seg = hd.seg.segread(folder / "lesions.seg.dcm")
    _require(_same_mask(seg, analysis), "lesions.seg.dcm")
    sr = hd.sr.srread(folder / "measurements.sr.dcm")
    groups = sr.content.get_volumetric_roi_measurement_groups()
    uids = [str(group.tracking_uid) for group in groups]
    _require(uids == [lesion.tracking_uid for lesion in analysis.findings.lesions], "measurements.sr.dcm")
    document = dcmread(folder / "report.dcm")
    pdf = (folder / "report.pdf").read_bytes()
    whole = pdf.startswith(b"%PDF") and pdf.rstrip().endswith(b"%%EOF")
    _require(whole and document.EncapsulatedDocument[: document.EncapsulatedDocumentLength] == pdf, "report.dcm")
    findings = from_json((folder / "findings.json").read_text(encoding="utf-8"))
    _require(to_json(findings) == to_json(analysis.findings), "findings.json")
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as file:
        labels = [row["lesion"] for row in csv.DictReader(file)]
    _require(labels == [str(lesion.label) for lesion in analysis.findings.lesions], "lesions.csv")


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
