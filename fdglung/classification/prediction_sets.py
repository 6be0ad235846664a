"""Which classes cannot be ruled out for a lesion: prediction sets by conformal prediction, class by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

SEPARATOR = "|"
"""Between the classes of a set in a table."""


def patient_weights(codes: Indices, patients: Sequence[str]) -> Array:
    """Return (lesions,) one over the number of lesions of that class which the lesion's patient has.

    Parameters
    ----------
    codes
        (lesions,) their classes.
    patients
        (lesions,) of each.

    """
    of_class = list(zip(patients, codes.tolist(), strict=True))
    counts = Counter(of_class)
    return np.array([1 / counts[one] for one in of_class])


def class_shares(probabilities: Array, reference: Array, codes: Indices, weights: Array) -> Array:
    """Return the share of each class's lesions that look as little like it as a lesion does: conformal p-values.

    Class by class, so that they hold for each (label-conditional: Vovk, Mach Learn 2013;92:349,
    doi:10.1007/s10994-013-5355-6), and each patient counts once, however many lesions it has (Lee, Barber & Willett,
    arXiv:2306.06342). A lesion of a new patient that is exchangeable with the reference's has, for its own class, a
    value of s or less with a probability of at most s. The reference is what models said of lesions that they had not
    seen, and what is asked is said by a model of all of them, so that this is close, not certain (cross-conformal:
    Vovk, Ann Math Artif Intell 2015;74:9, doi:10.1007/s10472-013-9368-4).

    Parameters
    ----------
    probabilities
        (cases, classes).
    reference
        (lesions,) out-of-fold probability of each training lesion's own class.
    codes
        (lesions,) these classes.
    weights
        (lesions,) `patient_weights` of these.

    Returns
    -------
    numpy.ndarray
        (cases, classes), above 0 and up to 1.

    """
    shares = np.empty_like(probabilities)
    for code in range(probabilities.shape[1]):
        inside = codes == code
        order = np.argsort(reference[inside])
        heaped = np.concatenate([[0.0], np.cumsum(weights[inside][order])])
        as_low = np.searchsorted(reference[inside][order], probabilities[:, code], side="right")
        shares[:, code] = (1 + heaped[as_low]) / (1 + heaped[-1])
    return shares


def sets_of(
    classes: Sequence[str], probabilities: Array, shares: Array, *, coverage: float
) -> tuple[tuple[str, ...], ...]:
    """Return the classes of each lesion that are not ruled out, the most probable first, which always is among them.

    Parameters
    ----------
    classes
        Their names.
    probabilities, shares
        (lesions, classes); `class_shares` gives the shares.
    coverage
        Share of the lesions of each class whose set holds it.

    Returns
    -------
    tuple of tuple of str
        One a lesion.

    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    # 1 - 0.9 is a little less than 0.1.
    kept = shares > round(1 - coverage, 12)
    kept[np.arange(len(kept)), probabilities.argmax(axis=1)] = True
    return tuple(tuple(classes[code] for code in row if kept[n, code]) for n, row in enumerate(order))
