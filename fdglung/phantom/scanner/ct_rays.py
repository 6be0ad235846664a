"""What X-rays meet on their way through a slice: the noise that they bring back, and the streaks of metal."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

WATER_PER_MM = 0.0193
"""Attenuation of water at 70 keV, the mean energy of 120 kV beams after the patient (NIST XCOM 0.1929 / cm)."""

_COARSE_MM = 8.0
_ANGLES = 12
_LARGEST_INTEGRAL = 10.0
"""Beyond it, scanners smooth the projections rather than let the noise grow."""

_BOWTIE_MM = 320.0
_METAL_PER_MM = 0.24
_METAL_SATURATION = 1.5
_METAL_STRENGTH = 0.25
_STREAK_MM = 4.0
_STREAK_ANGLES = 120


def noise_variance(hu: Array, spacing_mm: tuple[float, float, float], reference_mm: float) -> Array:
    """Variance of the noise by sector of ray direction, over that at the centre of a water cylinder.

    Parameters
    ----------
    hu
        CT numbers in HU, (z, y, x).
    spacing_mm
        Along x, y, z.
    reference_mm
        Diameter of the cylinder.

    Returns
    -------
    ndarray
        float32 (z, 3, rows, columns) on voxels of about 8 mm over the same field: rays across, diagonal, front to back.

    """
    import torch

    slices, rows, columns = hu.shape
    across, down = columns * spacing_mm[0], rows * spacing_mm[1]
    size = (max(round(down / _COARSE_MM), 4), max(round(across / _COARSE_MM), 4))
    # noise changes slowly along z: one slice in about 8 mm is enough
    stride = max(round(_COARSE_MM / spacing_mm[2]), 1)
    picked = torch.from_numpy(hu[::stride])
    coarse = torch.nn.functional.interpolate(picked[None], size=size, mode="area")
    density = coarse.add_(1000).mul_(WATER_PER_MM / 1000).clamp_(min=0)
    y = (torch.arange(size[0]) + 0.5) * (down / size[0]) - down / 2
    x = (torch.arange(size[1]) + 0.5) * (across / size[1]) - across / 2
    count = math.ceil(math.hypot(across, down) / _COARSE_MM) + 2
    place = (torch.arange(count) - (count - 1) / 2) * _COARSE_MM
    bowtie = 0.5 * WATER_PER_MM * (_BOWTIE_MM - 2 * (_BOWTIE_MM**2 / 4 - place**2).clamp(min=0).sqrt())
    result = torch.zeros((len(picked), 3, *size))
    shares = torch.zeros(3)
    for turn in range(_ANGLES):
        angle = math.pi * turn / _ANGLES
        cosine, sine = math.cos(angle), math.sin(angle)
        # rays run along (cosine, sine); `place` is their distance from the axis
        ray_x = place[None, :] * cosine - place[:, None] * sine
        ray_y = place[None, :] * sine + place[:, None] * cosine
        grid = torch.stack([ray_x / (across / 2), ray_y / (down / 2)], dim=-1)[None]
        integral = torch.nn.functional.grid_sample(density, grid, align_corners=False)[0].sum(dim=-1) * _COARSE_MM
        weight = (integral + bowtie).clamp_(max=_LARGEST_INTEGRAL).sub_(WATER_PER_MM * reference_mm).exp_()
        index = (y[:, None] * cosine - x[None, :] * sine) / _COARSE_MM + (count - 1) / 2
        low = index.floor().clamp_(0, count - 2).long()
        part = (index - low).clamp_(0, 1)
        brought = weight[:, low] * (1 - part) + weight[:, low + 1] * part
        node = min(angle, math.pi - angle) / (math.pi / 4)
        for sector in range(3):
            share = math.cos(min(abs(node - sector), 1) * math.pi / 2) ** 2
            result[:, sector].add_(brought, alpha=share)
            shares[sector] += share
    result /= shares[:, None, None]
    place_z = np.minimum(np.arange(slices) / stride, len(picked) - 1)
    low_z = np.minimum(place_z.astype(int), max(len(picked) - 2, 0))
    high_z = np.minimum(low_z + 1, len(picked) - 1)
    part_z = (place_z - low_z).astype(np.float32)[:, None, None, None]
    known: Array = result.numpy()
    return known[low_z] * (1 - part_z) + known[high_z] * part_z


def metal_streaks(metal: npt.NDArray[np.bool_], spacing_mm: tuple[float, float]) -> dict[int, Array]:
    """What metal adds to the slices that hold some, in HU, on voxels of about 4 mm over the same field.

    The line integrals through metal saturate (beam hardening, too few photons); back-projecting what is missing of
    them makes dark bands along the metal's long axis and between pieces, and bright ones beside them. The size is a
    round figure.
    """
    _, rows, columns = metal.shape
    across, down = columns * spacing_mm[0], rows * spacing_mm[1]
    size = (max(round(down / _STREAK_MM), 4), max(round(across / _STREAK_MM), 4))
    y = (np.arange(size[0]) + 0.5) * down / size[0] - down / 2
    x = (np.arange(size[1]) + 0.5) * across / size[1] - across / 2
    count = math.ceil(math.hypot(across, down) / _STREAK_MM) + 3
    length = 2 ** math.ceil(math.log2(2 * count))
    ramp = np.fft.rfftfreq(length, _STREAK_MM) * np.cos(np.pi * np.fft.rfftfreq(length)) ** 2
    angles = np.pi * np.arange(_STREAK_ANGLES) / _STREAK_ANGLES
    cosines, sines = np.cos(angles)[:, None], np.sin(angles)[:, None]
    indices = np.flatnonzero(metal.any(axis=(1, 2)))
    filtered = np.empty((len(indices), _STREAK_ANGLES, count + 1), np.float32)
    for entry, index in enumerate(indices):
        row, column = np.nonzero(metal[index])
        metal_y = (row + 0.5) * spacing_mm[1] - down / 2
        metal_x = (column + 0.5) * spacing_mm[0] - across / 2
        place = (metal_y * cosines - metal_x * sines) / _STREAK_MM + (count - 1) / 2
        low = np.floor(place).astype(int)
        part = place - low
        bins = np.arange(_STREAK_ANGLES)[:, None] * (count + 1) + low
        projected = np.bincount(bins.ravel(), (1 - part).ravel(), _STREAK_ANGLES * (count + 1))
        projected += np.bincount((bins + 1).ravel(), part.ravel(), _STREAK_ANGLES * (count + 1))
        metal_mm = projected.reshape(_STREAK_ANGLES, -1) * (spacing_mm[0] * spacing_mm[1] / _STREAK_MM)
        integral = _METAL_PER_MM * metal_mm
        missing = _METAL_SATURATION * -np.expm1(-integral / _METAL_SATURATION) - integral
        filtered[entry] = np.fft.irfft(np.fft.rfft(missing, length) * ramp, length)[:, : count + 1]
    images = np.zeros((len(indices), *size), np.float32)
    for turn, angle in enumerate(angles):
        place = (y[:, None] * math.cos(angle) - x[None, :] * math.sin(angle)) / _STREAK_MM + (count - 1) / 2
        low = np.floor(place).astype(int)
        part = (place - low).astype(np.float32)
        images += filtered[:, turn][:, low] * (1 - part) + filtered[:, turn][:, low + 1] * part
    images *= np.float32(np.pi / _STREAK_ANGLES * _METAL_STRENGTH * 1000 / WATER_PER_MM)
    return dict(zip(indices.tolist(), images, strict=True))
