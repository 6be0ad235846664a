"""Grey level run lengths: how long a level goes on along a direction (IBSI 3.7, PyRadiomics' GLRLM)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.emphases import emphases
from fdglung.radiomics.level_image import Counts, LevelImage, direction_norms, known_mean, usable_distances

FEATURES = (
    *("sre", "lre", "lgre", "hgre", "srlge", "srhge", "lrlge", "lrhge", "glnu", "glnu_norm"),
    *("rlnu", "rlnu_norm", "r_perc", "gl_var", "rl_var", "rl_entr"),
)
"""IBSI's tags without family and aggregation, in the order of `emphases`."""

_PYRADIOMICS = (
    "ShortRunEmphasis",
    "LongRunEmphasis",
    "LowGrayLevelRunEmphasis",
    "HighGrayLevelRunEmphasis",
    "ShortRunLowGrayLevelEmphasis",
    "ShortRunHighGrayLevelEmphasis",
    "LongRunLowGrayLevelEmphasis",
    "LongRunHighGrayLevelEmphasis",
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "RunLengthNonUniformity",
    "RunLengthNonUniformityNormalized",
    "RunPercentage",
    "GrayLevelVariance",
    "RunVariance",
    "RunEntropy",
)
"""PyRadiomics' names in the same order."""


def run_counts(image: LevelImage, *, flat_axis: int | None = None) -> tuple[Counts, NDArray[np.int32]]:
    """Count the runs in each direction.

    Parameters
    ----------
    image
        Levels and mask.
    flat_axis
        Axis along which no run may go (PyRadiomics' force2D); None for all directions that the box allows.

    Returns
    -------
    tuple
        Counts (direction, level, length from 1) over the levels that occur, and the offset of each direction in voxels
        (direction, axis). A direction on whose lines no two voxels lie is empty, as PyRadiomics' kernel has it.

    """
    from radiomics import cMatrices

    longest = max(image.mask.shape)
    if not len(usable_distances(image.mask.shape, (1,), flat_axis)):
        return np.zeros((0, image.size, longest)), np.zeros((0, image.mask.ndim), np.int32)
    forced = (False, 0) if flat_axis is None else (True, flat_axis)
    counted, offsets = cMatrices.calculate_glrlm(image.ranks, image.mask, image.size, longest, *forced)
    return np.ascontiguousarray(np.moveaxis(counted[0], 2, 0)), offsets


def with_single_voxels(counts: Counts, image: LevelImage) -> Counts:
    """Fill the empty directions of `run_counts`: each voxel there is a run of length 1 (IBSI counts them)."""
    empty = ~counts.any(axis=(1, 2))
    if not empty.any():
        return counts
    filled = counts.copy()
    filled[empty, :, 0] = np.bincount(image.ranks.ravel(), minlength=image.size + 1)[1:]
    return filled


def run_weights(
    offsets: NDArray[np.int32], spacing_mm: tuple[float, ...], norm: str | None
) -> NDArray[np.float64] | None:
    """Return the length in mm of each direction by `norm`, as PyRadiomics weights runs, or None for no weights."""
    return None if norm is None else direction_norms(offsets, spacing_mm, norm)


def glrlm_features(counts: Counts, values: NDArray[np.int64], *, eps: float = 0.0) -> dict[str, Counts]:
    """Compute IBSI's 16 run length features (section 3.7) of a stack of matrices.

    Parameters
    ----------
    counts
        (matrix, level, length from 1).
    values
        The levels that rows stand for.
    eps
        Added within the logarithm.

    Returns
    -------
    dict
        IBSI's tag without family and aggregation, to a value a matrix; NaN where a matrix is empty.

    """
    return emphases(counts, values, np.arange(1, counts.shape[2] + 1), FEATURES, eps=eps)


def pyradiomics_glrlm(
    image: LevelImage, *, weighting_norm: str | None = None, flat_axis: int | None = None
) -> dict[str, float]:
    """Compute PyRadiomics' 16 GLRLM features with its own conventions (version 3.0.1).

    Parameters
    ----------
    image
        Levels and mask.
    weighting_norm
        None: the mean over directions that hold a pair of voxels on a line; else their matrices are weighted by length
        and merged.
    flat_axis
        As for `run_counts`.

    Returns
    -------
    dict
        PyRadiomics' name without class, to its value: NaN where no two voxels lie on a line (a sum over nothing is 0).

    """
    counts, offsets = run_counts(image, flat_axis=flat_axis)
    if weighting_norm is not None:
        weights = run_weights(offsets, image.spacing_mm, weighting_norm)
        counts = (counts if weights is None else counts * weights[:, None, None]).sum(axis=0, keepdims=True)
    used = counts[counts.any(axis=(1, 2))]
    if not len(used):
        of_nothing = {"RunVariance": 0.0, "RunEntropy": 0.0} if len(counts) == 1 and len(offsets) else {}
        return dict.fromkeys(_PYRADIOMICS, float("nan")) | of_nothing
    values = glrlm_features(used, image.values, eps=float(np.spacing(1)))
    return {name: known_mean(values[ours]) for name, ours in zip(_PYRADIOMICS, FEATURES, strict=True)}
