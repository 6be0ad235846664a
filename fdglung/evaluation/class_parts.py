"""Predictions measured set by set and centre by centre, by lesion and by patient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.calibration import reliability
from fdglung.evaluation.class_measures import confusion, measures
from fdglung.evaluation.classification_settings import ClassificationSettings
from fdglung.evaluation.decision_curve import decision_curve
from fdglung.evaluation.prediction_rows import by_patient
from fdglung.evaluation.predictions import Predictions
from fdglung.evaluation.resampled import Difference, Key, Resampled, difference, resample

Ints = NDArray[np.int64]

LESION, PATIENT = "lesion", "patient"
"""Levels: a row a lesion, or a row a patient."""


@dataclass(frozen=True)
class Part:
    """What was found in one set, or in one centre of it, at one level.

    Attributes
    ----------
    level
        `LESION` or `PATIENT`.
    set_name, centre
        Which rows; a set of the name "" is a table without sets, a centre "" is the whole set.
    predictions
        Of these rows.
    other
        Of the same rows by the model compared with, if any.
    confusion
        Counts (true class, predicted class).
    measures, reliability, decision
        Figures and their draws.
    comparison
        Figures of both models, where there are two.

    """

    level: str
    set_name: str
    centre: str
    predictions: Predictions
    other: Predictions | None
    confusion: Ints
    measures: Resampled
    reliability: Resampled
    decision: Resampled
    comparison: dict[Key, Difference]

    @property
    def title(self) -> str:
        """The rows in words."""
        words = f"{self.level}s, {self.set_name or 'all'}"
        return f"{words}, {self.centre}" if self.centre else words


def measure_parts(
    predictions: Predictions,
    settings: ClassificationSettings,
    *,
    other: Predictions | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """Measure every set, and every centre of a set that has several.

    Parameters
    ----------
    predictions
        All rows.
    settings
        Parameters.
    other
        Another model's predictions, paired with these (`fdglung.evaluation.prediction_rows.paired`).
    progress
        Called with a text and the fraction done.

    Returns
    -------
    tuple
        The parts, and warnings in full sentences.

    """
    warnings = [*predictions.warnings, *(f"Second table: {text}" for text in (other.warnings if other else ()))]
    levels: list[tuple[str, Predictions, Predictions | None]] = []
    if predictions.by_lesion:
        levels.append((LESION, predictions, other))
        joined, warning = by_patient(predictions)
        warnings += [warning] if warning else []
        levels.append((PATIENT, joined, None if other is None else by_patient(other)[0]))
    else:
        levels.append((PATIENT, predictions, other))
    wanted = [(level, mine, theirs, where) for level, mine, theirs in levels for where in _places(mine)]
    parts = []
    for done, (level, mine, theirs, (set_name, centre, rows)) in enumerate(wanted):
        if progress:
            progress(f"{level}s, {set_name or 'all'}{' ' + centre if centre else ''}", done / len(wanted))
        part = _measure(
            level, set_name, centre, mine.take(rows), None if theirs is None else theirs.take(rows), settings
        )
        parts.append(part)
        warnings += _warnings(part)
    return tuple(parts), tuple(warnings)


def _places(predictions: Predictions) -> Iterator[tuple[str, str, Ints]]:
    """Give set, centre and rows, in the order of the table."""
    sets, centres = np.array(predictions.sets), np.array(predictions.centres)
    for set_name in dict.fromkeys(predictions.sets):
        yield set_name, "", np.flatnonzero(sets == set_name)
        names = sorted(set(centres[sets == set_name].tolist()))
        if len(names) > 1:
            for name in names:
                yield set_name, name or "unknown centre", np.flatnonzero((sets == set_name) & (centres == name))


def _measure(
    level: str,
    set_name: str,
    centre: str,
    predictions: Predictions,
    other: Predictions | None,
    settings: ClassificationSettings,
) -> Part:
    owners, bootstrap = predictions.patients, settings.bootstrap
    both = [predictions] if other is None else [predictions, other]
    found = resample([partial(measures, one, bins=settings.bins) for one in both], owners, bootstrap)
    (bins,) = resample([partial(reliability, predictions, bins=settings.bins)], owners, bootstrap)
    (curve,) = resample([partial(decision_curve, predictions)], owners, bootstrap)
    return Part(
        level=level,
        set_name=set_name,
        centre=centre,
        predictions=predictions,
        other=other,
        confusion=confusion(predictions, np.ones((1, len(owners))))[0].astype(np.int64),
        measures=found[0],
        reliability=bins,
        decision=curve,
        comparison=_compared(*found) if other is not None else {},
    )


def _compared(first: Resampled, second: Resampled) -> dict[Key, Difference]:
    """Return how both models differ in what was measured of both."""
    return {key: difference(first, second, key) for key in first.values if key in second.values}


def _warnings(part: Part) -> list[str]:
    lacking = [name for n, name in enumerate(part.predictions.classes) if n not in part.predictions.present]
    patients = len(set(part.predictions.patients))
    found = []
    if lacking:
        found.append(f"{part.title}: no row is of the class {', '.join(lacking)}; its figures are not defined.")
    if patients < 20:
        found.append(f"{part.title}: {patients} patients are few; the intervals are too narrow.")
    return found
