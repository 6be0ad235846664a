"""Breathing during PET: activity averaged over the respiratory cycle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from fdglung.errors import ParameterError

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Breathing:
    """How far organs move in a respiratory cycle.

    Attributes
    ----------
    heights_mm
        Patient coordinates (LPS) z in mm, rising.
    shifts_mm
        Way from end-expiration to end-inspiration towards the feet at each height, in mm; straight lines between, and
        constant beyond the ends.
    anterior_share
        Way towards the front over the way towards the feet.
    exponent
        n of the course in time, cos^(2 n) (pi t / T): how long the rest at end-expiration is, 1 to 6.

    Raises
    ------
    ParameterError
        Heights that do not rise, as many shifts as there are heights not given, or a figure outside its range.

    """

    heights_mm: tuple[float, ...]
    shifts_mm: tuple[float, ...]
    anterior_share: float = 1 / 3
    exponent: int = 2

    def __post_init__(self) -> None:
        heights = np.asarray(self.heights_mm, float)
        if len(heights) < 1 or not np.isfinite(heights).all() or (np.diff(heights) <= 0).any():
            raise ParameterError("heights_mm do not rise", attribute="heights_mm", remedy="Give z in mm, lowest first")
        if len(self.shifts_mm) != len(heights) or not all(0 <= shift <= 60 for shift in self.shifts_mm):
            raise ParameterError(
                f"shifts_mm is {self.shifts_mm}",
                attribute="shifts_mm",
                remedy="Give as many numbers from 0 to 60 mm as there are heights",
            )
        if not 0 <= self.anterior_share <= 2:
            raise ParameterError(
                f"anterior_share is {self.anterior_share}",
                attribute="anterior_share",
                remedy="Give a number from 0 to 2",
            )
        if self.exponent not in range(1, 7):
            raise ParameterError(
                f"exponent is {self.exponent}", attribute="exponent", remedy="Give a whole number from 1 to 6"
            )

    def shift_mm(self, z_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Way towards the feet at heights in mm."""
        result: npt.NDArray[np.float64] = np.interp(np.asarray(z_mm, float), self.heights_mm, self.shifts_mm)
        return result

    def positions(self, phases: int) -> npt.NDArray[np.float64]:
        """Share of the way at moments evenly spaced in time, less their mean: positive towards end-inspiration.

        The course is that of Lujan et al. (10.1118/1.598577); half a cycle holds all positions.
        """
        moments = (np.arange(phases) + 0.5) / phases * (math.pi / 2)
        course = np.cos(moments) ** (2 * self.exponent)
        result: npt.NDArray[np.float64] = course - course.mean()
        return result


def draw_breathing(rng: np.random.Generator, *, apex_mm: float, dome_mm: float, pelvis_mm: float) -> Breathing:
    """Draw how a subject breathes.

    Way towards the feet: 3 +- 2 mm in the upper, 6 +- 3 mm in the middle and 12 +- 6 mm in the lower lung and at the
    liver's dome, growing together in a deep breather (round figures); 0.65 of the dome's where the kidneys are, 140 mm
    below it (10.1002/jmri.22418), none at the pelvis.

    Parameters
    ----------
    rng
        Source of chance.
    apex_mm, dome_mm, pelvis_mm
        Patient coordinates (LPS) z in mm of the lungs' apex, the liver's dome and the pelvic floor.

    Raises
    ------
    ParameterError
        Heights that are not in this order, at least 60 mm apart.

    """
    if not (apex_mm >= dome_mm + 60 and dome_mm >= pelvis_mm + 60):
        raise ParameterError(
            f"apex_mm, dome_mm, pelvis_mm are {apex_mm}, {dome_mm}, {pelvis_mm}",
            attribute="dome_mm",
            remedy="Give falling heights at least 60 mm apart",
        )
    depth = rng.standard_normal()
    own = rng.standard_normal(3)
    deviations = np.clip(0.8 * depth + 0.6 * own, -1.6, 2.5)
    upper, middle, lower = np.maximum([3, 6, 12] + np.array([2, 3, 6]) * deviations, [0.3, 1.0, 2.0])
    middle = max(middle, upper)
    lower = max(lower, middle)
    share = float(np.clip(rng.normal(1 / 3, 0.1), 0.1, 0.6))
    kidney_mm = dome_mm - min(140, 0.5 * (dome_mm - pelvis_mm))
    ways = {
        pelvis_mm: 0.0,
        kidney_mm: 0.65 * lower,
        dome_mm + 20: lower,
        (dome_mm + 20 + apex_mm - 20) / 2: middle,
        apex_mm - 20: upper,
    }
    exponent = int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25]))
    return Breathing(tuple(ways), tuple(float(way) for way in ways.values()), share, exponent)


