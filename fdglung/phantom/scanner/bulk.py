"""The bulk tier: point spread and noise in the image, by the linear theory of the reconstruction."""

from __future__ import annotations

import math
from collections.abc import Iterator
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

_SLAB_SLICES = 16

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
    scanner, grid, square = response.scanner, scene.activity_grid, scene.square
    reach = 2 * (response.reconstruction.filter_fwhm_mm + max(scanner.fwhm_mm)) + 2 * response.spacing_mm[0]
    source = scene.activity
    if not response.reconstruction.psf:
        source = intrinsic_blur(source, grid, scanner=scanner, axial=True, uniform=False)
    typical = known.typical_pace()
    fastest = _PACE_STEPS[-1] * typical
    source = gridding.smooth(source, grid.spacing_mm, response.detail(fastest), reach_mm=reach)
    source = gridding.resample(source, grid, square)
    slower = [response.slower(step * typical, fastest) for step in _PACE_STEPS[:-1]]
    images = [
        image.clamp_min_(0) for image in gridding.smooth_by_each(source, square.spacing_mm, slower, reach_mm=reach)
    ]
    images.append(source.clamp_min_(0))
    for part, slab in _slabs(square):
        steps = [each[part] for each in images]
        image = steps[1].clone()
        rate = gridding.resample(known.rate, known.grid, slab).clamp_min_(0)
        for _ in range(_PACE_ROUNDS):
            place = (rate * image / typical).clamp_min_(1e-6).div_(_PACE_STEPS[0]).log_()
            place.div_(math.log(_PACE_STEPS[1] / _PACE_STEPS[0]))
            image.copy_(steps[0])
            for number, faster in enumerate(steps[1:]):
                image.lerp_(faster, (place - number).clamp_(0, 1))
        steps[0].copy_(image)
    return images[0]


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
    """Log-normal values whose mean is the image, but for the bias of cold places; in place."""
    import torch

    rates, variances = response.variances()
    table = torch.from_numpy(np.log(np.maximum(_NOISE_SCALE**2 * variances, 1e-30)).astype(np.float32)).to(image.device)
    first, step = math.log(rates[0]), math.log(rates[1] / rates[0])

    def log_variance(pace: Tensor) -> Tensor:
        place = pace.clamp_min_(1e-12).log_().sub_(first).div_(step).clamp_(0, len(rates) - 1.001)
        low = place.to(torch.int32)
        return torch.lerp(table[low], table[low + 1], place.sub_(low))

    z = square.origin_mm[2] + square.spacing_mm[2] * np.arange(square.size[2])
    seen = square.spacing_mm[2] / 10 * axial_sensitivity(z, response.scanner)
    seen_log = torch.from_numpy(np.log(seen).astype(np.float32)).to(image.device)[:, None, None]
    coarse = gridding.resample(image, square, known.grid).clamp_min_(0)
    field = _correlated(square, response, known.noisiest_pace(coarse), rng=rng, device=image.device)
    wide = gaussian((_NEIGHBOURHOOD_MM, _NEIGHBOURHOOD_MM))
    around = gridding.smooth(coarse, known.grid.spacing_mm, wide, reach_mm=_NEIGHBOURHOOD_MM).clamp_min_(0)
    weight = known.weight.clamp_min(1e-20).log()
    usual = log_variance(known.rate * around).sub_(weight)
    for part, slab in _slabs(square):
        mean, each = image[part], seen_log[part]
        spread = gridding.resample(usual, known.grid, slab).sub_(each).mul_(0.5).exp_()
        mean.add_(spread.sub_(mean, alpha=_COLD_BELOW).clamp_min_(0), alpha=_COLD_BIAS)
        spread = log_variance(gridding.resample(known.rate, known.grid, slab).mul_(mean))
        spread.sub_(gridding.resample(weight, known.grid, slab)).sub_(each).exp_()
        spread.div_(mean.clamp_min(1e-9).square_()).clamp_max_(100).log1p_()
        mean.mul_(field[part].mul_(spread.sqrt()).sub_(spread, alpha=0.5).exp_())
    return image


def _correlated(square: Grid, response: Response, rate: float, *, rng: np.random.Generator, device: object) -> Tensor:
    """Normal noise of unit variance with the reconstruction's correlation."""
    import torch

    shape = square.shape
    spare = math.ceil(25 / square.spacing_mm[2])
    full = (next_fast_len(shape[0] + spare), next_fast_len(shape[1]), next_fast_len(shape[2], real=True))
    white = torch.from_numpy(rng.standard_normal(full, dtype=np.float32)).to(device)
    spectrum = torch.fft.rfftn(white)
    del white
    power = response.noise_power(rate)(*gridding.frequencies(full, square.spacing_mm, device))
    mean_power = float((power.double() * rfft_weights(full[2]).to(device)).sum()) / math.prod(full)
    field = torch.fft.irfftn(spectrum.mul_(power.div_(mean_power).sqrt_()), s=full)
    return field[: shape[0], : shape[1], : shape[2]]


def _slabs(grid: Grid) -> Iterator[tuple[slice, Grid]]:
    """Parts of a grid along the patient: bounds the memory."""
    x, y, z = grid.origin_mm
    for start in range(0, grid.size[2], _SLAB_SLICES):
        part = slice(start, min(start + _SLAB_SLICES, grid.size[2]))
        size = (*grid.size[:2], part.stop - part.start)
        yield part, Grid((x, y, z + start * grid.spacing_mm[2]), grid.spacing_mm, size)
