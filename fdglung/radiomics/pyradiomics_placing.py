"""Lesions as PyRadiomics 3.0.1 takes them from an image: normalised, resampled, cropped, checked and re-segmented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.errors import InputError
from fdglung.radiomics.filters import Array, Box, hull, padded, relative, whole
from fdglung.radiomics.settings import PyRadiomicsParameters

Mask = NDArray[np.bool_]

DEFAULTS: Mapping[str, Any] = {
    "minimumROIDimensions": 2,
    "minimumROISize": None,
    "normalize": False,
    "normalizeScale": 1,
    "removeOutliers": None,
    "resampledPixelSpacing": None,
    "interpolator": "sitkBSpline",
    "preCrop": False,
    "padDistance": 5,
    "distances": [1],
    "force2D": False,
    "force2Ddimension": 0,
    "resegmentRange": None,
}
"""What PyRadiomics' extractor takes where a parameter file says nothing."""

_SPLINE_MARGIN = 48
"""Voxels around a region after which a cubic spline's coefficients are those of the whole image, to the last bit."""

_MOST_NUMBERS = 65_535
"""Up to this label scipy finds all boxes in one pass; it has a place in memory for every number to the highest."""

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


def settings_of(parameters: PyRadiomicsParameters, image_type: str | None = None) -> dict[str, Any]:
    """Return all settings, those of an image type above those of the file above PyRadiomics' defaults."""
    own = parameters.image_types.get(image_type, {}) if image_type else {}
    return {**DEFAULTS, **parameters.setting, **parameters.voxel_setting, **own}


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


def on_grid_of(mask: sitk.Image, image: sitk.Image, tolerance: float | None = None) -> sitk.Image:
    """Return a mask on an image's grid: itself where it lies there, else resampled by nearest neighbour.

    Parameters
    ----------
    tolerance
        Largest difference that counts as none: of origin and spacing in voxels, of direction in cosines.

    """
    if lies_on(mask, image, tolerance):
        return mask
    return sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, mask.GetPixelID())


def lies_on(mask: sitk.Image, image: sitk.Image, tolerance: float | None = None) -> bool:
    """Return whether a mask has the grid of an image, with the tolerance of `on_grid_of`."""
    slack = 1e-6 if tolerance is None else tolerance
    step = image.GetSpacing()[0]
    return (
        mask.GetSize() == image.GetSize()
        and np.allclose(mask.GetOrigin(), image.GetOrigin(), rtol=0, atol=slack * step)
        and np.allclose(mask.GetSpacing(), image.GetSpacing(), rtol=0, atol=slack * step)
        and np.allclose(mask.GetDirection(), image.GetDirection(), rtol=0, atol=slack)
    )


def boxes_of(mask: sitk.Image, labels: Sequence[int]) -> dict[int, Box]:
    """Return the bounding boxes (z, y, x) of labels; those that do not occur are left out."""
    array = sitk.GetArrayViewFromImage(mask)
    if array.dtype.kind not in "iu":
        array = array.astype(np.int64)
    wanted = sorted(label for label in labels if label > 0)
    if wanted and wanted[-1] > _MOST_NUMBERS:
        numbers = np.array(wanted)
        places = np.minimum(np.searchsorted(numbers, array), len(numbers) - 1)
        array = np.where(numbers[places] == array, places + 1, 0)
        found = dict(zip(wanted, ndimage.find_objects(array, len(wanted)), strict=True))
    else:
        found = dict(enumerate(ndimage.find_objects(array, max(wanted, default=0)), start=1))
    return {label: found[label] for label in labels if found.get(label) is not None}


def labels_in(array: NDArray[Any]) -> list[int]:
    """Return the whole numbers above 0 that occur in an array, ascending."""
    if array.size and array.max() > _MOST_NUMBERS:
        return [int(label) for label in np.unique(array[array > 0])]
    return [label for label, box in enumerate(ndimage.find_objects(array), start=1) if box is not None]


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
    grids = {label: _lesion_grid(mask, box, settings) for label, box in boxes.items()}
    kind = settings["interpolator"]
    kind = getattr(sitk, kind, sitk.sitkBSpline) if isinstance(kind, str) else kind
    own_voxels = {label for label, grid in grids.items() if np.allclose(image.GetSpacing(), grid.spacing_mm)}
    resampled = [grid for label, grid in grids.items() if label not in own_voxels]
    source, sampler = image, kind
    if kind == sitk.sitkBSpline and resampled:
        source, sampler = _spline_coefficients(image, resampled), sitk.sitkBSplineResampler
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


