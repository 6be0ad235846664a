"""Grey level dependence: how many neighbours resemble a voxel (IBSI 3.11 NGLDM, PyRadiomics' GLDM)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import ParameterError
from fdglung.radiomics.emphases import emphases
from fdglung.radiomics.level_image import Counts, LevelImage, usable_distances

FEATURES = (
    *("lde", "hde", "lgce", "hgce", "ldlge", "ldhge", "hdlge", "hdhge", "glnu", "glnu_norm"),
    *("dcnu", "dcnu_norm", "dc_perc", "gl_var", "dc_var", "dc_entr", "dc_energy"),
)
"""IBSI's tags without family and aggregation, in the order of `emphases`."""

_PYRADIOMICS = {
    "SmallDependenceEmphasis": "lde",
    "LargeDependenceEmphasis": "hde",
    "LowGrayLevelEmphasis": "lgce",
    "HighGrayLevelEmphasis": "hgce",
    "SmallDependenceLowGrayLevelEmphasis": "ldlge",
    "SmallDependenceHighGrayLevelEmphasis": "ldhge",
    "LargeDependenceLowGrayLevelEmphasis": "hdlge",
    "LargeDependenceHighGrayLevelEmphasis": "hdhge",
    "GrayLevelNonUniformity": "glnu",
    "DependenceNonUniformity": "dcnu",
    "DependenceNonUniformityNormalized": "dcnu_norm",
    "GrayLevelVariance": "gl_var",
    "DependenceVariance": "dc_var",
    "DependenceEntropy": "dc_entr",
}
"""PyRadiomics' name of each feature: ours."""


def dependence_counts(
    image: LevelImage, *, distances: Sequence[int] = (1,), alpha: float = 0.0, flat_axis: int | None = None
) -> Counts:
    """Count voxels by level and by the number of neighbours whose level differs by at most `alpha`.

    Parameters
    ----------
    image
        Levels and mask.
    distances
        Chebyshev distances of neighbours, in voxels: (1, 2) is IBSI's neighbourhood of distance 2.
    alpha
        Largest difference of levels, from 0.
    flat_axis
        Axis along which no neighbour may lie (PyRadiomics' force2D).

    Returns
    -------
    array
        (level that occurs, number of dependent voxels with the voxel itself, from 1).

    Raises
    ------
    ParameterError
        `alpha` is below 0.

    """
    from radiomics import cMatrices

    if not alpha >= 0:
        raise ParameterError(
            f"Levels cannot differ by less than {alpha:g}",
            attribute="alpha",
            remedy="Give the coarseness of dependence as a number from 0.",
        )
    fitting = usable_distances(image.mask.shape, distances, flat_axis)
    if not len(fitting):
        return np.bincount(image.ranks.ravel(), minlength=image.size + 1)[1:, None].astype(np.float64)
    forced = (False, 0) if flat_axis is None else (True, flat_axis)
    if alpha < 1:
        counted = cMatrices.calculate_gldm(image.ranks, image.mask, fitting, image.size, 0, *forced)[0]
    else:
        highest = int(image.values[-1])
        within = int(min(alpha, highest))
        counted = cMatrices.calculate_gldm(image.levels, image.mask, fitting, highest, within, *forced)[0]
        counted = counted[image.values - 1]
    return np.asarray(counted)


def ngldm_features(counts: Counts, values: NDArray[np.int64], *, eps: float = 0.0) -> dict[str, Counts]:
    """Compute IBSI's 17 dependence features (section 3.11) of a stack of matrices.

    Parameters
    ----------
    counts
        (matrix, level, number of dependent voxels from 1).
    values
        The levels that rows stand for.
    eps
        Added within the logarithm.

    Returns
    -------
    dict
        IBSI's tag without family and aggregation, to a value a matrix.

    """
    voxels = counts.sum(axis=(1, 2))
    return emphases(counts, values, np.arange(1, counts.shape[2] + 1), FEATURES, voxels=voxels, eps=eps)


def pyradiomics_gldm(
    image: LevelImage, *, distances: Sequence[int] = (1,), alpha: float = 0.0, flat_axis: int | None = None
) -> dict[str, float]:
    """Compute PyRadiomics' 14 GLDM features (version 3.0.1).

    Parameters
    ----------
    image, distances, alpha, flat_axis
        As for `dependence_counts`; `alpha` is PyRadiomics' gldm_a.

    Returns
    -------
    dict
        PyRadiomics' name without class, to its value; NaN where no distance fits into the box, which it refuses.

    """
    if not len(usable_distances(image.mask.shape, distances, flat_axis)):
        return dict.fromkeys(_PYRADIOMICS, float("nan"))
    counts = dependence_counts(image, distances=distances, alpha=alpha, flat_axis=flat_axis)
    values = ngldm_features(counts[None], image.values, eps=float(np.spacing(1)))
    return {name: float(values[ours][0]) for name, ours in _PYRADIOMICS.items()}
