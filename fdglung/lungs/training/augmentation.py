"""Slices changed as scanners, patients and disease change them: geometry, CT numbers, filled lung, cut fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Slice = NDArray[np.float32]
Labels = NDArray[np.uint8]

AIR_HU = -1024.0


@dataclass(frozen=True)
class SliceAugmentation:
    """How slices are changed; there is no mirroring, because right and left are told apart.

    Attributes
    ----------
    half_turn
        Chance of a turn by 180 degrees, as a prone patient whose header does not say so.
    turn_degrees, scale, shift
        Largest turn to either side, largest change of size, and largest shift as a share of the slice.
    offset_hu, gain
        Largest offset, and largest change of the scale about water.
    noise_hu
        Highest standard deviation of noise, whose grain is 0 to 1.5 pixels.
    blur_pixels
        Highest standard deviation of a blur, as of thick slices and soft kernels.
    contrast
        Chance of vessels and heart raised by up to 250 HU, as by contrast medium.
    filled
        Chance of a part of the lungs filled with soft tissue or fluid, which stays lung.
    field
        Chance of a field of view that is cut, round or on one side.

    """

    half_turn: float = 0.05
    turn_degrees: float = 12.0
    scale: float = 0.2
    shift: float = 0.06
    offset_hu: float = 40.0
    gain: float = 0.05
    noise_hu: float = 60.0
    blur_pixels: float = 1.2
    contrast: float = 0.25
    filled: float = 0.2
    field: float = 0.1

    def __call__(self, hu: Slice, labels: Labels, rng: np.random.Generator) -> tuple[Slice, Labels]:
        """Return a changed copy of a slice (y, x) in HU and of its labels."""
        hu, labels = hu.astype(np.float32), labels.copy()
        if rng.random() < self.filled:
            hu = _with_filled_lung(hu, labels, rng)
        if rng.random() < self.contrast:
            hu = _with_contrast(hu, rng)
        hu, labels = self._moved(hu, labels, rng)
        if rng.random() < 0.5:
            hu = ndimage.gaussian_filter(hu, rng.uniform(0, self.blur_pixels))
        hu = hu * rng.uniform(1 - self.gain, 1 + self.gain) + rng.uniform(-self.offset_hu, self.offset_hu)
        hu = hu + _noise(hu.shape, rng) * rng.uniform(0, self.noise_hu) * (rng.random() < 0.7)
        if rng.random() < self.field:
            seen = _field_of_view(hu.shape, rng)
            hu, labels = np.where(seen, hu, AIR_HU), np.where(seen, labels, 0).astype(np.uint8)
        return hu.astype(np.float32), labels

    def _moved(self, hu: Slice, labels: Labels, rng: np.random.Generator) -> tuple[Slice, Labels]:
        angle = np.deg2rad(rng.uniform(-self.turn_degrees, self.turn_degrees))
        if rng.random() < self.half_turn:
            angle += np.pi
        size = rng.uniform(1 - self.scale, 1 + self.scale, 2)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / size
        middle = (np.array(hu.shape) - 1) / 2
        offset = middle - matrix @ (middle + rng.uniform(-self.shift, self.shift, 2) * hu.shape)
        moved = ndimage.affine_transform(hu, matrix, offset, order=1, cval=AIR_HU)
        return moved, ndimage.affine_transform(labels, matrix, offset, order=0, cval=0)


def _with_filled_lung(hu: Slice, labels: Labels, rng: np.random.Generator) -> Slice:
    """Fill a share of the lungs, in one piece or several, with 0 to 60 HU."""
    lung = labels > 0
    if not lung.any():
        return hu
    if rng.random() < 0.3:
        # One whole lung: white-out by a tumour, or collapse.
        filled = labels == rng.choice(np.unique(labels[lung]))
    else:
        field = ndimage.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), rng.uniform(6, 24))
        filled = lung & (field > np.quantile(field[lung], rng.uniform(0.3, 0.95)))
    edge = ndimage.gaussian_filter(filled.astype(np.float32), rng.uniform(0.5, 3))
    level = rng.uniform(0, 60) + 15 * ndimage.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), 1)
    changed: Slice = np.where(lung, hu + edge * (level - hu), hu).astype(np.float32)
    return changed


def _with_contrast(hu: Slice, rng: np.random.Generator) -> Slice:
    """Raise soft tissue in round pieces, as contrast medium does vessels and heart."""
    field = ndimage.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), rng.uniform(3, 12))
    raised = (hu > 0) & (hu < 120) & (field > np.quantile(field, rng.uniform(0.5, 0.9)))
    edge = ndimage.gaussian_filter(raised.astype(np.float32), 1.0)
    return np.asarray(hu + edge * rng.uniform(50, 250), np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Slice:
    noise = rng.standard_normal(shape).astype(np.float32)
    grain = rng.uniform(0, 1.5)
    if grain > 0.3:
        noise = ndimage.gaussian_filter(noise, grain)
        noise /= noise.std()
    return noise


def _field_of_view(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    if rng.random() < 0.5:
        return np.asarray(np.hypot(y, x) < rng.uniform(0.75, 1.1))
    angle = rng.uniform(0, 2 * np.pi)
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y < rng.uniform(0.6, 0.95))
