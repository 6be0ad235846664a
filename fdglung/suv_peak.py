"""SUVpeak: the highest mean over a sphere of 1 cm3, partial voxels weighted."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

PEAK_RADIUS_MM = float((3 * 1000 / (4 * np.pi)) ** (1 / 3))
"""Radius of a sphere of 1 cm3: 6.2035 mm."""

_SUBDIVISIONS = 12


def suv_peak(
    suv: NDArray[np.float32], mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> tuple[float, tuple[float, float, float]]:
    """Return the highest mean uptake over a sphere of 1 cm3 centred in a VOI.

    The sphere is tried at the centre of every voxel of the VOI and half-way to each neighbour (Wahl et al., J Nucl
    Med 2009;50:122S: placed so as to give the highest value; IBSI global intensity peak 0F91 tries voxel centres
    only). A voxel counts with the share of it that lies in the sphere; the sphere may reach out of the VOI, and what
    it has outside the image is left out.

    Parameters
    ----------
    suv
        SUVbw in g/ml (z, y, x).
    mask
        The VOI on the same grid; not empty.
    spacing_mm
        Along z, y and x.

    Returns
    -------
    value
        SUVpeak in g/ml.
    centre
        Of the sphere, as continuous index (z, y, x) into `suv`.

    """
    margin = [int(np.ceil(PEAK_RADIUS_MM / step)) + 2 for step in spacing_mm]
    indices = np.argwhere(mask)
    start = np.maximum(indices.min(axis=0) - margin, 0)
    stop = np.minimum(indices.max(axis=0) + np.array(margin) + 1, suv.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    values, inside = suv[box].astype(np.float64), mask[box]
    both = np.stack((values, np.ones_like(values)))
    kernels = [(offset, _sphere_weights(spacing_mm, offset)) for offset in itertools.product((0.0, 0.5), repeat=3)]
    reach = kernels[0][1].shape
    # With room for the sphere at each side: what leaves the image on one side must not come in on the other.
    room = [fft.next_fast_len(n + k - 1, real=True) for n, k in zip(values.shape, reach, strict=True)]
    spectra = fft.rfftn(both, room, axes=(1, 2, 3))
    valid = tuple(slice(k // 2, k // 2 + n) for n, k in zip(values.shape, reach, strict=True))
    best, centre = -np.inf, (0.0, 0.0, 0.0)
    for offset, kernel in kernels:
        # Flipped, for the half-voxel offsets make it asymmetric.
        sphere = fft.rfftn(kernel[::-1, ::-1, ::-1], room)
        total, weight = fft.irfftn(spectra * sphere, room, axes=(1, 2, 3))[(slice(None), *valid)]
        means = np.where(inside, total / np.maximum(weight, 1e-12), -np.inf)
        index = np.unravel_index(int(means.argmax()), means.shape)
        if means[index] > best + 1e-9:
            best = float(means[index])
            z, y, x = (float(i + a + o) for i, a, o in zip(index, start, offset, strict=True))
            centre = (z, y, x)
    return best, centre


@lru_cache(maxsize=64)
def _sphere_weights(spacing_mm: tuple[float, float, float], offset: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the share of each voxel (z, y, x) in a sphere at `offset` (in voxels) from the middle voxel's centre."""
    reach = [int(np.ceil(PEAK_RADIUS_MM / step + 1)) for step in spacing_mm]
    fine = (np.arange(_SUBDIVISIONS) + 0.5) / _SUBDIVISIONS - 0.5
    squares = [
        ((np.arange(-n, n + 1)[:, None] + fine - shift) * step) ** 2
        for n, step, shift in zip(reach, spacing_mm, offset, strict=True)
    ]
    weights = np.zeros([2 * n + 1 for n in reach])
    for z, row in enumerate(squares[0]):
        distance2 = row[:, None, None] + squares[1].reshape(1, -1, 1) + squares[2].reshape(1, 1, -1)
        shape = (_SUBDIVISIONS, weights.shape[1], _SUBDIVISIONS, weights.shape[2], _SUBDIVISIONS)
        weights[z] = (distance2 <= PEAK_RADIUS_MM**2).reshape(shape).mean(axis=(0, 2, 4))
    return weights
