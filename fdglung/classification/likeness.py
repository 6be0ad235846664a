"""How like a case is to the training cases: distance to the nearest of them, and the share of cases that are as far."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


def usual_distance(prepared: Array, patients: ArrayLike, *, neighbours: int) -> float:
    """Return the median over training lesions of the mean distance to their nearest lesions of other patients.

    Parameters
    ----------
    prepared
        (lesions, features) selected and scaled.
    patients
        (lesions,) of each.
    neighbours
        How many are the nearest.

    """
    whose = np.asarray(patients)
    distances = cdist(prepared, prepared)
    distances[whose[:, None] == whose[None, :]] = np.inf
    nearest = np.sort(distances, axis=1)[:, :neighbours]
    counted = np.isfinite(nearest)
    sums = np.where(counted, nearest, 0).sum(axis=1)
    return float(np.median(sums / np.maximum(counted.sum(axis=1), 1)))


def unlikeness(prepared: Array, training: Array, *, usual: float, neighbours: int) -> tuple[Array, Indices]:
    """Return the mean distance to the nearest training lesions, divided by what is usual, and which these are.

    Parameters
    ----------
    prepared, training
        (lesions, features) of cases and of training lesions.
    usual
        `usual_distance` of the training lesions.
    neighbours
        How many are the nearest.

    Returns
    -------
    tuple
        (cases,) and (cases, neighbours), the nearest first.

    """
    distances = cdist(prepared, training)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :neighbours]
    means = np.take_along_axis(distances, nearest, axis=1).mean(axis=1)
    return means / max(usual, np.finfo(float).tiny), nearest


def class_mix(nearest: Indices, codes: Indices, classes: int, *, lesion_numbers: Indices | None = None) -> Array:
    """Return how many of the nearest training lesions are of each class (cases, classes).

    Parameters
    ----------
    nearest
        (cases, neighbours) as `unlikeness` gives them.
    codes
        (lesions,) classes of the training lesions.
    classes
        Their number.
    lesion_numbers
        (lesions,) the same for rows that measure one lesion, which then counts once; None where each is another lesion.

    """
    numbers = np.arange(len(codes)) if lesion_numbers is None else lesion_numbers
    mix = np.zeros((len(nearest), classes))
    for case, rows in enumerate(nearest):
        _, once = np.unique(numbers[rows], return_index=True)
        mix[case] = np.bincount(codes[rows[once]], minlength=classes)
    return mix


def share_as_far(unlike: Array, reference: Array) -> Array:
    """Return the share of cases like the training's that are as unlike as each, or more: a conformal p-value.

    Among cases exchangeable with those of the reference, at most a share s has a value of s or less (Bates et al., Ann
    Stat 2023;51:149, 10.1214/22-AOS2244; for anomalies Laxhammar & Falkman, 10.1109/TPAMI.2013.172).

    Parameters
    ----------
    unlike
        (cases,) as `unlikeness` gives it.
    reference
        The same of lesions that were not in the training they were compared with.

    """
    ordered = np.sort(reference)
    as_far = len(ordered) - np.searchsorted(ordered, unlike, side="left")
    shares: Array = (1 + as_far) / (1 + len(ordered))
    return shares
