"""What is wrong with training data before anything is trained: empty and constant features, one patient twice."""

from __future__ import annotations

import numpy as np

from fdglung.classification.cautions import Caution, CautionKind, some
from fdglung.classification.parts import is_radiomics
from fdglung.classification.tables import Lesions
from fdglung.errors import TooFewFeaturesError, UnusableFeaturesError
from fdglung.leaks import check_leaks


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
    DuplicatedPatientError
        Two patients have a lesion with the same features, by the rule of `fdglung.leaks.find_duplicates`.

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
    _check_patients(lesions)
    cautions = []
    for kind, columns, what in (
        (CautionKind.EMPTY_FEATURES, empty, "have no value"),
        (CautionKind.CONSTANT_FEATURES, constant, "have one value only"),
    ):
        if columns.any():
            text = f"{int(columns.sum())} features {what} and are left out: {some(names[columns])}."
            cautions.append(Caution(kind, text))
    return tuple(cautions)


def _check_patients(lesions: Lesions) -> None:
    try:
        check_leaks(
            lesions.patients,
            ["training"] * len(lesions),
            # What a hospital knows of a patient may differ from one id to the other.
            lesions.values[:, is_radiomics(lesions.names)],
            lines=[row + 1 for row in lesions.rows],
        )
    except TooFewFeaturesError:
        # In a few features two lesions may be alike by chance.
        return
