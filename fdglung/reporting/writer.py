"""The whole report of a study, written together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from fdglung.errors import ParameterError
from fdglung.files import written_together
from fdglung.findings import to_csv, to_json, units_csv
from fdglung.lesions import Lesion
from fdglung.pipeline import Analysis

if TYPE_CHECKING:
    from pydicom import Dataset

    from fdglung.radiomics import FeatureTable

Output = Literal["seg", "sr", "pdf", "csv", "json", "png"]

OUTPUTS: tuple[Output, ...] = get_args(Output)
"""Kinds of files of a report."""

MOST_VIEWS = 12
"""Lesions that get a triplane view: the largest ones; the table lists all."""


def write_report(
    analysis: Analysis,
    folder: Path | str,
    *,
    overwrite: bool = False,
    segmentation_type: Literal["BINARY", "LABELMAP"] = "BINARY",
    outputs: Collection[Output] = OUTPUTS,
    features: FeatureTable | None = None,
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
    outputs
        Some of `OUTPUTS`; the SR refers to the SEG, so ``sr`` needs ``seg``.
    features
        Radiomics of the same lesions, to be written beside the report; None for none.
    progress
        Called with what is done next and the share that is done, from 0 to 1.

    Returns
    -------
    dict
        File name to path: ``lesions.seg.dcm`` (seg), ``measurements.sr.dcm`` (sr), ``report.dcm`` and ``report.pdf``
        (pdf), ``lesions.csv`` and ``lesions_units.csv`` (csv), ``findings.json`` (json), ``mip.png`` and
        ``lesion_01.png`` and so on for the `MOST_VIEWS` largest lesions (png), ``lesion_01_class.png`` where an image
        classifier was asked, and ``features.csv`` with its columns and settings.

    Raises
    ------
    NoPetError
        The study has no PET.
    ParameterError, InconsistentSeriesError
        There is no such output, or the analysis contradicts itself or its headers.
    OutputExistsError, OutputWriteError
        The folder is in use, or writing failed; nothing half-written is left.

    """
    from fdglung.reporting import check
    from fdglung.reporting.dicom_common import pet_headers

    tell = progress or (lambda step, share: None)
    check_outputs(outputs)
    pet_headers(analysis)
    with written_together(folder, overwrite=overwrite) as temporary:
        if "seg" in outputs:
            _write_dicom(analysis, temporary, segmentation_type, outputs, tell)
        if "png" in outputs or "pdf" in outputs:
            _write_pictures(analysis, temporary, outputs, tell)
        tell("Tables", 0.85)
        if "csv" in outputs:
            (temporary / "lesions.csv").write_text(to_csv(analysis.findings), encoding="utf-8")
            (temporary / "lesions_units.csv").write_text(units_csv(analysis.findings), encoding="utf-8")
        if "json" in outputs:
            (temporary / "findings.json").write_text(to_json(analysis.findings), encoding="utf-8")
        if features is not None:
            from fdglung.radiomics import write_table

            write_table(features, temporary / "features.csv")
        tell("Check", 0.9)
        check.check_report(analysis, temporary)
        names = sorted(path.name for path in temporary.iterdir())
    tell("Report written", 1.0)
    return {name: Path(folder).resolve() / name for name in names}


def check_outputs(outputs: Collection[str]) -> None:
    """Refuse kinds of files that there are not, or that lack what they refer to.

    Raises
    ------
    ParameterError
        None or an unknown one is asked for, or ``sr`` without ``seg``.

    """
    unknown = sorted(set(outputs) - set(OUTPUTS))
    if isinstance(outputs, str) or unknown or not outputs:
        raise ParameterError(
            f"{', '.join(unknown) or 'an empty list'} is no output",
            attribute="outputs",
            remedy=f"Give some of {', '.join(OUTPUTS)}",
        )
    if "sr" in outputs and "seg" not in outputs:
        raise ParameterError(
            "the SR refers to the SEG, which is not asked for", attribute="outputs", remedy="Add seg, or leave out sr"
        )


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


def _write_dicom(
    analysis: Analysis,
    folder: Path,
    segmentation_type: Literal["BINARY", "LABELMAP"],
    outputs: Collection[Output],
    tell: Callable[[str, float], None],
) -> None:
    from fdglung.reporting import dicom_seg, dicom_sr

    tell("Segmentation", 0.0)
    segmentation = dicom_seg.segmentation(analysis, segmentation_type=segmentation_type)
    _save(segmentation, folder / "lesions.seg.dcm")
    if "sr" in outputs:
        tell("Structured report", 0.2)
        _save(dicom_sr.measurement_report(analysis, segmentation), folder / "measurements.sr.dcm")


def _write_pictures(
    analysis: Analysis, folder: Path, outputs: Collection[Output], tell: Callable[[str, float], None]
) -> None:
    from fdglung.reporting import dicom_pdf, figures, pdf

    tell("Pictures", 0.4)
    mip = figures.png(figures.mip(analysis))
    views = {
        lesion.label: figures.png(figures.triplane(analysis, lesion.label))
        for lesion in pictured(analysis.findings.lesions)
    }
    maps = {label: figures.png(figures.class_map(analysis, label)) for label in views if label in analysis.class_maps}
    if "png" in outputs:
        (folder / "mip.png").write_bytes(mip)
        for label, view in views.items():
            (folder / f"lesion_{label:02d}.png").write_bytes(view)
        for label, view in maps.items():
            (folder / f"lesion_{label:02d}_class.png").write_bytes(view)
    if "pdf" in outputs:
        tell("PDF", 0.7)
        document = pdf.build(analysis, mip=mip, views=views, maps=maps)
        (folder / "report.pdf").write_bytes(document)
        _save(dicom_pdf.encapsulated_pdf(analysis, document), folder / "report.dcm")


def _save(dataset: Dataset, path: Path) -> None:
    dataset.save_as(path, enforce_file_format=True)
