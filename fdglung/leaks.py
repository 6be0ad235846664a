"""Patients that stand in two sets, by their id or under two ids: what makes a test of a model worthless."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdglung.errors import DuplicatedPatientError, ParameterError, PatientInTwoSetsError, TooFewFeaturesError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_FEATURES = 5
"""Features that must vary: rows of two patients may be alike by chance in fewer."""

NEAR = 0.1
"""Rows are near-identical below this fraction of the usual distance to the nearest row of another patient."""

SIGNIFICANT_DIGITS = 6
"""Rows are identical where every feature is, to so many digits."""

_BLOCK = 500
_SHOWN = 8


@dataclass(frozen=True)
class Duplicate:
    """Two rows of two patient ids that are likely the same lesion.

    Attributes
    ----------
    first, second
        Places of the rows, the first the smaller.
    identical
        Whether they are the same to `SIGNIFICANT_DIGITS`; otherwise they are near-identical.
    distance
        As a fraction of the usual distance to the nearest row of another patient.

    """

    first: int
    second: int
    identical: bool
    distance: float


def check_leaks(
    patients: Sequence[str],
    sets: Sequence[str],
    features: ArrayLike | None = None,
    *,
    lines: Sequence[int] | None = None,
    near: float = NEAR,
) -> None:
    """Refuse rows of which one patient lies in two sets, by id or as duplicated features under two ids.

    Parameters
    ----------
    patients, sets
        Of each row (rows,): whose it is and in which set or fold it lies.
    features
        Of each row (rows, features), NaN where missing. None checks the ids alone.
    lines
        What the rows are called in errors, such as the lines of their file; None counts rows from 1.
    near
        See `find_duplicates`.

    Raises
    ------
    PatientInTwoSetsError
        A patient has rows in two sets; names the rows.
    DuplicatedPatientError
        Rows of two ids are identical or near-identical, in two sets or in one; names the pairs.
    TooFewFeaturesError
        Too few features vary for duplicates to be told.

    """
    names = list(range(1, len(patients) + 1)) if lines is None else list(lines)
    first: dict[str, int] = {}
    pairs = [(first.setdefault(patient, row), row) for row, patient in enumerate(patients)]
    astray = [(a, b) for a, b in pairs if sets[a] != sets[b]]
    if astray:
        shown = [f"{names[a]} ({sets[a]}) and {names[b]} ({sets[b]})" for a, b in astray[:_SHOWN]]
        raise PatientInTwoSetsError(
            f"a patient stands in two sets: rows {', '.join(shown)}{_more(len(astray))}",
            attribute="columns patient, set",
            remedy="Put all rows of a patient into one set: otherwise the sets do not test each other",
        )
    if features is None:
        return
    found = find_duplicates(features, patients, near=near)
    if found:
        across = [pair for pair in found if sets[pair.first] != sets[pair.second]]
        shown = [
            f"{names[pair.first]} and {names[pair.second]} ({'identical' if pair.identical else 'near-identical'})"
            for pair in (across or found)[:_SHOWN]
        ]
        raise DuplicatedPatientError(
            f"two patient ids have the same features: rows {', '.join(shown)}{_more(len(found))}; "
            f"{len(across)} of {len(found)} such pairs lie in two sets",
            attribute="column patient; features",
            remedy="Give one patient one id, and take out rows that stand twice",
        )


def find_duplicates(features: ArrayLike, patients: Sequence[str], *, near: float = NEAR) -> tuple[Duplicate, ...]:
    """Find rows of two patient ids that are likely the same lesion.

    The rule: two rows are identical where all features are equal to `SIGNIFICANT_DIGITS` digits. For the others each
    feature is turned into normal scores of its ranks (so that neither units nor long tails count), missing values into
    the median, and the distance of two rows is the root mean square over features. Rows of two ids are near-identical
    where it is below `near` times the usual one: the median over rows of the distance to the nearest row of another id,
    identical ones left out. Features with few values (fewer than 10, or than half the rows) do not count.

    A patient whose images were segmented anew, or scanned again, differs by more, and is not found.

    Parameters
    ----------
    features
        (rows, features), NaN where missing.
    patients
        Whose each row is.
    near
        Fraction of the usual distance; 0 finds identical rows only.

    Returns
    -------
    tuple of Duplicate
        In the order of the rows.

    Raises
    ------
    TooFewFeaturesError
        Fewer than `LEAST_FEATURES` features have enough values.
    ParameterError
        `near` is outside 0 to 1.

    """
    if not 0 <= near < 1:
        raise ParameterError("the value is outside its range", attribute="near", remedy="Give a fraction from 0 to 1")
    table = np.asarray(features, float)
    table = np.where(np.isfinite(table), table, np.nan)
    least = min(10, max(2, len(table) // 2))
    table = table[:, [len(np.unique(column[~np.isnan(column)])) >= least for column in table.T]]
    if table.shape[1] < LEAST_FEATURES:
        raise TooFewFeaturesError(
            f"{table.shape[1]} features have {least} values or more; duplicated patients cannot be told by them",
            attribute="features",
            remedy=f"Give {LEAST_FEATURES} features or more that vary from lesion to lesion",
        )
    owners = np.unique(np.asarray(patients, str), return_inverse=True)[1]
    same = _identical(table, owners)
    scores = _normal_scores(table)
    nearest = _nearest(scores, owners, same)
    usual = float(np.median(nearest[np.isfinite(nearest)])) if np.isfinite(nearest).any() else 0.0
    close = _closer(scores, owners, near * usual, nearest) if near and usual else {}
    pairs = {**close, **dict.fromkeys(same, 0.0)}
    return tuple(
        Duplicate(a, b, (a, b) in same, distance / usual if distance else 0.0)
        for (a, b), distance in sorted(pairs.items())
    )


def _more(count: int) -> str:
    return f" and {count - _SHOWN} more" if count > _SHOWN else ""


def _identical(table: Floats, owners: Ints) -> set[tuple[int, int]]:
    rounded = [tuple(f"{value:.{SIGNIFICANT_DIGITS - 1}e}" for value in row) for row in table.tolist()]
    alike: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(rounded):
        alike.setdefault(key, []).append(row)
    return {(a, b) for rows in alike.values() for a in rows for b in rows if a < b and owners[a] != owners[b]}


def _normal_scores(table: Floats) -> Floats:
    """Return van der Waerden's scores of each column (Conover, Practical Nonparametric Statistics, 1999, 5.10)."""
    from scipy.stats import norm, rankdata

    ranks = rankdata(table, axis=0, nan_policy="omit")
    counts = (~np.isnan(table)).sum(axis=0)
    return np.nan_to_num(norm.ppf(ranks / (counts + 1)), nan=0.0)


