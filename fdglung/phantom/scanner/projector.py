"""Parallel projection of stacks of slices by rotating them, with or without time of flight."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fdglung.phantom.scanner.catalogue import Reconstruction, Scanner

if TYPE_CHECKING:
    from torch import Tensor

_SPEED_OF_LIGHT_MM_PER_PS = 0.299792458
_FWHM_TO_SIGMA = 1 / math.sqrt(8 * math.log(2))
_BLOCK_PIXELS = 1_000_000


def tof_mm(scanner: Scanner, reconstruction: Reconstruction) -> float | None:
    """Return the FWHM of a place along a line in mm, half the way of light in the scanner's time resolution.

    None where the scanner or the reconstruction has no time of flight.
    """
    if not reconstruction.tof or scanner.tof_ps is None:
        return None
    return _SPEED_OF_LIGHT_MM_PER_PS * scanner.tof_ps / 2


@dataclass(frozen=True)
class Projector:
    """Lines through square slices, their centre being the axis.

    A slice is turned (bilinear interpolation) and summed along its columns. With time of flight the sum is split
    into bins by normal weights around each bin's middle, which add up to 1 for every pixel: the bins' sum is the
    projection without time of flight.

    Attributes
    ----------
    size
        Pixels along a side, and bins across.
    pixel_mm
        Side of a pixel, and width of a bin.
    views
        Number of angles, evenly from 0 to 180 degrees.
    tof_mm
        FWHM of the position along the line; None where there is no time of flight.

    """

    size: int
    pixel_mm: float
    views: int
    tof_mm: float | None = None
    _cache: dict[object, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def tof_bins(self) -> int:
        """Bins along a line, no wider than the FWHM's half; 1 without time of flight."""
        if self.tof_mm is None:
            return 1
        return max(1, math.ceil((self.size * self.pixel_mm + self.tof_mm) / (self.tof_mm / 2)))

    @property
    def bin_length_mm(self) -> float:
        """Length of the line that a bin of time of flight takes; of the whole line without it."""
        return (self.size * self.pixel_mm + (self.tof_mm or 0.0)) / self.tof_bins

    def forward(self, image: Tensor, views: range | None = None) -> Tensor:
        """Line integrals.

        Parameters
        ----------
        image
            (slices, size, size).
        views
            Which of the angles; all where None.

        Returns
        -------
        Tensor
            (views, slices, tof_bins, size) in the image's unit times cm.

        """
        import torch

        chosen = range(self.views) if views is None else views
        out = torch.empty((len(chosen), image.shape[0], self.tof_bins, self.size), device=image.device)
        weights = self._weights(image.device)
        for part in self._blocks(image.shape[0], len(chosen)):
            turned = self._rotate(image[None, part].expand(len(chosen), -1, -1, -1), chosen, 1.0)
            out[:, part] = turned.sum(dim=2, keepdim=True) if weights is None else weights @ turned
        return out * (self.pixel_mm / 10)

    def back(self, data: Tensor, views: range | None = None) -> Tensor:
        """Sum of the views spread back along their lines: `forward` transposed, but for the interpolation.

        Parameters
        ----------
        data
            (views, slices, tof_bins, size).
        views
            Which of the angles `data` holds; all where None.

        Returns
        -------
        Tensor
            (slices, size, size) in the data's unit times cm.

        """
        import torch

        chosen = range(self.views) if views is None else views
        out = torch.empty((data.shape[1], self.size, self.size), device=data.device)
        weights = self._weights(data.device)
        for part in self._blocks(data.shape[1], len(chosen)):
            lines = data[:, part]
            spread = lines.expand(-1, -1, self.size, -1) if weights is None else weights.T @ lines
            out[part] = self._rotate(spread, chosen, -1.0).sum(dim=0)
        return out * (self.pixel_mm / 10)

    def back_squared(self, data: Tensor, views: range | None = None) -> Tensor:
        """As `back`, with the squares of the weights along the line, without the length of a pixel."""
        import torch

        chosen = range(self.views) if views is None else views
        out = torch.empty((data.shape[1], self.size, self.size), device=data.device)
        weights = self._weights(data.device)
        for part in self._blocks(data.shape[1], len(chosen)):
            lines = data[:, part]
            spread = lines.expand(-1, -1, self.size, -1) if weights is None else (weights.T**2) @ lines
            out[part] = self._rotate(spread, chosen, -1.0).sum(dim=0)
        return out

    def _blocks(self, slices: int, views: int) -> list[slice]:
        """Runs of slices that stay in the processor's cache."""
        step = max(1, _BLOCK_PIXELS // (self.size**2 * views))
        return [slice(start, min(start + step, slices)) for start in range(0, slices, step)]

    def _rotate(self, stack: Tensor, views: range, sense: float) -> Tensor:
        """(views, slices, size, size), each view turned by its angle."""
        from torch.nn.functional import grid_sample

        return grid_sample(stack, self._grid(views, sense, stack.device), mode="bilinear", align_corners=False)

    def _grid(self, views: range, sense: float, device: object) -> Tensor:
        import torch
        from torch.nn.functional import affine_grid

        key = (views, sense, str(device))
        if key not in self._cache:
            angles = torch.arange(self.views, dtype=torch.float64)[views.start : views.stop : views.step]
            angles = angles * (sense * math.pi / self.views)
            cos, sin, zero = angles.cos(), angles.sin(), torch.zeros_like(angles)
            turn = torch.stack([torch.stack([cos, -sin, zero], -1), torch.stack([sin, cos, zero], -1)], 1)
            grid = affine_grid(turn, [len(views), 1, self.size, self.size], align_corners=False)
            self._cache[key] = grid.to(device=device, dtype=torch.float32)
        return self._cache[key]

    def _weights(self, device: object) -> Tensor | None:
        """(tof_bins, size): chance that a decay in a pixel along the line is counted in a bin."""
        import torch

        if self.tof_mm is None:
            return None
        key = ("tof", str(device))
        if key not in self._cache:
            place = (torch.arange(self.size, dtype=torch.float64) - (self.size - 1) / 2) * self.pixel_mm
            middles = torch.arange(self.tof_bins, dtype=torch.float64) - (self.tof_bins - 1) / 2
            middles = middles * self.bin_length_mm
            away = (place[None, :] - middles[:, None]) / (self.tof_mm * _FWHM_TO_SIGMA)
            weights = torch.exp(-0.5 * away**2)
            weights = weights / weights.sum(dim=0, keepdim=True)
            self._cache[key] = weights.to(device=device, dtype=torch.float32)
        return self._cache[key]
