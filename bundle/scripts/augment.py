"""Chance changes of raw PET (g/ml) and CT (HU) patches: what other scanners, doses, breaths and crops would show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from fdglung.network.normalisation import OUTSIDE

_LONGEST_KERNEL_VOXELS = 15


@dataclass(frozen=True)
class Augmentation:
    """How often and how far patches are changed. A probability of 0 leaves a change out.

    Attributes
    ----------
    rotation_degrees, scale, flip_axes
        Largest angle about each axis, largest factor (1.2: from 1/1.2 to 1.2), axes (0 z, 1 y, 2 x) that are mirrored
        every second time.
    affine_probability
        Of rotation and scale.
    elastic_probability, elastic_mm
        Of a smooth deformation, and its standard deviation in mm.
    misalignment_probability, misalignment_mm
        Of a shift of the CT against the PET, and its standard deviation along x and y in mm; along z twice that.
    crop_probability, crop_mm
        Of a small field of view around the patch's place, and its smallest and largest side in mm.
    crop_lesion_share, crop_margin_mm
        Share of the small fields of view that are cut around all lesion in the patch instead, as crops of tumours are
        made, and the least and most that is left on each side of it in mm.
    suv_scale
        Largest factor on SUV (1.15: from 1/1.15 to 1.15).
    dose_probability, dose_noise
        Of the noise of a lower dose, and its largest standard deviation at an SUV of 1, in g/ml.
    blur_probability, blur_mm
        Of a blurred PET, and the largest FWHM in mm.
    low_resolution_probability, low_resolution
        Of a coarser PET, and the largest factor on its voxels.
    noise_probability, noise_hu
        Of noise in the CT, and its largest standard deviation in HU.
    ct_shift_hu
        Largest shift of the CT in HU.
    ct_dropout
        Probability of a patch without CT.

    """

    rotation_degrees: float = 15.0
    scale: float = 1.2
    flip_axes: Sequence[int] = (2,)
    affine_probability: float = 0.5
    elastic_probability: float = 0.1
    elastic_mm: float = 4.0
    misalignment_probability: float = 0.3
    misalignment_mm: float = 3.0
    crop_probability: float = 0.25
    crop_mm: Sequence[float] = (80.0, 200.0)
    crop_lesion_share: float = 0.0
    crop_margin_mm: Sequence[float] = (5.0, 50.0)
    suv_scale: float = 1.15
    dose_probability: float = 0.3
    dose_noise: float = 0.4
    blur_probability: float = 0.2
    blur_mm: float = 8.0
    low_resolution_probability: float = 0.2
    low_resolution: float = 2.0
    noise_probability: float = 0.2
    noise_hu: float = 60.0
    ct_shift_hu: float = 20.0
    ct_dropout: float = 0.1

    def geometry(self, rng: np.random.Generator) -> torch.Tensor:
        """Return a random matrix (3, 3) from a patch's offsets (z, y, x) to those of its source."""
        matrix = np.eye(3)
        if rng.random() < self.affine_probability:
            angles = np.radians(rng.uniform(-self.rotation_degrees, self.rotation_degrees, 3))
            for axis, angle in enumerate(angles):
                matrix = matrix @ _rotation(axis, angle)
            matrix = matrix * math.exp(rng.uniform(-1, 1) * math.log(self.scale))
        for axis in self.flip_axes:
            if rng.random() < 0.5:
                matrix[:, axis] *= -1
        return torch.from_numpy(matrix).float()

    def deformation(
        self, shape: Sequence[int], spacing_mm: float, rng: np.random.Generator, noise: torch.Generator
    ) -> torch.Tensor | None:
        """Return a smooth displacement (z, y, x, 3) in voxels, or None."""
        if rng.random() >= self.elastic_probability:
            return None
        coarse = torch.randn(1, 3, 5, 5, 5, generator=noise, device=noise.device) * (self.elastic_mm / spacing_mm)
        fine = functional.interpolate(coarse, size=tuple(shape), mode="trilinear", align_corners=True)
        return fine[0].permute(1, 2, 3, 0)

    def misalignment(self, spacing_mm: float, rng: np.random.Generator) -> torch.Tensor | None:
        """Return a shift (z, y, x) of the CT in voxels, or None."""
        if rng.random() >= self.misalignment_probability:
            return None
        shift = rng.normal(size=3) * self.misalignment_mm / spacing_mm * np.array([2.0, 1.0, 1.0])
        return torch.from_numpy(shift).float()

    def field_of_view(
        self, lesion: torch.Tensor, spacing_mm: float, rng: np.random.Generator
    ) -> tuple[slice, ...] | None:
        """Return the part of a patch that a small crop would show, or None for all of it; `lesion` bool (z, y, x)."""
        if rng.random() >= self.crop_probability:
            return None
        shape = tuple(lesion.shape)
        if self.crop_lesion_share and bool(lesion.any()) and rng.random() < self.crop_lesion_share:
            before, after = rng.uniform(*self.crop_margin_mm, (2, 3)) / spacing_mm
            (box,) = ndimage.find_objects(lesion.cpu().numpy().astype(np.uint8))
            return tuple(
                slice(max(0, int(box[axis].start - before[axis])), min(shape[axis], int(box[axis].stop + after[axis])))
                for axis in range(3)
            )
        part = []
        for size in shape:
            side = max(8, min(size, round(rng.uniform(*self.crop_mm) / spacing_mm)))
            # The middle of the patch, where its place lies, is in view.
            start = int(rng.integers(max(0, size // 2 - side + 1), min(size - side, size // 2) + 1))
            part.append(slice(start, start + side))
        return tuple(part)

    def intensities(
        self,
        patch: torch.Tensor,
        channels: Sequence[str],
        spacing_mm: float,
        rng: np.random.Generator,
        noise: torch.Generator,
    ) -> torch.Tensor:
        """Return a patch (channel, z, y, x) as another scanner or dose might have shown it."""
        changed = [
            (self._pet if channel == "PET" else self._ct)(patch[index], spacing_mm, rng, noise)
            for index, channel in enumerate(channels)
        ]
        if len(channels) > 1 and "CT" in channels and rng.random() < self.ct_dropout:
            index = list(channels).index("CT")
            changed[index] = torch.full_like(changed[index], OUTSIDE["CT"])
        return torch.stack(changed)

    def _pet(
        self, suv: torch.Tensor, spacing_mm: float, rng: np.random.Generator, noise: torch.Generator
    ) -> torch.Tensor:
        if rng.random() < self.low_resolution_probability:
            suv = _coarser(suv, rng.uniform(1, self.low_resolution, 3))
        if rng.random() < self.blur_probability:
            suv = blurred(suv, rng.uniform(0, self.blur_mm) / 2.3548 / spacing_mm)
        if rng.random() < self.dose_probability:
            # Counts are Poisson, so their noise grows with the root of uptake; reconstruction makes it smooth.
            grain = torch.randn(suv.shape, generator=noise, device=suv.device)
            grain = blurred(grain, rng.uniform(4.0, 7.0) / 2.3548 / spacing_mm)
            strength = rng.uniform(0, self.dose_noise) / max(1e-6, float(grain.std()))
            suv = suv + strength * grain * suv.clamp(min=0.05).sqrt()
        suv = suv * math.exp(rng.uniform(-1, 1) * math.log(self.suv_scale))
        return suv.clamp(min=0)

    def _ct(
        self, hu: torch.Tensor, spacing_mm: float, rng: np.random.Generator, noise: torch.Generator
    ) -> torch.Tensor:
        if rng.random() < self.noise_probability:
            hu = hu + rng.uniform(0, self.noise_hu) * torch.randn(hu.shape, generator=noise, device=hu.device)
        return hu + rng.uniform(-1, 1) * self.ct_shift_hu


NONE = Augmentation(
    **{name: 0.0 for name in Augmentation.__dataclass_fields__ if name.endswith("probability")},
    flip_axes=(),
    suv_scale=1.0,
    ct_shift_hu=0.0,
    ct_dropout=0.0,
)
"""Changes nothing."""


def blurred(volume: torch.Tensor, sigma: float) -> torch.Tensor:
    """Convolve a volume (z, y, x) with a Gaussian of `sigma` voxels, its rim repeated outwards."""
    if sigma < 0.1:
        return volume
    reach = min(_LONGEST_KERNEL_VOXELS // 2, max(1, math.ceil(3 * sigma)), *(n - 1 for n in volume.shape))
    steps = torch.arange(-reach, reach + 1, dtype=volume.dtype, device=volume.device)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    result = volume[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = len(kernel)
        padding = [0] * 6
        padding[2 * (2 - axis)] = padding[2 * (2 - axis) + 1] = reach
        result = functional.conv3d(functional.pad(result, padding, mode="replicate"), kernel.reshape(shape))
    return result[0, 0]


def _coarser(volume: torch.Tensor, factors: Sequence[float]) -> torch.Tensor:
    size = [max(2, round(n / factor)) for n, factor in zip(volume.shape, factors, strict=True)]
    small = functional.interpolate(volume[None, None], size=size, mode="trilinear", align_corners=False)
    return functional.interpolate(small, size=tuple(volume.shape), mode="trilinear", align_corners=False)[0, 0]


def _rotation(axis: int, angle: float) -> np.ndarray:
    matrix = np.eye(3)
    a, b = [other for other in range(3) if other != axis]
    matrix[a, a] = matrix[b, b] = math.cos(angle)
    matrix[a, b], matrix[b, a] = -math.sin(angle), math.sin(angle)
    return matrix