def _nearest(scores: Floats, owners: Ints, same: set[tuple[int, int]]) -> Floats:
    """Return the distance from each row to the nearest of another patient that is not identical."""
    found = np.full(len(scores), np.inf)
    for start, distances in _blocks(scores, owners):
        rows = [(a, b) for pair in same for a, b in (pair, pair[::-1]) if start <= a < start + len(distances)]
        for a, b in rows:
            distances[a - start, b] = np.inf
        found[start : start + len(distances)] = distances.min(axis=1, initial=np.inf)
    return found


def _blocks(scores: Floats, owners: Ints) -> Iterator[tuple[int, Floats]]:
    """Give the distances of some rows to all (rows, all), infinite within a patient, with the first row's place."""
    squares = (scores**2).mean(axis=1)
    for start in range(0, len(scores), _BLOCK):
        rows = slice(start, start + _BLOCK)
        products = scores[rows] @ scores.T / scores.shape[1]
        distances = np.sqrt(np.maximum(squares[rows, None] + squares - 2 * products, 0.0))
        distances[owners[rows, None] == owners] = np.inf
        yield start, distances


def _closer(scores: Floats, owners: Ints, limit: float, nearest: Floats) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    for row in np.flatnonzero(nearest < limit).tolist():
        distances = np.sqrt(((scores - scores[row]) ** 2).mean(axis=1))
        for other in np.flatnonzero((distances < limit) & (owners != owners[row])).tolist():
            found[min(row, other), max(row, other)] = float(distances[other])
    return found
