"""The bulk tier: point spread and noise in the image, by the linear theory of the reconstruction."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import next_fast_len

from fdglung.phantom.scanner import gridding
from fdglung.phantom.scanner.catalogue import Reconstruction, Scanner
from fdglung.phantom.scanner.information import Information, information
from fdglung.phantom.scanner.noise import Noise, axial_sensitivity
from fdglung.phantom.scanner.osem import reconstruct
from fdglung.phantom.scanner.projector import Projector, tof_mm
from fdglung.phantom.scanner.reference import Scene
from fdglung.phantom.scanner.resolution import Response, gaussian, intrinsic_blur, rfft_weights
from fdglung.phantom.shapes import Grid

if TYPE_CHECKING:
    from torch import Tensor

_PACE_STEPS = (0.25, 1.0, 4.0, 16.0)
"""Paces of convergence, over the typical one, between whose images lies that of each place; no slower, no faster."""

_PACE_ROUNDS = 2

_COLD_BIAS, _COLD_BELOW = 0.35, 1.3
"""Of the noise, and of the noise over the image; fitted to empty holes in the reference tier at 1/50 of the dose."""

_NEIGHBOURHOOD_MM = 40.0

_NOISE_SCALE = 1.11
"""Standard deviation in the reference tier over the theory's: the mean of six reconstructions, within 3 % of each."""

_FINEST_MISMATCH_MM = 3.0
_MISMATCH_ITERATIONS, _MISMATCH_SUBSETS, _MISMATCH_VIEWS = 3, 12, 60


def scan(
    scene: Scene,
    *,
    scanner: Scanner,
    reconstruction: Reconstruction,
    noise: Noise | None,
    rng: np.random.Generator,
) -> Tensor:
    """Blur, and add noise of the variance and correlation that the reference tier's has.

    Returns
    -------
    Tensor
        SUVbw, (z, y, x) on the scene's square.

    """
    square = scene.square
    response = Response(scanner, reconstruction, square.spacing_mm)
    counts = partial(
        information,
        scene.activity,
        scene.activity_grid,
        scene.mu,
        square=square,
        scanner=scanner,
        reconstruction=reconstruction,
        noise=noise,
    )
    known = counts(correction=scene.mu)
    image = _resolved(scene, response, known)
    if scene.correction is not scene.mu:
        image = _mismatched(image, scene, scanner=scanner, reconstruction=reconstruction)
        known = counts(correction=scene.correction)
    if noise is None:
        return image
    return _noisy(image, square, response, known, rng=rng)


def _resolved(scene: Scene, response: Response, known: Information) -> Tensor:
    """Activity with the resolution of the image, on the square; what is hotter has converged further."""
    import torch

    scanner, grid = response.scanner, scene.activity_grid
    source = scene.activity
    reach = 2 * (response.reconstruction.filter_fwhm_mm + max(scanner.fwhm_mm)) + 2 * response.spacing_mm[0]
    if not response.reconstruction.psf:
        source = intrinsic_blur(source, grid, scanner=scanner, axial=True, uniform=False)
    typical = known.typical_pace(scene.activity, grid)
    images: list[Tensor] = []
    for step in _PACE_STEPS:
        sharp = gridding.smooth(source, grid.spacing_mm, response.detail(step * typical), reach_mm=reach)
        images.append(gridding.resample(sharp, grid, scene.square).clamp_min(0))
    rate = gridding.resample(known.rate, known.grid, scene.square).clamp_min(0)
    image = images[1]
    for _ in range(_PACE_ROUNDS):
        pace = (rate * image / typical).clamp_min(1e-6)
        place = (pace / _PACE_STEPS[0]).log() / math.log(_PACE_STEPS[1] / _PACE_STEPS[0])
        image = images[0]
        for number, faster in enumerate(images[1:]):
            image = torch.lerp(image, faster, (place - number).clamp(0, 1))
    return image


