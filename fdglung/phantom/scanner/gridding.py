"""Images as tensors on grids along the patient's axes: reading, resampling, smoothing with any transfer function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy.fft import next_fast_len

from fdglung.errors import ParameterError
from fdglung.phantom.shapes import Grid

if TYPE_CHECKING:
    from torch import Tensor

Transfer = Callable[["Tensor", "Tensor"], "Tensor"]
"""Real factor at a frequency, of the distance across and the absolute value along the patient, both in 1/mm."""

_SAMPLES = 2


def device() -> Any:
    """Return the graphics processor where there is one, else the processor."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def grid_of(image: sitk.Image, *, name: str) -> Grid:
    """Return where an image lies.

    Raises
    ------
    ParameterError
        The image is not three-dimensional or its axes are not the patient's.

    """
    if image.GetDimension() != 3 or not np.allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-6):
        raise ParameterError(
            f"{name} does not lie along the patient's axes",
            attribute=name,
            remedy="Give a three-dimensional image with the identity as its direction (LPS)",
        )
    return Grid(image.GetOrigin(), image.GetSpacing(), image.GetSize())


def tensor_of(image: sitk.Image) -> Tensor:
    """Return the values of an image, (z, y, x), float32."""
    import torch

    return torch.from_numpy(sitk.GetArrayFromImage(image).astype(np.float32)).to(device())


def image_of(values: Tensor, grid: Grid) -> sitk.Image:
    """Return an image of (z, y, x) values on a grid, float32."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.detach().cpu().numpy(), dtype=np.float32))
    image.SetOrigin(grid.origin_mm)
    image.SetSpacing(grid.spacing_mm)
    return image


def square_of(grid: Grid, reach_mm: float, centre_mm: tuple[float, float]) -> Grid:
    """Return the smallest square of a grid's pixels, beyond its edge where need be, that holds a circle."""
    pixel = grid.spacing_mm[0]
    size = 2 * int(np.ceil(reach_mm / pixel + 0.5)) + 1
    origin = [
        grid.origin_mm[axis] + pixel * (round((centre_mm[axis] - grid.origin_mm[axis]) / pixel) - (size - 1) // 2)
        for axis in (0, 1)
    ]
    return Grid(
        (origin[0], origin[1], grid.origin_mm[2]), (pixel, pixel, grid.spacing_mm[2]), (size, size, grid.size[2])
    )


def resample(values: Tensor, source: Grid, target: Grid, *, outside: float = 0.0, sharpness: float = 0.5) -> Tensor:
    """Means over a grid's voxels of values on another grid, interpolated by cubic convolution.

    The interpolation is that of Keys 1981 (10.1109/TASSP.1981.1163711), axis by axis.

    Parameters
    ----------
    values
        (z, y, x) on `source`.
    source, target
        The grids.
    outside
        What lies beyond the source's voxels.
    sharpness
        Minus Keys's a: 1/2 keeps slopes, 3/4 keeps more of the noise.

    """
    result = values - outside if outside else values
    # what makes the grid smaller comes first
    for axis in sorted(range(3), key=lambda axis: target.size[axis] / source.size[axis]):
        indices, weights = _taps(_weights(source, target, axis, sharpness))
        result = weighted_sums(result, 2 - axis, indices, weights)
    return result.contiguous().add_(outside)


def weighted_sums(
    values: Tensor, axis: int, indices: npt.NDArray[np.int64], weights: npt.NDArray[np.float32]
) -> Tensor:
    """Sum values along an axis with weights, each in the order that is given: a matrix product that knows its zeros.

    General matrix products round differently with the number of threads; these do not.

    Parameters
    ----------
    values
        float32, two or more axes.
    axis
        Along which to sum.
    indices, weights
        (new length of the axis, terms): which values, and how much of each.

    """
    import torch
    from torch.nn.functional import embedding_bag

    before, many, after = values.shape[:axis], values.shape[axis], values.shape[axis + 1 :]
    if len(after) == 0:
        # rows that lie next to each other are summed many at once
        return weighted_sums(values.transpose(-1, -2).contiguous(), axis - 1, indices, weights).transpose(-1, -2)
    stacks = math.prod(before)
    rows = torch.from_numpy(indices).to(values.device)
    rows = (many * torch.arange(stacks, device=values.device)[:, None, None] + rows).flatten(0, 1)
    factors = torch.from_numpy(weights).to(values.device).repeat(stacks, 1)
    table = values.reshape(stacks * many, -1)
    return embedding_bag(rows, table, per_sample_weights=factors, mode="sum").view(*before, len(indices), *after)


def smooth(values: Tensor, spacing_mm: tuple[float, float, float], transfer: Transfer, *, reach_mm: float) -> Tensor:
    """Filter values by a transfer function that depends on the frequency across and along the patient.

    Beyond the ends along the patient the last slice goes on; across the patient there is nothing.

    Parameters
    ----------
    values
        (z, y, x).
    spacing_mm
        Along x, y, z.
    transfer
        Of the frequencies across and along, in 1/mm.
    reach_mm
        How far the filter reaches.

    """
    return next(smooth_by_each(values, spacing_mm, (transfer,), reach_mm=reach_mm))


def smooth_by_each(
    values: Tensor, spacing_mm: tuple[float, float, float], transfers: Sequence[Transfer], *, reach_mm: float
) -> Iterator[Tensor]:
    """As `smooth`, by one transfer function after the other, from the same values."""
    import torch

    pads = [int(np.ceil(reach_mm / step)) for step in spacing_mm[::-1]]
    inner = values.shape
    ends = [values[:1].expand(pads[0], -1, -1), values, values[-1:].expand(pads[0], -1, -1)]
    padded = torch.cat(ends)
    full = (next_fast_len(padded.shape[0]), *(next_fast_len(inner[axis] + pads[axis], real=True) for axis in (1, 2)))
    spectrum = torch.fft.rfftn(padded, s=full)
    del padded, ends
    across, along = frequencies(full, spacing_mm, values.device)
    for number, transfer in enumerate(transfers, start=1):
        factor = transfer(across, along)
        filtered = spectrum.mul_(factor) if number == len(transfers) else spectrum * factor
        del factor
        back = torch.fft.irfftn(filtered, s=full)
        del filtered
        yield back[pads[0] : pads[0] + inner[0], : inner[1], : inner[2]].contiguous()


def frequencies(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], where: object
) -> tuple[Tensor, Tensor]:
    """Frequencies of `torch.fft.rfftn` in 1/mm: across (1, y, x/2+1), and along (z, 1, 1), both as absolute values."""
    import torch

    z = torch.fft.fftfreq(shape[0], spacing_mm[2], device=where).abs()[:, None, None]
    y = torch.fft.fftfreq(shape[1], spacing_mm[1], device=where)[None, :, None]
    x = torch.fft.rfftfreq(shape[2], spacing_mm[0], device=where)[None, None, :]
    return torch.sqrt(x**2 + y**2), z


