"""The outline of a lesion on the CT, from a mask that was drawn on the blurred PET."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.radiomics.filters import Box
from fdglung.radiomics.grids import Array, Grid, resampled_grid
from fdglung.radiomics.image_settings import OutlineSettings
from fdglung.radiomics.resampling import resample_mask
from fdglung.radiomics.soundness import BACKGROUND

Mask = NDArray[np.bool_]
Extent = tuple[Array, Array]

_CORE_PERCENTILE, _LUNG_PERCENTILE = 75.0, 25.0
"""Of the CT in the mask, which holds some lung, and in the shell, which holds vessels: what lesion and lung are."""

_LESION_FROM, _LESS_BY_MM, _LESION_LEAST = 0.6, 0.06, 0.3
"""Voxels of the mask are the lesion's from this share of the contrast on, less by so much a mm from the mask's surface:
the rim of a blurred mask is lung, the middle of a part-solid lesion may be haze."""

_LUNG_BELOW = 0.15
"""Voxels are lung below this share of the contrast."""

_TISSUE_FROM, _TISSUE_SIGMA_MM = 0.45, 5.0
"""Where the shell, smoothed by so much, reaches this share of the contrast, tissue lies about and no edge is seen."""

_SIGMA_MM = 0.7
"""Of the Gaussian that takes noise from CTs with small voxels; those of 3 mm it leaves nearly as they are."""

_TOLERANCE = 1e-3
"""Of the random walker's equations."""

_LEAST_RATIO, _MOST_RATIO, _MOST_ML = 0.2, 6.0, 0.5
"""An outline of less than this share of the mask, or more than so many times it and so many ml, is none."""


@dataclass(frozen=True)
class Outline:
    """Where a lesion lies on the CT.

    Attributes
    ----------
    mask
        1 inside. On the CT's voxels, in a box about the lesion, where it was outlined; else the mask as given.
    outlined
        Whether the CT told the outline.

    """

    mask: sitk.Image
    outlined: bool


def outlines(ct: sitk.Image, masks: Mapping[int, sitk.Image], settings: OutlineSettings) -> dict[int, Outline]:
    """Outline lesions on the CT, each from a mask that tells about where it lies.

    Contrast runs from the lung, a low percentile of the CT in a shell about the mask, to the lesion, a high one of the
    mask's own. Voxels of the mask with most of the contrast are the lesion's, voxels with little of it or beyond
    `reach_mm` are not; to which of them those between belong a random walker tells (Grady, IEEE Trans Pattern Anal Mach
    Intell 2006;28:1768, as scikit-image has it), which does not follow vessels. Where tissue as dense as the lesion
    surrounds the mask (chest wall, mediastinum), the mask's own surface stays. The part that holds most of the mask is
    closed by `closing_mm` and its holes are filled, so that cavities and air in bronchi belong to the lesion.

    Parameters
    ----------
    ct
        HU. A voxel that is no finite number counts as air.
    masks
        Label to the lesion alone, other than 0 inside, on any grid in the same space and where it lies on the CT.
    settings
        How far and at which contrast.

    Returns
    -------
    dict
        Label to its outline; the mask stays where there is no contrast or no edge within reach. No outline takes a
        voxel that another's mask holds or is as near to, but for those that its own mask holds.

    """
    extents = {label: extent for label, mask in masks.items() if (extent := _extent(mask, ct)) is not None}
    found = {label: Outline(mask, False) for label, mask in masks.items()}
    for label, extent in extents.items():
        grid = _grid_about(ct, extent, max(settings.reach_mm, settings.shell_mm[1]))
        if grid is None:
            continue
        beside = [masks[other] for other, one in extents.items() if other != label and _meets(ct, grid, one)]
        inside = _outline(ct, masks[label], beside, grid, settings)
        if inside is not None:
            found[label] = Outline(_image(inside, grid), True)
    return found


