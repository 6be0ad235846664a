"""Where things lie in the thorax on the PET grid: lungs, bone, heart zone, and how much of a VOI touches lung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.lungs import LEFT, RIGHT, LungRegion
from fdglung.lungs.classical import box_around

Mask = NDArray[np.bool_]

_TOUCHING_MM = 5.0
_BONE_HU = 150.0
_HEART_BALL_MM = 14.0
_FAT_HU = (-190.0, -10.0)
_FAT_SHARE = 0.75
_HEART_MOTION_MM = 10.0


@dataclass(frozen=True)
class Thorax:
    """Anatomy on the grid of a PET crop in LPS order; arrays are (z, y, x): z up, y back, x to the patient's left.

    Attributes
    ----------
    suv
        SUVbw in g/ml, float32.
    hu
        CT resampled onto the PET grid, in HU.
    lungs
        uint8: 1 right lung, 2 left lung.
    lung_distance_mm
        Distance of each voxel to the nearest lung voxel; 0 in the lung.
    heart_zone
        Thick soft tissue in front of the spine, between and below the hila, where myocardium lies, and the lung around
        it that the heart may reach by motion.
    below_lungs
        What lies under the lungs: lower than the lowest lung voxel of its column or, where its column has none, of all.
    spacing_mm
        Along z, y and x.

    """

    suv: NDArray[np.float32]
    hu: NDArray[np.float32]
    lungs: NDArray[np.uint8]
    lung_distance_mm: NDArray[np.float64]
    heart_zone: Mask
    below_lungs: Mask
    spacing_mm: tuple[float, float, float]

    def cropped(self, box: tuple[slice, ...]) -> Thorax:
        """Return what lies in slices (z, y, x), as views."""
        return Thorax(
            suv=self.suv[box],
            hu=self.hu[box],
            lungs=self.lungs[box],
            lung_distance_mm=self.lung_distance_mm[box],
            heart_zone=self.heart_zone[box],
            below_lungs=self.below_lungs[box],
            spacing_mm=self.spacing_mm,
        )


def thorax_on(pet: sitk.Image, ct: sitk.Image, lungs: LungRegion) -> Thorax:
    """Bring CT and lungs onto the grid of `pet`, which must be in LPS order, and derive the zones."""
    hu = hu_on(pet, ct)
    labels = sitk.GetArrayFromImage(
        sitk.Resample(lungs.mask, pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    )
    spacing = tuple(float(step) for step in pet.GetSpacing()[::-1])
    if labels.any():
        distance = ndimage.distance_transform_edt(labels == 0, sampling=spacing)
    else:
        distance = np.full(labels.shape, np.inf)
    return Thorax(
        suv=sitk.GetArrayFromImage(pet),
        hu=hu,
        lungs=labels,
        lung_distance_mm=distance,
        heart_zone=_heart_zone(labels, hu, spacing),
        below_lungs=_below(labels > 0),
        spacing_mm=(spacing[0], spacing[1], spacing[2]),
    )


def hu_on(pet: sitk.Image, ct: sitk.Image) -> NDArray[np.float32]:
    """Bring a CT in HU onto the grid of a PET, averaged where its voxels are much smaller; -1024 outside it."""
    resampled = sitk.Resample(_as_fine_as(ct, pet), pet, sitk.Transform(), sitk.sitkLinear, -1024.0, sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayFromImage(resampled))


def lies_in_fat(hu: NDArray[np.float32], suv: NDArray[np.float32], voi: Mask) -> bool:
    """Tell whether the hot core of `voi`, 40 % of its SUVmax and more, is fat in 75 % of its voxels or more.

    Fat has -190 to -10 HU, as BARCIST 1.0 has it for brown fat (Chen et al., Cell Metab 2016;24:210). The share parts
    active brown fat from lesions in synthetic studies: see docs/lesions.md.

    Parameters
    ----------
    hu, suv
        CT in HU and SUVbw in g/ml on one grid.
    voi
        Not empty, on that grid.

    """
    core = voi & (suv >= 0.4 * suv[voi].max())
    lowest, highest = _FAT_HU
    values = hu[core]
    return bool(((values >= lowest) & (values <= highest)).mean() >= _FAT_SHARE)


def lung_contact(thorax: Thorax, voi: Mask) -> float:
    """Return the share of the voxels around `voi` (z, y, x) that are lung or within 5 mm of it; 0 to 1."""
    box = box_around(voi, margin=1)
    shell = ndimage.binary_dilation(voi[box]) & ~voi[box]
    if not shell.any():
        return 0.0
    return float((thorax.lung_distance_mm[box][shell] <= _TOUCHING_MM).mean())


def bone_share(thorax: Thorax, voi: Mask) -> float:
    """Return the share of `voi` (z, y, x) above 150 HU; 0 to 1."""
    return float((thorax.hu[voi] > _BONE_HU).mean())


def is_below_diaphragm(thorax: Thorax, voi: Mask) -> bool:
    """Tell whether most of `voi` (z, y, x) lies under the lungs."""
    return bool(thorax.below_lungs[voi].mean() > 0.5)


def _as_fine_as(ct: sitk.Image, pet: sitk.Image) -> sitk.Image:
    """Average CT voxels that are much smaller than PET voxels, so that resampling does not pick single ones."""
    factors = [
        max(1, int(coarse / fine + 0.25)) for coarse, fine in zip(pet.GetSpacing(), ct.GetSpacing(), strict=True)
    ]
    return sitk.BinShrink(sitk.Cast(ct, sitk.sitkFloat32), factors) if max(factors) > 1 else ct


def _below(lung: Mask) -> Mask:
    covered = lung.any(axis=0)
    if not covered.any():
        return np.zeros_like(lung)
    base = int(np.flatnonzero(lung.any(axis=(1, 2)))[0])
    floor = np.where(covered, np.argmax(lung, axis=0), base)
    return np.arange(len(lung))[:, None, None] < floor


def _heart_zone(labels: NDArray[np.uint8], hu: NDArray[np.float32], spacing: tuple[float, ...]) -> Mask:
    zone = np.zeros(labels.shape, bool)
    right, left = labels == RIGHT, labels == LEFT
    if not (right.any() and left.any()):
        return zone
    planes = np.flatnonzero(left.any(axis=(1, 2)))
    # Myocardium lies in the lower 60 % of the left lung's height.
    bottom = int(planes[0])
    top = int(bottom + 0.6 * (planes[-1] - bottom)) + 1
    inner_right = np.flatnonzero(right[bottom:top].any(axis=(0, 1)))
    inner_left = np.flatnonzero(left[bottom:top].any(axis=(0, 1)))
    if not (inner_right.size and inner_left.size):
        return zone
    middle = (inner_right[0] + inner_left[-1]) / 2
    rows = np.flatnonzero((labels[bottom:top] > 0).any(axis=(0, 2)))
    back = int(rows[0] + 0.7 * (rows[-1] - rows[0])) + 1
    start = max(0, int(middle - 20 / spacing[2]))
    stop = min(labels.shape[2], int(inner_left[-1]) + 1)
    zone[bottom:top, rows[0] : back, start:stop] = True
    heart = zone & _thick_parts((labels == 0) & (hu > -200), spacing)
    if not heart.any():
        return heart
    # Between the breath of the CT and that of the PET the heart moves into what is lung on the CT.
    moved = ndimage.distance_transform_edt(~heart, sampling=spacing) <= _HEART_MOTION_MM
    return heart | (moved & (hu <= -200))


def _thick_parts(tissue: Mask, spacing: tuple[float, ...]) -> Mask:
    """Return what a ball of 28 mm passes through: the heart, but no nodule in the lung beside it."""
    core = ndimage.distance_transform_edt(tissue, sampling=spacing) > _HEART_BALL_MM
    if not core.any():
        return np.zeros_like(tissue)
    return tissue & (ndimage.distance_transform_edt(~core, sampling=spacing) <= _HEART_BALL_MM)
