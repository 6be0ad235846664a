"""Avid uptake of a PET: every maximum above a seed threshold, parted at saddles, grown to a fraction of its SUVmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.anatomy import Mask, Thorax, thorax_on
from fdglung.basins import basins_of_maxima
from fdglung.lungs import Corner, LungRegion
from fdglung.lungs.classical import box_around
from fdglung.reference_uptake import noise_warning, reference_spheres, suv_means
from fdglung.segmentation import SegmentationSettings

_ROOM_AROUND_BOX_MM = 60.0
_ROOM_BELOW_LUNGS_MM = 150.0
_LEAK_BEYOND_CORE_MM = 15.0
_LEAK_BEYOND_LUNG_MM = 10.0
_LEAK_SHARE = 0.1


@dataclass(frozen=True)
class UptakeRegion:
    """A maximum with its VOI; masks are boolean on the working grid (z, y, x), cropped to `box`.

    Attributes
    ----------
    basin
        Its number in `UptakeMap.basins`.
    box
        Where the masks lie in the working grid.
    voi
        What reaches the fraction of SUVmax that bounds it.
    seed_region
        What reaches the seed threshold.
    suv_max
        SUVbw in g/ml.
    peak
        Index (z, y, x) of its hottest voxel.
    voi_fraction
        Fraction of SUVmax that bounds the VOI.
    warnings
        What a physician must know about it.

    """

    basin: int
    box: tuple[slice, ...]
    voi: Mask
    seed_region: Mask
    suv_max: float
    peak: tuple[int, int, int]
    voi_fraction: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class UptakeMap:
    """All avid uptake around the lungs, or of the whole PET, parted at saddles.

    Attributes
    ----------
    working
        SUVbw in g/ml in LPS order, cropped to the lungs' surroundings where the region is ``lungs``.
    cropped
        Whether it was cropped.
    thorax
        Where things lie on this grid; None for the whole PET.
    basins
        int32 (z, y, x) on the grid of `working`: what belongs to each maximum, from 1; 0 elsewhere.
    regions
        Every maximum inside the region, hottest first.
    seed_suv
        Lowest SUVmax of a region, SUVbw in g/ml.
    reference_uptake
        SUVmean in g/ml by name of what could be measured.
    warnings
        What a physician must know, in full sentences.

    """

    working: sitk.Image
    cropped: bool
    thorax: Thorax | None
    basins: NDArray[np.int32]
    regions: tuple[UptakeRegion, ...]
    seed_suv: float
    reference_uptake: dict[str, float]
    warnings: tuple[str, ...]


def uptake_map(
    pet: sitk.Image,
    ct: sitk.Image | None,
    lungs: LungRegion | None,
    settings: SegmentationSettings,
    tell: Callable[[str, float], None],
) -> UptakeMap:
    """Find every maximum of the uptake with its VOI, whatever explains it.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    ct
        HU; None for the region ``all``.
    lungs
        The lungs of `ct`; None for the region ``all``.
    settings
        Region and thresholds.
    tell
        Called with a text and the fraction done.

    Returns
    -------
    UptakeMap

    """
    tell("reference uptake", 0.0)
    upright = sitk.DICOMOrient(pet, "LPS")
    warnings: list[str] = []
    thorax: Thorax | None = None
    reference: dict[str, float] = {}
    if settings.region == "lungs" and ct is not None and lungs is not None:
        working, thorax = _around_lungs(upright, ct, lungs)
        reference, warnings = _references(thorax)
        inside = _inside_box(working, lungs.box_mm)
    else:
        working = upright
        inside = np.ones(working.GetSize()[::-1], bool)
        warnings.append(
            "All avid uptake of the PET was segmented without regard to the lungs: brain, heart, kidneys, bowel, "
            "bladder and other physiological uptake is among it."
        )
    seed_suv = _seed_suv(reference, settings)
    if settings.region == "lungs" and not reference:
        warnings.append(
            "Neither liver nor mediastinal blood pool could be measured; "
            f"the seed threshold is the fixed SUV of {seed_suv:g} g/ml."
        )
    tell("lesions", 0.3)
    suv = sitk.GetArrayFromImage(working)
    basins, regions = _regions(suv, inside, thorax, seed_suv, settings, working.GetSpacing()[::-1])
    return UptakeMap(
        working=working,
        cropped=working.GetSize() != upright.GetSize(),
        thorax=thorax,
        basins=basins,
        regions=tuple(regions),
        seed_suv=seed_suv,
        reference_uptake=reference,
        warnings=tuple(warnings),
    )


def references_of(pet: sitk.Image, ct: sitk.Image, lungs: LungRegion) -> tuple[dict[str, float], list[str]]:
    """Measure liver and mediastinal blood pool without looking for lesions.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    ct
        HU.
    lungs
        The lungs of `ct`.

    Returns
    -------
    dict
        SUVmean in g/ml by name of what could be measured.
    list of str
        A warning where the PET is so noisy that noise may pass for lesions.

    """
    _, thorax = _around_lungs(sitk.DICOMOrient(pet, "LPS"), ct, lungs)
    return _references(thorax)


def _around_lungs(upright: sitk.Image, ct: sitk.Image, lungs: LungRegion) -> tuple[sitk.Image, Thorax]:
    working = _crop(upright, lungs.box_mm)
    return working, thorax_on(working, ct, lungs)


def _references(thorax: Thorax) -> tuple[dict[str, float], list[str]]:
    spheres = reference_spheres(thorax)
    noisy = noise_warning(thorax, spheres)
    return suv_means(thorax, spheres), [] if noisy is None else [noisy]


def _crop(pet: sitk.Image, box_mm: tuple[Corner, Corner]) -> sitk.Image:
    """Crop to the lungs' box with room for lesions that reach out of it and for the liver under it."""
    low = [value - _ROOM_AROUND_BOX_MM for value in box_mm[0]]
    low[2] = box_mm[0][2] - _ROOM_BELOW_LUNGS_MM
    high = [value + _ROOM_AROUND_BOX_MM for value in box_mm[1]]
    corners = [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    indices = np.array([pet.TransformPhysicalPointToContinuousIndex(corner) for corner in corners])
    start = np.clip(np.floor(indices.min(axis=0)), 0, np.array(pet.GetSize()) - 1).astype(int)
    stop = np.clip(np.ceil(indices.max(axis=0)) + 1, start + 1, pet.GetSize()).astype(int)
    return pet[tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))]


