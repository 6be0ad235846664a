"""The tables of an evaluation as files: CSV for people and spreadsheets, JSON for machines."""

from __future__ import annotations

import csv
import json
import math
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.evaluation.froc import Froc
from fdglung.evaluation.results import CaseResult, CaseRow, LesionRow, PredictedRow
from fdglung.evaluation.settings import EvaluationSettings
from fdglung.evaluation.summary import Summary


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
    _rows(folder / "summary.csv", [*document["figures"][0]], document["figures"])
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
    if summary.froc is not None:
        points = [dict(zip(_POINT, point, strict=True)) for point in _points(summary.froc)]
        _rows(folder / "froc.csv", _POINT, points)


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
        "software": {"fdglung": __version__, "python": platform.python_version(), **_versions()},
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
                **{name: _finite(value) for name, value in asdict(row.estimate).items()},
            }
            for row in summary.rows
        ],
        "froc": None
        if summary.froc is None
        else [dict(zip(_POINT, map(_finite, point), strict=True)) for point in _points(summary.froc)],
        "absent": summary.absent,
        "warnings": [f"{row.case}: {row.warnings}" for row in rows if row.warnings],
    }


_POINT = ("threshold", "false_positives_per_scan", "sensitivity")


def _points(curve: Froc) -> list[tuple[float, ...]]:
    columns = (curve.thresholds, curve.false_per_scan, curve.sensitivity)
    return [tuple(map(float, point)) for point in zip(*columns, strict=True)]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("numpy", "scipy", "scikit-image", "SimpleITK")}


def _csv(path: Path, kind: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    _rows(path, [field.name for field in fields(kind)], rows)


def _rows(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(row[name]) for name in columns} for row in rows)


def _cell(value: object) -> object:
    """Return what a cell holds: nothing for what is not defined, 1 or 0 for yes or no, digits enough for a float."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return f"{value:.8g}" if math.isfinite(value) else ""
    return "" if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
