"""Lungs of a CT without a network: air inside the body, less airways and bowel gas, split into right and left."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.errors import NoThoraxError
from fdglung.lungs.labels import LEFT, RIGHT

Mask = NDArray[np.bool_]

_WORKING_SPACING_MM = 2.5
_BODY_HU = -500.0
_LUNG_HU = -400.0
_AIRWAY_HU = -920.0
_GAS_HU = -960.0
_GAS_ML = 10.0
_BELOW_TOP_MM = 20.0
_THICKNESS_MM = 14.0
_GAS_BELOW_LUNG_HU = 100.0


def segment_classical(ct: sitk.Image) -> sitk.Image:
    """Segment the lungs by thresholds and shape.

    Parameters
    ----------
    ct
        Hounsfield units, any orientation.

    Returns
    -------
    SimpleITK.Image
        uint8 on the grid of `ct`: 0 background, 1 right lung, 2 left lung.

    Raises
    ------
    NoThoraxError
        If no air-filled region of the body looks like a lung.

    """
    coarse = _working_copy(ct)
    hu = sitk.GetArrayFromImage(coarse)
    spacing = np.array(coarse.GetSpacing()[::-1])
    body = _body(hu, spacing)
    labels = np.zeros(hu.shape, np.uint8)
    inner = (slice(None), *box_around(body, margin=8)[1:]) if body.any() else (slice(None),)
    labels[inner] = _lungs_of_body(hu[inner], body[inner], spacing)
    return _on_grid_of(ct, coarse, labels)


def box_around(mask: Mask, *, margin: int) -> tuple[slice, ...]:
    """Return the slices (z, y, x) that hold all of `mask` and `margin` voxels around it; `mask` is not empty."""
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(slice(max(0, side.start - margin), side.stop + margin) for side in found)


def _working_copy(ct: sitk.Image) -> sitk.Image:
    """Return `ct` in LPS order at about 2.5 mm, so that every step below knows its axes: z up, y back, x left."""
    upright = sitk.DICOMOrient(ct, "LPS")
    factors = [max(1, int(_WORKING_SPACING_MM / spacing + 0.5)) for spacing in upright.GetSpacing()]
    return sitk.Cast(sitk.BinShrink(sitk.Cast(upright, sitk.sitkFloat32), factors), sitk.sitkFloat32)


def _body(hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> Mask:
    """Return the body with its cavities (z, y, x): what the outside air does not reach in its own slice."""
    tissue = ndimage.binary_opening(hu > _BODY_HU, _ball(4.0, spacing))
    tissue = _largest(tissue)
    body = np.zeros_like(tissue)
    if not tissue.any():
        return body
    _, rows, columns = box_around(tissue, margin=0)
    for z, plane in enumerate(tissue[:, rows, columns]):
        closed = ndimage.binary_closing(np.pad(plane, 8), iterations=4)[8:-8, 8:-8]
        body[z, rows, columns] = ndimage.binary_fill_holes(closed | plane)
    return body


def _lungs_of_body(hu: NDArray[np.float32], body: Mask, spacing: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return 1 where the right lung is and 2 where the left is (z, y, x)."""
    air = body & (hu < _LUNG_HU)
    air &= ~_airways(air, hu, spacing)
    air &= ~_bowel_gas(air, hu, spacing)
    parts = _lung_like_parts(air, hu, body, spacing)
    sides = _right_and_left(parts, body, spacing)
    labels = np.zeros(hu.shape, np.uint8)
    for side, mask in sides.items():
        box = box_around(mask, margin=4)
        labels[box][_smooth(mask[box], spacing) & body[box] & (labels[box] == 0)] = side
    return labels


