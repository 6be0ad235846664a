"""Where a lesion lies: side, lobe, and its distances to the lung border, the hilum and the mediastinum."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.lungs.labels import LEFT, LOBES, RIGHT
from fdglung.lungs.plausibility import ends_that_cut
from fdglung.lungs.region import LungRegion

Mask = NDArray[np.bool_]

_MEDIASTINUM_MM = 15.0
_CLOSING_MM = 15.0
_HILUM_REACH_MM = 40.0
_HILUM_HEIGHT = (0.45, 0.75)


class Side(enum.Enum):
    """Where a lesion's VOI lies; the patient's own left and right."""

    LEFT = "left"
    RIGHT = "right"
    MEDIASTINUM = "mediastinum"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Placement:
    """Where one VOI lies.

    Attributes
    ----------
    side
        The nearer lung; `Side.MEDIASTINUM` for a VOI more than 15 mm away from both, `Side.UNKNOWN` without lungs.
    lobe
        The lobe that most of the VOI's voxels are nearest to; None where lobes are not known, or for the mediastinum.
    lung_distance_mm
        Shortest distance to the lung border, the visceral pleura: negative for a VOI wholly inside the lung, 0 for one
        that crosses or touches the border, positive outside.
    hilum_distance_mm
        Shortest distance to the hilum's middle on its side; to the nearer one for the mediastinum. None where a lung
        that it needs is cut by the end of the CT or PET, or has no hilum.
    mediastinum_distance_mm
        Shortest distance to the mediastinum, 0 for a VOI that reaches into it.

    """

    side: Side = Side.UNKNOWN
    lobe: str | None = None
    lung_distance_mm: float | None = None
    hilum_distance_mm: float | None = None
    mediastinum_distance_mm: float | None = None


class LungPlaces:
    """The lungs on a PET grid (z, y, x), their hila and what lies between them.

    Each lung is closed by 15 mm, which fills what lesions and vessels leave in its mask. The hilum's middle is where
    the most of what the closing fills, vessels and bronchi, lies together (weighted by a Gaussian of 15 mm), within
    40 mm of the mediastinum and from 45 to 75 % of the lung's height, which is known of whole lungs alone: one that
    reaches the first or last slice of the CT or of the PET has no hilum here. The mediastinum is what has the right
    lung on one side and the left lung on the other, in the patient's left-right direction.

    Parameters
    ----------
    pet
        The grid.
    lungs
        The lungs, on any grid.
    lesions
        All VOIs on the PET grid, shape (z, y, x).

    """

    def __init__(self, pet: sitk.Image, lungs: LungRegion, lesions: Mask) -> None:
        on_pet = _on_grid(lungs.mask, pet)
        labels = sitk.GetArrayFromImage(on_pet)
        whole = {
            side: not (ends_that_cut(lungs.mask == side) or ends_that_cut(on_pet == side)) for side in (RIGHT, LEFT)
        }
        self._spacing = pet.GetSpacing()[::-1]
        occupied = np.argwhere((labels > 0) | lesions)
        margin = np.array([int(np.ceil((_CLOSING_MM + 5) / step)) for step in self._spacing])
        low, high = occupied.min(axis=0) - margin, occupied.max(axis=0) + margin + 1
        self._start = low
        pad = [(max(0, -int(a)), max(0, int(b) - n)) for a, b, n in zip(low, high, labels.shape, strict=True)]
        kept = tuple(slice(max(0, int(a)), int(b)) for a, b in zip(low, high, strict=True))
        labels = np.pad(labels[kept], pad)
        raw = {side: labels == side for side in (RIGHT, LEFT)}
        self._to_side = {side: self._outside(mask) for side, mask in raw.items()}
        # Each lung is closed by itself, or the closing would bridge the mediastinum.
        closed = {side: self._closed(side, mask) for side, mask in raw.items()}
        both = closed[RIGHT] | closed[LEFT]
        self._to_lung = self._outside(both)
        self._depth = ndimage.distance_transform_edt(both, sampling=self._spacing)
        between = _between(closed[RIGHT], closed[LEFT], *_leftward_axis(pet))
        self._to_mediastinum = self._outside(between)
        height = _height_in(raw, pet, self._start)
        self._hila = {
            side: self._hilum(closed[side] & ~mask & height[side]) if whole[side] else None
            for side, mask in raw.items()
        }
        self._lobes = None
        if lungs.lobes is not None:
            lobes = sitk.GetArrayFromImage(_on_grid(lungs.lobes, pet))
            self._lobes = self._nearest_lobe(np.pad(lobes[kept], pad))

    def place(self, mask: Mask, box: tuple[slice, ...]) -> Placement:
        """Return where a VOI lies.

        Parameters
        ----------
        mask
            The VOI in its bounding box.
        box
            The bounding box on the PET grid (z, y, x).

        """
        region = tuple(slice(s.start - int(a), s.stop - int(a)) for s, a in zip(box, self._start, strict=True))
        away = {side: self._to_side[side][region][mask] for side in (RIGHT, LEFT)}
        if min(values.min() for values in away.values()) > _MEDIASTINUM_MM:
            side, nearest = Side.MEDIASTINUM, {RIGHT, LEFT}
        elif away[RIGHT].mean() <= away[LEFT].mean():
            side, nearest = Side.RIGHT, {RIGHT}
        else:
            side, nearest = Side.LEFT, {LEFT}
        outside, depth = self._to_lung[region][mask], self._depth[region][mask]
        points = (np.argwhere(mask) + [s.start for s in region]) * self._spacing
        hila = [self._hila[one] for one in nearest]
        return Placement(
            side=side,
            lobe=None if side is Side.MEDIASTINUM else self._lobe(mask, region),
            lung_distance_mm=-float(depth.min()) if (outside == 0).all() else float(outside.min()),
            hilum_distance_mm=_nearest(points, hila),
            mediastinum_distance_mm=_finite(self._to_mediastinum[region][mask].min()),
        )

    def _outside(self, mask: Mask) -> NDArray[np.float64]:
        if not mask.any():
            return np.full(mask.shape, np.inf)
        return np.asarray(ndimage.distance_transform_edt(~mask, sampling=self._spacing))

    def _closed(self, side: int, lung: Mask) -> Mask:
        grown = self._to_side[side] <= _CLOSING_MM
        closed = ndimage.distance_transform_edt(grown, sampling=self._spacing) > _CLOSING_MM
        return np.asarray(ndimage.binary_fill_holes(closed | lung))

    def _hilum(self, filled: Mask) -> NDArray[np.float64] | None:
        """Return the middle of a hilum in mm from the first voxel, or None where no lung has one."""
        near = filled & (self._to_mediastinum <= _HILUM_REACH_MM)
        if not near.any():
            return None
        sigma = [_CLOSING_MM / step for step in self._spacing]
        density = ndimage.gaussian_filter(near.astype(np.float32), sigma, truncate=3.0)
        return np.array(np.unravel_index(int(density.argmax()), density.shape)) * self._spacing

    def _nearest_lobe(self, lobes: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        if not lobes.any():
            return None
        index = ndimage.distance_transform_edt(
            lobes == 0, sampling=self._spacing, return_distances=False, return_indices=True
        )
        nearest: NDArray[np.uint8] = lobes[tuple(index)]
        return nearest

    def _lobe(self, mask: Mask, region: tuple[slice, ...]) -> str | None:
        if self._lobes is None:
            return None
        return LOBES[int(np.bincount(self._lobes[region][mask]).argmax())]


def _on_grid(labels: sitk.Image, pet: sitk.Image) -> sitk.Image:
    return sitk.Resample(labels, pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)


def _nearest(points: NDArray[np.float64], hila: list[NDArray[np.float64] | None]) -> float | None:
    """Return the shortest distance of points from hila in mm; None where one is unknown, which may be the nearer."""
    distances = []
    for hilum in hila:
        if hilum is None:
            return None
        distances.append(float(np.linalg.norm(points - hilum, axis=1).min()))
    return min(distances)


def _leftward_axis(image: sitk.Image) -> tuple[int, bool]:
    """Return the array axis (z, y, x) along the patient's left-right direction, and whether it runs to the left."""
    across = np.array(image.GetDirection()).reshape(3, 3)[0]
    axis = int(np.abs(across).argmax())
    return 2 - axis, bool(across[axis] > 0)


