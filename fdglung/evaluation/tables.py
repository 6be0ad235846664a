"""The tables of an evaluation as files: CSV for people and spreadsheets, JSON for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.evaluation.froc import Froc
from fdglung.evaluation.results import CaseResult, CaseRow, LesionRow, PredictedRow
from fdglung.evaluation.settings import EvaluationSettings
from fdglung.evaluation.summary import Summary
from fdglung.evaluation.written_rows import finite_or_none, software, write_csv, write_json


def write_tables(
    folder: Path,
    results: Sequence[CaseResult],
    summary: Summary,
    settings: EvaluationSettings,
    *,
    inputs: dict[str, str | None],
) -> None:
    """Write ``cases.csv``, ``lesions.csv``, ``predicted.csv``, ``summary.csv``, ``summary.json``, ``froc.csv``.

    What is not defined is an empty cell, or null.

    Parameters
    ----------
    folder
        Exists.
    results, summary, settings
        Of the evaluation.
    inputs
        The options that named the input, for the record.

    """
    _csv(folder / "cases.csv", CaseRow, (asdict(result.row) for result in results))
    _csv(folder / "lesions.csv", LesionRow, (asdict(row) for result in results for row in result.lesions))
    _csv(folder / "predicted.csv", PredictedRow, (asdict(row) for result in results for row in result.predicted))
    document = summary_document(results, summary, settings, inputs=inputs)
    write_csv(folder / "summary.csv", [*document["figures"][0]], document["figures"])
    write_json(folder / "summary.json", document)
    if summary.froc is not None:
        points = [dict(zip(_POINT, point, strict=True)) for point in _points(summary.froc)]
        write_csv(folder / "froc.csv", _POINT, points)


def summary_document(
    results: Sequence[CaseResult],
    summary: Summary,
    settings: EvaluationSettings,
    *,
    inputs: dict[str, str | None],
) -> dict[str, Any]:
    """Return what ``summary.json`` holds."""
    rows = [result.row for result in results]
    return {
        "notice": RESEARCH_NOTICE,
        "software": software("numpy", "scipy", "scikit-image", "SimpleITK"),
        "inputs": inputs,
        "settings": asdict(settings),
        "counts": {
            "cases": len(rows),
            "patients": len({row.patient for row in rows}),
            "centres": sorted({row.centre for row in rows} - {""}),
            "cases_with_lesions": sum(row.lesions_true > 0 for row in rows),
            "cases_without_lesions": sum(row.lesions_true == 0 for row in rows),
            "lesions_true": sum(row.lesions_true for row in rows),
            "lesions_predicted": sum(row.lesions_predicted for row in rows),
        },
        "figures": [
            {
                "group": row.group,
                "level": row.level,
                "measure": row.measure,
                **{name: finite_or_none(value) for name, value in asdict(row.estimate).items()},
            }
            for row in summary.rows
        ],
        "froc": None
        if summary.froc is None
        else [dict(zip(_POINT, map(finite_or_none, point), strict=True)) for point in _points(summary.froc)],
        "absent": summary.absent,
        "warnings": [f"{row.case}: {row.warnings}" for row in rows if row.warnings],
    }


_POINT = ("threshold", "false_positives_per_scan", "sensitivity")


def _points(curve: Froc) -> list[tuple[float, ...]]:
    columns = (curve.thresholds, curve.false_per_scan, curve.sensitivity)
    return [tuple(map(float, point)) for point in zip(*columns, strict=True)]


def _csv(path: Path, kind: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    write_csv(path, [field.name for field in fields(kind)], rows)
