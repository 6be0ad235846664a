"""Lesions by clicks: one click grows the lesion under it, another one takes a lesion away."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.anatomy import Mask
from fdglung.basins import basins_of_maxima
from fdglung.errors import ClickError
from fdglung.segmentation import SegmentationSettings
from fdglung.uptake_map import UptakeMap, connected

Index = tuple[int, int, int]

_REACH_MM = 4.0
_ROOM_MM = 60.0


@dataclass(frozen=True)
class GrownLesion:
    """The lesion under a click.

    Attributes
    ----------
    voxels
        int64 (n, 3): indices (z, y, x) on the PET grid.
    suv_max
        SUVbw in g/ml.
    voi_fraction
        Fraction of SUVmax that bounds it.
    warnings
        What a physician must know, in full sentences.

    """

    voxels: NDArray[np.int64]
    suv_max: float
    voi_fraction: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClickedLesions:
    """What clicks made of a label image.

    Attributes
    ----------
    labels
        uint16 on the PET grid, hottest lesion first from 1.
    added, removed
        Number of lesions.
    warnings
        What became of clicks that hit nothing, and what the grown lesions' warnings are.

    """

    labels: sitk.Image
    added: int
    removed: int
    warnings: tuple[str, ...]


def lesion_at(
    pet: sitk.Image, click: Sequence[float], settings: SegmentationSettings, *, uptake: UptakeMap | None = None
) -> GrownLesion | None:
    """Grow the lesion under a click: to a fraction of its SUVmax, bounded at saddles to its neighbours.

    In uptake that `fdglung.uptake_map.uptake_map` found, the VOI is that of the automatic segmentation, to the voxel,
    whether or not that judged it a lesion. Elsewhere it is grown from the hottest voxel within 4 mm of the click.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    click
        Index (x, y, z) on the grid of `pet`.
    settings
        Of these, `voi_fraction` and `saddle_fraction`.
    uptake
        Of `pet` by `settings`; None grows every lesion from its click alone.

    Returns
    -------
    GrownLesion or None
        None where nothing at the click stands out of its surroundings.

    Raises
    ------
    ClickError
        The click is no voxel of the PET.

    """
    index = voxel_of(pet, click)
    if uptake is not None:
        found = _in_map(pet, index, settings, uptake)
        if found is not None:
            return found
    return _grown_alone(pet, index, settings)


def apply_clicks(
    pet: sitk.Image,
    start: sitk.Image | None,
    *,
    inside: Sequence[Sequence[float]],
    outside: Sequence[Sequence[float]],
    settings: SegmentationSettings,
    uptake: UptakeMap | None = None,
    memory: MutableMapping[Any, tuple[GrownLesion | None]] | None = None,
) -> ClickedLesions:
    """Add the lesions under some clicks to a label image and take those under others away.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    start
        Lesions to begin with, on the grid of `pet`; None for none.
    inside
        Clicks into lesions, indices (x, y, z). A lesion that holds such a click is replaced by the one grown there.
    outside
        Clicks on what is no lesion: the lesion there goes, also one that a click in `inside` has made.
    settings, uptake
        As in `lesion_at`.
    memory
        Lesions that were grown before in the same PET and uptake, each by its click and settings, None where nothing
        grew; new ones are added. Clicks of a session come again with each new one.

    Returns
    -------
    ClickedLesions

    Raises
    ------
    ClickError
        A click is no voxel of the PET.

    """
    shape = pet.GetSize()[::-1]
    labels = np.zeros(shape, np.uint16) if start is None else sitk.GetArrayFromImage(start).astype(np.uint16)
    warnings: list[str] = []
    known = {} if memory is None else memory
    added = removed = 0
    for number, click in enumerate(inside, start=1):
        key = (voxel_of(pet, click), settings)
        (lesion,) = known[key] = known.get(key) or (lesion_at(pet, click, settings, uptake=uptake),)
        if lesion is None:
            warnings.append(f"Click {number} into a lesion hit no uptake that stands out of its surroundings.")
            continue
        for old in {int(labels[voxel_of(pet, click)[::-1]]), mostly_in(labels, lesion.voxels)} - {0}:
            labels[labels == old] = 0
        labels[tuple(lesion.voxels.T)] = labels.max() + 1
        added += 1
        warnings += lesion.warnings
    for number, click in enumerate(outside, start=1):
        label = label_near(pet, labels, voxel_of(pet, click))
        if not label:
            warnings.append(f"Click {number} out of lesions hit no lesion.")
            continue
        labels[labels == label] = 0
        removed += 1
    return ClickedLesions(hottest_first(pet, labels), added, removed, tuple(dict.fromkeys(warnings)))


def voxel_of(pet: sitk.Image, click: Sequence[float]) -> Index:
    """Return a click as an index (x, y, z) of the PET.

    Raises
    ------
    ClickError
        It is no voxel of the PET.

    """
    remedy = "Send points as indices (x, y, z) of the PET's voxels"
    try:
        x, y, z = (round(float(value)) for value in click)
    except (TypeError, ValueError, OverflowError) as error:
        raise ClickError("a point is not three numbers", attribute="points", remedy=remedy) from error
    if not all(0 <= value < size for value, size in zip((x, y, z), pet.GetSize(), strict=True)):
        raise ClickError("a point lies outside the PET", attribute="points", remedy=remedy)
    return x, y, z


def _in_map(pet: sitk.Image, index: Index, settings: SegmentationSettings, uptake: UptakeMap) -> GrownLesion | None:
    at = uptake.working.TransformPhysicalPointToIndex(pet.TransformIndexToPhysicalPoint(index))[::-1]
    if not all(0 <= value < size for value, size in zip(at, uptake.basins.shape, strict=True)):
        return None
    near = _around(at, uptake.working.GetSpacing()[::-1], uptake.basins.shape)
    suv = sitk.GetArrayViewFromImage(uptake.working)
    basin = int(uptake.basins[at]) or int(uptake.basins[_hottest(suv, near, uptake.basins > 0) or at])
    if not basin:
        return None
    region = next((region for region in uptake.regions if region.basin == basin), None)
    fraction, warnings = settings.voi_fraction, tuple[str, ...]()
    if region is None:
        box, voi, suv_max = _voi_of_basin(suv, uptake.basins, basin, settings.voi_fraction)
    else:
        box, voi, suv_max = region.box, region.voi, region.suv_max
        fraction, warnings = region.voi_fraction, region.warnings
    voxels = np.argwhere(voi) + [part.start for part in box]
    close = np.all([(axis >= p.start) & (axis < p.stop) for axis, p in zip(voxels.T, near, strict=True)], axis=0)
    if not close.any():
        # The click lies on the far slope of this uptake, not in the lesion.
        return None
    return GrownLesion(_onto(pet, uptake.working, voxels), suv_max, fraction, warnings)


def _voi_of_basin(
    suv: NDArray[np.float32], basins: NDArray[np.int32], basin: int, fraction: float
) -> tuple[tuple[slice, ...], Mask, float]:
    box = ndimage.find_objects((basins == basin).astype(np.uint8))[0]
    own = basins[box] == basin
    values = np.where(own, suv[box], -np.inf)
    peak = tuple(int(i) for i in np.unravel_index(int(values.argmax()), values.shape))
    suv_max = float(values[peak])
    return box, connected(own & (values >= fraction * suv_max), peak), suv_max


def _grown_alone(pet: sitk.Image, index: Index, settings: SegmentationSettings) -> GrownLesion | None:
    spacing = pet.GetSpacing()[::-1]
    suv = sitk.GetArrayViewFromImage(pet)
    room = [int(np.ceil(_ROOM_MM / step)) for step in spacing]
    box = tuple(
        slice(max(0, at - more), min(size, at + more + 1))
        for at, more, size in zip(index[::-1], room, suv.shape, strict=True)
    )
    values = np.ascontiguousarray(suv[box])
    at = tuple(i - part.start for i, part in zip(index[::-1], box, strict=True))
    hot = _hottest(values, _around(at, spacing, values.shape))
    if hot is None or not values[hot] > 0:
        return None
    # Cooler neighbours must have basins of their own, or this one would run over the saddle into them.
    floor = settings.voi_fraction * float(values[hot])
    basins, peaks = basins_of_maxima(values, seed=floor, floor=floor, saddle_fraction=settings.saddle_fraction)
    basin = int(basins[hot])
    if not basin:
        return None
    peak = peaks[basin - 1]
    suv_max = float(values[peak])
    voi = connected((basins == basin) & (values >= settings.voi_fraction * suv_max), peak)
    cut = [
        (where.min() == 0 and part.start > 0) or (where.max() == extent - 1 and part.stop < size)
        for where, part, extent, size in zip(np.nonzero(voi), box, voi.shape, suv.shape, strict=True)
    ]
    if any(cut) or not voi[hot]:
        return None
    return GrownLesion(np.argwhere(voi) + [part.start for part in box], suv_max, settings.voi_fraction)


def _around(at: Sequence[int], spacing: Sequence[float], shape: Sequence[int]) -> tuple[slice, ...]:
    """Return the box of 4 mm around a voxel (z, y, x)."""
    reach = [int(_REACH_MM / step) for step in spacing]
    return tuple(
        slice(max(0, int(i) - more), min(size, int(i) + more + 1))
        for i, more, size in zip(at, reach, shape, strict=True)
    )


def _hottest(suv: NDArray[np.float32], box: tuple[slice, ...], allowed: Mask | None = None) -> tuple[int, ...] | None:
    """Return the hottest voxel in a box, of those allowed; None without one."""
    values = suv[box] if allowed is None else np.where(allowed[box], suv[box], -np.inf)
    best = np.unravel_index(int(values.argmax()), values.shape)
    if not np.isfinite(values[best]):
        return None
    return tuple(int(i) + part.start for i, part in zip(best, box, strict=True))


def _onto(pet: sitk.Image, working: sitk.Image, voxels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn indices (z, y, x) of the working grid into those of the PET grid, which differ by axes and a crop."""
    turn = _axes(working)
    places = voxels[:, ::-1] @ turn.T + np.array(working.GetOrigin()) - np.array(pet.GetOrigin())
    indices: NDArray[np.int64] = np.rint(places @ np.linalg.inv(_axes(pet)).T).astype(np.int64)
    return indices[:, ::-1]