def breathe(activity: sitk.Image, *, moving: sitk.Image, breathing: Breathing, phases: int = 5) -> sitk.Image:
    """Average an activity over the respiratory cycle.

    Parameters
    ----------
    activity
        float32 on axes of the patient (LPS), where organs are at their mean position.
    moving
        On the same grid: 1 where organs move (inside of the thoracic wall and in the abdomen), 0 where they do not
        (ribs, spine, what lies outside), anything between at a soft edge.
    breathing
        How far they move.
    phases
        Moments of equal length that the cycle is cut into, 2 to 32.

    Returns
    -------
    Image
        float32 on the same grid. The total stays: where organs are pressed together, their concentration rises.

    Raises
    ------
    ParameterError
        Images that do not fit each other or `phases` outside its range.

    Notes
    -----
    A moment's image takes at x what the mean image has at x - d(x), times the determinant of that map, with d along z
    and y. Interpolation neither blurs nor sharpens on average; what falls below zero beside a sharp edge is set to zero
    after averaging.

    """
    import torch

    _check(activity, moving, phases)
    source = sitk.GetArrayViewFromImage(activity)
    mask = np.clip(sitk.GetArrayViewFromImage(moving).astype(np.float32, copy=False), 0, 1)
    box = _box(mask, breathing, activity)
    result = np.array(source, np.float32)
    if box is None:
        return _like(result, activity)
    spacing = activity.GetSpacing()
    z_mm = activity.GetOrigin()[2] + spacing[2] * np.arange(source.shape[0])
    shift = mask[box] * breathing.shift_mm(z_mm[box[0]]).astype(np.float32)[:, None, None]
    # inspiration takes organs towards the feet, -z, and the front, -y; in voxels, (x, z, y) for the interpolation
    down = torch.from_numpy(np.ascontiguousarray(np.moveaxis(shift, 2, 0))).mul_(-1 / spacing[2])
    part = torch.from_numpy(np.ascontiguousarray(np.moveaxis(result[box], 2, 0)))
    forth = breathing.anterior_share * spacing[2] / spacing[1]
    slope_z = torch.gradient(down, dim=1)[0]
    slope_y = torch.gradient(down, dim=2)[0].mul_(forth)
    total = torch.zeros_like(part)
    _, deep, wide = part.shape
    rows = torch.arange(deep, dtype=torch.float32)[None, :, None]
    columns = torch.arange(wide, dtype=torch.float32)[None, None, :]
    grid = torch.empty((*part.shape, 2))
    for position in breathing.positions(phases):
        torch.mul(down, -2 * position * forth / max(wide - 1, 1), out=grid[..., 0])
        torch.mul(down, -2 * position / max(deep - 1, 1), out=grid[..., 1])
        grid[..., 0] += columns * (2 / max(wide - 1, 1)) - 1
        grid[..., 1] += rows * (2 / max(deep - 1, 1)) - 1
        moved = _interpolate(part[:, None], grid)[:, 0]
        # d along y is a constant share of d along z: the determinant is 1 less the two slopes, exactly
        moved.mul_(1 - position * (slope_z + slope_y))
        total.add_(moved)
    total.div_(phases).clamp_(min=0)
    result[box] = np.moveaxis(total.numpy(), 0, 2)
    return _like(result, activity)


def _check(activity: sitk.Image, moving: sitk.Image, phases: int) -> None:
    if activity.GetDimension() != 3 or activity.GetPixelID() != sitk.sitkFloat32:
        raise ParameterError("activity is no float32 volume", attribute="activity", remedy="Give a float32 volume")
    if not np.allclose(activity.GetDirection(), np.eye(3).ravel(), atol=1e-4):
        raise ParameterError("activity is turned", attribute="activity", remedy="Give an image on the patient's axes")
    if moving.GetSize() != activity.GetSize() or not np.allclose(
        [*moving.GetOrigin(), *moving.GetSpacing()], [*activity.GetOrigin(), *activity.GetSpacing()], atol=1e-3
    ):
        raise ParameterError("moving lies on another grid", attribute="moving", remedy="Give it on the activity's grid")
    if isinstance(phases, bool) or phases not in range(2, 33):
        raise ParameterError(f"phases is {phases}", attribute="phases", remedy="Give a whole number from 2 to 32")


def _interpolate(values: Any, grid: Any) -> Any:
    """Interpolate between voxels so that, averaged over places between them, the variance of what is seen stays.

    Linear interpolation adds 1/6 of a squared voxel to it; torch's cubic convolution (Keys, a = -0.75) takes 1/15 away.
    """
    from torch.nn.functional import grid_sample

    cubic, linear = (
        grid_sample(values, grid, mode=mode, padding_mode="border", align_corners=True)
        for mode in ("bicubic", "bilinear")
    )
    return cubic.mul_(5 / 7).add_(linear, alpha=2 / 7)


def _box(mask: Array, breathing: Breathing, image: sitk.Image) -> tuple[slice, slice, slice] | None:
    """Voxels that move, with room for what moves into them."""
    reach = max(breathing.shifts_mm) * max(1.0, breathing.anterior_share)
    if reach == 0:
        return None
    slices = []
    for axis in range(3):
        present = np.flatnonzero(mask.max(axis=tuple(a for a in range(3) if a != axis)) > 0)
        if len(present) == 0:
            return None
        margin = 2 if axis == 2 else 3 + math.ceil(reach / image.GetSpacing()[2 - axis])
        slices.append(slice(max(int(present[0]) - margin, 0), min(int(present[-1]) + margin + 1, mask.shape[axis])))
    return (slices[0], slices[1], slices[2])


def _like(array: Array, image: sitk.Image) -> sitk.Image:
    result = sitk.GetImageFromArray(array)
    result.CopyInformation(image)
    return result
