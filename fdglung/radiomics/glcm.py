"""Grey level co-occurrence: how often two levels lie at an offset from each other (IBSI 3.6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.level_image import (
    Counts,
    LevelImage,
    direction_norms,
    entropy,
    usable_distances,
)


def pair_counts(
    image: LevelImage, *, distances: Sequence[int] = (1,), flat_axis: int | None = None, symmetric: bool = True
) -> tuple[Counts, NDArray[np.int32]]:
    """Count the pairs of levels in each direction.

    Parameters
    ----------
    image
        Levels and mask.
    distances
        Chebyshev distances between the voxels of a pair, in voxels.
    flat_axis
        Axis along which no pair may lie (PyRadiomics' force2D); None for all directions that the box allows.
    symmetric
        Whether each pair counts both ways.

    Returns
    -------
    tuple
        Counts (direction, level of the first voxel, level of the second) over the levels that occur, and the offset of
        each direction in voxels (direction, axis). A direction may be empty.

    """
    from radiomics import cMatrices

    fitting = usable_distances(image.mask.shape, distances, flat_axis)
    if not len(fitting):
        return np.zeros((0, image.size, image.size)), np.zeros((0, image.mask.ndim), np.int32)
    forced = (False, 0) if flat_axis is None else (True, flat_axis)
    counted, offsets = cMatrices.calculate_glcm(image.ranks, image.mask, fitting, image.size, *forced)
    counts = np.ascontiguousarray(np.moveaxis(counted[0], 2, 0))
    if symmetric:
        counts = counts + counts.transpose(0, 2, 1)
    return counts, offsets


def pair_weights(
    offsets: NDArray[np.int32], spacing_mm: Sequence[float], norm: str | None
) -> NDArray[np.float64] | None:
    """Return exp(-length^2) of each direction, its length in mm by `norm`, or None for no weights."""
    lengths = None if norm is None else direction_norms(offsets, spacing_mm, norm)
    return None if lengths is None else np.exp(-(lengths**2))


def glcm_features(
    counts: Counts, values: NDArray[np.int64], level_count: int, *, eps: float = 0.0
) -> dict[str, Counts]:
    """Compute IBSI's 25 co-occurrence features (section 3.6) of a stack of matrices.

    Parameters
    ----------
    counts
        (matrix, level, level); empty matrices are left out.
    values
        The levels that rows and columns stand for, ascending.
    level_count
        Ng of the normalised inverse differences.
    eps
        Added within logarithms.

    Returns
    -------
    dict
        IBSI's tag without family and aggregation, to a value a matrix. Where a matrix holds a single level, correlation
        and the first information correlation are 0 / 0, so NaN.

    """
    total = counts.sum(axis=(1, 2))
    counts, total = counts[total > 0], total[total > 0]
    p = counts / total[:, None, None]
    i = values.astype(np.float64)
    of_first, of_second = p.sum(axis=2), p.sum(axis=1)
    mean_first, mean_second = of_first @ i, of_second @ i
    from_mean_first, from_mean_second = i - mean_first[:, None], i - mean_second[:, None]
    variance = (of_first * from_mean_first**2).sum(axis=1)
    spread = np.sqrt(variance * (of_second * from_mean_second**2).sum(axis=1))
    covariance = ((p @ from_mean_second[:, :, None])[:, :, 0] * from_mean_first).sum(axis=1)

    apart = np.abs(values[:, None] - values)
    of_difference = _gathered(p, apart)
    k = np.arange(of_difference.shape[1], dtype=np.float64)
    mean_difference = of_difference @ k
    of_sum = _gathered(p, values[:, None] + values - 2 * values[0])
    sums = np.arange(of_sum.shape[1], dtype=np.float64) + 2 * i[0]
    from_mean_sum = sums - (mean_first + mean_second)[:, None]
    tendency = (of_sum * from_mean_sum**2).sum(axis=1)

    joint = entropy(p, eps=eps)
    first, second = entropy(of_first, eps=eps), entropy(of_second, eps=eps)
    mutual = first + second - joint
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = covariance / spread
        information1 = -mutual / np.maximum(first, second)
        information2 = np.sqrt(np.maximum(0.0, 1 - np.exp(-2 * mutual)))
    return {
        "joint_max": p.max(axis=(1, 2), initial=0.0),
        "joint_avg": mean_first,
        "joint_var": variance,
        "joint_entr": joint,
        "diff_avg": mean_difference,
        "diff_var": (of_difference * (k - mean_difference[:, None]) ** 2).sum(axis=1),
        "diff_entr": entropy(of_difference, eps=eps),
        "sum_avg": of_sum @ sums,
        "sum_var": tendency,
        "sum_entr": entropy(of_sum, eps=eps),
        "energy": (p**2).sum(axis=(1, 2)),
        "contrast": of_difference @ k**2,
        "dissimilarity": mean_difference,
        "inv_diff": of_difference @ (1 / (1 + k)),
        "inv_diff_norm": of_difference @ (1 / (1 + k / level_count)),
        "inv_diff_mom": of_difference @ (1 / (1 + k**2)),
        "inv_diff_mom_norm": of_difference @ (1 / (1 + k**2 / level_count**2)),
        "inv_var": of_difference[:, 1:] @ k[1:] ** -2,
        "corr": correlation,
        "auto_corr": ((p @ i) * i).sum(axis=1),
        "clust_tend": tendency,
        "clust_shade": (of_sum * from_mean_sum**3).sum(axis=1),
        "clust_prom": (of_sum * from_mean_sum**4).sum(axis=1),
        "info_corr1": information1,
        "info_corr2": information2,
    }


def _gathered(p: Counts, index: NDArray[np.int64]) -> Counts:
    """Sum the cells of each matrix that share an index (level, level) from 0."""
    width = int(index.max()) + 1
    cells = (np.arange(len(p))[:, None] * width + index.ravel()).ravel()
    return np.asarray(np.bincount(cells, p.ravel(), minlength=len(p) * width), np.float64).reshape(len(p), width)