def _axes(image: sitk.Image) -> NDArray[np.float64]:
    return np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())


def mostly_in(labels: NDArray[np.uint16], voxels: NDArray[np.int64]) -> int:
    """Return the lesion that has more than half of its voxels among those (n, 3) of another one; 0 for none."""
    inside = np.bincount(labels[tuple(voxels.T)])
    inside[:1] = 0
    for label in np.flatnonzero(inside):
        if 2 * inside[label] > (labels == label).sum():
            return int(label)
    return 0


def label_near(pet: sitk.Image, labels: NDArray[np.uint16], index: Index) -> int:
    """Return the label at a voxel (x, y, z), or of the hottest labelled voxel within 4 mm; 0 for none."""
    if labels[index[::-1]]:
        return int(labels[index[::-1]])
    near = _hottest(
        sitk.GetArrayViewFromImage(pet), _around(index[::-1], pet.GetSpacing()[::-1], labels.shape), labels > 0
    )
    return 0 if near is None else int(labels[near])


def hottest_first(pet: sitk.Image, labels: NDArray[np.uint16]) -> sitk.Image:
    """Return labels (z, y, x) as an image on the PET's grid, numbered anew from 1, hottest lesion first."""
    suv = sitk.GetArrayViewFromImage(pet)
    boxes = enumerate(ndimage.find_objects(labels), start=1)
    hottest = [(-float(suv[box][labels[box] == label].max()), label) for label, box in boxes if box is not None]
    order = np.zeros(int(labels.max()) + 1, np.uint16)
    for new, (_, label) in enumerate(sorted(hottest), start=1):
        order[label] = new
    image = sitk.GetImageFromArray(order[labels])
    image.CopyInformation(pet)
    return image
