"""Rows written as files: CSV for spreadsheets, Markdown for people, JSON for machines."""

from __future__ import annotations

import csv
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE, __version__


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows in UTF-8 with commas; what is not defined is an empty cell.

    Parameters
    ----------
    path
        The file.
    columns
        Header, and keys of each row.
    rows
        Yes and no become 1 and 0, floats have eight digits, None and NaN become nothing.

    """
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _cell(row[name]) for name in columns} for row in rows)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document in UTF-8; it must hold no NaN and no infinity (see `finite_or_none`)."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def write_markdown(path: Path, title: str, blocks: Iterable[str]) -> None:
    """Write a page: title, the notice, and blocks (paragraphs, tables) with a blank line between."""
    path.write_text("\n\n".join([f"# {title}", RESEARCH_NOTICE, *blocks]) + "\n", encoding="utf-8")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown; bars, line ends and marks of HTML in the cells are made harmless."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_markdown_cell(cell) for cell in line) + " |" for line in lines)


def plain(text: str) -> str:
    """Return text that a page of Markdown shows as it is: names from a table may hold anything."""
    for mark in ("\\", "`", "*", "_", "|", "[", "]", "<", ">", "#", "~"):
        text = text.replace(mark, "&lt;" if mark == "<" else "&gt;" if mark == ">" else f"\\{mark}")
    return " ".join(text.split())


def software(*packages: str) -> dict[str, str]:
    """Return the versions of this library, of Python and of packages."""
    named = {name: version(name) for name in packages}
    return {"fdglung": __version__, "python": platform.python_version(), **named}


def finite_or_none(value: float) -> float | None:
    """Return a number that JSON can hold, or None."""
    return value if math.isfinite(value) else None


def p_text(p: float) -> str:
    """Return a p value with three digits after the point, as journals ask; ``-`` where it is not defined."""
    if not math.isfinite(p):
        return "-"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _cell(value: object) -> object:
    """Return what a cell holds: nothing for what is not defined, 1 or 0 for yes or no, digits enough for a float."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return f"{value:.8g}" if math.isfinite(value) else ""
    return "" if value is None else value


def _markdown_cell(cell: str) -> str:
    return cell if set(cell) == {"-"} else plain(cell)
