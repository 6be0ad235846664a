"""Folds made of patients, stratified by class and centre."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, some
from fdglung.errors import TooFewCasesError

Indices = NDArray[np.intp]
Split = tuple[Indices, Indices]


def patient_folds(
    codes: Indices,
    patients: Sequence[str],
    centres: Sequence[str],
    *,
    classes: Sequence[str],
    folds: int,
    seed: int,
    attribute: str,
) -> tuple[tuple[Split, ...], tuple[Caution, ...]]:
    """Part lesions into folds; no patient is in two, and classes within centres are spread evenly.

    scikit-learn's `StratifiedGroupKFold` on the pair of class and centre. Pairs with fewer patients than folds are
    pooled over centres.

    Parameters
    ----------
    codes
        (lesions,) place of each lesion's class in `classes`.
    patients, centres
        (lesions,) of each.
    classes
        Their names.
    folds
        How many.
    seed
        Of the shuffling.
    attribute
        Which folds these are, for errors.

    Returns
    -------
    tuple
        Rows of training and test of each fold, and what to know.

    Raises
    ------
    TooFewCasesError
        A class has fewer patients than folds, or all its patients are needed in one test part.

    """
    from sklearn.model_selection import StratifiedGroupKFold  # type: ignore[import-untyped]

    _check_counts(codes, patients, classes, folds, attribute)
    strata, cautions = _strata(codes, patients, centres, classes, folds)
    maker = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Said in a caution.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splits = tuple(maker.split(np.zeros(len(codes)), strata, np.asarray(patients)))
    for number, (train, test) in enumerate(splits):
        lacking = sorted(set(range(len(classes))) - set(codes[train].tolist()))
        if lacking or not len(test):
            what = f"without {some(classes[one] for one in lacking)}" if lacking else "that tests nothing"
            raise TooFewCasesError(
                f"Fold {number + 1} of {folds} would be trained {what}",
                attribute=attribute,
                remedy="Give more patients of each class, or fewer folds",
            )
    return splits, cautions


def _check_counts(codes: Indices, patients: Sequence[str], classes: Sequence[str], folds: int, attribute: str) -> None:
    whose = np.asarray(patients)
    counts = [(name, int((codes == n).sum()), len(set(whose[codes == n]))) for n, name in enumerate(classes)]
    few = [f"{name} ({lesions} lesions of {found} patients)" for name, lesions, found in counts if found < folds]
    if few:
        raise TooFewCasesError(
            f"Classes with fewer patients than the {folds} folds: {', '.join(few)}",
            attribute=attribute,
            remedy="Give more patients of these classes, fewer folds, or leave the classes out",
        )


def _strata(
    codes: Indices, patients: Sequence[str], centres: Sequence[str], classes: Sequence[str], folds: int
) -> tuple[Indices, tuple[Caution, ...]]:
    pairs = list(zip(codes.tolist(), centres, strict=True))
    whose: dict[tuple[int, str], set[str]] = {}
    for pair, patient in zip(pairs, patients, strict=True):
        whose.setdefault(pair, set()).add(patient)
    rare = sorted(pair for pair, found in whose.items() if len(found) < folds)
    merged = [(code, "" if (code, centre) in rare else centre) for code, centre in pairs]
    numbers = {pair: n for n, pair in enumerate(sorted(set(merged)))}
    strata = np.array([numbers[pair] for pair in merged])
    if not rare or len(set(centres)) < 2:
        return strata, ()
    names = some(f"{classes[code]} at {centre or 'no centre'} ({len(whose[code, centre])})" for code, centre in rare)
    text = f"Fewer patients than {folds} folds: {names}. Folds are not stratified by centre for them."
    return strata, (Caution(CautionKind.RARE_STRATUM, text),)
