"""The lungs' box made larger, so that no lesion is cut: for a missing lung, and for avid tissue that reaches out."""

from __future__ import annotations

import dataclasses

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import convex_hull_image

from fdglung.lungs.labels import LEFT, RIGHT
from fdglung.lungs.plausibility import SMALL_SIDE
from fdglung.lungs.region import Corner, LungRegion, as_box, bounding_box_mm, joined_box

Mask = NDArray[np.bool_]

AVID_SUV = 2.5
"""Uptake, SUVbw in g/ml, from which tissue is followed out of the box: the lowest SUVmax of a lesion."""

FURTHEST_MM = 60.0
"""Furthest that avid tissue may make the box larger on one side, in mm: what reaches further is an organ."""

_ROOM_MM = 10.0
"""Around followed tissue: a lesion's outline at 40 % of its SUVmax may lie outside the one at 2.5 g/ml by so much."""

_TOUCHING_MM = 5.0
_LEAST_LUNG = 0.4
_THRESHOLD_RATIO = 1.25
_LIVER_FACTOR = 1.5
_LIVER_SUV = 4.0
_LIVER_EVENNESS = 0.45
_LIVER_BELOW_DOME_MM = (10.0, 60.0)
_LEAST_LIVER_ML = 50.0
_SHARE_OF_LIVER = 0.05
_BODY_HU = -500.0
_WORKING_MM = 4.0


def box_with_missing_lung(mask: sitk.Image, ct: sitk.Image, margin_mm: float) -> tuple[Corner, Corner]:
    """Return the lungs' box with its margin, and with the mirror image of a lung whose other one is missing.

    Parameters
    ----------
    mask
        1 right lung, 2 left lung, on the grid of `ct`.
    ct
        Hounsfield units.
    margin_mm
        Added on all six sides, in mm.

    Returns
    -------
    tuple
        Lower and upper corner (LPS), in mm.

    Raises
    ------
    NoThoraxError
        If the mask is empty.

    """
    box = bounding_box_mm(mask, margin_mm)
    labels = sitk.GetArrayViewFromImage(mask)
    counts = [np.count_nonzero(labels == side) for side in (RIGHT, LEFT)]
    if min(counts) >= SMALL_SIDE * sum(counts):
        return box
    middle = _middle_of_body_mm(mask, ct)
    low, high = np.array(box)
    mirrored_low, mirrored_high = low.copy(), high.copy()
    mirrored_low[0], mirrored_high[0] = 2 * middle - high[0], 2 * middle - low[0]
    return joined_box(box, as_box(mirrored_low, mirrored_high))