@dataclass(frozen=True)
class _Grid:
    """Voxels that a lesion is resampled to, along x, y, z."""

    size: list[int]
    spacing_mm: list[float]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    def resample(self, image: sitk.Image, kind: int, pixel: int) -> sitk.Image:
        made = sitk.ResampleImageFilter()
        made.SetOutputSpacing(self.spacing_mm)
        made.SetOutputDirection(self.direction)
        made.SetSize(self.size)
        made.SetOutputOrigin(self.origin_mm)
        made.SetOutputPixelType(pixel)
        made.SetInterpolator(kind)
        return made.Execute(image)


def _lesion_grid(mask: sitk.Image, box: Box, settings: Mapping[str, Any]) -> _Grid:
    """Return the grid of PyRadiomics' ``resampleImage``: the mask's corner, the new spacing, the padded box."""
    old = np.array(mask.GetSpacing())
    first = np.array([part.start for part in box[::-1]])
    count = np.array([part.stop - part.start for part in box[::-1]])
    new = np.array(settings["resampledPixelSpacing"], float)
    if new.shape != old.shape:
        raise _refusal("The spacing is not three numbers", "resampledPixelSpacing", "Give x, y and z in mm")
    new = np.where(new == 0, old, new)
    new = np.where(count != 1, new, old)
    ratio = old / new
    last = np.ceil(np.array(mask.GetSize()) * ratio) - 1
    low = np.floor((first - 0.5) * ratio - settings["padDistance"])
    high = np.ceil((first + count - 0.5) * ratio + settings["padDistance"])
    low, high = np.where(low < 0, 0, low), np.where(high > last, last, high)
    corner = np.array(0.5 * (new - old) / old) + low / ratio
    return _Grid(
        size=np.array(high - low + 1, dtype=int).tolist(),
        spacing_mm=new.tolist(),
        origin_mm=mask.TransformContinuousIndexToPhysicalPoint(corner.tolist()),
        direction=mask.GetDirection(),
    )


def _spline_coefficients(image: sitk.Image, grids: Iterable[_Grid]) -> sitk.Image:
    """Return the cubic spline's coefficients of an image where grids lie, 0 elsewhere.

    The result has the image's origin, so that positions are rounded as PyRadiomics' are: it truncates values of whole
    type, and a last bit decides there.
    """
    view = sitk.GetArrayViewFromImage(image)
    everything = whole(view)
    parts = []
    for grid in grids:
        ends = [(0, n - 1) for n in grid.size]
        steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
        corners = [np.array(grid.origin_mm) + steps @ (i, j, k) for i in ends[0] for j in ends[1] for k in ends[2]]
        indices = np.array([image.TransformPhysicalPointToContinuousIndex(c.tolist()) for c in corners])[:, ::-1]
        low = np.clip(np.floor(indices.min(axis=0)).astype(int) - 2, 0, np.array(view.shape) - 1)
        high = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 3, low + 1, view.shape)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        parts.append((z, y, x))
    outer = [padded(part, everything, [_SPLINE_MARGIN] * 3) for part in parts]
    if sum(_volume(part) for part in outer) > _volume(padded(hull(parts), everything, [_SPLINE_MARGIN] * 3)):
        parts = [hull(parts)]
        outer = [padded(part, everything, [_SPLINE_MARGIN] * 3) for part in parts]
    coefficients = np.zeros([part.stop for part in hull(parts)])
    for part, around in zip(parts, outer, strict=True):
        fitted = sitk.BSplineDecomposition(sitk.GetImageFromArray(view[around].astype(np.float64)), 3)
        coefficients[part] = sitk.GetArrayViewFromImage(fitted)[relative(part, around)]
    made = sitk.GetImageFromArray(coefficients)
    made.SetOrigin(image.GetOrigin())
    made.SetSpacing(image.GetSpacing())
    made.SetDirection(image.GetDirection())
    return made


def _volume(box: Box) -> int:
    return int(np.prod([part.stop - part.start for part in box]))


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