def _weights(source: Grid, target: Grid, axis: int, sharpness: float) -> npt.NDArray[np.float32]:
    """Matrix (target, source) along an axis."""
    many = source.size[axis]
    ratio = target.spacing_mm[axis] / source.spacing_mm[axis]
    parts = max(_SAMPLES, int(np.ceil(_SAMPLES * ratio)))
    inside_voxel = (np.arange(parts) + 0.5) / parts - 0.5
    places = np.arange(target.size[axis])[:, None] + inside_voxel[None, :]
    places = (target.origin_mm[axis] - source.origin_mm[axis]) / source.spacing_mm[axis] + places * ratio
    known = (places >= -0.5) & (places <= many - 0.5)
    first = np.floor(places).astype(int) - 1
    weights = np.zeros((target.size[axis], many), np.float32)
    rows = np.broadcast_to(np.arange(target.size[axis])[:, None], places.shape)
    for tap in range(4):
        share = _keys(np.abs(places - (first + tap)), -sharpness) * known / parts
        np.add.at(weights, (rows, np.clip(first + tap, 0, many - 1)), share)
    return weights


def _taps(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Columns and values of a matrix's rows, from the first to the last that is not 0, as many for each row."""
    there = matrix != 0
    first = there.argmax(axis=1)
    last = matrix.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    width = int((np.where(there.any(axis=1), last - first, 0)).max()) + 1
    indices = np.minimum(first, matrix.shape[1] - width)[:, None] + np.arange(width)
    return indices, np.take_along_axis(matrix, indices, axis=1)


def _keys(distance: npt.NDArray[np.float64], a: float) -> npt.NDArray[np.float64]:
    """Cubic convolution kernel."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    result: npt.NDArray[np.float64] = np.where(distance <= 1, near, np.where(distance < 2, far, 0))
    return result
