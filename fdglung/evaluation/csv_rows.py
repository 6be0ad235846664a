"""A CSV file as rows that know their line, so that whatever is wrong can be named."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fdglung.errors import MissingColumnError, UnreadableTableError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", ".", "-", "<na>"})
"""What a cell without a value holds, in lower case."""


@dataclass(frozen=True)
class Rows:
    """A table as text.

    Attributes
    ----------
    path
        Where it was read.
    columns
        Names in the header, in order, without blanks at their ends.
    cells
        Column to the text of each row, without blanks at its ends; "" where the cell holds one of `MISSING`.
    lines
        Line of the file that each row ends at; the header is line 1.

    """

    path: Path
    columns: tuple[str, ...]
    cells: Mapping[str, tuple[str, ...]]
    lines: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.lines)


def read_rows(path: Path, *, needed: Iterable[str] = ()) -> Rows:
    """Read a CSV file in UTF-8 with commas and one header.

    Parameters
    ----------
    path
        The file.
    needed
        Columns that must be there.

    Raises
    ------
    UnreadableTableError
        The file is not there, is no such CSV, has two columns of one name, or has no row.
    MissingColumnError
        A column is missing.

    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            header = tuple(name.strip() for name in next(reader, ()))
            read = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, f"cannot be read ({error})", "Write it as CSV in UTF-8 with commas") from error
    if len(header) == 1 and any(mark in header[0] for mark in ";\t"):
        raise _unreadable(path, "is parted by semicolons or tabs", "Write it with commas, and points in numbers")
    if not header:
        raise _unreadable(path, "is empty", "Give it a header, and a row a patient or lesion")
    unnamed = [place + 1 for place, name in enumerate(header) if not name]
    if unnamed:
        raise _unreadable(path, f"has no name for the columns {shown(unnamed)}", "Give every column a name in line 1")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise _unreadable(path, f"has two columns of the name {shown(twice)}", "Give every column a name of its own")
    uneven = [line for line, row in read if len(row) != len(header)]
    if uneven:
        raise _unreadable(
            path,
            f"has other than {len(header)} cells in {lines_text(uneven)}",
            "Put text that holds commas in quotation marks, and a comma for every empty cell",
        )
    if not read:
        raise _unreadable(path, "has no row below its header", "Give it a row a patient or lesion")
    absent = [name for name in needed if name not in header]
    if absent:
        raise MissingColumnError(
            f"the table {path} has no column {shown(absent)}",
            attribute=f"columns {shown(header)}",
            remedy="Name the columns in the header as the documentation does",
        )
    cells = {name: tuple(_text(row[place]) for _, row in read) for place, name in enumerate(header)}
    return Rows(path, header, cells, tuple(line for line, _ in read))


def number(text: str) -> float | None:
    """Return the number that a cell holds; None where it holds none (thousands marks and underscores are none)."""
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def finite_number(text: str) -> float | None:
    """Return the finite number that a cell holds, or None."""
    value = number(text)
    return None if value is None or not math.isfinite(value) else value


def lines_text(lines: Sequence[int]) -> str:
    """Return lines in words: ``line 3``, ``lines 3, 4, 9 and 12 more``."""
    return f"line{'' if len(lines) == 1 else 's'} {shown(lines)}"


def shown(values: Iterable[object], most: int = 8) -> str:
    """Return the first of some values, and how many more there are."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _text(cell: str) -> str:
    text = cell.strip()
    return "" if text.lower() in MISSING else text


def _unreadable(path: Path, problem: str, remedy: str) -> UnreadableTableError:
    return UnreadableTableError(f"the table {path} {problem}", attribute="CSV", remedy=remedy)
