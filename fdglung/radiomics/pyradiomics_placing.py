"""Lesions as PyRadiomics 3.0.1 takes them from an image: normalised, resampled, cropped, checked and re-segmented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.errors import InputError
from fdglung.radiomics.filters import Array, Box, padded, whole
from fdglung.radiomics.label_images import boxes_of, on_grid_of
from fdglung.radiomics.pyradiomics_grids import lesion_grid, spline_coefficients
from fdglung.radiomics.pyradiomics_parameters import PyRadiomicsParameters, settings_of

Mask = NDArray[np.bool_]


_EDGE = 1e-3
"""How far, in voxels, PyRadiomics lets a mask reach over the image."""


@dataclass(frozen=True)
class Placed:
    """A lesion on the image that PyRadiomics would filter for it. Arrays are (z, y, x).

    Attributes
    ----------
    canvas
        Intensities, of the type that PyRadiomics would have; often the whole image, shared by lesions.
    limit
        The part of `canvas` that PyRadiomics would filter.
    box
        The lesion's bounding box in `canvas`, after re-segmentation.
    spacing_mm
        Along z, y, x.
    mask
        The lesion in its box, for all features but shape.
    shape_mask
        The lesion in its box, for shape.
    owner
        The image whose memory `canvas` is; None where the memory is its own.

    """

    canvas: Array
    limit: Box
    box: Box
    spacing_mm: tuple[float, float, float]
    mask: Mask
    shape_mask: Mask
    owner: sitk.Image | None = None


def place(
    image: sitk.Image, mask: sitk.Image, labels: Iterable[int], parameters: PyRadiomicsParameters
) -> dict[int, Placed | InputError]:
    """Take lesions from an image as PyRadiomics' extractor does, before it filters.

    Parameters
    ----------
    image
        SUVbw in g/ml or HU; finite.
    mask
        Label image. On another grid than `image` it is resampled to it (nearest neighbour), as PyRadiomics'
        ``correctMask`` does, unless ``resampledPixelSpacing`` makes a grid of its own.
    labels
        Which of its labels.
    parameters
        A PyRadiomics parameter file.

    Returns
    -------
    dict
        A label to its lesion, or to the reason for which PyRadiomics refuses it.

    """
    settings = settings_of(parameters)
    if mask.GetNumberOfComponentsPerPixel() > 1:
        mask = sitk.VectorIndexSelectionCast(mask, settings.get("label_channel", 0))
    wanted = list(labels)
    found: dict[int, Placed | InputError] = {}
    boxes = boxes_of(mask, wanted)
    for label in wanted:
        if label not in boxes:
            found[label] = _refusal("The mask does not hold the label", "mask", "Ask for labels of the mask")
    if settings["normalize"]:
        from radiomics import imageoperations

        image = imageoperations.normalizeImage(image, **settings)
    if settings["resampledPixelSpacing"] is not None and settings["interpolator"] is not None:
        placing = _resampling(image, mask, boxes, settings)
    else:
        placing = _cropping(image, mask, boxes, settings)
    for label in boxes:
        try:
            found[label] = _checked(placing(label), settings)
        except InputError as error:
            found[label] = error
        except RuntimeError as error:
            told = str(error).rpartition(": ")[2].strip()
            found[label] = _refusal(f"SimpleITK cannot resample ({told})", "interpolator", "Give sitkBSpline")
    return {label: found[label] for label in wanted}


def _cropping(
    image: sitk.Image, mask: sitk.Image, boxes: dict[int, Box], settings: Mapping[str, Any]
) -> Callable[[int], Placed]:
    """Return what places a lesion on the image's own voxels."""
    moved = on_grid_of(mask, image, settings.get("geometryTolerance"))
    on_image = boxes if moved is mask else boxes_of(moved, list(boxes))
    canvas, array = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(moved)
    z, y, x = (float(step) for step in image.GetSpacing()[::-1])

    def placed(label: int) -> Placed:
        if moved is not mask:
            _check_inside(image, mask, boxes[label])
        box = on_image.get(label)
        if box is None:
            raise _refusal("The lesion holds no voxel of the image", "mask", "Give a mask on the grid of the image")
        inside = array[box] == label
        limit = padded(box, whole(canvas), [settings["padDistance"]] * 3) if settings["preCrop"] else whole(canvas)
        return Placed(canvas, limit, box, (z, y, x), inside, inside, owner=image)

    return placed