def _inside_box(image: sitk.Image, box_mm: tuple[Corner, Corner]) -> Mask:
    """Return the voxels (z, y, x) whose centres lie in the box; axis-wise, so the grid's tilt is neglected."""
    size = image.GetSize()
    inside = np.ones(size[::-1], bool)
    middle = [(n - 1) / 2 for n in size]
    for axis in range(3):
        keep = np.empty(size[axis], bool)
        for i in range(size[axis]):
            index = list(middle)
            index[axis] = i
            position = image.TransformContinuousIndexToPhysicalPoint(index)[axis]
            keep[i] = box_mm[0][axis] <= position <= box_mm[1][axis]
        shape = [1, 1, 1]
        shape[2 - axis] = size[axis]
        inside &= keep.reshape(shape)
    return inside


def _seed_suv(reference: dict[str, float], settings: SegmentationSettings) -> float:
    background = reference.get("liver", reference.get("blood pool", 0.0))
    return max(settings.seed_suv, settings.reference_factor * background)


def _regions(
    suv: NDArray[np.float32],
    inside: Mask,
    thorax: Thorax | None,
    seed_suv: float,
    settings: SegmentationSettings,
    spacing: tuple[float, ...],
) -> tuple[NDArray[np.int32], list[UptakeRegion]]:
    """Return all basins, and every maximum of at least `seed_suv` inside the region with its VOI, hottest first."""
    floor = settings.voi_fraction * seed_suv
    basins, peaks = basins_of_maxima(
        suv,
        seed=seed_suv,
        floor=floor,
        saddle_fraction=settings.saddle_fraction,
        organ=None if thorax is None else thorax.heart_zone,
    )
    found = []
    boxes = ndimage.find_objects(basins)
    for basin, peak in enumerate(peaks, start=1):
        if not inside[peak]:
            continue
        box = boxes[basin - 1]
        own = basins[box] == basin
        local_peak = tuple(int(p - s.start) for p, s in zip(peak, box, strict=True))
        values = suv[box]
        suv_max = float(suv[peak])
        core = connected(own & (values >= seed_suv), local_peak)
        beyond_lung = None if thorax is None else thorax.lung_distance_mm[box] > _LEAK_BEYOND_LUNG_MM
        voi, fraction, warnings = _bounded_voi(
            values, own, core, local_peak, suv_max, seed_suv, beyond_lung, settings, spacing
        )
        found.append(UptakeRegion(basin, box, voi, core, suv_max, peak, fraction, warnings))
    found.sort(key=lambda candidate: (-candidate.suv_max, candidate.peak))
    return basins, found


def _bounded_voi(
    values: NDArray[np.float32],
    own: Mask,
    core: Mask,
    peak: tuple[int, ...],
    suv_max: float,
    seed_suv: float,
    beyond_lung: Mask | None,
    settings: SegmentationSettings,
    spacing: tuple[float, ...],
) -> tuple[Mask, float, tuple[str, ...]]:
    """Grow to the asked fraction of SUVmax; where that runs into other tissue, to the lowest fraction that does not."""
    voi = connected(own & (values >= settings.voi_fraction * suv_max), peak)
    if beyond_lung is None or settings.voi_fraction * suv_max >= seed_suv:
        return voi, settings.voi_fraction, ()
    far = voi & beyond_lung
    if far.sum() > _LEAK_SHARE * voi.sum():
        # The core is warmer than the contour and lies in it.
        box = box_around(voi, margin=0)
        far[box] &= ndimage.distance_transform_edt(~core[box], sampling=spacing) > _LEAK_BEYOND_CORE_MM
    if far.sum() <= _LEAK_SHARE * voi.sum():
        return voi, settings.voi_fraction, ()
    top = min(1.0, seed_suv / suv_max)
    for fraction in np.linspace(settings.voi_fraction, top, 13)[1:]:
        voi = connected(own & (values >= np.float32(fraction * suv_max)), peak)
        if (voi & far).sum() <= _LEAK_SHARE * voi.sum():
            break
    warning = (
        f"The contour at {settings.voi_fraction:.0%} of SUVmax runs into neighbouring tissue; "
        f"the VOI is bounded at {fraction:.0%} (SUV {fraction * suv_max:.2f} g/ml) instead."
    )
    return voi, float(fraction), (warning,)


def connected(mask: Mask, peak: tuple[int, ...]) -> Mask:
    """Return the face-connected part of `mask` (z, y, x) that holds `peak`; empty where the mask does not."""
    labels, _ = ndimage.label(mask)
    return labels == labels[peak] if labels[peak] else np.zeros_like(mask)