def _mismatched(image: Tensor, scene: Scene, *, scanner: Scanner, reconstruction: Reconstruction) -> Tensor:
    """Reconstruct, without noise, what is attenuated by one map and corrected by another."""
    import torch

    square = scene.square
    grid = square
    if square.spacing_mm[0] < _FINEST_MISMATCH_MM:
        size = math.ceil(square.size[0] * square.spacing_mm[0] / _FINEST_MISMATCH_MM)
        shift = (square.size[0] - 1) / 2 * square.spacing_mm[0] - (size - 1) / 2 * _FINEST_MISMATCH_MM
        grid = Grid(
            (square.origin_mm[0] + shift, square.origin_mm[1] + shift, square.origin_mm[2]),
            (_FINEST_MISMATCH_MM, _FINEST_MISMATCH_MM, square.spacing_mm[2]),
            (size, size, square.size[2]),
        )
    projector = Projector(grid.size[0], grid.spacing_mm[0], _MISMATCH_VIEWS, tof_mm(scanner, reconstruction))
    lines = Projector(grid.size[0], grid.spacing_mm[0], _MISMATCH_VIEWS)
    x, mu, correction = (
        values if grid is square else gridding.resample(values, square, grid).clamp_min(0)
        for values in (image, scene.mu, scene.correction)
    )
    step = max(1, int(250e6 / (4 * projector.views * projector.tof_bins * projector.size)))
    parts = []
    for start in range(0, grid.size[2], step):
        part = slice(start, start + step)
        parts.append(
            reconstruct(
                torch.exp(-lines.forward(mu[part])) * projector.forward(x[part]),
                projector,
                factors=torch.exp(-lines.forward(correction[part])),
                iterations=_MISMATCH_ITERATIONS,
                subsets=_MISMATCH_SUBSETS,
            )
        )
    result = torch.cat(parts)
    return result if grid is square else gridding.resample(result, grid, square).clamp_min(0)


def _noisy(image: Tensor, square: Grid, response: Response, known: Information, *, rng: np.random.Generator) -> Tensor:
    """Log-normal values whose mean is the image, but for the bias of cold places."""
    import torch

    rates, variances = response.variances()
    table = torch.from_numpy(np.log(np.maximum(_NOISE_SCALE**2 * variances, 1e-30)).astype(np.float32)).to(image.device)
    first, step = math.log(rates[0]), math.log(rates[1] / rates[0])

    def variance(pace: Tensor) -> Tensor:
        place = ((pace.clamp_min(1e-12).log() - first) / step).clamp(0, len(rates) - 1.001)
        low = place.long()
        return torch.lerp(table[low], table[low + 1], place - low).exp()

    z = square.origin_mm[2] + square.spacing_mm[2] * np.arange(square.size[2])
    sensitivity = torch.from_numpy(axial_sensitivity(z, response.scanner).astype(np.float32)).to(image.device)
    weight = gridding.resample(known.weight.clamp_min(1e-20).log(), known.grid, square).exp()
    weight *= square.spacing_mm[2] / 10 * sensitivity[:, None, None]
    rate = gridding.resample(known.rate, known.grid, square).clamp_min(0)
    wide = gaussian((_NEIGHBOURHOOD_MM, _NEIGHBOURHOOD_MM))
    around = gridding.smooth(image, square.spacing_mm, wide, reach_mm=_NEIGHBOURHOOD_MM).clamp_min(0)
    usual = (variance(rate * around) / weight).sqrt()
    mean = image + _COLD_BIAS * (usual - _COLD_BELOW * image).clamp_min(0)
    square_of_ratio = variance(rate * mean) / weight / mean.clamp_min(1e-9) ** 2
    spread = torch.log1p(square_of_ratio.clamp_max(100))
    field = _correlated(square, response, known.noisiest_pace(image, square), rng=rng, device=image.device)
    return mean * (field * spread.sqrt() - spread / 2).exp()


def _correlated(square: Grid, response: Response, rate: float, *, rng: np.random.Generator, device: object) -> Tensor:
    """Normal noise of unit variance with the reconstruction's correlation."""
    import torch

    shape = square.shape
    spare = math.ceil(25 / square.spacing_mm[2])
    full = (next_fast_len(shape[0] + spare), next_fast_len(shape[1]), next_fast_len(shape[2]))
    white = torch.from_numpy(rng.standard_normal(full, dtype=np.float32)).to(device)
    spectrum = torch.fft.rfftn(white)
    power = response.noise_power(rate)(*gridding.frequencies(full, square.spacing_mm, device))
    mean_power = (power * rfft_weights(full[2]).to(device)).sum() / math.prod(full)
    field = torch.fft.irfftn(spectrum * (power / mean_power).sqrt(), s=full)
    return field[: shape[0], : shape[1], : shape[2]]
