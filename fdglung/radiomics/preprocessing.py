"""IBSI's workflow from an image and a mask to a region of interest: resample, re-segment, discretise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import InputError, InvalidPixelError
from fdglung.radiomics.grids import Array, Grid, Point, Whole, lesion_grid, resampled_grid
from fdglung.radiomics.image_settings import FilterSettings, ImageSettings
from fdglung.radiomics.resampling import resample_image, resample_mask
from fdglung.radiomics.roi import Roi

Mask = NDArray[np.bool_]


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


def _box(inside: Mask) -> tuple[slice, slice, slice]:
    if not inside.any():
        raise InputError(
            "The mask holds no voxel after resampling", attribute="spacing_mm", remedy="Use a finer spacing"
        )
    lines = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    z, y, x = (slice(int(line[0]), int(line[-1]) + 1) for line in lines)
    return z, y, x


__all__ = [
    "Grid",
    "Prepared",
    "discretised",
    "filtered_roi",
    "lesion_grid",
    "make_roi",
    "prepare",
    "resample_image",
    "resample_mask",
    "resampled_grid",
    "resegmented",
]