def _resampling(
    image: sitk.Image, mask: sitk.Image, boxes: dict[int, Box], settings: Mapping[str, Any]
) -> Callable[[int], Placed]:
    """Return what places a lesion on voxels of ``resampledPixelSpacing``."""
    grids = {label: lesion_grid(mask, box, settings) for label, box in boxes.items()}
    kind = settings["interpolator"]
    kind = getattr(sitk, kind, sitk.sitkBSpline) if isinstance(kind, str) else kind
    own_voxels = {label for label, grid in grids.items() if np.allclose(image.GetSpacing(), grid.spacing_mm)}
    resampled = [grid for label, grid in grids.items() if label not in own_voxels]
    source, sampler = image, kind
    if kind == sitk.sitkBSpline and resampled:
        source, sampler = spline_coefficients(image, resampled), sitk.sitkBSplineResampler
    crop = _cropping(image, mask, boxes, {**settings, "preCrop": True}) if own_voxels else None

    def placed(label: int) -> Placed:
        _check_inside(image, mask, boxes[label])
        if crop is not None and label in own_voxels:
            return crop(label)
        grid = grids[label]
        values = sitk.GetArrayFromImage(grid.resample(source, sampler, image.GetPixelID()))
        inside = sitk.GetArrayFromImage(grid.resample(mask, sitk.sitkNearestNeighbor, mask.GetPixelID())) == label
        if not inside.any():
            raise _refusal("Resampling leaves no voxel of the lesion", "resampledPixelSpacing", "Use a finer spacing")
        box = _box_of(inside)
        z, y, x = (float(step) for step in grid.spacing_mm[::-1])
        return Placed(values, whole(values), box, (z, y, x), inside[box], inside[box])

    return placed


def _check_inside(image: sitk.Image, mask: sitk.Image, box: Box) -> None:
    low = [part.start - 0.5 for part in box[::-1]]
    high = [part.stop - 0.5 for part in box[::-1]]
    ends = [
        image.TransformPhysicalPointToContinuousIndex(mask.TransformContinuousIndexToPhysicalPoint(corner))
        for corner in (low, high)
    ]
    first, last = np.min(ends, axis=0), np.max(ends, axis=0)
    if np.any(first < -0.5 - _EDGE) or np.any(last > np.array(image.GetSize()) - 0.5 + _EDGE):
        raise _refusal("The lesion reaches over the image", "mask", "Give a mask in the space of the image")


def _checked(placed: Placed, settings: Mapping[str, Any]) -> Placed:
    """Check a lesion's size and re-segment it, in PyRadiomics' order."""
    _check_size(placed.mask, settings)
    if settings["resegmentRange"] is None:
        return placed
    kept = _resegmented(placed, settings)
    inner = _box_of(kept)
    kept = kept[inner]
    _check_size(kept, settings)
    z, y, x = (
        slice(outer.start + part.start, outer.start + part.stop) for outer, part in zip(placed.box, inner, strict=True)
    )
    shape = kept if settings.get("resegmentShape", False) else placed.shape_mask[inner]
    return replace(placed, box=(z, y, x), mask=kept, shape_mask=shape)


def _check_size(mask: Mask, settings: Mapping[str, Any]) -> None:
    dimensions = sum(n > 1 for n in mask.shape)
    if dimensions == 0:
        raise _refusal("PyRadiomics takes no lesion of one voxel", "mask", "Use ibsi preprocessing, or leave it out")
    if dimensions < settings["minimumROIDimensions"]:
        raise _refusal(
            f"The lesion has {dimensions} dimension{'' if dimensions == 1 else 's'}",
            "minimumROIDimensions",
            "Lower it, or leave the lesion out",
        )
    least, size = settings["minimumROISize"], int(mask.sum())
    if least is not None and size <= least:
        raise _refusal(f"The lesion has {size} voxels", "minimumROISize", "Lower it, or leave the lesion out")


def _resegmented(placed: Placed, settings: Mapping[str, Any]) -> Mask:
    limits = sorted(settings["resegmentRange"])
    mode = settings.get("resegmentMode", "absolute")
    if len(limits) > 2 or not limits or mode not in ("absolute", "relative", "sigma"):
        raise _refusal("The re-segmentation cannot be", "resegmentRange, resegmentMode", "Give one or two thresholds")
    kept = placed.mask.copy()
    values = placed.canvas[placed.box][kept]
    if mode == "relative":
        top = np.max(values)
        limits = [top * part for part in limits]
    elif mode == "sigma":
        middle, spread = np.mean(values), np.std(values)
        limits = [middle + spread * part for part in limits]
    inside = values >= limits[0]
    if len(limits) == 2:
        inside &= values <= limits[1]
    kept[placed.mask] = inside
    if kept.sum() <= 1:
        raise _refusal(
            f"Re-segmentation leaves {'one' if kept.any() else 'no'} voxel", "resegmentRange", "Widen the range"
        )
    return kept


def _box_of(mask: Mask) -> Box:
    z, y, x = ndimage.find_objects(mask.view(np.int8) if mask.flags.c_contiguous else mask.astype(np.int8))[0]
    return z, y, x


def _refusal(problem: str, attribute: str, remedy: str) -> InputError:
    return InputError(problem, attribute=attribute, remedy=remedy)
