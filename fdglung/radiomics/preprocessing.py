"""IBSI's workflow from an image and a mask to a region of interest: resample, re-segment, discretise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import InputError, InvalidPixelError
from fdglung.radiomics.roi import Roi
from fdglung.radiomics.settings import FilterSettings, ImageSettings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Whole = tuple[int, int, int]
Point = tuple[float, float, float]

_TIE = 1e-6
"""Slack of the mask's threshold: interpolation weights are rounded, and shares of exactly one half are common."""

_SPLINE_MARGIN = 24
"""Voxels around a region that a cubic spline is fitted to; a voxel further away has a weight below 1e-13."""


@dataclass(frozen=True)
class Grid:
    """Where voxels lie in the patient (LPS). Size, spacing and origin along x, y, z; direction row by row."""

    size: Whole
    spacing_mm: Point
    origin_mm: Point
    direction: tuple[float, ...]

    def part(self, start: Whole, size: Whole) -> Grid:
        """Return the box of `size` voxels from the index `start` (both x, y, z)."""
        shift = np.array(self.direction).reshape(3, 3) @ (np.array(start) * self.spacing_mm)
        x, y, z = (float(o + s) for o, s in zip(self.origin_mm, shift, strict=True))
        return replace(self, size=size, origin_mm=(x, y, z))

    def index_of(self, points: Array) -> Array:
        """Return continuous indices (n, 3; x, y, z) of points (n, 3) in mm."""
        steps = np.array(self.direction).reshape(3, 3) * self.spacing_mm
        return np.asarray(np.linalg.solve(steps, (points - self.origin_mm).T).T)


@dataclass(frozen=True)
class Prepared:
    """A lesion after IBSI's workflow, with what lies around it.

    Attributes
    ----------
    roi
        The lesion, cut to the box of its morphological mask.
    surroundings
        Resampled intensities (z, y, x) of that box and a margin, as far as the image goes.
    offset
        Index (z, y, x) of the box's first voxel in `surroundings`.
    grid
        Where `surroundings` lies.

    """

    roi: Roi
    surroundings: Array
    offset: Whole
    grid: Grid


def prepare(image: sitk.Image, mask: sitk.Image, settings: ImageSettings, *, margin_mm: float = 10.0) -> Prepared:
    """Make a region of interest as IBSI's reference workflow does (IBSI manual, chapter 2).

    Parameters
    ----------
    image
        SUVbw in g/ml or HU.
    mask
        Other than 0 in the lesion; on the grid of `image` or any other in its space.
    settings
        Of the image's modality.
    margin_mm
        What to keep around the lesion: at least 6.2 mm for intensity peaks, more for filters.

    Raises
    ------
    InputError
        The mask is empty, before or after resampling, or re-segmentation left no voxel.
    InvalidPixelError
        An intensity in the lesion is no finite number.

    """
    whole = resampled_grid(image, settings.spacing_mm)
    grid = lesion_grid(whole, mask, margin_mm=margin_mm)
    intensity = resample_image(image, grid, settings)
    inside = resample_mask(mask, grid, settings.mask_threshold)
    box = _box(inside)
    x, y, z = grid.spacing_mm
    roi = make_roi(intensity[box], inside[box], (z, y, x), settings)
    start_z, start_y, start_x = (int(part.start) for part in box)
    return Prepared(roi=roi, surroundings=intensity, offset=(start_z, start_y, start_x), grid=grid)


def resampled_grid(image: sitk.Image, spacing_mm: tuple[float, float, float] | None) -> Grid:
    """Return an image's grid at another spacing, aligned at the centres (IBSI manual, section 2.4).

    Parameters
    ----------
    image
        Its voxels are not looked at.
    spacing_mm
        Along x, y and z; 0 keeps an axis, None keeps all.

    Returns
    -------
    Grid
        The smallest that covers the image.

    """
    old = np.array(image.GetSpacing())
    size = np.array(image.GetSize())
    wanted = np.array(spacing_mm or (0, 0, 0), float)
    new = np.where(wanted > 0, wanted, old)
    count = np.ceil(np.round(size * old / new, 6)).astype(int)
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = np.array(image.GetOrigin()) + direction @ (((size - 1) * old - (count - 1) * new) / 2)
    return Grid(_whole(count), _point(new), _point(origin), tuple(map(float, image.GetDirection())))