def _airways(air: Mask, hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> Mask:
    """Return trachea and main bronchi (z, y, x), grown from the round airy hole of the upper slices."""
    lumen = air & (hu < _AIRWAY_HU)
    area_mm2 = float(spacing[1] * spacing[2])
    seeds, count = ndimage.label(lumen, structure=_in_plane())
    if not count:
        return np.zeros_like(air)
    sizes = np.bincount(seeds.ravel())
    airway = np.zeros_like(air)
    columns = np.flatnonzero(air.any(axis=(0, 1)))
    middle, half_width = columns.mean(), (columns[-1] - columns[0] + 1) / 2
    boxes = ndimage.find_objects(seeds)
    for label, box in enumerate(boxes, start=1):
        area = sizes[label] * area_mm2
        if not 60 <= area <= 900:
            continue
        height, width = (box[1].stop - box[1].start) * spacing[1], (box[2].stop - box[2].start) * spacing[2]
        centre = (box[2].start + box[2].stop - 1) / 2
        if max(height, width) <= 40 and abs(centre - middle) <= 0.25 * half_width:
            airway[box] |= seeds[box] == label
    tubes, count = ndimage.label(airway)
    if not count:
        return airway
    sizes = np.bincount(tubes.ravel())
    lengths = np.array([0] + [(box[0].stop - box[0].start) * spacing[0] for box in ndimage.find_objects(tubes)])
    airway = (lengths >= 20)[tubes] & (sizes > 0)[tubes] & (tubes > 0)
    return ndimage.binary_dilation(airway, _ball(3.5, spacing)) & air


def _bowel_gas(air: Mask, hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> Mask:
    """Return gas (z, y, x) of the lower half that mostly borders on soft tissue; a bulla borders on lung."""
    gas = np.zeros_like(air)
    black, count = ndimage.label(air & (ndimage.uniform_filter(hu, 3) < _GAS_HU))
    if not count:
        return gas
    sizes = np.bincount(black.ravel()) * float(np.prod(spacing)) / 1000
    planes = np.flatnonzero(air.any(axis=(1, 2)))
    middle = float(np.average(planes, weights=air[planes].sum(axis=(1, 2))))
    ball = _ball(6.0, spacing)
    for label, found in enumerate(ndimage.find_objects(black), start=1):
        if sizes[label] < _GAS_ML or (found[0].start + found[0].stop) / 2 > middle:
            continue
        box = tuple(slice(max(0, side.start - 4), side.stop + 4) for side in found)
        grown = ndimage.binary_dilation(black[box] == label, ball)
        # The blurred rim of gas is as dense as lung, so that what lies beyond it is looked at.
        shell = ndimage.binary_dilation(grown, ball) & ~grown
        if shell.any() and float((hu[box][shell] < _LUNG_HU).mean()) < 0.5:
            gas[box] |= grown
    return gas & air


def _lung_like_parts(air: Mask, hu: NDArray[np.float32], body: Mask, spacing: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the connected parts of `air` that can be lung (z, y, x), labelled from 1, largest first."""
    labels, count = ndimage.label(ndimage.binary_opening(air, _ball(2.5, spacing)))
    voxel_ml = float(np.prod(spacing)) / 1000
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * voxel_ml
    # Gas in the bowel, or in a gap between arm and chest, is blacker than even emphysema.
    candidates = [
        i for i in range(1, count + 1) if sizes[i] >= 50 and -960 <= float(np.median(hu[labels == i])) <= -450
    ]
    candidates.sort(key=lambda i: -sizes[i])
    if not candidates or sizes[candidates[0]] < 300:
        raise NoThoraxError(
            "no air-filled region of the body is as large as a lung",
            series="CT",
            attribute="PixelData (7FE0,0010)",
            remedy="Give a CT of the thorax that belongs to the PET, or analyse the whole PET with --region all",
        )
    kept = np.zeros(labels.shape, np.int32)
    kept[labels == candidates[0]] = 1
    top, bottom = _extent(kept > 0)
    _, usual_hu = _core(kept > 0, hu, spacing)
    for new, old in enumerate(candidates[1:], start=2):
        part = labels == old
        part_top, part_bottom = _extent(part)
        # A small part well below or above the largest is gas in the bowel, or air outside that the body encloses.
        share = sizes[old] / sizes[candidates[0]]
        if part_top <= bottom or part_bottom >= top or share < 0.05:
            continue
        # Both lungs end near each other, and where the CT cuts them both reach its end. What ends further down, and is
        # thin or has gas at its core, is stomach or colon under a dome.
        if share < 0.5 and (top - part_top) * spacing[0] > _BELOW_TOP_MM:
            depth_mm, core_hu = _core(part, hu, spacing)
            if depth_mm < _THICKNESS_MM or core_hu < max(_GAS_HU, usual_hu - _GAS_BELOW_LUNG_HU):
                continue
        kept[part] = new
    return kept


def _core(part: Mask, hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> tuple[float, float]:
    """Return how deep a part (z, y, x) is in mm, and the median HU of what is at least half as deep."""
    box = box_around(part, margin=0)
    # The CT's end is no surface of the part.
    padded = np.pad(np.pad(part[box], ((1, 1), (0, 0), (0, 0)), mode="edge"), ((0, 0), (1, 1), (1, 1)))
    depth = ndimage.distance_transform_edt(padded, sampling=tuple(spacing))[1:-1, 1:-1, 1:-1]
    deepest = float(depth.max())
    return deepest, float(np.median(hu[box][depth >= deepest / 2]))


def _extent(mask: Mask) -> tuple[int, int]:
    planes = np.flatnonzero(mask.any(axis=(1, 2)))
    return int(planes[-1]) + 1, int(planes[0])


def _right_and_left(parts: NDArray[np.int32], body: Mask, spacing: NDArray[np.float64]) -> dict[int, Mask]:
    """Assign parts to the sides; lungs that touch in front of the heart are parted where they are thinnest."""
    mask = parts > 0
    x_position = np.broadcast_to(np.arange(mask.shape[2]), mask.shape)
    middle = _midline(mask, body)
    sides = {RIGHT: np.zeros_like(mask), LEFT: np.zeros_like(mask)}
    for label in range(1, int(parts.max()) + 1):
        part = parts == label
        if not part.any():
            continue
        on_the_right = float((x_position[part] < middle).mean())
        if 0.12 < on_the_right < 0.88:
            box = box_around(part, margin=1)
            right, left = _split(part[box], middle - box[2].start, spacing)
            sides[RIGHT][box] |= right
            sides[LEFT][box] |= left
        else:
            sides[RIGHT if on_the_right > 0.5 else LEFT] |= part
    return {side: found for side, found in sides.items() if found.any()}


def _midline(mask: Mask, body: Mask) -> float:
    """Return the column between the lungs: where there is least lung near the middle of the body around it."""
    planes = mask.any(axis=(1, 2))
    columns = np.flatnonzero(body[planes].any(axis=(0, 1)))
    start, width = int(columns[0]), int(columns[-1] - columns[0]) + 1
    inner = slice(start + int(0.4 * width), start + int(0.6 * width) + 1)
    profile = ndimage.gaussian_filter1d(mask.sum(axis=(0, 1)).astype(float), 2)[inner]
    # Between lungs that do not touch, many columns hold none: the middle one of them is meant.
    return float(inner.start + np.median(np.flatnonzero(profile <= profile.min() + 1)))


def _split(part: Mask, middle: float, spacing: NDArray[np.float64]) -> tuple[Mask, Mask]:
    from skimage.segmentation import watershed

    depth = ndimage.distance_transform_edt(part, sampling=tuple(spacing))
    core = depth > 8.0
    columns = np.arange(part.shape[2])
    markers = np.zeros(part.shape, np.int32)
    markers[core & (columns < middle - 10 / spacing[2])] = RIGHT
    markers[core & (columns > middle + 10 / spacing[2])] = LEFT
    flooded = watershed(-depth, markers, mask=part)
    return flooded == RIGHT, flooded == LEFT


def _smooth(mask: Mask, spacing: NDArray[np.float64]) -> Mask:
    """Close vessels and fill holes of one lung (z, y, x)."""
    reach = int(np.ceil(7.0 / spacing.min())) + 1
    padded = np.pad(mask, reach)
    outside = ndimage.distance_transform_edt(~padded, sampling=tuple(spacing))
    grown = outside <= 6.0
    inside = ndimage.distance_transform_edt(grown, sampling=tuple(spacing))
    closed = (inside > 6.0)[reach:-reach, reach:-reach, reach:-reach] | mask
    # In three axes: in one slice the dome of the liver is a hole in the lung too.
    return np.asarray(ndimage.binary_fill_holes(closed))


def _on_grid_of(ct: sitk.Image, coarse: sitk.Image, labels: NDArray[np.uint8]) -> sitk.Image:
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(coarse)
    return sitk.Resample(image, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)


def _largest(mask: Mask) -> Mask:
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == int(sizes.argmax())


def _ball(radius_mm: float, spacing: NDArray[np.float64]) -> Mask:
    reach = [max(1, int(radius_mm / step)) for step in spacing]
    axes = np.meshgrid(*[np.arange(-n, n + 1) * step for n, step in zip(reach, spacing, strict=True)], indexing="ij")
    return np.asarray(np.sum(np.square(axes), axis=0) <= max(radius_mm, float(spacing.min())) ** 2)


def _in_plane() -> NDArray[np.int_]:
    structure = np.zeros((3, 3, 3), int)
    structure[1] = 1
    return structure
