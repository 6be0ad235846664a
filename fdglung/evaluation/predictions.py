"""A table of predicted class probabilities, checked before anything is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import (
    DuplicateRowError,
    MissingColumnError,
    MissingValueError,
    PatientInTwoSetsError,
    ProbabilityError,
    SingleClassError,
    UnknownClassError,
)
from fdglung.evaluation.csv_rows import Rows, finite_number, lines_text, read_rows, shown

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PREFIXES = ("probability_", "p_")
"""What the name of a probability column may begin with; the rest is the class. Without any, columns named as classes
count."""

SUM_TOLERANCE = 0.01
"""By how much the probabilities of a row may miss a sum of 1, as rounded ones do; they are then divided by it."""

_ROUNDING = 1e-3


@dataclass(frozen=True)
class Predictions:
    """Class probabilities and the truth, a row a lesion or a patient.

    Attributes
    ----------
    classes
        Names, in the order of the columns.
    patients, lesions, centres, sets
        Of each row; "" where the table has no such column. A lesion is named by its case
        and its number where both are given.
    truth
        Place of the true class in `classes` (rows,).
    probabilities
        Each row sums to 1 (rows, classes).
    warnings
        What to know, in full sentences.
    prediction_sets
        Which classes are not ruled out (rows, classes); None where the table does not say.

    """

    classes: tuple[str, ...]
    patients: tuple[str, ...]
    lesions: tuple[str, ...]
    centres: tuple[str, ...]
    sets: tuple[str, ...]
    truth: Ints
    probabilities: Floats
    warnings: tuple[str, ...] = ()
    prediction_sets: NDArray[np.bool_] | None = None

    @property
    def predicted(self) -> Ints:
        """Place of the class of highest probability; the first of them where several are equal."""
        return self.probabilities.argmax(axis=1)

    @property
    def by_lesion(self) -> bool:
        """Whether a row is a lesion; otherwise it is a patient."""
        return any(self.lesions)

    @property
    def present(self) -> tuple[int, ...]:
        """Places of the classes that the truth holds."""
        return tuple(sorted(set(self.truth.tolist())))

    def take(self, rows: Ints) -> Predictions:
        """Return some of the rows."""

        def picked(texts: Sequence[str]) -> tuple[str, ...]:
            return tuple(texts[row] for row in rows)

        return Predictions(
            self.classes,
            picked(self.patients),
            picked(self.lesions),
            picked(self.centres),
            picked(self.sets),
            self.truth[rows],
            self.probabilities[rows],
            prediction_sets=None if self.prediction_sets is None else self.prediction_sets[rows],
        )


def read_predictions(path: Path) -> Predictions:
    """Read and check a table of predictions.

    Parameters
    ----------
    path
        CSV with the columns ``patient``, ``truth``, one probability a class (see `PREFIXES`), and where known
        ``case``, ``lesion``, ``centre``, ``set`` and ``prediction_set`` (classes, ``|`` between them). With a case or
        lesion a row is a lesion, otherwise a patient.

    Raises
    ------
    MissingColumnError
        ``patient``, ``truth`` or the probabilities of two classes are missing.
    MissingValueError
        A patient, truth, case, lesion, set or probability is empty.
    UnknownClassError
        The truth, or a prediction set, names a class without probabilities.
    ProbabilityError
        A probability is no number, outside 0 to 1, or a row misses a sum of 1 by more than `SUM_TOLERANCE`.
    DuplicateRowError
        Two rows name one lesion of one patient.
    PatientInTwoSetsError
        A patient has rows in two sets.
    SingleClassError
        The truth holds one class only.

    """
    rows = read_rows(path, needed=("patient", "truth"))
    columns = _probability_columns(rows)
    for name in ("patient", "truth", *[n for n in ("case", "lesion", "set") if n in rows.columns]):
        _filled(rows, name)
    classes = tuple(columns)
    unknown = [place for place, label in enumerate(rows.cells["truth"]) if label not in columns]
    if unknown:
        labels = sorted({rows.cells["truth"][place] for place in unknown})
        raise UnknownClassError(
            f"the truth names {shown(labels)} in {_lines(rows, unknown)}, which has no probability column",
            attribute=f"column truth; classes {shown(classes)}",
            remedy="Give every class a probability column, or mend the spelling",
        )
    probabilities, warnings = _probabilities(rows, columns)
    blank = ("",) * len(rows)
    found = Predictions(
        classes=classes,
        patients=rows.cells["patient"],
        lesions=_lesions(rows),
        centres=rows.cells.get("centre", rows.cells.get("center", blank)),
        sets=rows.cells.get("set", blank),
        truth=np.array([classes.index(label) for label in rows.cells["truth"]], np.int64),
        probabilities=probabilities,
        warnings=warnings,
        prediction_sets=_prediction_sets(rows, classes),
    )
    _check_rows(rows, found)
    return found


def _lesions(rows: Rows) -> tuple[str, ...]:
    parts = [rows.cells[name] for name in ("case", "lesion") if name in rows.columns]
    return tuple(" ".join(texts) for texts in zip(*parts, strict=True)) if parts else ("",) * len(rows)


def _probability_columns(rows: Rows) -> dict[str, str]:
    """Return class to column."""
    for prefix in PREFIXES:
        columns = {n[len(prefix) :]: n for n in rows.columns if n.startswith(prefix) and len(n) > len(prefix)}
        if columns:
            break
    else:
        labels = set(rows.cells["truth"])
        columns = {name: name for name in rows.columns if name in labels}
    if len(columns) < 2:
        raise MissingColumnError(
            f"the table {rows.path} has probabilities of {len(columns)} classes",
            attribute=f"columns {shown(rows.columns)}",
            remedy=f"Give a column a class, two or more, named {' or '.join(p + 'CLASS' for p in PREFIXES)}",
        )
    return columns


def _prediction_sets(rows: Rows, classes: Sequence[str]) -> NDArray[np.bool_] | None:
    if "prediction_set" not in rows.columns:
        return None
    named = [set(filter(None, text.split("|"))) for text in rows.cells["prediction_set"]]
    unknown = [place for place, names in enumerate(named) if not names <= set(classes)]
    if unknown:
        raise UnknownClassError(
            f"{_lines(rows, unknown)} of {rows.path} names a class that has no probability column",
            attribute=f"column prediction_set; classes {shown(classes)}",
            remedy="Write the classes of a set with | between them, or leave the column out",
        )
    return np.array([[name in names for name in classes] for names in named], dtype=np.bool_)


def _filled(rows: Rows, column: str) -> None:
    empty = [place for place, text in enumerate(rows.cells[column]) if not text]
    if empty:
        raise MissingValueError(
            f"{_lines(rows, empty)} of {rows.path} has no value",
            attribute=f"column {column}",
            remedy="Fill it in, or take the rows out",
        )


def _probabilities(rows: Rows, columns: dict[str, str]) -> tuple[Floats, tuple[str, ...]]:
    values = np.empty((len(rows), len(columns)))
    for place, column in enumerate(columns.values()):
        texts = rows.cells[column]
        _filled(rows, column)
        found = [finite_number(text) for text in texts]
        wrong = [n for n, value in enumerate(found) if value is None or not 0 <= value <= 1]
        if wrong:
            raise ProbabilityError(
                f"{_lines(rows, wrong)} of {rows.path} holds what is no number from 0 to 1",
                attribute=f"column {column}",
                remedy="Give probabilities, not scores, logits or percentages",
            )
        values[:, place] = found
    sums = values.sum(axis=1)
    off = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE + 1e-12).tolist()
    if off:
        raise ProbabilityError(
            f"{_lines(rows, off)} of {rows.path} sums to {sums[off[0]]:.6g} (the first of them), not to 1",
            attribute=f"columns {shown(columns.values())}",
            remedy="Give the probability of every class, of one model",
        )
    warnings = []
    rounded = int((np.abs(sums - 1) > _ROUNDING).sum())
    if rounded:
        warnings.append(
            f"The probabilities of {rounded} rows miss a sum of 1 by more than {_ROUNDING:g}, and were divided by it."
        )
    tied = int(((values == values.max(axis=1, keepdims=True)).sum(axis=1) > 1).sum())
    if tied:
        warnings.append(f"{tied} rows have several classes of highest probability: the first column of them counts.")
    return values / sums[:, None], tuple(warnings)


def _check_rows(rows: Rows, found: Predictions) -> None:
    keys = list(zip(found.patients, found.lesions, strict=True))
    counts = Counter(keys)
    double = [place for place, key in enumerate(keys) if counts[key] > 1]
    if double:
        raise DuplicateRowError(
            f"{_lines(rows, double)} of {rows.path} name the same patient and lesion as another",
            attribute="columns patient, case, lesion",
            remedy="Leave one row a lesion, and number the lesions of a patient's case in a column lesion",
        )
    first: dict[str, str] = {}
    astray = [
        place
        for place, (patient, group) in enumerate(zip(found.patients, found.sets, strict=True))
        if first.setdefault(patient, group) != group
    ]
    if astray:
        raise PatientInTwoSetsError(
            f"patients of {_lines(rows, astray)} of {rows.path} have rows in another set too",
            attribute="columns patient, set",
            remedy="A patient belongs to one set: otherwise the sets do not test each other",
        )
    if len(found.present) < 2:
        raise SingleClassError(
            f"every row of {rows.path} has the truth {found.classes[found.present[0]]}",
            attribute="column truth",
            remedy="Give rows of two classes or more",
        )


def _lines(rows: Rows, places: Sequence[int]) -> str:
    return lines_text([rows.lines[place] for place in places])