def lesion_grid(whole: Grid, mask: sitk.Image, *, margin_mm: float = 0.0) -> Grid:
    """Return the part of a grid that holds a mask and a margin, as far as the grid goes.

    Raises
    ------
    InputError
        The mask is empty or lies outside the grid.

    """
    start, stop = _extent(mask)
    corners = np.array([[(start, stop)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)]) - 0.5
    steps = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    indices = whole.index_of(corners @ steps.T + mask.GetOrigin())
    margin = margin_mm / np.array(whole.spacing_mm) + 1
    low = np.maximum(np.floor(indices.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(indices.max(axis=0) + margin) + 1, whole.size).astype(int)
    if np.any(high <= low):
        raise InputError(
            "The mask lies outside the image", attribute="mask", remedy="Give a mask in the space of the image"
        )
    return whole.part(_whole(low), _whole(high - low))


def resample_image(image: sitk.Image, grid: Grid, settings: ImageSettings) -> Array:
    """Return intensities (z, y, x) at the voxels of a grid, interpolated and rounded as `settings` say.

    Parameters
    ----------
    image
        A voxel outside it gets its nearest value, as far as half a voxel.
    grid
        Such as `lesion_grid` gives. Where its voxels are those of `image`, nothing is interpolated or rounded.
    settings
        `interpolator` and `round_to`.

    """
    own = _own_part(image, grid)
    if own is not None:
        return sitk.GetArrayFromImage(own).astype(np.float64)
    kind = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline3, "nearest": sitk.sitkNearestNeighbor}
    if settings.interpolator == "bspline":
        image = sitk.Cast(_around(image, grid, _SPLINE_MARGIN), sitk.sitkFloat64)
    values = sitk.GetArrayFromImage(_resampled(image, grid, kind[settings.interpolator]))
    if settings.round_to is not None:
        values = np.rint(values / settings.round_to) * settings.round_to
    return values


def resample_mask(mask: sitk.Image, grid: Grid, threshold: float = 0.5) -> Mask:
    """Return a mask (z, y, x) at the voxels of a grid: linearly interpolated, in from `threshold` on.

    IBSI manual, sections 2.4 and 2.5 (region of interest interpolation and its partial-volume threshold).
    """
    part = _around(mask, grid, 2)
    inside = sitk.GetImageFromArray((sitk.GetArrayViewFromImage(part) != 0).astype(np.uint8))
    inside.CopyInformation(part)
    own = _own_part(inside, grid)
    if own is not None:
        return np.asarray(sitk.GetArrayFromImage(own) != 0)
    return np.asarray(sitk.GetArrayFromImage(_resampled(inside, grid, sitk.sitkLinear)) >= threshold - _TIE)


def make_roi(intensity: Array, inside: Mask, spacing_mm: Point, settings: ImageSettings) -> Roi:
    """Re-segment and discretise a lesion (IBSI manual, sections 2.6 and 2.7).

    Parameters
    ----------
    intensity, inside
        Intensities and morphological mask (z, y, x), cut to the box of the mask.
    spacing_mm
        Along z, y and x.
    settings
        `range`, `outlier_sigma` and bins.

    Raises
    ------
    InputError
        No voxel was in the mask or is left.
    InvalidPixelError
        An intensity in the lesion is no finite number.

    """
    if not inside.any():
        raise InputError("The mask holds no voxel", attribute="mask", remedy="Use a finer spacing_mm or leave it out")
    if not np.isfinite(intensity[inside]).all():
        raise InvalidPixelError(
            "An intensity in the lesion is no finite number", attribute="image", remedy="Leave the lesion out"
        )
    kept = resegmented(intensity, inside, settings)
    low = settings.range[0] if settings.range else None
    levels, count, width, origin = discretised(
        intensity[kept],
        bin_width=settings.bin_width,
        bin_count=settings.bin_count,
        origin=settings.bin_origin if settings.bin_origin is not None else low,
    )
    grey = np.zeros(intensity.shape, np.int32)
    grey[kept] = levels
    return Roi(
        intensity=intensity,
        morphological_mask=inside,
        intensity_mask=kept,
        spacing_mm=spacing_mm,
        levels=grey,
        level_count=count,
        bin_width=width,
        bin_origin=origin,
    )


def filtered_roi(roi: Roi, response: Array, filters: FilterSettings) -> Roi:
    """Put a filter's response in the place of intensities: the same masks, bins from the lowest response.

    Parameters
    ----------
    roi
        Of the original image.
    response
        Of the same shape (z, y, x).
    filters
        Bins.

    """
    levels, count, width, origin = discretised(
        response[roi.intensity_mask], bin_width=filters.bin_width, bin_count=filters.bin_count
    )
    grey = np.zeros(response.shape, np.int32)
    grey[roi.intensity_mask] = levels
    return replace(roi, intensity=response, levels=grey, level_count=count, bin_width=width, bin_origin=origin)


