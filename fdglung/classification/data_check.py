"""What is wrong with training data before anything is trained: empty and constant features, one patient twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.tables import Lesions
from fdglung.errors import DuplicatedLesionError, UnusableFeaturesError

FEWEST_TO_TELL = 5
"""Varying features from which on equal values of two lesions are no coincidence."""


def check_data(lesions: Lesions) -> tuple[Caution, ...]:
    """Refuse data that cannot be trained on, and return what to know about the rest.

    Parameters
    ----------
    lesions
        With patients.

    Raises
    ------
    UnusableFeaturesError
        No feature varies.
    DuplicatedLesionError
        Two patients have a lesion with the same values of all features, at least `FEWEST_TO_TELL` of which vary. A
        lesion that was segmented or computed anew has other values and is not found.

    """
    present = np.isfinite(lesions.values)
    empty = ~present.any(axis=0)
    low = np.where(present, lesions.values, np.inf).min(axis=0)
    high = np.where(present, lesions.values, -np.inf).max(axis=0)
    constant = ~empty & (low == high)
    names = np.array(lesions.names)
    varies = ~empty & ~constant
    if not varies.any():
        raise UnusableFeaturesError(
            f"No feature varies: {int(empty.sum())} have no value and {int(constant.sum())} are constant",
            attribute=some(lesions.names),
            remedy="Give features that differ between lesions",
        )
    _check_patients(lesions, varies)
    cautions = []
    for kind, columns, what in (
        (CautionKind.EMPTY_FEATURES, empty, "have no value"),
        (CautionKind.CONSTANT_FEATURES, constant, "have one value only"),
    ):
        if columns.any():
            text = f"{int(columns.sum())} features {what} and are left out: {some(names[columns])}."
            cautions.append(Caution(kind, text))
    return tuple(cautions)


def _check_patients(lesions: Lesions, varies: NDArray[np.bool_]) -> None:
    if varies.sum() < FEWEST_TO_TELL:
        return
    # Adding 0 makes -0 and 0 one.
    values = np.where(np.isfinite(lesions.values), lesions.values, np.inf)[:, varies] + 0.0
    first: dict[bytes, int] = {}
    pairs = [
        (before, row)
        for row, one in enumerate(values)
        if (before := first.setdefault(one.tobytes(), row)) != row and lesions.patients[before] != lesions.patients[row]
    ]
    if pairs:
        rows = sorted({lesions.rows[row] for pair in pairs for row in pair})
        raise DuplicatedLesionError(
            f"{rows_text(rows)} have the same values of all {int(varies.sum())} features and different patients",
            attribute="patient",
            remedy="Give one patient one name, or leave the copies out: they would be in training and test at once",
        )
