"""p values of many tests made comparable with those of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Floats:
    """Return p values that keep the chance of any false alarm: Holm, Scand J Stat 1979;6:65 (jstor.org/stable/4615733).

    NaN stays NaN and does not count as a test.
    """
    p = np.asarray(p_values, float)
    found = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    raised = p[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(np.maximum.accumulate(raised), 1.0) if len(order) else raised
    return found


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Return p values that keep the share of false ones among those called significant.

    Benjamini and Hochberg, J R Stat Soc B 1995;57:289 (doi:10.1111/j.2517-6161.1995.tb02031.x). NaN stays NaN and does
    not count as a test.
    """
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, float)
    found = np.full(p.shape, np.nan)
    tests = ~np.isnan(p)
    if tests.any():
        found[tests] = false_discovery_control(p[tests])
    return found
