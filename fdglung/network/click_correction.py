"""What clicks say beyond a network: its logits corrected around them, farthest where the image looks alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[np.float32]
Voxel = Sequence[int]

REACH_MM = 20.0
"""Standard deviation in space, in mm."""

LIKENESS = {"PET": 0.5, "CT": 0.3}
"""Standard deviation in a channel's normalised value."""

CERTAIN = 4.0
"""Logit that a click stands for: a probability of 0.98."""

_NOISE = 0.1
_FARTHEST = 4.0


def corrected(
    logits: Volume,
    images: Sequence[Volume],
    channels: Sequence[str],
    foreground: Sequence[Voxel],
    background: Sequence[Voxel],
    *,
    spacing_mm: float,
) -> Volume:
    """Correct logits of lesion by clicks, as a Gaussian process whose mean is what the network says.

    A click is an observation of the logit at its voxel: `CERTAIN`, or less than that by its sign. The posterior mean,
    m(x) + k(x, X) (k(X, X) + s I)^-1 (y - m(X)), is Rasmussen and Williams, *Gaussian Processes for Machine Learning*,
    2006, eq. 2.38. The covariance k is a Gaussian of the distance times one of the difference in each image, as the
    weights of a bilateral filter are (Tomasi and Manduchi, ICCV 1998): what looks like the clicked voxel follows it
    farther. Where the network already says what the clicks do, nothing changes.

    Parameters
    ----------
    logits
        Of lesion against background (z, y, x).
    images
        Normalised images (z, y, x) on the same isotropic grid.
    channels
        Their names.
    foreground, background
        Voxels (z, y, x) of clicks into lesions and on what is none; those outside the grid are passed over.
    spacing_mm
        Of the grid.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x).

    """
    clicks = {tuple(int(i) for i in at): CERTAIN for at in foreground}
    clicks |= {tuple(int(i) for i in at): -CERTAIN for at in background}
    clicks = {at: y for at, y in clicks.items() if all(0 <= i < n for i, n in zip(at, logits.shape, strict=True))}
    if not clicks:
        return logits
    places = list(clicks)
    features = np.array(
        [[*(i * spacing_mm / REACH_MM for i in at), *_looks(images, channels, at)] for at in places], np.float64
    )
    covariance = np.exp(-0.5 * ((features[:, None] - features[None]) ** 2).sum(axis=-1))
    # A network that is beyond doubt must not outweigh every later click.
    surprise = np.array(
        [y - np.clip(logits[at], -_FARTHEST * CERTAIN, _FARTHEST * CERTAIN) for at, y in clicks.items()]
    )
    weights = np.linalg.solve(covariance + _NOISE * np.eye(len(places)), surprise)
    result = logits.astype(np.float32, copy=True)
    for at, weight in zip(places, weights, strict=True):
        result += np.float32(weight) * _likeness(logits.shape, images, channels, at, spacing_mm)
    return result


def _looks(images: Sequence[Volume], channels: Sequence[str], at: tuple[int, ...]) -> list[float]:
    return [float(image[at]) / LIKENESS[name] for image, name in zip(images, channels, strict=True)]


def _likeness(
    shape: Sequence[int], images: Sequence[Volume], channels: Sequence[str], at: tuple[int, ...], spacing_mm: float
) -> Volume:
    """Return the covariance (z, y, x) of each voxel with one of them."""
    z, y, x = (
        ((np.arange(n, dtype=np.float32) - np.float32(i)) * np.float32(spacing_mm / REACH_MM)) ** 2
        for n, i in zip(shape, at, strict=True)
    )
    squares: Volume = z[:, None, None] + y[:, None] + x
    for image, name in zip(images, channels, strict=True):
        squares = squares + ((image - image[at]) / np.float32(LIKENESS[name])) ** 2
    return np.exp(np.float32(-0.5) * squares)
