"""Neighbourhood grey tone difference: how a voxel differs from its neighbours' mean (IBSI 3.10, PyRadiomics' NGTDM)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.dependence import dependence_counts
from fdglung.radiomics.level_image import Counts, LevelImage, usable_distances

_NAMES = {
    "Busyness": "busyness",
    "Coarseness": "coarseness",
    "Complexity": "complexity",
    "Contrast": "contrast",
    "Strength": "strength",
}
"""PyRadiomics' name of each feature: ours."""

_COARSEST = 1e6
"""Coarseness of a lesion without any difference of tone (IBSI QCDE)."""


def tone_differences(
    image: LevelImage, *, distances: Sequence[int] = (1,), flat_axis: int | None = None, lone: bool = False
) -> Counts:
    """Sum up by level how far voxels are from the mean of their neighbours within the mask.

    Parameters
    ----------
    image
        Levels and mask.
    distances
        Chebyshev distances of neighbours, in voxels: (1, 2) is IBSI's neighbourhood of distance 2.
    flat_axis
        Axis along which no neighbour may lie (PyRadiomics' force2D).
    lone
        Whether voxels without neighbours are counted, with difference 0, as PyRadiomics does and IBSI does not.

    Returns
    -------
    array
        (level that occurs, number of voxels and sum of absolute differences).

    """
    from radiomics import cMatrices

    fitting = usable_distances(image.mask.shape, distances, flat_axis)
    if not len(fitting):
        differences = np.zeros((image.size, 2))
        differences[:, 0] = np.bincount(image.ranks.ravel(), minlength=image.size + 1)[1:]
    else:
        forced = (False, 0) if flat_axis is None else (True, flat_axis)
        highest = int(image.values[-1])
        counted = cMatrices.calculate_ngtdm(image.levels, image.mask, fitting, highest, *forced)[0]
        differences = counted[image.values - 1, :2]
    if not lone:
        whole = dependence_counts(image, distances=distances, alpha=float(image.values[-1]), flat_axis=flat_axis)
        differences[:, 0] -= whole[:, 0]
    return np.asarray(differences)


def ngtdm_features(differences: Counts, values: NDArray[np.int64]) -> dict[str, Counts]:
    """Compute IBSI's 5 tone difference features (section 3.10) of a stack of matrices.

    Parameters
    ----------
    differences
        (matrix, level, number and sum of differences) as `tone_differences` gives.
    values
        The levels that rows stand for.

    Returns
    -------
    dict
        IBSI's tag without family and aggregation, to a value a matrix. Without any difference coarseness is 10^6, by
        definition; what would be divided by 0 is NaN (busyness where every level times its number is the same).

    """
    i = values.astype(np.float64)
    n, s = differences[:, :, 0], differences[:, :, 1]
    total = n.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = n / total[:, None]
        rough = (p * s).sum(axis=1)
        present = (p > 0).sum(axis=1)
        both = (p[:, :, None] > 0) & (p[:, None, :] > 0)
        apart = np.abs(i[:, None] - i)
        sums = np.where(both, p[:, :, None] + p[:, None, :], 0.0)
        # Of whole numbers, so that equal moments differ by exactly 0.
        moments = np.abs((i * n)[:, :, None] - (i * n)[:, None, :]) / total[:, None, None]
        shares = np.where(both, ((p * s)[:, :, None] + (p * s)[:, None, :]) / sums, 0.0)
        tones = (p[:, :, None] * p[:, None, :] * apart**2).sum(axis=(1, 2))
        values_ = {
            "coarseness": np.where(rough > 0, 1 / rough, _COARSEST),
            "contrast": tones / (present * (present - 1)) * s.sum(axis=1) / total,
            "busyness": rough / np.where(both, moments, 0.0).sum(axis=(1, 2)),
            "complexity": (apart * shares).sum(axis=(1, 2)) / total,
            "strength": (sums * apart**2).sum(axis=(1, 2)) / s.sum(axis=1),
        }
    return {name: np.where((total > 0) & np.isfinite(value), value, np.nan) for name, value in values_.items()}


def pyradiomics_ngtdm(
    image: LevelImage, *, distances: Sequence[int] = (1,), flat_axis: int | None = None
) -> dict[str, float]:
    """Compute PyRadiomics' 5 NGTDM features with its own conventions (version 3.0.1): 0 for what is 0 / 0.

    Parameters
    ----------
    image, distances, flat_axis
        As for `tone_differences`.

    Returns
    -------
    dict
        PyRadiomics' name without class, to its value; NaN where no distance fits into the box, which it refuses.

    """
    if not len(usable_distances(image.mask.shape, distances, flat_axis)):
        return dict.fromkeys(_NAMES, float("nan"))
    differences = tone_differences(image, distances=distances, flat_axis=flat_axis, lone=True)
    values = ngtdm_features(differences[None], image.values)
    return {name: _or_zero(float(values[ours][0])) for name, ours in _NAMES.items()}


def _or_zero(value: float) -> float:
    return value if np.isfinite(value) else 0.0