def _extent(mask: sitk.Image, ct: sitk.Image) -> Extent | None:
    """Return the lowest and highest index (x, y, z) on the CT that a mask's voxels reach; None where it is empty."""
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask) != 0)[:, ::-1]
    if not len(inside):
        return None
    points = inside @ (np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()).T + mask.GetOrigin()
    steps = np.array(ct.GetDirection()).reshape(3, 3) * ct.GetSpacing()
    indices = np.linalg.solve(steps, (points - ct.GetOrigin()).T).T
    # Half a voxel of the mask may stand out of its outermost centres.
    margin = 0.5 * float(np.linalg.norm(mask.GetSpacing())) / np.array(ct.GetSpacing())
    return indices.min(axis=0) - margin, indices.max(axis=0) + margin


def _grid_about(ct: sitk.Image, extent: Extent, margin_mm: float) -> Grid | None:
    """Return the CT's voxels about a mask and a margin; None where there are none."""
    margin = margin_mm / np.array(ct.GetSpacing())
    low = np.maximum(np.floor(extent[0] - margin), 0).astype(int)
    high = np.minimum(np.ceil(extent[1] + margin) + 1, ct.GetSize()).astype(int)
    if np.any(high <= low):
        return None
    start, size = (tuple(int(n) for n in part) for part in (low, high - low))
    return resampled_grid(ct, None).part(start, size)  # type: ignore[arg-type]


def _meets(ct: sitk.Image, grid: Grid, extent: Extent) -> bool:
    start = np.array(ct.TransformPhysicalPointToContinuousIndex(grid.origin_mm))
    return bool(np.all(extent[1] >= start - 1) and np.all(extent[0] <= start + grid.size))


def _outline(
    ct: sitk.Image, mask: sitk.Image, beside: Sequence[sitk.Image], grid: Grid, settings: OutlineSettings
) -> Mask | None:
    """Return a lesion's voxels (z, y, x) on a grid of the CT; None where they cannot be told."""
    # Necrosis takes up no FDG, so that masks of the PET may be hollow.
    inside = ndimage.binary_fill_holes(resample_mask(mask, grid))
    if not inside.any():
        return None
    spacing = grid.spacing_mm[::-1]
    away = ndimage.distance_transform_edt(~inside, sampling=spacing)
    others = np.zeros(inside.shape, bool)
    for other in beside:
        others |= resample_mask(other, grid) & ~inside
    if others.any():
        others = ~inside & (ndimage.distance_transform_edt(~others, sampling=spacing) <= away)
    shell = (away > settings.shell_mm[0] + 1e-9) & (away <= settings.shell_mm[1] + 1e-9) & ~others
    if not shell.any():
        return None
    share = _share_of_contrast(ct, grid, inside, shell, settings)
    if share is None:
        return None
    seeds = _seeds(share, inside, away, shell, others, spacing, settings)
    if seeds is None:
        return None
    one = _one_piece(_walked(share, seeds, spacing, settings.beta), inside)
    lesion = ndimage.binary_fill_holes(one | _closed(one, spacing, settings.closing_mm)) & ~others
    count, drawn = int(lesion.sum()), int(inside.sum())
    most = _MOST_RATIO * drawn + 1000 * _MOST_ML / float(np.prod(spacing))
    return lesion if _LEAST_RATIO * drawn <= count <= most else None


def _share_of_contrast(
    ct: sitk.Image, grid: Grid, inside: Mask, shell: Mask, settings: OutlineSettings
) -> Array | None:
    """Return the CT (z, y, x), 0 for lung and 1 for the lesion; None where they hardly differ."""
    start = np.rint(ct.TransformPhysicalPointToContinuousIndex(grid.origin_mm)).astype(int)
    part = sitk.RegionOfInterest(ct, list(grid.size), [int(n) for n in start])
    values = sitk.GetArrayFromImage(part).astype(np.float64)
    values = np.clip(np.where(np.isfinite(values), values, BACKGROUND["CT"]), *settings.window_hu)
    values = ndimage.gaussian_filter(values, [_SIGMA_MM / step for step in grid.spacing_mm[::-1]])
    lesion, lung = np.percentile(values[inside], _CORE_PERCENTILE), np.percentile(values[shell], _LUNG_PERCENTILE)
    if lesion - lung < settings.least_contrast_hu:
        return None
    return np.asarray(np.clip((values - lung) / (lesion - lung), 0, 1.2))


