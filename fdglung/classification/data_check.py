"""What is wrong with training data before anything is trained: empty and constant features, one patient twice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, some
from fdglung.classification.parts import is_own
from fdglung.classification.tables import Lesions
from fdglung.errors import (
    LabelTableError,
    TooFewCasesError,
    TooFewFeaturesError,
    UnknownLesionClassError,
    UnusableFeaturesError,
)
from fdglung.leaks import check_leaks

Indices = NDArray[np.intp]


def classes_of(lesions: Lesions, given: tuple[str, ...] | None) -> tuple[tuple[str, ...], Indices]:
    """Return the classes, and each lesion's place among them.

    Parameters
    ----------
    lesions
        With patients and classes.
    given
        The configuration's classes; None for those of the lesions, sorted.

    Raises
    ------
    LabelTableError
        A lesion has no class or no patient.
    UnknownLesionClassError
        A class is none of the configuration's.
    TooFewCasesError
        There is one class only.

    """
    for texts, name in ((lesions.labels, "class"), (lesions.patients, "patient")):
        bare = [row for row, text in zip(lesions.rows, texts, strict=True) if not text]
        if bare:
            raise LabelTableError(
                f"{len(bare)} lesions have no {name}, the first in row {bare[0] + 1}",
                attribute=name,
                remedy="Fill it in, or leave the rows out",
            )
    classes = given or tuple(sorted(set(lesions.labels)))
    unknown = sorted(set(lesions.labels) - set(classes))
    if unknown:
        raise UnknownLesionClassError(
            f"There are lesions of the class {', '.join(unknown)}",
            attribute="class",
            remedy=f"Write one of {', '.join(classes)}, or name it under `classes` in the configuration",
        )
    if len(classes) < 2:
        raise TooFewCasesError(
            f"There is one class only: {', '.join(classes)}", attribute="class", remedy="Give two or more"
        )
    return classes, np.array([classes.index(label) for label in lesions.labels], dtype=np.intp)


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
            # What a hospital knows of a patient, or which other lesions it outlined, may differ from id to id.
            lesions.values[:, is_own(lesions.names)],
            lines=[row + 1 for row in lesions.rows],
        )
    except TooFewFeaturesError:
        # In a few features two lesions may be alike by chance.
        return
