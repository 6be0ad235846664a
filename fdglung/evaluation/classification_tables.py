"""The tables of an evaluation of class probabilities as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.evaluation.bootstrap import Estimate
from fdglung.evaluation.class_measures import roc_points
from fdglung.evaluation.class_parts import Part
from fdglung.evaluation.classification_page import write_page
from fdglung.evaluation.classification_settings import ClassificationSettings
from fdglung.evaluation.resampled import Difference, Key
from fdglung.evaluation.written_rows import finite_or_none, software, write_csv, write_json

_WHERE = ("level", "set", "centre")
_OVER = ("over", "class")
_ESTIMATE = ("value", "low", "high", "n", "patients")


def write_tables(
    folder: Path,
    parts: Sequence[Part],
    settings: ClassificationSettings,
    *,
    inputs: Mapping[str, str | None],
    warnings: Sequence[str],
    absent: Mapping[str, str],
) -> None:
    """Write the figures, the curves and the page.

    ``measures.csv``, ``confusion.csv``, ``calibration.csv``, ``roc.csv``, ``decision_curve.csv``, with a second model
    ``comparison.csv``, and all of them but the curves in ``classification.md`` and ``classification.json``. What is not
    defined is an empty cell, or null.

    Parameters
    ----------
    folder
        Exists.
    parts, settings, warnings, absent
        Of the evaluation.
    inputs
        The options that named the input, for the record.

    """
    figures = [row for part in parts for row in _measure_rows(part)]
    compared = [row for part in parts for row in _comparison_rows(part)]
    matrices = [row for part in parts for row in _confusion_rows(part)]
    write_csv(folder / "measures.csv", [*_WHERE, "measure", *_OVER, *_ESTIMATE], figures)
    write_csv(folder / "confusion.csv", [*_WHERE, "true", "predicted", "count"], matrices)
    write_csv(
        folder / "calibration.csv",
        [*_WHERE, *_OVER, "bin", "from", "to", "rows", "mean_probability", "observed", "low", "high"],
        (row for part in parts for row in _calibration_rows(part, settings.bins)),
    )
    write_csv(
        folder / "roc.csv",
        [*_WHERE, "model", "class", "threshold", "false_positive_rate", "true_positive_rate"],
        (row for part in parts for row in _roc_rows(part)),
    )
    write_csv(
        folder / "decision_curve.csv",
        [*_WHERE, "class", "threshold", "net_benefit", "low", "high", "everyone", "nobody"],
        (row for part in parts for row in _decision_rows(part)),
    )
    if compared:
        write_csv(folder / "comparison.csv", list(compared[0]), compared)
    write_page(folder / "classification.md", parts, settings, warnings=warnings)
    document = {
        "notice": RESEARCH_NOTICE,
        "software": software("numpy", "scipy", "scikit-learn", "matplotlib"),
        "inputs": dict(inputs),
        "settings": asdict(settings),
        "classes": list(parts[0].predictions.classes),
        "figures": [_json_row(row) for row in figures],
        "comparison": [_json_row(row) for row in compared],
        "confusion": matrices,
        "absent": dict(absent),
        "warnings": list(warnings),
    }
    write_json(folder / "classification.json", document)


def _where(part: Part) -> dict[str, str]:
    return {"level": part.level, "set": part.set_name, "centre": part.centre}


def _over(name: str) -> dict[str, str]:
    """Return what a figure is over, and the class if it is one."""
    is_class = name.startswith("class ")
    return {"over": "class" if is_class else name, "class": name.removeprefix("class ") if is_class else ""}


def _measure_rows(part: Part) -> Iterator[dict[str, Any]]:
    for (measure, over), found in part.measures.estimates().items():
        yield {**_where(part), "measure": measure, **_over(over), **asdict(found)}


def _comparison_rows(part: Part) -> Iterator[dict[str, Any]]:
    for (measure, over), found in part.comparison.items():
        yield {**_where(part), "measure": measure, **_over(over), **_difference_cells(found)}


def _difference_cells(found: Difference) -> dict[str, Any]:
    sides: tuple[tuple[str, Estimate], ...] = (
        ("first", found.first),
        ("second", found.second),
        ("difference", found.difference),
    )
    cells: dict[str, Any] = {}
    for name, side in sides:
        cells |= {name: side.value, f"{name}_low": side.low, f"{name}_high": side.high}
    return {**cells, "p": found.p, "n": found.difference.n, "patients": found.difference.patients}


def _confusion_rows(part: Part) -> Iterator[dict[str, Any]]:
    classes = part.predictions.classes
    for true, counts in zip(classes, part.confusion.tolist(), strict=True):
        for predicted, count in zip(classes, counts, strict=True):
            yield {**_where(part), "true": true, "predicted": predicted, "count": count}


def _calibration_rows(part: Part, bins: int) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(key[0] for key in part.reliability.values):
        for place in range(bins):
            observed = part.reliability.estimate((name, str(place), "observed"))
            yield {
                **_where(part),
                **_over(name),
                "bin": place + 1,
                "from": place / bins,
                "to": (place + 1) / bins,
                "rows": round(part.reliability.values[name, str(place), "n"]),
                "mean_probability": part.reliability.values[name, str(place), "mean_probability"],
                "observed": observed.value,
                "low": observed.low,
                "high": observed.high,
            }


def _roc_rows(part: Part) -> Iterator[dict[str, Any]]:
    present = part.predictions.present
    models = {"first": part.predictions} | ({"second": part.other} if part.other else {})
    for model, predictions in models.items():
        for place in present if len(present) > 1 else ():
            points = roc_points(predictions, place)
            for values in zip(*points.values(), strict=True):
                cells = {name: float(value) for name, value in zip(points, values, strict=True)}
                yield {**_where(part), "model": model, "class": predictions.classes[place], **cells}


def _decision_rows(part: Part) -> Iterator[dict[str, Any]]:
    keys: list[Key] = [key for key in part.decision.values if key[2] == "model"]
    for name, threshold, _ in keys:
        found = part.decision.estimate((name, threshold, "model"))
        yield {
            **_where(part),
            "class": name.removeprefix("class "),
            "threshold": float(threshold),
            "net_benefit": found.value,
            "low": found.low,
            "high": found.high,
            "everyone": part.decision.values[name, threshold, "everyone"],
            "nobody": 0.0,
        }


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: finite_or_none(value) if isinstance(value, float) else value for name, value in row.items()}
