"""Features that matrices of grey level by size share: runs, zones, distances and dependences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.level_image import Counts, entropy


def emphases(
    counts: Counts,
    levels: NDArray[np.int64],
    sizes: NDArray[np.int64],
    names: tuple[str, ...],
    *,
    voxels: NDArray[np.int64] | None = None,
    eps: float = 0.0,
) -> dict[str, Counts]:
    """Compute the features of IBSI sections 3.7 to 3.9 and 3.11 of a stack of matrices.

    Parameters
    ----------
    counts
        (matrix, level, size): how often each pair occurs; a matrix without any is NaN throughout.
    levels, sizes
        What the rows and columns stand for, from 1.
    names
        Names of the features in this order: low size, high size, low level, high level, low size and low level, low
        size and high level, high size and low level, high size and high level emphasis; non-uniformity of level,
        normalised, of size, normalised; percentage; variance of level, of size; entropy; energy (may be left out).
    voxels
        Number of voxels behind each matrix, for the percentage; None: sum of size times count.
    eps
        Added within the logarithm.

    Returns
    -------
    dict
        Name to a value a matrix.

    """
    sizes = sizes[: counts.shape[2]]
    used = counts.any(axis=(0, 1))
    if not used.all():
        counts, sizes = counts[:, :, used], sizes[used]
    i, j = levels.astype(np.float64), sizes.astype(np.float64)
    by_level, by_size = counts.sum(axis=2), counts.sum(axis=1)
    total = by_level.sum(axis=1)
    i_weights, j_weights = np.stack([i**-2, i**2]), np.stack([j**-2, j**2])
    with np.errstate(invalid="ignore", divide="ignore"):
        of_size = by_size @ j_weights.T / total[:, None]
        of_level = by_level @ i_weights.T / total[:, None]
        joint = i_weights @ counts @ j_weights.T / total[:, None, None]
        level_squares, size_squares = (by_level**2).sum(axis=1), (by_size**2).sum(axis=1)
        behind = by_size @ j if voxels is None else voxels
        p = counts / total[:, None, None]
        values = (
            of_size[:, 0],
            of_size[:, 1],
            of_level[:, 0],
            of_level[:, 1],
            joint[:, 0, 0],
            joint[:, 1, 0],
            joint[:, 0, 1],
            joint[:, 1, 1],
            level_squares / total,
            level_squares / total**2,
            size_squares / total,
            size_squares / total**2,
            total / behind,
            _variance(by_level / total[:, None], i),
            _variance(by_size / total[:, None], j),
            entropy(p, eps=eps),
            (p**2).sum(axis=(1, 2)),
        )
    if total.all():
        return dict(zip(names, values, strict=False))
    return {name: np.where(total > 0, value, np.nan) for name, value in zip(names, values, strict=False)}


def _variance(p: Counts, x: NDArray[np.float64]) -> Counts:
    return (p * (x - (p @ x)[:, None]) ** 2).sum(axis=1)
