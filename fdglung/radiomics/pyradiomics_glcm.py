"""PyRadiomics' own conventions for the GLCM: its small number, its values for lone levels, its merging of angles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.glcm import glcm_features, pair_counts, pair_weights
from fdglung.radiomics.level_image import Counts, LevelImage, known_mean

_NAMES = {
    "Autocorrelation": "auto_corr",
    "ClusterProminence": "clust_prom",
    "ClusterShade": "clust_shade",
    "ClusterTendency": "clust_tend",
    "Contrast": "contrast",
    "Correlation": "corr",
    "DifferenceAverage": "diff_avg",
    "DifferenceEntropy": "diff_entr",
    "DifferenceVariance": "diff_var",
    "Id": "inv_diff",
    "Idm": "inv_diff_mom",
    "Idmn": "inv_diff_mom_norm",
    "Idn": "inv_diff_norm",
    "Imc1": "info_corr1",
    "Imc2": "info_corr2",
    "InverseVariance": "inv_var",
    "JointAverage": "joint_avg",
    "JointEnergy": "energy",
    "JointEntropy": "joint_entr",
    "MCC": "max_corr",
    "MaximumProbability": "joint_max",
    "SumAverage": "sum_avg",
    "SumEntropy": "sum_entr",
    "SumSquares": "joint_var",
}
"""PyRadiomics' name of each feature: ours."""

_SHAKY = 1e-6
"""Mutual information (bit) or variance below which its last digits depend on the order of summation."""

_WEAK = 1e-2
"""Maximal correlation below which solvers disagree."""

_RARE = 1e6
"""PyRadiomics' small number matters where the product of two marginals is not this many times larger."""


def pyradiomics_glcm(
    image: LevelImage,
    *,
    distances: Sequence[int] = (1,),
    symmetric: bool = True,
    weighting_norm: str | None = None,
    flat_axis: int | None = None,
) -> dict[str, float]:
    """Compute PyRadiomics' 24 GLCM features with its own conventions (version 3.0.1).

    Parameters
    ----------
    image
        Levels and mask.
    distances, symmetric, flat_axis
        As for `pair_counts`.
    weighting_norm
        None: the mean over directions; else their matrices are weighted and merged.

    Returns
    -------
    dict
        PyRadiomics' name without class, to its value: NaN where no two voxels are neighbours, for a single level
        Correlation 1, Imc1 0 and MCC 1.

    """
    each, offsets = pair_counts(image, distances=distances, flat_axis=flat_axis, symmetric=symmetric)
    merge = weighting_norm is not None
    weights = pair_weights(offsets, image.spacing_mm, weighting_norm)
    counts = each if weights is None else each * weights[:, None, None]
    if merge:
        counts = counts.sum(axis=0, keepdims=True)
    counts = counts[counts.any(axis=(1, 2))]
    if not len(counts):
        return dict.fromkeys(_NAMES, float("nan")) | _without_pairs(image, len(offsets), merge)
    eps = float(np.spacing(1))
    values = glcm_features(counts, image.values, int(image.values[-1]), eps=eps)
    p = counts / counts.sum(axis=(1, 2), keepdims=True)
    values["max_corr"] = _maximal_correlation(p, eps)
    if _shaky(p, values, eps):
        ordered = _laid_out(each, image.values, weights, merge)
        values |= _in_order(ordered, image.values, eps)
    return {name: known_mean(values[ours]) for name, ours in _NAMES.items()}


def _maximal_correlation(p: Counts, eps: float) -> Counts:
    """Return the root of the second largest eigenvalue of Q(i, j) = sum_k p(i, k) p(j, k) / (px(i) py(k) + eps).

    Scaled by the roots of px, Q is symmetric but for the small number, whose first order the mean of the matrix and its
    transpose keeps; so a symmetric solver serves where eigenvalues and marginals are not tiny.
    """
    if p.shape[1] < 2:
        return np.ones(len(p))
    first, second = p.sum(axis=2), p.sum(axis=1)
    root = np.sqrt(first)
    scale = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    q = (p / (first[:, :, None] * second[:, None, :] + eps)) @ p.transpose(0, 2, 1)
    q = q * root[:, :, None] * scale[:, None, :]
    eigenvalues = np.linalg.eigvalsh((q + q.transpose(0, 2, 1)) / 2)
    return np.asarray(np.sqrt(np.maximum(0.0, eigenvalues[:, -2])))