def _seeds(
    share: Array,
    inside: Mask,
    away: Array,
    shell: Mask,
    others: Mask,
    spacing: tuple[float, ...],
    settings: OutlineSettings,
) -> NDArray[np.int32] | None:
    """Return 1 for voxels (z, y, x) that are the lesion's, 2 for those that are not and 0 for what is to be told.

    None where no edge can be seen about the mask.
    """
    sigma = [_TISSUE_SIGMA_MM / step for step in spacing]
    weight, total = (
        ndimage.gaussian_filter(values, sigma, mode="constant", truncate=3)
        for values in (shell.astype(np.float64), np.where(shell, np.minimum(share, 1), 0))
    )
    in_tissue = total >= _TISSUE_FROM * np.maximum(weight, 1e-9)
    if in_tissue[~inside & (away <= settings.reach_mm + 1e-9)].all():
        return None
    depth = ndimage.distance_transform_edt(inside, sampling=spacing) - min(spacing)
    least = np.maximum(_LESION_FROM - _LESS_BY_MM * np.maximum(depth, 0), _LESION_LEAST)
    seeds = np.zeros(share.shape, np.int32)
    seeds[inside & (share >= least)] = 1
    seeds[share < _LUNG_BELOW] = 2
    seeds[in_tissue & inside & (share >= 0.5)] = 1
    seeds[(in_tissue & ~inside) | (away > settings.reach_mm + 1e-9) | others] = 2
    return seeds


def _walked(share: Array, seeds: NDArray[np.int32], spacing: tuple[float, ...], beta: float) -> Mask:
    """Return the lesion's voxels (z, y, x) after a random walker between its seeds."""
    from skimage.segmentation import random_walker

    open_ones = seeds == 0
    lesion = seeds == 1
    if not open_ones.any():
        return lesion
    # Seeds that touch no open voxel decide nothing.
    near = ndimage.binary_dilation(open_ones)
    box = _box(near)
    there = np.where(near, seeds, -1)[box]
    if {1, 2} <= set(np.unique(there).tolist()) and np.ptp(share[box]) > 0:
        # Only which is more probable counts, not how probable it is.
        walk = random_walker(share[box], there, beta=beta, mode="cg_j", tol=_TOLERANCE, prob_tol=1, spacing=spacing)
        lesion[box] |= walk == 1
    return lesion


def _one_piece(lesion: Mask, inside: Mask) -> Mask:
    """Return the part of a lesion (z, y, x) that holds most of a mask."""
    parts, count = ndimage.label(lesion)
    held = np.bincount(parts[inside], minlength=count + 1)
    held[0] = 0
    if not held.any():
        return np.zeros_like(lesion)
    return np.asarray(parts == held.argmax())


def _closed(lesion: Mask, spacing: tuple[float, ...], radius_mm: float) -> Mask:
    """Return a lesion (z, y, x) closed by a ball."""
    margin = [int(radius_mm / step) + 1 for step in spacing]
    padded = np.pad(lesion, [(n, n) for n in margin])
    grown = ndimage.distance_transform_edt(~padded, sampling=spacing) <= radius_mm + 1e-9
    closed = ndimage.distance_transform_edt(grown, sampling=spacing) > radius_mm + 1e-9
    return np.asarray(closed[tuple(slice(n, -n) for n in margin)])


def _box(mask: Mask) -> Box:
    z, y, x = ndimage.find_objects(mask.astype(np.int8))[0]
    return z, y, x


def _image(inside: Mask, grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image
