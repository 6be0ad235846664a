"""The reference tier: projections with attenuation, scatter and randoms, Poisson counts, OSEM, filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fdglung.phantom.scanner import gridding
from fdglung.phantom.scanner.catalogue import Reconstruction, Scanner
from fdglung.phantom.scanner.gridding import Transfer
from fdglung.phantom.scanner.noise import Noise, axial_sensitivity, background
from fdglung.phantom.scanner.osem import reconstruct
from fdglung.phantom.scanner.projector import Projector, tof_mm
from fdglung.phantom.scanner.resolution import gaussian, intrinsic_blur
from fdglung.phantom.shapes import Grid

if TYPE_CHECKING:
    from torch import Tensor

_LEAST_VIEWS = 96
_OVERSAMPLING = 2
_BLOCK_BYTES = 250e6


@dataclass(frozen=True)
class Scene:
    """What is scanned.

    Attributes
    ----------
    activity
        SUVbw, (z, y, x) on `activity_grid`.
    activity_grid
        Where it lies.
    mu, correction
        What attenuates, and what the reconstruction corrects for, in 1/cm: (z, y, x) on `square`.
    square
        Square of the PET grid's pixels that holds the body.

    """

    activity: Tensor
    activity_grid: Grid
    mu: Tensor
    correction: Tensor
    square: Grid


def scan(
    scene: Scene,
    *,
    scanner: Scanner,
    reconstruction: Reconstruction,
    noise: Noise | None,
    rng: np.random.Generator,
) -> Tensor:
    """Scan and reconstruct, slice by slice.

    Without noise there is no scatter and there are no randoms. A model of the point spread is three-dimensional and
    the same everywhere, as is then the point spread itself; without a model the point spread widens off the axis, and
    its part along the patient is applied after the reconstruction, which correlates the noise of neighbouring slices
    as oblique lines do.

    Returns
    -------
    Tensor
        SUVbw, (z, y, x) on the scene's square.

    """
    import torch

    square = scene.square
    reach = 2 * max(scanner.fwhm_mm) + 2 * square.spacing_mm[2]
    blurred = intrinsic_blur(
        scene.activity, scene.activity_grid, scanner=scanner, axial=reconstruction.psf, uniform=reconstruction.psf
    )
    fine = _finer(square)
    truth = gridding.resample(blurred, scene.activity_grid, fine).clamp_min(0)
    z = square.origin_mm[2] + square.spacing_mm[2] * np.arange(square.size[2])
    sensitivity = torch.from_numpy(axial_sensitivity(z, scanner).astype(np.float32)).to(truth.device)
    sources = rng.spawn(square.size[2])
    margin = math.ceil(reach / square.spacing_mm[2]) if reconstruction.psf else 0
    projector = projector_of(scanner, reconstruction, square)
    step = _block(projector, margin)
    parts = []
    for start in range(0, square.size[2], step):
        first, last = max(0, start - margin), min(square.size[2], start + step + margin)
        image = _block_of_slices(
            truth[first:last],
            scene.mu[first:last],
            scene.correction[first:last],
            sensitivity[first:last],
            sources[first:last],
            projector=projector,
            spacing_mm=square.spacing_mm,
            scanner=scanner,
            reconstruction=reconstruction,
            noise=noise,
        )
        parts.append(image[start - first : min(start + step, square.size[2]) - first])
    image = torch.cat(parts)
    after = gaussian((reconstruction.filter_fwhm_mm,) * 2 if reconstruction.psf else _after(scanner, reconstruction))
    reach = 2 * (reconstruction.filter_fwhm_mm + max(scanner.fwhm_mm))
    return gridding.smooth(image, square.spacing_mm, after, reach_mm=reach).clamp_min(0)


def projector_of(scanner: Scanner, reconstruction: Reconstruction, square: Grid) -> Projector:
    """Return the projector of a reconstruction: bins as wide as a pixel, 96 views or more that the subsets share."""
    views = reconstruction.subsets * math.ceil(_LEAST_VIEWS / reconstruction.subsets)
    return Projector(square.size[0], square.spacing_mm[0], views, tof_mm(scanner, reconstruction))


def _finer(square: Grid) -> Grid:
    """The same square in pixels of half the width."""
    across = square.spacing_mm[0] / _OVERSAMPLING
    shift = (square.spacing_mm[0] - across) / 2
    x, y, z = square.origin_mm
    count = _OVERSAMPLING * square.size[0]
    return Grid((x - shift, y - shift, z), (across, across, square.spacing_mm[2]), (count, count, square.size[2]))


def _after(scanner: Scanner, reconstruction: Reconstruction) -> tuple[float, float]:
    """FWHM in mm, across and along, of what is applied to the image where the point spread is not modelled."""
    return reconstruction.filter_fwhm_mm, math.hypot(reconstruction.filter_fwhm_mm, scanner.fwhm_mm[1])


def _block(projector: Projector, margin: int) -> int:
    """Slices at a time."""
    each = 4 * projector.views * projector.tof_bins * projector.size
    return max(4, int(_BLOCK_BYTES / each) - 2 * margin)


def _block_of_slices(
    truth: Tensor,
    mu: Tensor,
    correction: Tensor,
    sensitivity: Tensor,
    sources: list[np.random.Generator],
    *,
    projector: Projector,
    spacing_mm: tuple[float, float, float],
    scanner: Scanner,
    reconstruction: Reconstruction,
    noise: Noise | None,
) -> Tensor:
    """Counts of slices, and the image of them."""
    import torch

    lines = Projector(projector.size, projector.pixel_mm, projector.views)
    escaped = torch.exp(-lines.forward(mu))
    corrected = escaped if correction is mu else torch.exp(-lines.forward(correction))
    trues = escaped * _bins(truth, projector)
    model: Tensor | None = None
    factors = corrected
    if noise is None:
        data = trues
    else:
        per_cm = noise.counts_per_suv_ml(scanner) * spacing_mm[2] * projector.pixel_mm / 100 / projector.views
        scale = (per_cm * sensitivity)[None, :, None, None]
        trues *= scale
        factors = corrected * scale
        model = background(
            trues,
            scatter_fraction=scanner.scatter_fraction,
            randoms_ratio=noise.randoms_ratio,
            bin_mm=projector.pixel_mm,
            length_mm=projector.bin_length_mm,
        )
        data = torch.empty_like(trues)
        for index, source in enumerate(sources):
            mean = (trues[:, index] + model[:, index]).cpu().numpy()
            data[:, index] = torch.from_numpy(source.poisson(mean).astype(np.float32))
    blur: Callable[[Tensor], Tensor] | None = None
    if reconstruction.psf:
        blur = _filter(gaussian(scanner.fwhm_mm), spacing_mm, 2 * max(scanner.fwhm_mm))
    return reconstruct(
        data,
        projector,
        factors=factors,
        background=model,
        iterations=reconstruction.iterations,
        subsets=reconstruction.subsets,
        blur=blur,
    )


def _filter(transfer: Transfer, spacing_mm: tuple[float, float, float], reach_mm: float) -> Callable[[Tensor], Tensor]:
    def blur(image: Tensor) -> Tensor:
        return gridding.smooth(image, spacing_mm, transfer, reach_mm=reach_mm).clamp_min(0)

    return blur


def _bins(truth: Tensor, projector: Projector) -> Tensor:
    """Line integrals of a finer image, averaged over the width of a bin."""
    fine = Projector(
        _OVERSAMPLING * projector.size, projector.pixel_mm / _OVERSAMPLING, projector.views, projector.tof_mm
    )
    data = fine.forward(truth)
    return data.reshape(*data.shape[:3], projector.size, _OVERSAMPLING).mean(dim=-1)
