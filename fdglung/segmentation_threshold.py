"""Lesions by thresholds: seeds above a fixed SUV, parted at saddles, grown to a fraction of each one's own SUVmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from fdglung.anatomy import Mask, Thorax, bone_share, is_below_diaphragm, lies_in_fat, lung_contact
from fdglung.lungs import LungRegion
from fdglung.segmentation import IN_FAT, ExcludedUptake, LesionSegmentation, SegmentationSettings, SegmentedLesion
from fdglung.suv_peak import PEAK_RADIUS_MM, suv_peak
from fdglung.uptake_map import UptakeMap, UptakeRegion, uptake_map

_LUNG_CONTACT = 0.25
_HEART_CONTACT = 0.5
_BONE_CONTACT = 0.6
_INSIDE_CONTACT = 0.6
_BONE_SHARE = 0.3


def segment_by_threshold(
    pet: sitk.Image,
    ct: sitk.Image | None,
    lungs: LungRegion | None,
    settings: SegmentationSettings,
    tell: Callable[[str, float], None],
) -> LesionSegmentation:
    """Find lesions by thresholds; see `fdglung.segmentation.segment`."""
    return lesions_of_map(pet, uptake_map(pet, ct, lungs, settings, tell), settings, tell)


def lesions_of_map(
    pet: sitk.Image, uptake: UptakeMap, settings: SegmentationSettings, tell: Callable[[str, float], None]
) -> LesionSegmentation:
    """Tell which of the uptake is a lung lesion; `uptake` is that of `pet` by `settings`."""
    working = uptake.working
    voxel_ml = float(np.prod(working.GetSpacing())) / 1000
    lesions: list[UptakeRegion] = []
    excluded: list[ExcludedUptake] = []
    for candidate in uptake.regions:
        reason = _no_lesion_because(candidate, uptake.thorax, voxel_ml, uptake.seed_suv, settings)
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
    labels, kept = _label_image(working, lesions, cropped=uptake.cropped)
    tell("lesions", 1.0)
    return LesionSegmentation(
        labels=_on_grid_of(pet, labels),
        lesions=tuple(kept),
        excluded=tuple(excluded),
        seed_suv=uptake.seed_suv,
        reference_uptake=uptake.reference_uptake,
        method=settings.method,
        warnings=uptake.warnings,
    )


def _no_lesion_because(
    candidate: UptakeRegion, thorax: Thorax | None, voxel_ml: float, seed_suv: float, settings: SegmentationSettings
) -> str | None:
    """Return why a candidate is no lung lesion, or None if it is one."""
    if candidate.voi.sum() * voxel_ml < settings.min_volume_ml:
        return "too small"
    if thorax is None:
        return None
    in_heart_zone = bool(thorax.heart_zone[candidate.peak])
    nearby, around = _with_room(candidate.box, thorax)
    voi = np.pad(candidate.voi, around)
    contact = lung_contact(nearby, voi)
    if candidate.seed_region.sum() > candidate.voi.sum():
        # The 40 % contour of a hot tumour may lie deep inside it: the seed region reaches its border.
        contact = max(contact, lung_contact(nearby, np.pad(candidate.seed_region, around)))
    if contact < _HEART_CONTACT and in_heart_zone and nearby.heart_zone[voi].mean() > 0.5:
        return "heart or mediastinum"
    if contact < _BONE_CONTACT and bone_share(nearby, voi) > _BONE_SHARE:
        return "bone"
    if lies_in_fat(nearby.hu, nearby.suv, voi):
        return IN_FAT
    if contact < _LUNG_CONTACT:
        return "below the diaphragm" if is_below_diaphragm(nearby, voi) else "no contact with lung"
    if contact < _INSIDE_CONTACT and suv_peak(nearby.suv, voi, nearby.spacing_mm)[0] < seed_suv:
        return "single voxels at the lung's border"
    return None


def _with_room(box: tuple[slice, ...], thorax: Thorax) -> tuple[Thorax, list[tuple[int, int]]]:
    """Return the thorax in and around slices (z, y, x), as far as reasons look, and the voxels added to each end."""
    room = [int(np.ceil(PEAK_RADIUS_MM / step)) + 2 for step in thorax.spacing_mm]
    wide = tuple(
        slice(max(0, side.start - more), min(length, side.stop + more))
        for side, more, length in zip(box, room, thorax.suv.shape, strict=True)
    )
    around = [(side.start - grown.start, grown.stop - side.stop) for side, grown in zip(box, wide, strict=True)]
    return thorax.cropped(wide), around


def _label_image(
    working: sitk.Image, lesions: list[UptakeRegion], *, cropped: bool
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
