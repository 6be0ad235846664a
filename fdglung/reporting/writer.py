"""The whole report of a study, written together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fdglung.files import written_together
from fdglung.findings import to_csv, to_json, units_csv
from fdglung.lesions import Lesion
from fdglung.pipeline import Analysis

if TYPE_CHECKING:
    from pydicom import Dataset

MOST_VIEWS = 12
"""Lesions that get a triplane view: the largest ones; the table lists all."""


def write_report(
    analysis: Analysis,
    folder: Path | str,
    *,
    overwrite: bool = False,
    segmentation_type: Literal["BINARY", "LABELMAP"] = "BINARY",
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Path]:
    """Write DICOM SEG, SR and PDF, the PDF itself, the tables, the findings and the pictures of a study.

    Parameters
    ----------
    analysis
        A study with its findings; it must have a PET.
    folder
        Output folder; it appears complete or not at all.
    overwrite
        Whether an earlier report may be replaced.
    segmentation_type
        ``BINARY``, read by every viewer, or ``LABELMAP`` (DICOM 2024c and later).
    progress
        Called with what is done next and the share that is done, from 0 to 1.

    Returns
    -------
    dict
        File name to path: ``lesions.seg.dcm``, ``measurements.sr.dcm``, ``report.dcm``, ``report.pdf``,
        ``lesions.csv``, ``lesions_units.csv``, ``findings.json``, ``mip.png`` and ``lesion_01.png`` and so on for the
        `MOST_VIEWS` largest lesions.

    Raises
    ------
    NoPetError
        The study has no PET.
    ParameterError, InconsistentSeriesError
        The analysis contradicts itself or its headers.
    OutputExistsError, OutputWriteError
        The folder is in use, or writing failed; nothing half-written is left.

    """
    from fdglung.reporting import check, dicom_pdf, dicom_seg, dicom_sr, figures, pdf
    from fdglung.reporting.dicom_common import pet_headers

    tell = progress or (lambda step, share: None)
    pet_headers(analysis)
    with written_together(folder, overwrite=overwrite) as temporary:
        tell("Segmentation", 0.0)
        segmentation = dicom_seg.segmentation(analysis, segmentation_type=segmentation_type)
        _save(segmentation, temporary / "lesions.seg.dcm")
        tell("Structured report", 0.2)
        _save(dicom_sr.measurement_report(analysis, segmentation), temporary / "measurements.sr.dcm")
        tell("Pictures", 0.4)
        mip = figures.png(figures.mip(analysis))
        (temporary / "mip.png").write_bytes(mip)
        views = {}
        for lesion in pictured(analysis.findings.lesions):
            views[lesion.label] = figures.png(figures.triplane(analysis, lesion.label))
            (temporary / f"lesion_{lesion.label:02d}.png").write_bytes(views[lesion.label])
        tell("PDF", 0.7)
        document = pdf.build(analysis, mip=mip, views=views)
        (temporary / "report.pdf").write_bytes(document)
        _save(dicom_pdf.encapsulated_pdf(analysis, document), temporary / "report.dcm")
        tell("Tables", 0.85)
        (temporary / "lesions.csv").write_text(to_csv(analysis.findings), encoding="utf-8")
        (temporary / "lesions_units.csv").write_text(units_csv(), encoding="utf-8")
        (temporary / "findings.json").write_text(to_json(analysis.findings), encoding="utf-8")
        tell("Check", 0.9)
        check.check_report(analysis, temporary)
        names = sorted(path.name for path in temporary.iterdir())
    tell("Report written", 1.0)
    return {name: Path(folder).resolve() / name for name in names}


def pictured(lesions: tuple[Lesion, ...]) -> tuple[Lesion, ...]:
    """Choose the lesions that get a triplane view: the `MOST_VIEWS` largest by MTV, in the order of their numbers.

    Parameters
    ----------
    lesions
        All lesions.

    Returns
    -------
    tuple of Lesion
        All of them, or the largest.

    """
    largest = sorted(lesions, key=lambda lesion: (-lesion.mtv_ml, lesion.label))[:MOST_VIEWS]
    return tuple(sorted(largest, key=lambda lesion: lesion.label))


def _save(dataset: Dataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)
