"""PET of an activity: one call for both tiers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.phantom.scanner import bulk, gridding, reference
from fdglung.phantom.scanner.attenuation import mu_map
from fdglung.phantom.scanner.catalogue import Reconstruction, Scanner
from fdglung.phantom.scanner.noise import Noise
from fdglung.phantom.scanner.reference import Scene
from fdglung.phantom.shapes import Grid

if TYPE_CHECKING:
    from torch import Tensor

Tier = Literal["bulk", "reference"]
"""How: in the image, or by projections."""

_HIGHEST_MU_PER_CM = 2.0
_LEAST_SHARE = 1e-3
_LEAST_MU_PER_CM = 0.01
_MARGIN_MM = 6.0
_FINER = 0.9


def scan(
    activity: sitk.Image,
    hu_or_mu: sitk.Image,
    *,
    scanner: Scanner,
    reconstruction: Reconstruction,
    grid: Grid,
    noise: Noise | None,
    rng: np.random.Generator,
    tier: Tier = "bulk",
    attenuation_corrected: bool = True,
    body: sitk.Image | None = None,
) -> sitk.Image:
    """Make the PET that a scanner shows of an activity.

    What truncation of the CT at 500 mm and metal do comes from the map alone: give the CT as it is as `hu_or_mu`, and
    as `body` what the patient attenuates in truth. The same holds for a CT in another breath.

    Parameters
    ----------
    activity
        SUVbw in g/ml along the patient's axes (LPS), best at 2 to 4 mm; beyond it there is nothing.
    hu_or_mu
        CT numbers in HU, or linear attenuation coefficients at 511 keV in 1/cm, on any grid along the patient's axes:
        what the correction uses. Values that all lie from 0 to 2 are coefficients.
    scanner, reconstruction
        Of the catalogue, or your own.
    grid
        Of the PET; its pixels are square, its slices may lie anywhere. The scanner's axis is x = y = 0. On pixels a
        tenth or more smaller than the reconstruction's the image is made on the reconstruction's and interpolated.
    noise
        What sets the counts; None for no noise.
    rng
        Source of chance.
    tier
        "bulk": blurred in the image, with noise of variance and correlation by theory, as the reference's. "reference":
        projections, Poisson counts and OSEM.
    attenuation_corrected
        False for an image without correction, in the same unit: lower by what the body absorbs.
    body
        As `hu_or_mu`, what attenuates where it is not that; None for the same.

    Returns
    -------
    sitk.Image
        float32 SUVbw on `grid`.

    Raises
    ------
    ParameterError
        Images that do not lie along the patient's axes; activity that is negative or not finite, a map
        that is not; pixels that are not square; an unknown tier.

    """
    if tier not in ("bulk", "reference"):
        raise ParameterError(f"tier is {tier!r}", attribute="tier", remedy="Give bulk or reference")
    if not np.isclose(grid.spacing_mm[0], grid.spacing_mm[1], rtol=1e-4):
        raise ParameterError(
            f"grid has pixels of {grid.spacing_mm[0]} by {grid.spacing_mm[1]} mm",
            attribute="grid",
            remedy="Give a grid with square pixels",
        )
    values, where = _activity(activity)
    correction_grid, correction = _mu(hu_or_mu, "hu_or_mu")
    body_grid, attenuation = (correction_grid, correction) if body is None else _mu(body, "body")
    own = _own_grid(grid, reconstruction)
    square = _square(
        own, (values, where, _LEAST_SHARE * float(values.max())), (attenuation, body_grid, _LEAST_MU_PER_CM)
    )
    mu = gridding.resample(attenuation, body_grid, square).clamp_min(0)
    used = mu if body is None else gridding.resample(correction, correction_grid, square).clamp_min(0)
    if not attenuation_corrected:
        used = mu * 0
    scene = Scene(values, where, mu, used, square)
    make = bulk.scan if tier == "bulk" else reference.scan
    image = make(scene, scanner=scanner, reconstruction=reconstruction, noise=noise, rng=rng)
    if own is grid:
        return gridding.image_of(_placed(image, square, grid), grid)
    return gridding.image_of(gridding.resample(image, square, grid, sharpness=0.75).clamp_min_(0), grid)


def _own_grid(grid: Grid, reconstruction: Reconstruction) -> Grid:
    """Return the grid that the image is made on: the reconstruction's voxels where the grid's are finer."""
    pixel, thickness = reconstruction.voxel_mm
    if grid.spacing_mm[0] > _FINER * pixel:
        return grid
    length = grid.size[2] * grid.spacing_mm[2]
    slices = max(1, round(length / thickness))
    counts = [math.ceil(grid.size[axis] * grid.spacing_mm[axis] / pixel) for axis in (0, 1)]
    # the same middle and, along the patient, the same ends
    origin = [
        grid.origin_mm[axis] + 0.5 * ((grid.size[axis] - 1) * grid.spacing_mm[axis] - (count - 1) * step)
        for axis, count, step in ((0, counts[0], pixel), (1, counts[1], pixel), (2, slices, length / slices))
    ]
    return Grid((origin[0], origin[1], origin[2]), (pixel, pixel, length / slices), (counts[0], counts[1], slices))


def _activity(image: sitk.Image) -> tuple[Tensor, Grid]:
    grid = gridding.grid_of(image, name="activity")
    values = gridding.tensor_of(image)
    if not bool(values.isfinite().all()) or float(values.min()) < 0:
        raise ParameterError(
            "activity holds values that are negative or not finite",
            attribute="activity",
            remedy="Give SUVbw of 0 or more",
        )
    return values, grid


def _mu(image: sitk.Image, name: str) -> tuple[Grid, Tensor]:
    """Linear attenuation coefficients in 1/cm of an image of them or of CT numbers."""
    import torch

    grid = gridding.grid_of(image, name=name)
    values = sitk.GetArrayFromImage(image)
    if not np.isfinite(values).all():
        raise ParameterError(
            f"{name} holds values that are not finite",
            attribute=name,
            remedy="Give CT numbers in HU, or attenuation coefficients in 1/cm",
        )
    if values.min() < 0 or values.max() > _HIGHEST_MU_PER_CM:
        values = mu_map(values)
    return grid, torch.from_numpy(values.astype(np.float32)).to(gridding.device())


def _square(grid: Grid, *parts: tuple[Tensor, Grid, float]) -> Grid:
    """Square of the PET's pixels around the circle that holds all values above a part's limit."""
    points = []
    for values, where, limit in parts:
        seen = (values > limit).any(dim=0).cpu().numpy()
        rows, columns = np.nonzero(seen)
        for shift in (-0.5, 0.5):
            x = where.origin_mm[0] + where.spacing_mm[0] * (columns + shift)
            y = where.origin_mm[1] + where.spacing_mm[1] * (rows + shift)
            points.append(np.stack([x, y], axis=1))
    corners = np.concatenate(points)
    if not len(corners):
        corners = np.zeros((1, 2))
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    reach = float(np.sqrt(((corners - middle) ** 2).sum(axis=1)).max())
    return gridding.square_of(grid, reach + _MARGIN_MM, (float(middle[0]), float(middle[1])))


def _placed(values: Tensor, square: Grid, grid: Grid) -> Tensor:
    """Values of the square on the grid, whose voxels they are; 0 elsewhere."""
    import torch

    result = torch.zeros(grid.shape, device=values.device)
    column, row = (round((square.origin_mm[axis] - grid.origin_mm[axis]) / grid.spacing_mm[axis]) for axis in (0, 1))
    size = square.size[0]
    left, top = max(0, column), max(0, row)
    right, bottom = min(grid.size[0], column + size), min(grid.size[1], row + size)
    if right > left and bottom > top:
        result[:, top:bottom, left:right] = values[:, top - row : bottom - row, left - column : right - column]
    return result
