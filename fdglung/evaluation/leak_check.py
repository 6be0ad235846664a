"""A table of features checked for leaks before anything that rests on it is believed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fdglung.errors import MixedColumnError, PatientInTwoSetsError
from fdglung.evaluation.csv_rows import Rows, finite_number, lines_text, read_rows, shown
from fdglung.evaluation.predictions import Predictions
from fdglung.leaks import check_leaks

KEYS = frozenset(
    {"patient", "set", "case", "lesion", "centre", "center", "truth", "tracking_uid", "status", "warnings"}
)
"""Columns that are no features."""


def check_feature_table(path: Path, predictions: Predictions | None = None) -> None:
    """Refuse a table in which a patient lies in two sets, by id or by duplicated features under two ids.

    Parameters
    ----------
    path
        CSV with the columns ``patient`` and ``set`` and features; columns without any number (and `KEYS`) are no
        features.
    predictions
        If given, no patient may be in another set here than there.

    Raises
    ------
    UnreadableTableError, MissingColumnError
        The table cannot be read or lacks a column.
    MixedColumnError
        A column holds numbers and text.
    PatientInTwoSetsError, DuplicatedPatientError, TooFewFeaturesError
        See `fdglung.leaks.check_leaks`.

    """
    rows = read_rows(path, needed=("patient", "set"))
    patients, sets = rows.cells["patient"], rows.cells["set"]
    if predictions is not None and any(predictions.sets):
        expected = dict(zip(predictions.patients, predictions.sets, strict=True))
        astray = [
            n for n, (who, where) in enumerate(zip(patients, sets, strict=True)) if expected.get(who, where) != where
        ]
        if astray:
            raise PatientInTwoSetsError(
                f"patients of {lines_text([rows.lines[n] for n in astray])} of {path} lie in another set of the "
                "predictions",
                attribute="columns patient, set",
                remedy="Name the sets alike in both tables, and evaluate no patient that was trained on",
            )
    columns = [values for name in rows.columns if name not in KEYS and (values := _numbers(rows, name)) is not None]
    features = np.column_stack(columns) if columns else np.empty((len(rows), 0))
    check_leaks(patients, sets, features, lines=rows.lines)


def _numbers(rows: Rows, column: str) -> list[float] | None:
    """Return the numbers of a column, NaN for none; None for a column of text."""
    texts = rows.cells[column]
    values = [finite_number(text) for text in texts]
    wrong = [n for n, (text, value) in enumerate(zip(texts, values, strict=True)) if text and value is None]
    if len(wrong) == sum(map(bool, texts)):
        return None
    if wrong:
        raise MixedColumnError(
            f"the column holds numbers, and text in {lines_text([rows.lines[n] for n in wrong])} of {rows.path}",
            attribute=f"column {shown([column])}",
            remedy="Leave cells without a value empty",
        )
    return [np.nan if value is None else value for value in values]