def _height_in(raw: Mapping[int, Mask], pet: sitk.Image, start: NDArray[np.int64]) -> dict[int, Mask]:
    """Return where each lung's hilum may lie by its height, from the lung's lowest to its highest voxel."""
    z, y, x = (np.arange(n) + first for n, first in zip(raw[RIGHT].shape, start, strict=True))
    # The patient's height of a voxel is the last row of the direction times the steps along the image's axes.
    along = np.array(pet.GetDirection()).reshape(3, 3)[2] * pet.GetSpacing()
    up = z[:, None, None] * along[2] + y[None, :, None] * along[1] + x[None, None, :] * along[0]
    up = np.broadcast_to(up, raw[RIGHT].shape)
    found = {}
    for side, mask in raw.items():
        if not mask.any():
            found[side] = mask
            continue
        lowest, highest = up[mask].min(), up[mask].max()
        share = (up - lowest) / max(highest - lowest, 1e-6)
        found[side] = (share >= _HILUM_HEIGHT[0]) & (share <= _HILUM_HEIGHT[1])
    return found


def _between(right: Mask, left: Mask, axis: int, leftward: bool) -> Mask:
    """Return what has the right lung on its right and the left lung on its left, along an array axis."""
    if not leftward:
        right, left = left, right
    after_first = np.logical_or.accumulate(right, axis=axis)
    before_second = np.flip(np.logical_or.accumulate(np.flip(left, axis), axis=axis), axis)
    return np.asarray(after_first & before_second & ~right & ~left)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
