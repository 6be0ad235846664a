"""A table of patients or lesions by group: which columns are numbers, which are categories, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import MixedColumnError, SmallGroupError
from fdglung.evaluation.csv_rows import Rows, finite_number, lines_text, number, read_rows, shown
from fdglung.evaluation.response import CATEGORIES, category
from fdglung.evaluation.statistics_settings import StatisticsSettings

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IDS = frozenset({"patient", "lesion", "case", "study", "id", "tracking_uid"})
"""Columns that name rows and are left out."""

MOST_CATEGORIES = 20
"""A column of text with more is left out: names, dates, remarks."""


@dataclass(frozen=True)
class Variable:
    """A column.

    Attributes
    ----------
    name
        In the header.
    numbers
        Values (rows,), NaN where missing; None for categories.
    texts
        Categories (rows,), "" where missing; empty for numbers.
    categories
        In order; empty for numbers.

    """

    name: str
    numbers: Floats | None
    texts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataTable:
    """A table by group.

    Attributes
    ----------
    by
        Column of the groups.
    groups
        Their names, in order.
    rows
        Places of each group's rows, in the order of `groups`.
    variables
        The other columns that are kept.
    warnings
        What was left out and what to know, in full sentences.

    """

    by: str
    groups: tuple[str, ...]
    rows: tuple[Ints, ...]
    variables: tuple[Variable, ...]
    warnings: tuple[str, ...]

    def variable(self, name: str) -> Variable | None:
        """Return a column, if it is kept."""
        return next((one for one in self.variables if one.name == name), None)


def read_table(path: Path, *, by: str, settings: StatisticsSettings) -> DataTable:
    """Read a table and tell numbers from categories.

    A column is of numbers if every cell that is not missing is one, there are more than two different ones, and it is
    not named in ``settings.categorical``; otherwise it is of categories.

    Parameters
    ----------
    path
        CSV with a header.
    by
        Column of the groups; rows without one are left out with a warning.
    settings
        Names columns.

    Raises
    ------
    UnreadableTableError, MissingColumnError
        The table cannot be read, or lacks a column that was named.
    MixedColumnError
        A column holds numbers and text, or a named one text.
    SmallGroupError
        There are fewer than two groups or more than `MOST_CATEGORIES`, or a group has one row only.

    """
    response = () if settings.response is None else (settings.response,)
    named = (by, *settings.categorical, *settings.ignore, *(settings.correlate or ()), *response)
    rows = read_rows(path, needed=dict.fromkeys(named))
    labels = rows.cells[by]
    groups = in_order(label for label in labels if label)
    _check_groups(rows, by, groups)
    places = tuple(np.array([n for n, label in enumerate(labels) if label == group]) for group in groups)
    warnings = _row_warnings(rows, by)
    left = {by, *settings.ignore, *response}
    variables = []
    for name in rows.columns:
        if name in left or (name.lower() in IDS and name not in named):
            continue
        found = _variable(rows, name, settings)
        problem = _problem(found)
        if problem:
            warnings.append(f"The column {name} was left out: {problem}.")
        else:
            variables.append(found)
    lost = [
        name for name in settings.correlate or () if all(one.name != name or one.numbers is None for one in variables)
    ]
    if lost:
        raise MixedColumnError(
            f"{shown(lost)} of {path} holds no numbers of more than two values",
            attribute="--correlate",
            remedy="Name columns of numbers that --ignore and --categorical do not name",
        )
    if settings.response is not None:
        texts = tuple(category(text) for text in rows.cells[settings.response])
        known = {text for text in texts if text}
        ordered = (*(name for name in CATEGORIES if name in known), *in_order(known - set(CATEGORIES)))
        variables.append(Variable(settings.response, None, texts, ordered))
    return DataTable(by, groups, places, tuple(variables), tuple(warnings))


def in_order(texts: Iterable[str]) -> tuple[str, ...]:
    """Return different texts, numbers by size and before all others."""
    found = set(texts)
    return tuple(sorted(found, key=lambda text: (number(text) is None, number(text) or 0.0, text)))


def _check_groups(rows: Rows, by: str, groups: tuple[str, ...]) -> None:
    if not 2 <= len(groups) <= MOST_CATEGORIES:
        raise SmallGroupError(
            f"the column {by} of {rows.path} names {len(groups)} groups",
            attribute="--by",
            remedy=f"Name a column of 2 to {MOST_CATEGORIES} groups",
        )
    alone = [n for n, label in enumerate(rows.cells[by]) if label and rows.cells[by].count(label) == 1]
    if alone:
        raise SmallGroupError(
            f"{lines_text([rows.lines[n] for n in alone])} of {rows.path} is the only one of its group",
            attribute=f"--by {by}",
            remedy="Join groups, take the row out, or mend the spelling",
        )


def _row_warnings(rows: Rows, by: str) -> list[str]:
    found = []
    without = [rows.lines[n] for n, label in enumerate(rows.cells[by]) if not label]
    if without:
        found.append(f"No group is given in {lines_text(without)}: these rows were left out.")
    patients = [text for text in rows.cells.get("patient", ()) if text]
    several = len(patients) - len(set(patients))
    if several:
        found.append(
            f"{several} rows are of a patient who has another row: rows of a patient are alike, and every p value and "
            "interval here takes them for independent and is too small. Give a row a patient."
        )
    return found


def _variable(rows: Rows, name: str, settings: StatisticsSettings) -> Variable:
    texts = rows.cells[name]
    known = [n for n, text in enumerate(texts) if text]
    values = {n: finite_number(texts[n]) for n in known}
    wrong = [n for n in known if values[n] is None]
    coded = name in settings.categorical
    if wrong and len(wrong) < len(known) and not coded:
        raise MixedColumnError(
            f"the column {name} of {rows.path} holds numbers, and what is none in "
            f"{lines_text([rows.lines[n] for n in wrong])}",
            attribute=f"column {name}",
            remedy=f"Write numbers, leave the cells empty, or pass --categorical {name}",
        )
    if wrong or coded or len(set(values.values())) <= 2:
        return Variable(name, None, texts, in_order(texts[n] for n in known))
    numbers = np.array([np.nan if values.get(n) is None else values[n] for n in range(len(texts))], float)
    return Variable(name, numbers)


def _problem(variable: Variable) -> str:
    if variable.numbers is None and not variable.categories:
        return "every cell is empty"
    if len(variable.categories) > MOST_CATEGORIES:
        return f"it has {len(variable.categories)} categories"
    return ""
