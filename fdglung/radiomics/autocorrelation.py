"""Spatial autocorrelation of intensities: Moran's I and Geary's C."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from fdglung.radiomics.roi import Roi


def autocorrelation(roi: Roi) -> tuple[float, float]:
    """Return Moran's I (IBSI N365) and Geary's C (IBSI NPT7) over all pairs of voxels of the intensity mask.

    A pair weighs the inverse of its distance in mm, which depends on its shift alone: sums over pairs are sums over
    frequencies, exact to rounding, in N log N rather than N squared steps.

    Returns
    -------
    tuple of float
        NaN for fewer than two voxels or intensities.

    """
    values = roi.values
    count = values.size
    if count < 2 or values.min() == values.max():
        return math.nan, math.nan
    mask = roi.intensity_mask
    box = tuple(
        slice(int(line[0]), int(line[-1]) + 1)
        for line in (np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    )
    inside = mask[box]
    shape = [fft.next_fast_len(2 * n - 1, real=True) for n in inside.shape]
    centred = values - values.mean()
    squares = float(np.dot(centred, centred))
    filled = np.zeros(inside.shape)
    filled[inside] = centred
    weights = fft.rfftn(_inverse_distances(shape, roi.spacing_mm)).real
    deviations = fft.rfftn(filled, shape)
    presence = fft.rfftn(inside.astype(np.float64), shape)
    near = fft.irfftn(presence * weights, shape)[tuple(slice(0, n) for n in inside.shape)][inside]
    pairs = float(near.sum())
    products = _paired(deviations, weights, shape)
    # (a - b)^2 = a^2 + b^2 - 2 a b, over all ordered pairs.
    differences = 2 * (float(np.dot(centred * centred, near)) - products)
    return count / pairs * products / squares, (count - 1) / (2 * pairs) * differences / squares


def _inverse_distances(shape: list[int], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return 1 / distance for every shift, negative shifts at the end; 0 for none."""
    squares = [(fft.fftfreq(n, 1 / n) * step) ** 2 for n, step in zip(shape, spacing_mm, strict=True)]
    total = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    total[0, 0, 0] = 1
    inverse = 1 / np.sqrt(total)
    inverse[0, 0, 0] = 0
    return np.asarray(inverse)


def _paired(spectrum: NDArray[np.complex128], weights: NDArray[np.float64], shape: list[int]) -> float:
    """Return the sum over ordered pairs of the product of two values and their weight (Parseval)."""
    power = (spectrum.real**2 + spectrum.imag**2) * weights
    # Half of the frequencies along x are stored; the others mirror them.
    mirrored = power[..., 1 : (shape[2] + 1) // 2]
    return float(power.sum() + mirrored.sum()) / math.prod(shape)