def resegmented(intensity: Array, inside: Mask, settings: ImageSettings) -> Mask:
    """Return the intensity mask (z, y, x): the range first, then outliers among what is left (population sigma).

    Raises
    ------
    InputError
        No voxel is left.

    """
    kept = inside
    low, high = settings.range or (None, None)
    if low is not None:
        kept = kept & (intensity >= low)
    if high is not None:
        kept = kept & (intensity <= high)
    if settings.outlier_sigma is not None and kept.any():
        values = intensity[kept]
        reach = settings.outlier_sigma * values.std()
        kept = kept & (np.abs(intensity - values.mean()) <= reach)
    if not kept.any():
        raise InputError("Re-segmentation leaves no voxel", attribute="range, outlier_sigma", remedy="Widen the range")
    return kept


def discretised(
    values: Array, *, bin_width: float | None = None, bin_count: int | None = None, origin: float | None = None
) -> tuple[NDArray[np.int32], int, float | None, float | None]:
    """Return grey levels from 1, by bins of a given width (IBSI Q3RU) or a given number of bins (IBSI K15C).

    Parameters
    ----------
    values
        Intensities within the intensity mask, not empty.
    bin_width, bin_count
        One of them.
    origin
        Lower end of the first bin of a given width; None for the lowest value. Lower values get level 1.

    Returns
    -------
    levels
        As many as `values`.
    level_count
        The highest level.
    bin_width, bin_origin
        As used; None with a number of bins.

    """
    if bin_width is not None:
        start = float(values.min()) if origin is None else origin
        levels = np.maximum(np.floor((values - start) / bin_width), 0).astype(np.int32) + np.int32(1)
        return levels, int(levels.max()), bin_width, start
    assert bin_count is not None
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.ones(values.shape, np.int32), 1, None, None
    levels = np.floor(bin_count * ((values - low) / (high - low))).astype(np.int32) + np.int32(1)
    return np.minimum(levels, np.int32(bin_count)), bin_count, None, None


def _extent(mask: sitk.Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first index and the one after the last (x, y, z) of a mask's voxels."""
    array = sitk.GetArrayViewFromImage(mask)
    # One pass over the voxels; the others are over a plane.
    plane = np.array([np.any(part != 0, axis=0) for part in array])
    lines = [np.flatnonzero(line) for line in (plane.any(axis=0), _columns(array), plane.any(axis=1))]
    if not len(lines[0]):
        raise InputError("The mask is empty", attribute="mask", remedy="Give a mask that holds a lesion")
    return np.array([line[0] for line in lines]), np.array([line[-1] + 1 for line in lines])


def _columns(array: NDArray[np.generic]) -> Mask:
    return np.any([np.any(part != 0, axis=1) for part in array], axis=0)


def _own_part(image: sitk.Image, grid: Grid) -> sitk.Image | None:
    """Return the voxels of a grid where they are voxels of the image, else None."""
    same = np.allclose(image.GetSpacing(), grid.spacing_mm, rtol=0, atol=1e-6) and np.allclose(
        image.GetDirection(), grid.direction, rtol=0, atol=1e-6
    )
    if not same:
        return None
    start = np.array(image.TransformPhysicalPointToContinuousIndex(grid.origin_mm))
    first = np.rint(start).astype(int)
    if np.abs(start - first).max() > 1e-4 or np.any(first < 0) or np.any(first + grid.size > image.GetSize()):
        return None
    return sitk.RegionOfInterest(image, list(grid.size), [int(i) for i in first])


def _around(image: sitk.Image, grid: Grid, margin: int) -> sitk.Image:
    """Cut an image to a grid and some of its own voxels around."""
    corners = np.array([[(0, n - 1)[bit >> axis & 1] for axis, n in enumerate(grid.size)] for bit in range(8)])
    steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(p) for p in corners @ steps.T + grid.origin_mm])
    low = np.clip(np.floor(indices.min(axis=0)).astype(int) - margin, 0, np.array(image.GetSize()) - 1)
    high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + margin + 1, low + 1, image.GetSize())
    return sitk.RegionOfInterest(image, [int(n) for n in high - low], [int(i) for i in low])


def _resampled(image: sitk.Image, grid: Grid, kind: int) -> sitk.Image:
    return sitk.Resample(
        image, grid.size, sitk.Transform(), kind, grid.origin_mm, grid.spacing_mm, grid.direction, 0.0, sitk.sitkFloat64
    )


def _box(inside: Mask) -> tuple[slice, slice, slice]:
    if not inside.any():
        raise InputError(
            "The mask holds no voxel after resampling", attribute="spacing_mm", remedy="Use a finer spacing"
        )
    lines = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (slice(int(line[0]), int(line[-1]) + 1) for line in lines)
    return z, y, x


def _whole(values: NDArray[np.int64]) -> Whole:
    x, y, z = (int(value) for value in values)
    return x, y, z


def _point(values: Array) -> Point:
    x, y, z = (float(value) for value in values)
    return x, y, z
