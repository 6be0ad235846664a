"""How much the counts tell about each place: maps at low resolution of the Fisher information of a scan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fdglung.phantom.scanner import gridding
from fdglung.phantom.scanner.catalogue import Reconstruction, Scanner
from fdglung.phantom.scanner.noise import Noise, background
from fdglung.phantom.scanner.projector import Projector, tof_mm
from fdglung.phantom.shapes import Grid

if TYPE_CHECKING:
    from torch import Tensor

_PIXEL_MM = 8.0
_VIEWS = 24
_TINY = 1e-9
_ACTIVE = 0.25
_NO_PACE = 1e-3


@dataclass(frozen=True)
class Information:
    """Maps on a coarse grid, all (z, y, x).

    Attributes
    ----------
    grid
        Where they lie.
    weight
        Information of an angle about the line integral through a place, per SUV^2, cm^3 and radian and one cm along
        the patient, mean over the angles: with a sensitivity of 1 along the patient. Its inverse is the scale of the
        variance.
    rate
        Pace of convergence in 1/mm over the image's value.
    activity
        SUVbw in g/ml.

    """

    grid: Grid
    weight: Tensor
    rate: Tensor
    activity: Tensor

    def typical_pace(self) -> float:
        """Pace of convergence in 1/mm where there is activity: the median over it."""
        pace, _ = self._paces(self.activity)
        return float(pace.median()) if len(pace) else _NO_PACE

    def noisiest_pace(self, image: Tensor) -> float:
        """As `typical_pace` of an image (z, y, x) on the grid, where the noise is: weighted by the variance's scale."""
        pace, scale = (values.double() for values in self._paces(image))
        return float((pace * scale).sum() / scale.sum()) if len(pace) else _NO_PACE

    def _paces(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Pace and scale of the variance of the voxels that have activity."""
        # sums in double precision: single ones round differently with the number of threads
        mean = float(values.double().sum()) / max(int((values > 0).sum()), 1)
        there = values > _ACTIVE * mean
        return (self.rate * values)[there], 1 / self.weight[there].clamp_min(_TINY)


def information(
    activity: Tensor,
    activity_grid: Grid,
    mu: Tensor,
    correction: Tensor,
    square: Grid,
    *,
    scanner: Scanner,
    reconstruction: Reconstruction,
    noise: Noise | None,
) -> Information:
    """Fisher information of a scan's counts about each place.

    A bin of expected y counts, of which the model of the reconstruction expects f for one SUV and cm, tells f^2 / y.
    With time of flight the bins along a line count by the squares of their weights at the place.

    Parameters
    ----------
    activity, activity_grid
        SUVbw (z, y, x), and where.
    mu, correction, square
        What attenuates and what is corrected for, in 1/cm, (z, y, x) on `square`.
    scanner, reconstruction
        Of time of flight and scatter.
    noise
        Of the counts; None for one count per SUV ml without scatter and randoms.

    """
    import torch

    grid = _coarse(square)
    x = gridding.resample(activity, activity_grid, grid).clamp_min(0)
    attenuation = gridding.resample(mu, square, grid).clamp_min(0)
    tof = tof_mm(scanner, reconstruction)
    pixel = grid.spacing_mm[0]
    projector = Projector(grid.size[0], pixel, _VIEWS, tof)
    lines = Projector(grid.size[0], pixel, _VIEWS)
    escaped = torch.exp(-lines.forward(attenuation))
    if correction is mu:
        corrected = escaped
    else:
        corrected = torch.exp(-lines.forward(gridding.resample(correction, square, grid).clamp_min(0)))
    # a bin of one view holds what one cm along the patient, its width and the views' share of the counts make
    each = (1.0 if noise is None else noise.counts_per_suv_ml(scanner)) * (pixel / 10) / _VIEWS
    expected = each * escaped * projector.forward(x)
    if noise is not None:
        expected += background(
            expected,
            scatter_fraction=scanner.scatter_fraction,
            randoms_ratio=noise.randoms_ratio,
            bin_mm=pixel,
            length_mm=projector.bin_length_mm,
        )
    unit = (pixel / 10) * math.pi  # of a bin, in cm and radian, times the views
    weight = projector.back_squared((each * corrected) ** 2 / expected.clamp_min(_TINY)) / unit
    seen = lines.back_squared(each * corrected) / unit
    rate = weight / (math.pi * seen.clamp_min(_TINY)) / 10
    return Information(grid, weight, rate, x)


def _coarse(square: Grid) -> Grid:
    """8 mm voxels over a square, no finer than its own."""
    pixel = max(_PIXEL_MM, square.spacing_mm[0])
    step = max(_PIXEL_MM, square.spacing_mm[2])
    across = square.size[0] * square.spacing_mm[0]
    size = 2 * math.ceil(across / pixel / 2) + 1
    middle = [square.origin_mm[i] + square.spacing_mm[i] * (square.size[i] - 1) / 2 for i in range(3)]
    slices = max(1, math.ceil(square.size[2] * square.spacing_mm[2] / step))
    step = square.size[2] * square.spacing_mm[2] / slices
    origin = [
        middle[0] - (size - 1) / 2 * pixel,
        middle[1] - (size - 1) / 2 * pixel,
        middle[2] - (slices - 1) / 2 * step,
    ]
    return Grid((origin[0], origin[1], origin[2]), (pixel, pixel, step), (size, size, slices))
