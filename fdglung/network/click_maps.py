"""Clicks as a network sees them: one channel of those into lesions, one of those on what is none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SIGMA_MM = 6.0
"""Standard deviation of the Gaussian that stands for a click, in mm: two voxels of the bundle's grid."""

NORMALISATION = ((0.0, 0.0), (1.0, 1.0))
"""Clicks reach the network as they are drawn."""

_REACH = 3.0

Voxel = Sequence[float]


def click_maps(
    shape: Sequence[int], foreground: Iterable[Voxel], background: Iterable[Voxel], *, spacing_mm: float
) -> NDArray[np.float32]:
    """Draw clicks as Gaussians beside PET and CT.

    Gaussians of clicks as further input channels are those of Sakinis et al., *Interactive segmentation of medical
    images through fully convolutional neural networks*, 2019 (arXiv:1903.08205), whose network MONAI calls DeepGrow.

    Parameters
    ----------
    shape
        Voxels (z, y, x) of an isotropic grid.
    foreground, background
        Clicks (z, y, x) in voxels of the grid; those outside it are drawn as far as they reach into it.
    spacing_mm
        Of the grid.

    Returns
    -------
    numpy.ndarray
        float32 (2, z, y, x): 1 at a click, exp(-d^2 / (2 sigma^2)) at a distance d from the nearest one, 0 beyond
        three standard deviations.

    """
    maps = np.zeros((2, *shape), np.float32)
    sigma = SIGMA_MM / spacing_mm
    for channel, clicks in zip(maps, (foreground, background), strict=True):
        for click in clicks:
            _draw(channel, click, sigma)
    return maps


def _draw(channel: NDArray[np.float32], click: Voxel, sigma: float) -> None:
    reach = math.ceil(_REACH * sigma)
    box = tuple(
        slice(max(0, round(at) - reach), max(0, min(size, round(at) + reach + 1)))
        for at, size in zip(click, channel.shape, strict=True)
    )
    if any(part.stop <= part.start for part in box):
        return
    squares = [
        (np.arange(part.start, part.stop, dtype=np.float32) - np.float32(at)) ** 2
        for part, at in zip(box, click, strict=True)
    ]
    distance = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    drawn = np.where(distance <= (_REACH * sigma) ** 2, np.exp(-distance / np.float32(2 * sigma**2)), 0)
    np.maximum(channel[box], drawn, out=channel[box])
