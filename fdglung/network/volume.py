"""PET and CT of any grid onto the network's grid and its result back onto the PET's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import NoOverlapError
from fdglung.network.normalisation import OUTSIDE, normalised
from fdglung.network.spec import NetworkSpec

_WHOLE_CHEST_MM = 250.0

Box = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class Grid:
    """An isotropic grid along the patient's axes (LPS).

    Attributes
    ----------
    size
        Voxels along x, y and z.
    origin_mm
        Centre of the first voxel (x, y, z) in mm.
    spacing_mm
        Along every axis, in mm.

    """

    size: tuple[int, int, int]
    origin_mm: tuple[float, float, float]
    spacing_mm: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        return self.size[2], self.size[1], self.size[0]


def grid_over(image: sitk.Image, spacing_mm: float, box_mm: Box | None = None) -> Grid:
    """Return the grid that covers an image, or what of it lies in a box.

    Parameters
    ----------
    image
        Any orientation.
    spacing_mm
        Of the grid.
    box_mm
        Lower and upper corner (LPS) in mm; None for the whole image.

    Returns
    -------
    Grid
        Centred on what it covers. Over an image along the patient's axes with this spacing it is the image's own grid.

    Raises
    ------
    NoOverlapError
        The box lies outside the image.

    """
    edges = [(-0.5, n - 0.5) for n in image.GetSize()]
    corners = np.array([image.TransformContinuousIndexToPhysicalPoint(corner) for corner in itertools.product(*edges)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    if box_mm is not None:
        low, high = np.maximum(low, box_mm[0]), np.minimum(high, box_mm[1])
    if not (high > low).all():
        raise NoOverlapError(
            "the lungs' box lies outside the PET", remedy="Give PET and CT of one examination, in one space"
        )
    # A rounding error of the corners must not add a voxel.
    size = np.maximum(1, np.ceil((high - low) / spacing_mm - 1e-4)).astype(int)
    first = (low + high - (size - 1) * spacing_mm) / 2
    return Grid(
        (int(size[0]), int(size[1]), int(size[2])), (float(first[0]), float(first[1]), float(first[2])), spacing_mm
    )


def raw_on(grid: Grid, images: Mapping[str, sitk.Image | None], channels: Sequence[str]) -> NDArray[np.float32]:
    """Bring images onto a grid, in their own units.

    Parameters
    ----------
    grid
        Where to.
    images
        ``PET`` in SUVbw (g/ml), ``CT`` in HU, ``MASK`` from 0 to 1; None where there is none, which becomes what lies
        outside an image.
    channels
        Which ones, in which order.

    Returns
    -------
    numpy.ndarray
        float32 (channel, z, y, x).

    """
    volume = np.empty((len(channels), *grid.shape), np.float32)
    for index, channel in enumerate(channels):
        image = images.get(channel)
        volume[index] = OUTSIDE[channel] if image is None else _resampled(image, grid, OUTSIDE[channel])
    return volume


def mask_on(grid: Grid, mask: sitk.Image) -> NDArray[np.bool_]:
    """Bring a mask onto a grid: what is covered by half or more of it, after linear interpolation.

    Parameters
    ----------
    grid
        Where to.
    mask
        0 outside.

    Returns
    -------
    numpy.ndarray
        bool (z, y, x).

    """
    return _resampled(sitk.Cast(mask != 0, sitk.sitkFloat32), grid, 0.0) >= 0.5


def network_input(raw: NDArray[np.float32], spec: NetworkSpec) -> NDArray[np.float32]:
    """Normalise a volume of raw channels (channel, z, y, x) for a network."""
    return np.stack(
        [normalised(values, spec.normalisation[name]) for name, values in zip(spec.channels, raw, strict=True)]
    ).astype(np.float32)


def not_much_finer(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Average voxels that are much smaller than a grid's, so that linear interpolation does not pick single ones.

    Parameters
    ----------
    image
        Any orientation.
    spacing_mm
        Of the grid. Done once, it changes nothing when it is done again.

    """
    factors = [max(1, int(spacing_mm / step + 0.25)) for step in image.GetSpacing()]
    if max(factors) == 1:
        return image
    # Averaging drops an incomplete last voxel, so the rim is repeated to complete it.
    rest = [-n % factor for n, factor in zip(image.GetSize(), factors, strict=True)]
    return sitk.BinShrink(sitk.ZeroFluxNeumannPad(image, (0, 0, 0), rest), factors)


def back_onto(image: sitk.Image, grid: Grid, values: NDArray[np.float32]) -> sitk.Image:
    """Bring a result of the grid onto an image's own grid, linearly.

    Parameters
    ----------
    image
        Whose grid to return.
    grid
        That the values lie on.
    values
        (z, y, x).

    Returns
    -------
    SimpleITK.Image
        float32; 0 outside the grid.

    """
    source = sitk.GetImageFromArray(np.ascontiguousarray(values, np.float32))
    source.SetOrigin(grid.origin_mm)
    source.SetSpacing((grid.spacing_mm,) * 3)
    return sitk.Resample(source, image, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)


def box_to_search(image: sitk.Image, box_mm: Box | None) -> Box | None:
    """Return the lungs' box, or None where an image is too small to show a whole chest (less than 25 cm across).

    The box of what such an image shows of the lungs could cut a lesion off, and little is saved by it.
    """
    return None if box_mm is None or min(_extent_mm(image)[:2]) < _WHOLE_CHEST_MM else box_mm


def _extent_mm(image: sitk.Image) -> tuple[float, float, float]:
    """Return the sides of an image's bounding box along the patient's x, y and z, in mm."""
    grid = grid_over(image, 1.0)
    return float(grid.size[0]), float(grid.size[1]), float(grid.size[2])


def _resampled(image: sitk.Image, grid: Grid, outside: float) -> NDArray[np.float32]:
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputOrigin(grid.origin_mm)
    resampler.SetOutputSpacing((grid.spacing_mm,) * 3)
    resampler.SetOutputDirection(np.eye(3).ravel().tolist())
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetDefaultPixelValue(outside)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(
        resampler.Execute(not_much_finer(sitk.Cast(image, sitk.sitkFloat32), grid.spacing_mm))
    )