def _shaky(p: Counts, features: dict[str, Counts], eps: float) -> bool:
    """Tell whether PyRadiomics' small number or its order of summation matters to what it returns."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mutual = -features["info_corr1"] * features["joint_entr"]
    rarest = min(float(marginal[marginal > 0].min()) for marginal in (p.sum(axis=2), p.sum(axis=1)))
    steady = mutual.min() > _SHAKY and features["max_corr"].min() > _WEAK and rarest**2 > _RARE * eps
    return not (steady and np.isfinite(features["corr"]).all())


def _laid_out(
    counts: Counts, values: NDArray[np.int64], weights: NDArray[np.float64] | None, merge: bool
) -> NDArray[np.float64]:
    """Return the normalised matrices (1, level, level, direction) with PyRadiomics' order of axes in memory.

    Its order follows from numpy's when rows of absent levels and empty directions are taken out: none or several by a
    mask, a single one by slices.
    """
    laid = np.ascontiguousarray(np.moveaxis(counts, 0, 2))[None]
    if int(values[-1]) - len(values) != 1:
        every = np.ones(len(values), bool)
        laid = laid[:, every][:, :, every]
    if merge:
        laid = np.sum(laid if weights is None else laid * weights, axis=3, keepdims=True)
    total = np.sum(laid, axis=(1, 2))
    empty = np.flatnonzero(total[0] == 0)
    if len(empty):
        laid, total = np.delete(laid, empty, 3), np.delete(total, empty, 1)
    laid /= total[:, None, None, :]
    return laid


def _in_order(p: NDArray[np.float64], values: NDArray[np.int64], eps: float) -> dict[str, Counts]:
    """Compute correlations as PyRadiomics does where a level stands alone or is rare, or levels are independent.

    What it then returns, a NaN that it leaves out of its mean or a number near 0, hangs on the last bit.
    """
    cells = (1, 2)
    first, second = p.sum(axis=2, keepdims=True), p.sum(axis=1, keepdims=True)
    h_joint = -(p * np.log2(p + eps)).sum(axis=cells)
    h_first, h_second = (-(m * np.log2(m + eps)).sum(axis=cells) for m in (first, second))
    product = first * second
    logs = np.log2(product + eps)
    h1, h2 = -(p * logs).sum(axis=cells), -(product * logs).sum(axis=cells)
    larger = np.fmax(h_first, h_second)
    i = values.astype(np.float64)
    rows, columns = i[None, :, None, None], i[None, None, :, None]
    rows = rows - (rows * p).sum(axis=cells, keepdims=True)
    columns = columns - (columns * p).sum(axis=cells, keepdims=True)
    spread = (p * rows**2).sum(axis=cells) ** 0.5 * (p * columns**2).sum(axis=cells) ** 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        information1 = np.where(larger == 0, 0.0, (h_joint - h1) / larger)
        information2 = np.where(h2 == h_joint, 0.0, (1 - np.e ** (-2 * (h2 - h_joint))) ** 0.5)
    correlation = np.where(spread == 0, 1.0, (p * rows * columns).sum(axis=cells) / (spread + eps))
    known = {"info_corr1": information1[0], "info_corr2": information2[0], "corr": correlation[0]}
    return known if len(values) < 2 else known | {"max_corr": _eigenvalue_mean(p[0], first[0], second[0], eps)}


def _eigenvalue_mean(
    p: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64], eps: float
) -> Counts:
    """Return PyRadiomics' mean of the maximal correlation, of which tiny negative eigenvalues are left out."""
    q = np.zeros_like(p)
    for k in range(p.shape[0]):
        q += p[:, None, k] * p[None, :, k] / (first * second[0, k] + eps)
    eigenvalues = np.sort(np.linalg.eigvals(q.transpose(2, 0, 1)), axis=-1)
    with np.errstate(invalid="ignore"):
        roots = np.sqrt(eigenvalues[:, -2])
    roots = roots[~np.isnan(roots)]
    return np.array([roots.mean().real if len(roots) else np.nan])


def _without_pairs(image: LevelImage, directions: int, merged: bool) -> dict[str, float]:
    """Return what PyRadiomics gives besides NaN for voxels of a single level without neighbours."""
    if image.size > 1 or not directions:
        return {}
    return {"InverseVariance": 0.0} if merged or directions == 1 else {"MCC": 1.0}