def holding_avid_tissue(region: LungRegion, pet: sitk.Image, *, avid_suv: float = AVID_SUV) -> LungRegion:
    """Make the box of a region hold what grows from avid seeds at the lungs.

    Tissue of an uptake of `avid_suv` or more that is connected and touches the lungs, or lies between them (hila and
    mediastinum), or in the half of the chest whose lung is missing, is held whole with 10 mm around it. Where it
    reaches further than 60 mm out of the box, it has run into an organ: it is then held at the lowest uptake at which
    it does not. What reaches into the liver is held at 1.5 times its uptake, which a lesion has at least.

    Parameters
    ----------
    region
        From `fdglung.lungs.segment`.
    pet
        SUVbw in g/ml, any orientation.
    avid_suv
        Lowest uptake of the tissue, SUVbw in g/ml.

    Returns
    -------
    LungRegion
        The same but for its box, which is nowhere smaller.

    """
    working = _around(pet, region.box_mm)
    if working is None:
        return region
    suv = sitk.GetArrayFromImage(working)
    lungs = sitk.GetArrayFromImage(
        sitk.Resample(region.mask, working, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    )
    if not lungs.any():
        return region
    spacing = np.array(working.GetSpacing()[::-1])
    near = _box_in(working, region.box_mm)
    held = _held(suv, _zone(lungs, near, spacing), near, spacing, avid_suv, _under_right_lung(lungs, spacing))
    if not held.any():
        return region
    image = sitk.GetImageFromArray(held.astype(np.uint8))
    image.CopyInformation(working)
    return dataclasses.replace(region, box_mm=joined_box(region.box_mm, bounding_box_mm(image, _ROOM_MM)))


def _held(
    suv: NDArray[np.float32],
    zone: Mask,
    near: tuple[NDArray[np.int_], ...],
    spacing: NDArray[np.float64],
    floor: float,
    liver: Mask,
) -> Mask:
    """Return the tissue that touches `zone` (z, y, x) and does not run away, each piece at its lowest uptake."""
    held = np.zeros(suv.shape, bool)
    furthest = FURTHEST_MM / spacing
    above_liver = _above_liver(suv[liver], spacing)
    left = suv >= floor
    threshold = floor
    while left.any():
        labels, count = ndimage.label(left, structure=np.ones((3, 3, 3)))
        touching = np.zeros(count + 1, bool)
        touching[np.unique(labels[zone])] = True
        touching[0] = False
        runs = np.zeros(count + 1, bool)
        for label, box in enumerate(ndimage.find_objects(labels), start=1):
            below = near[0] - [side.start for side in box]
            above = [side.stop for side in box] - near[1]
            runs[label] = touching[label] and bool((np.maximum(below, above) > furthest).any())
        in_liver = np.zeros(count + 1, bool)
        if threshold < above_liver:
            in_liver = np.bincount(labels[liver], minlength=count + 1) > _SHARE_OF_LIVER * np.count_nonzero(liver)
        held |= (touching & ~runs & ~in_liver)[labels]
        threshold *= _THRESHOLD_RATIO
        left = (runs & ~in_liver)[labels] & (suv >= threshold)
        left |= (touching & in_liver)[labels] & (suv >= above_liver)
    return held


def _under_right_lung(lungs: NDArray[np.uint8], spacing: NDArray[np.float64]) -> Mask:
    """Return what lies 10 to 60 mm under the right lung's dome (z, y, x): liver in health."""
    right = lungs == RIGHT
    covered = right.any(axis=0)
    if not covered.any():
        return np.zeros(lungs.shape, bool)
    lowest = np.where(covered, right.argmax(axis=0), 0)
    nearest, furthest = (mm / spacing[0] for mm in _LIVER_BELOW_DOME_MM)
    # Three quarters of the lung's lower surface lie lower than its dome.
    dome = float(np.percentile(lowest[covered], 75))
    z = np.arange(len(lungs))[:, None, None]
    return np.asarray((z <= lowest - nearest) & (z <= dome - nearest) & (z >= dome - furthest))


def _above_liver(suv: NDArray[np.float32], spacing: NDArray[np.float64]) -> float:
    """Return the uptake that lesions have at least by their liver's, and 0 where what was measured is no liver."""
    if suv.size * np.prod(spacing) / 1000 < _LEAST_LIVER_ML:
        return 0.0
    lower, median, upper = np.percentile(suv, [25, 50, 75])
    # 1.35: quartiles of a normal distribution lie so many standard deviations apart.
    even = upper - lower <= 1.35 * _LIVER_EVENNESS * median
    return _LIVER_FACTOR * float(median) if even and median <= _LIVER_SUV else 0.0


def _zone(lungs: NDArray[np.uint8], near: tuple[NDArray[np.int_], ...], spacing: NDArray[np.float64]) -> Mask:
    """Return what seeds must touch (z, y, x): lungs, what lies between them, and 5 mm around."""
    zone = lungs > 0
    if min(np.count_nonzero(lungs == side) for side in (RIGHT, LEFT)) < SMALL_SIDE * np.count_nonzero(zone):
        # The other half of the chest may be filled by anything: all of the box counts.
        zone[tuple(slice(max(0, int(a)), max(0, int(b))) for a, b in zip(*near, strict=True))] = True
        return zone
    for z in np.flatnonzero(zone.any(axis=(1, 2))):
        outline = convex_hull_image(zone[z])
        # Further down the lungs are two sickles, and what lies between them is liver, spleen and kidneys.
        if zone[z].sum() >= _LEAST_LUNG * outline.sum():
            zone[z] = outline
    return np.asarray(ndimage.distance_transform_edt(~zone, sampling=spacing) <= _TOUCHING_MM)


def _around(pet: sitk.Image, box_mm: tuple[Corner, Corner]) -> sitk.Image | None:
    """Return the PET in LPS order, cropped to the box and what may be added to it; None where they do not meet."""
    upright = sitk.DICOMOrient(pet, "LPS")
    first, last = _box_in(upright, box_mm)
    room = np.ceil(2 * FURTHEST_MM / np.array(upright.GetSpacing()[::-1])).astype(int)
    size = np.array(upright.GetSize()[::-1])
    start, stop = np.clip(first - room, 0, size), np.clip(last + room, 0, size)
    if (start >= stop).any():
        return None
    return upright[tuple(slice(int(a), int(b)) for a, b in zip(start[::-1], stop[::-1], strict=True))]


def _box_in(image: sitk.Image, box_mm: tuple[Corner, Corner]) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    """Return the first voxel (z, y, x) of a box and the one after its last; they may lie outside the image."""
    corners = [image.TransformPhysicalPointToContinuousIndex(tuple(map(float, corner))) for corner in _corners(box_mm)]
    low, high = np.min(corners, axis=0)[::-1], np.max(corners, axis=0)[::-1]
    return np.floor(low).astype(int), np.ceil(high).astype(int) + 1


def _corners(box_mm: tuple[Corner, Corner]) -> list[tuple[float, ...]]:
    return [tuple(box_mm[end[axis]][axis] for axis in range(3)) for end in np.ndindex(2, 2, 2)]


def _middle_of_body_mm(mask: sitk.Image, ct: sitk.Image) -> float:
    """Return the x coordinate (LPS, mm) half-way between the body's sides in the slices that show lung."""
    factors = [max(1, int(_WORKING_MM / step)) for step in ct.GetSpacing()]
    coarse = sitk.DICOMOrient(sitk.BinShrink(sitk.Cast(ct, sitk.sitkFloat32), factors), "LPS")
    lungs = sitk.GetArrayFromImage(sitk.Resample(mask, coarse, sitk.Transform(), sitk.sitkNearestNeighbor))
    planes = (lungs > 0).any(axis=(1, 2))
    tissue = ndimage.binary_opening(sitk.GetArrayViewFromImage(coarse)[planes] > _BODY_HU, iterations=2)
    labels, count = ndimage.label(tissue)
    if not count:
        return float(np.mean([corner[0] for corner in bounding_box_mm(mask, 0)]))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    columns = np.flatnonzero((labels == sizes.argmax()).any(axis=(0, 1)))
    middle = [0.0, 0.0, 0.0]
    middle[0] = float(columns[0] + columns[-1]) / 2
    return float(coarse.TransformContinuousIndexToPhysicalPoint(middle)[0])
