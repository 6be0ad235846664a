"""Results of a study read back from its files, so that a report says what the files say."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASH = "-"
"""What is not defined."""


@dataclass(frozen=True)
class Figures:
    """Figures of one evaluation, as its JSON holds them.

    Attributes
    ----------
    rows
        One a figure: what it is of, ``value``, ``low``, ``high``, ``n``, ``patients``.

    """

    rows: tuple[Mapping[str, Any], ...]

    def find(self, **wanted: str) -> Mapping[str, Any] | None:
        """Return the first row with these values; None where there is none."""
        return next((row for row in self.rows if all(row.get(name) == value for name, value in wanted.items())), None)

    def text(self, digits: int = 3, /, **wanted: str) -> str:
        """Return a figure and its interval in words."""
        return estimate_text(self.find(**wanted), digits)

    def count(self, **wanted: str) -> str:
        """Return how many rows a figure rests on."""
        row = self.find(**wanted)
        return DASH if row is None else str(row["n"])


def read_figures(path: Path) -> Figures:
    """Read the figures of an evaluation's JSON file."""
    return Figures(tuple(read_json(path)["figures"]))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON document that an evaluation wrote."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def estimate_text(row: Mapping[str, Any] | None, digits: int = 3) -> str:
    """Return ``0.812 (0.700 to 0.901)``; a dash where the value is not defined."""
    if row is None or row["value"] is None:
        return DASH
    text = number_text(row["value"], digits)
    if row["low"] is None:
        return text
    return f"{text} ({number_text(row['low'], digits)} to {number_text(row['high'], digits)})"


def number_text(value: float | None, digits: int = 3) -> str:
    """Return a number with so many digits after the point; a dash where there is none."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def turned(names: Sequence[str], columns: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return rows of a table from its columns, each row begun by its name."""
    return tuple((name, *cells) for name, cells in zip(names, zip(*columns, strict=True), strict=True))


def words(name: str) -> str:
    """Return the name of a set, class or column as people write it."""
    return name.replace("_", " ")
