"""Lesions by thresholds: seeds above a fixed SUV, parted at saddles, grown to a fraction of each one's own SUVmax."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.anatomy import Mask, Thorax, bone_share, is_below_diaphragm, lung_contact, thorax_on
from fdglung.basins import basins_of_maxima
from fdglung.lungs import Corner, LungRegion
from fdglung.reference_uptake import blood_pool_suv_mean, liver_suv_mean
from fdglung.segmentation import ExcludedUptake, LesionSegmentation, SegmentationSettings, SegmentedLesion
from fdglung.suv_peak import suv_peak

_ROOM_AROUND_BOX_MM = 60.0
_ROOM_BELOW_LUNGS_MM = 150.0
_LEAK_BEYOND_CORE_MM = 15.0
_LEAK_BEYOND_LUNG_MM = 10.0
_LEAK_SHARE = 0.1
_LUNG_CONTACT = 0.25
_HEART_CONTACT = 0.5
_BONE_CONTACT = 0.6
_INSIDE_CONTACT = 0.6
_BONE_SHARE = 0.3


@dataclass(frozen=True)
class _Candidate:
    """A maximum with its VOI; masks are boolean on the working grid (z, y, x), cropped to `box`."""

    box: tuple[slice, ...]
    voi: Mask
    seed_region: Mask
    suv_max: float
    peak: tuple[int, int, int]
    voi_fraction: float
    warnings: tuple[str, ...]


def segment_by_threshold(
    pet: sitk.Image,
    ct: sitk.Image | None,
    lungs: LungRegion | None,
    settings: SegmentationSettings,
    tell: Callable[[str, float], None],
) -> LesionSegmentation:
    """Find lesions by thresholds; see `fdglung.segmentation.segment`."""
    tell("reference uptake", 0.0)
    upright = sitk.DICOMOrient(pet, "LPS")
    warnings: list[str] = []
    thorax: Thorax | None = None
    reference: dict[str, float] = {}
    if settings.region == "lungs" and ct is not None and lungs is not None:
        working = _crop(upright, lungs.box_mm)
        thorax = thorax_on(working, ct, lungs)
        reference = _reference_uptake(thorax)
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
    voxel_ml = float(np.prod(working.GetSpacing())) / 1000
    candidates = _candidates(suv, inside, thorax, seed_suv, settings, working.GetSpacing()[::-1])
    lesions: list[_Candidate] = []
    excluded: list[ExcludedUptake] = []
    for candidate in candidates:
        reason = _no_lesion_because(candidate, thorax, voxel_ml, seed_suv, settings)
        if reason is None:
            lesions.append(candidate)
        elif candidate.seed_region.sum() * voxel_ml >= settings.min_volume_ml:
            position = working.TransformIndexToPhysicalPoint([int(i) for i in candidate.peak[::-1]])
            excluded.append(
                ExcludedUptake(
                    reason=reason,
                    suv_max=candidate.suv_max,
                    volume_ml=float(candidate.seed_region.sum() * voxel_ml),
                    suv_max_position_mm=(float(position[0]), float(position[1]), float(position[2])),
                )
            )
    labels, kept = _label_image(working, lesions, cropped=working.GetSize() != upright.GetSize())
    tell("lesions", 1.0)
    return LesionSegmentation(
        labels=_on_grid_of(pet, labels),
        lesions=tuple(kept),
        excluded=tuple(excluded),
        seed_suv=seed_suv,
        reference_uptake=reference,
        method=settings.method,
        warnings=tuple(warnings),
    )


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


def _reference_uptake(thorax: Thorax) -> dict[str, float]:
    measured = {"liver": liver_suv_mean(thorax), "blood pool": blood_pool_suv_mean(thorax)}
    return {name: value for name, value in measured.items() if value is not None}


def _seed_suv(reference: dict[str, float], settings: SegmentationSettings) -> float:
    background = reference.get("liver", reference.get("blood pool", 0.0))
    return max(settings.seed_suv, settings.reference_factor * background)


def _candidates(
    suv: NDArray[np.float32],
    inside: Mask,
    thorax: Thorax | None,
    seed_suv: float,
    settings: SegmentationSettings,
    spacing: tuple[float, ...],
) -> list[_Candidate]:
    """Return every maximum of at least `seed_suv` inside the region with its VOI, hottest first."""
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
        core = _connected(own & (values >= seed_suv), local_peak)
        beyond_lung = None if thorax is None else thorax.lung_distance_mm[box] > _LEAK_BEYOND_LUNG_MM
        voi, fraction, warnings = _bounded_voi(
            values, own, core, local_peak, suv_max, seed_suv, beyond_lung, settings, spacing
        )
        found.append(_Candidate(box, voi, core, suv_max, peak, fraction, warnings))
    found.sort(key=lambda candidate: (-candidate.suv_max, candidate.peak))
    return found


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
    voi = _connected(own & (values >= settings.voi_fraction * suv_max), peak)
    if beyond_lung is None or settings.voi_fraction * suv_max >= seed_suv:
        return voi, settings.voi_fraction, ()
    far = beyond_lung & (ndimage.distance_transform_edt(~core, sampling=spacing) > _LEAK_BEYOND_CORE_MM)
    if (voi & far).sum() <= _LEAK_SHARE * voi.sum():
        return voi, settings.voi_fraction, ()
    top = min(1.0, seed_suv / suv_max)
    for fraction in np.linspace(settings.voi_fraction, top, 13)[1:]:
        voi = _connected(own & (values >= np.float32(fraction * suv_max)), peak)
        if (voi & far).sum() <= _LEAK_SHARE * voi.sum():
            break
    warning = (
        f"The contour at {settings.voi_fraction:.0%} of SUVmax runs into neighbouring tissue; "
        f"the VOI is bounded at {fraction:.0%} (SUV {fraction * suv_max:.2f} g/ml) instead."
    )
    return voi, float(fraction), (warning,)


def _connected(mask: Mask, peak: tuple[int, ...]) -> Mask:
    """Return the face-connected part of `mask` that holds `peak`."""
    labels, _ = ndimage.label(mask)
    return labels == labels[peak] if labels[peak] else np.zeros_like(mask)


def _no_lesion_because(
    candidate: _Candidate, thorax: Thorax | None, voxel_ml: float, seed_suv: float, settings: SegmentationSettings
) -> str | None:
    """Return why a candidate is no lung lesion, or None if it is one."""
    if candidate.voi.sum() * voxel_ml < settings.min_volume_ml:
        return "too small"
    if thorax is None:
        return None
    whole = np.zeros(thorax.suv.shape, bool)
    whole[candidate.box] = candidate.voi
    contact = lung_contact(thorax, whole)
    if candidate.seed_region.sum() > candidate.voi.sum():
        # The 40 % contour of a hot tumour may lie deep inside it: the seed region reaches its border.
        seeded = np.zeros_like(whole)
        seeded[candidate.box] = candidate.seed_region
        contact = max(contact, lung_contact(thorax, seeded))
    if contact < _HEART_CONTACT and thorax.heart_zone[whole].mean() > 0.5 and thorax.heart_zone[candidate.peak]:
        return "heart or mediastinum"
    if contact < _BONE_CONTACT and bone_share(thorax, whole) > _BONE_SHARE:
        return "bone"
    if contact < _LUNG_CONTACT:
        return "below the diaphragm" if is_below_diaphragm(thorax, whole) else "no contact with lung"
    if contact < _INSIDE_CONTACT and suv_peak(thorax.suv, whole, thorax.spacing_mm)[0] < seed_suv:
        return "single voxels at the lung's border"
    return None


def _label_image(
    working: sitk.Image, lesions: list[_Candidate], *, cropped: bool
) -> tuple[sitk.Image, list[SegmentedLesion]]:
    labels = np.zeros(working.GetSize()[::-1], np.uint16)
    kept = []
    for label, lesion in enumerate(lesions, start=1):
        labels[lesion.box][lesion.voi] = label
        warnings = lesion.warnings
        if cropped and _touches_edge(labels == label):
            warnings += (
                "The lesion reaches the edge of what was searched around the lungs; the rest of it is missing.",
            )
        kept.append(SegmentedLesion(label, lesion.voi_fraction, warnings))
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(working)
    return image, kept


def _touches_edge(mask: Mask) -> bool:
    indices = np.argwhere(mask)
    return bool((indices == 0).any() or (indices == np.array(mask.shape) - 1).any())


def _on_grid_of(pet: sitk.Image, labels: sitk.Image) -> sitk.Image:
    return sitk.Resample(labels, pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt16)
