"""What a CT in another breath, cut off or spoilt by metal does to the attenuation correction of a PET."""

from __future__ import annotations

import math
from typing import Any

import SimpleITK as sitk

from fdglung.phantom.scanner import gridding
from fdglung.phantom.scanner.attenuation import mu_map
from fdglung.phantom.scanner.projector import Projector
from fdglung.phantom.shapes import Grid

_PIXEL_MM = 8.0
_FIELD_MM = 640.0
_VIEWS = 24
_MOST_LOG = 3.0


def mismatched_activity(activity: sitk.Image, body: sitk.Image, ct: sitk.Image) -> sitk.Image:
    """Return the activity that a perfect scanner would see where the CT is not what attenuated.

    A line's counts are wrong by the exponential of what the CT has too much or too little along it, and a point shows
    the mean of that over the lines through it. It is the first order of a whole reconstruction
    (`fdglung.phantom.scanner.pet.scan` with `body`), at a hundredth of its cost; made in pixels of 8 mm, so it holds
    for regions larger than that.

    Parameters
    ----------
    activity
        SUVbw in g/ml, float32, along the patient's axes.
    body, ct
        CT numbers in HU of what attenuated and of what is corrected with, on any grid along the patient's axes.

    Returns
    -------
    sitk.Image
        float32 on the activity's grid.

    Raises
    ------
    ParameterError
        An image that does not lie along the patient's axes.

    """
    import torch

    fine = gridding.grid_of(activity, name="activity")
    coarse = _coarse(fine, gridding.grid_of(ct, name="ct"))
    maps = [_mu_on(image, coarse, name) for image, name in ((ct, "ct"), (body, "body"))]
    projector = Projector(coarse.size[0], coarse.spacing_mm[0], _VIEWS)
    excess = projector.forward(maps[0] - maps[1]).clamp(-_MOST_LOG, _MOST_LOG)
    factor = projector.back(torch.exp(excess)) / projector.back(torch.ones_like(excess)).clamp_min(1e-6)
    return gridding.image_of(
        gridding.tensor_of(activity) * gridding.resample(factor, coarse, fine, outside=1.0).clamp_min(0), fine
    )


def _mu_on(image: sitk.Image, grid: Grid, name: str) -> Any:
    import torch

    mu = torch.from_numpy(mu_map(sitk.GetArrayFromImage(image))).to(gridding.device())
    return gridding.resample(mu, gridding.grid_of(image, name=name), grid).clamp_min(0)


def _coarse(fine: Grid, ct: Grid) -> Grid:
    """Lay coarse voxels over the activity, no further along the patient than the CT goes."""
    size = math.ceil(_FIELD_MM / _PIXEL_MM)
    x, y = (fine.origin_mm[a] + 0.5 * (fine.size[a] - 1) * fine.spacing_mm[a] for a in (0, 1))
    low, high = (
        choose(grid.origin_mm[2] + (end * grid.size[2] - 0.5) * grid.spacing_mm[2] for grid in (fine, ct))
        for choose, end in ((max, 0), (min, 1))
    )
    slices = max(1, math.floor((high - low) / _PIXEL_MM))
    step = (high - low) / slices
    half = 0.5 * (size - 1) * _PIXEL_MM
    return Grid((x - half, y - half, low + 0.5 * step), (_PIXEL_MM, _PIXEL_MM, step), (size, size, slices))
