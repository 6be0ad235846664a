"""Whether a mask can be the lungs of an adult: volume, air, both sides, their heights, and right on the right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.lungs.labels import LEFT, RIGHT

SMALL_SIDE = 0.15
"""Share of both lungs' volume below which a lung counts as missing; the left lung has 0.45 of it in health."""

_USUAL_ML = (700.0, 12_000.0)
_POSSIBLE_ML = (150.0, 14_000.0)
_AIR_HU = -400.0
_LEAST_AIR = 0.5
_LITTLE_AIR = 0.35
_OUTSIDE_AIR_HU = -980.0
_SAMPLES = 500_000
_LEAST_COMMON_HEIGHT = 0.25


@dataclass(frozen=True)
class Plausibility:
    """What speaks against a lung mask.

    Attributes
    ----------
    faults
        Why it cannot be the lungs, as clauses that follow ``because``; empty for a mask that can be used.
    warnings
        What a physician must know of it, in full sentences.
    sides
        Labels of the sides that are there.
    misplaced
        Whether the two lungs lie at heights of which less than a quarter is common.

    """

    faults: tuple[str, ...]
    warnings: tuple[str, ...]
    sides: frozenset[int]
    misplaced: bool = False

    @property
    def whole(self) -> bool:
        """Whether two lungs lie beside each other."""
        return len(self.sides) == 2 and not self.misplaced


def check(mask: sitk.Image, ct: sitk.Image) -> Plausibility:
    """Check a lung mask against its CT.

    Parameters
    ----------
    mask
        1 right lung, 2 left lung, on the grid of `ct`.
    ct
        Hounsfield units.

    Returns
    -------
    Plausibility

    """
    labels = sitk.GetArrayViewFromImage(mask)
    voxels = {side: int(np.count_nonzero(labels == side)) for side in (RIGHT, LEFT)}
    total = sum(voxels.values())
    volume_ml = float(total * np.prod(mask.GetSpacing()) / 1000)
    if not total:
        return Plausibility(("it is empty",), (), frozenset())
    low, high = _POSSIBLE_ML
    faults = [] if low <= volume_ml <= high else [f"its volume is {volume_ml:.0f} ml"]
    sides = frozenset(side for side, count in voxels.items() if count >= SMALL_SIDE * total)
    hu = sitk.GetArrayViewFromImage(ct)
    air = {side: _share_of_air(labels, hu, side) for side in sides}
    faults += _faults_of_air(labels, hu, max(air.values()))
    warnings = []
    if not faults and not _USUAL_ML[0] <= volume_ml <= _USUAL_ML[1]:
        warnings.append(f"The lung mask has {volume_ml:.0f} ml, which is not plausible for the lungs of an adult.")
    for side, name in ((RIGHT, "right"), (LEFT, "left")):
        if side not in sides:
            warnings.append(
                f"The {name} lung is missing from the lung mask or very small; lesions there may be missed."
            )
        elif not faults and air[side] < _LITTLE_AIR:
            warnings.append(
                f"Only {air[side]:.0%} of the {name} lung holds air: collapse, consolidation, effusion or tumour; its "
                "outline is uncertain."
            )
    misplaced = len(sides) == 2 and _common_height(mask) < _LEAST_COMMON_HEIGHT
    if misplaced:
        warnings.append(
            "The right and the left lung of the lung mask lie at different heights; one may be other gas, or much of "
            "both may be missing."
        )
    warnings += _of_place(mask, sides)
    return Plausibility(tuple(faults), tuple(warnings), sides, misplaced)


def _share_of_air(labels: NDArray[np.uint8], hu: NDArray[np.generic], side: int) -> float:
    return float((_sampled(labels == side, hu) < _AIR_HU).mean())


def _faults_of_air(labels: NDArray[np.uint8], hu: NDArray[np.generic], most_air: float) -> list[str]:
    """Return what is wrong with the air; one lung may be white, and the other then holds `most_air`."""
    if most_air < _LEAST_AIR:
        return [f"only {most_air:.0%} of it holds air"]
    if float(np.median(_sampled(labels > 0, hu))) < _OUTSIDE_AIR_HU:
        return ["it holds nothing but air"]
    return []


def _sampled(mask: NDArray[np.bool_], hu: NDArray[np.generic]) -> NDArray[np.float32]:
    inside = np.flatnonzero(mask)
    return hu.reshape(-1)[inside[:: max(1, inside.size // _SAMPLES)]].astype(np.float32)


def _common_height(mask: sitk.Image) -> float:
    """Return what of the lower lung's height both lungs have; a height is without the 5 % of voxels at either end."""
    ends = []
    planes = _planes_upwards(mask)
    for side in (RIGHT, LEFT):
        below = np.cumsum([np.count_nonzero(plane == side) for plane in planes])
        ends.append(np.searchsorted(below, np.array([0.05, 0.95]) * below[-1]))
    (low, high), (other_low, other_high) = ends
    common = min(high, other_high) - max(low, other_low) + 1
    return float(common / (min(high - low, other_high - other_low) + 1))


def _of_place(mask: sitk.Image, sides: frozenset[int]) -> list[str]:
    upright = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS"))
    warnings = []
    if len(sides) == 2:
        right, left = (float(np.flatnonzero((upright == side).any(axis=(0, 1))).mean()) for side in (RIGHT, LEFT))
        if right > left:
            warnings.append(
                "What looks like the right lung lies on the patient's left by the CT's orientation; sides may be "
                "exchanged in the CT's header or in this report."
            )
    for end in ends_that_cut(mask):
        warnings.append(f"The CT cuts the lungs at its {end} end; lesions beyond it cannot be seen.")
    return warnings


def ends_that_cut(mask: sitk.Image) -> tuple[str, ...]:
    """Return the ends of an image, of ``lower`` and ``upper``, whose slice holds some of its mask, any value above 0.

    Slices are those across the axis that runs most nearly along the patient, in any orientation of the grid.
    """
    planes = _planes_upwards(mask)
    return tuple(end for end, plane in (("lower", planes[0]), ("upper", planes[-1])) if plane.any())


def _planes_upwards(mask: sitk.Image) -> NDArray[np.uint8]:
    """Return a view with the axis that runs most nearly along the patient first, from the feet up."""
    along = np.array(mask.GetDirection()).reshape(3, 3)[2]
    axis = int(np.abs(along).argmax())
    planes = np.moveaxis(sitk.GetArrayViewFromImage(mask), 2 - axis, 0)
    return planes if along[axis] > 0 else planes[::-1]
