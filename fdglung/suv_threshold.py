"""Uptake above an SUV threshold as a label image: what an annotator starts from, physiological uptake included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.anatomy import Mask
from fdglung.errors import NoReferenceUptakeError, ParameterError
from fdglung.reference_uptake import liver_sphere
from fdglung.uptake_map import UptakeMap, UptakeRegion, connected

Kind = Literal["fixed", "percent", "liver"]

DEFAULTS: dict[Kind, float] = {"fixed": 2.5, "percent": 40.0, "liver": 1.5}
"""Usual value by kind: SUVbw in g/ml, percent of each region's own SUVmax, times the liver's SUVmean."""

LIVER_DEVIATIONS = 2.0
"""Standard deviations of the liver that PERCIST adds to 1.5 times its mean (Wahl et al., J Nucl Med 2009;50:122S)."""

_RANGES: dict[Kind, tuple[float, float]] = {"fixed": (0.1, 100.0), "percent": (5.0, 95.0), "liver": (0.1, 10.0)}


@dataclass(frozen=True)
class ThresholdedUptake:
    """What reaches a threshold.

    Attributes
    ----------
    labels
        uint16 on the grid of the PET: connected parts, hottest first from 1.
    threshold_suv
        SUVbw in g/ml; None where each part has its own.
    parts
        Number of parts.

    """

    labels: sitk.Image
    threshold_suv: float | None
    parts: int


def threshold_uptake(
    pet: sitk.Image, uptake: UptakeMap, kind: Kind, value: float | None = None, *, min_volume_ml: float = 0.3
) -> ThresholdedUptake:
    """Label what reaches an SUV threshold.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    uptake
        Of `pet`; where it lies around the lungs, nothing beyond its regions is looked at.
    kind
        ``fixed``: an SUV; ``percent``: a share of each region's own SUVmax, regions parted at saddles; ``liver``: so
        many times the liver's SUVmean plus two of its standard deviations (PERCIST).
    value
        SUVbw in g/ml, percent, or factor; None for the usual one (`DEFAULTS`).
    min_volume_ml
        Smallest part that is kept, in ml.

    Returns
    -------
    ThresholdedUptake

    Raises
    ------
    ParameterError
        If `kind` is unknown or `value` outside its range.
    NoReferenceUptakeError
        If the liver cannot be measured and the threshold is tied to it.

    """
    if kind not in DEFAULTS:
        raise ParameterError(
            f"{kind!r} is no kind of threshold", attribute="kind", remedy="Use fixed, percent or liver"
        )
    chosen = DEFAULTS[kind] if value is None else float(value)
    low, high = _RANGES[kind]
    if not low <= chosen <= high:
        raise ParameterError(
            f"{chosen:g} is outside {low:g} to {high:g}", attribute="value", remedy=f"Give {low:g} to {high:g}"
        )
    suv = sitk.GetArrayViewFromImage(uptake.working)
    threshold: float | None = None
    if kind == "percent":
        parts = [
            (region.box, connected(_own(uptake, region.basin, region.box) & _hot(suv, region, chosen), _peak(region)))
            for region in uptake.regions
        ]
    else:
        threshold = chosen if kind == "fixed" else liver_threshold(uptake, chosen)
        parts = _parts_at(uptake, suv >= np.float32(threshold))
    voxel_ml = float(np.prod(pet.GetSpacing())) / 1000
    kept = [(box, voi) for box, voi in parts if voi.sum() * voxel_ml >= min_volume_ml]
    kept.sort(key=lambda part: -float(suv[part[0]][part[1]].max()))
    labels = np.zeros(suv.shape, np.uint16)
    for label, (box, voi) in enumerate(kept, start=1):
        labels[box][voi & (labels[box] == 0)] = label
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(uptake.working)
    on_pet = sitk.Resample(image, pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt16)
    return ThresholdedUptake(on_pet, threshold, len(kept))


def liver_threshold(uptake: UptakeMap, factor: float = DEFAULTS["liver"]) -> float:
    """Return `factor` times the liver's SUVmean plus two standard deviations, SUVbw in g/ml.

    Raises
    ------
    NoReferenceUptakeError
        If the liver cannot be measured.

    """
    sphere = None if uptake.thorax is None else liver_sphere(uptake.thorax)
    if uptake.thorax is None or sphere is None or "liver" not in uptake.reference_uptake:
        raise NoReferenceUptakeError(
            "the liver's uptake cannot be measured in this study",
            attribute="kind",
            remedy="Use the kind fixed or percent, or a study with a CT that shows the liver's dome",
        )
    values = uptake.thorax.suv[sphere]
    return float(factor * values.mean() + LIVER_DEVIATIONS * values.std())


def _parts_at(uptake: UptakeMap, mask: Mask) -> list[tuple[tuple[slice, ...], Mask]]:
    """Return the connected parts that hold a maximum of the region, in their boxes."""
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    boxes = ndimage.find_objects(parts)
    wanted = dict.fromkeys(int(parts[region.peak]) for region in uptake.regions)
    return [(boxes[part - 1], parts[boxes[part - 1]] == part) for part in wanted if part]


def _own(uptake: UptakeMap, basin: int, box: tuple[slice, ...]) -> Mask:
    return np.asarray(uptake.basins[box] == basin)


def _hot(suv: NDArray[np.float32], region: UptakeRegion, percent: float) -> Mask:
    return np.asarray(suv[region.box] >= np.float32(percent / 100 * region.suv_max))


def _peak(region: UptakeRegion) -> tuple[int, ...]:
    return tuple(p - s.start for p, s in zip(region.peak, region.box, strict=True))
