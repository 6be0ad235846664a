"""Rows of predictions brought into another order or number: paired with another model's, or one a patient."""

from __future__ import annotations

import numpy as np

from fdglung.errors import UnpairedRowsError
from fdglung.evaluation.csv_rows import shown
from fdglung.evaluation.predictions import Predictions


def paired(first: Predictions, second: Predictions) -> Predictions:
    """Return `second` in the order of `first`, of the same lesions with the same truth.

    Raises
    ------
    UnpairedRowsError
        Lesions, truth, sets or classes differ.

    """
    places = {key: place for place, key in enumerate(zip(second.patients, second.lesions, strict=True))}
    keys = list(zip(first.patients, first.lesions, strict=True))
    lacking = [place for place, key in enumerate(keys) if key not in places]
    problem = ""
    if sorted(first.classes) != sorted(second.classes):
        problem = f"the classes differ: {shown(first.classes)}; {shown(second.classes)}"
    elif lacking or len(places) != len(keys):
        more = len(places) - (len(keys) - len(lacking))
        where = f", row {lacking[0] + 1} first" if lacking else ""
        problem = f"{len(lacking)} rows of the first table are not in the second{where}; {more} only in the second"
    else:
        order = np.array([places[key] for key in keys])
        columns = [second.classes.index(name) for name in first.classes]
        taken = second.take(order)
        names = [second.classes[n] for n in taken.truth]
        other = [n for n, row in enumerate(first.truth) if first.classes[row] != names[n]]
        moved = [n for n in range(len(keys)) if taken.sets[n] and first.sets[n] and taken.sets[n] != first.sets[n]]
        if not other and not moved:
            return Predictions(
                first.classes,
                first.patients,
                first.lesions,
                first.centres,
                first.sets,
                first.truth,
                taken.probabilities[:, columns],
                second.warnings,
                None if taken.prediction_sets is None else taken.prediction_sets[:, columns],
            )
        problem = f"{'truth' if other else 'set'} differs in row {(other or moved)[0] + 1} of the first table"
    raise UnpairedRowsError(
        problem,
        attribute="--compare",
        remedy="Give both models' predictions of the same lesions: one patient, lesion, truth and set a row in both",
    )


def by_patient(lesions: Predictions) -> tuple[Predictions, str]:
    """Return a row a patient: the mean of the probabilities over the lesions, and a warning or "".

    A patient whose lesions differ in truth has no class of its own and is left out. The centre is that of the first
    lesion.
    """
    kept, left = [], 0
    owners = np.array(lesions.patients)
    for patient in dict.fromkeys(lesions.patients):
        rows = np.flatnonzero(owners == patient)
        if len(set(lesions.truth[rows].tolist())) > 1:
            left += 1
        else:
            kept.append(rows)
    first = lesions.take(np.array([rows[0] for rows in kept], np.int64))
    means = [lesions.probabilities[rows].mean(axis=0) for rows in kept]
    found = Predictions(
        first.classes,
        first.patients,
        ("",) * len(kept),
        first.centres,
        first.sets,
        first.truth,
        np.array(means).reshape(len(kept), len(first.classes)),
    )
    return found, f"{left} patients have lesions of several classes and are left out by patient." if left else ""
