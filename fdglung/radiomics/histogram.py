"""Features of the histogram of grey levels (IBSI family ZVCW)."""

from __future__ import annotations

import numpy as np

from fdglung.radiomics.intensity import distribution
from fdglung.radiomics.roi import Roi


def histogram_features(roi: Roi) -> dict[str, float]:
    """Return the 23 features of the intensity histogram.

    Parameters
    ----------
    roi
        Its grey levels are used, `level_count` of them, empty ones included.

    Returns
    -------
    dict
        ``ih_mean`` to ``ih_min_grad_g`` in IBSI's order; gradients of a single level are NaN.

    """
    levels = roi.levels[roi.intensity_mask]
    counts = np.bincount(levels, minlength=roi.level_count + 1)[1:]
    shared = distribution(levels.astype(np.float64))
    shares = counts[counts > 0] / levels.size
    features: dict[str, float] = {}
    for name, value in shared.items():
        features[f"ih_{name}"] = value
        if name == "max":
            features["ih_mode"] = _mode(counts, shared["mean"])
    features["ih_entropy"] = float(-np.dot(shares, np.log2(shares))) + 0.0
    features["ih_uniformity"] = float(np.dot(shares, shares))
    # One-sided differences at the ends, central ones between (IBSI 12CE).
    gradient = np.gradient(counts.astype(np.float64)) if counts.size > 1 else np.array([np.nan])
    steepest, deepest = int(gradient.argmax()), int(gradient.argmin())
    single = counts.size == 1
    return features | {
        "ih_max_grad": float(gradient[steepest]),
        "ih_max_grad_g": float("nan") if single else float(steepest + 1),
        "ih_min_grad": float(gradient[deepest]),
        "ih_min_grad_g": float("nan") if single else float(deepest + 1),
    }


def _mode(counts: np.ndarray[tuple[int], np.dtype[np.int64]], mean: float) -> float:
    """Return the commonest level; of several, the one nearest to the mean (IBSI AMMC)."""
    commonest = np.flatnonzero(counts == counts.max()) + 1
    return float(commonest[np.abs(commonest - mean).argmin()])
