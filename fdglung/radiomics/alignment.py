"""Where a lesion that was drawn on one image lies on the CT, which was taken at another breath."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage, signal

from fdglung.radiomics.filters import Box
from fdglung.radiomics.grids import Array, Grid, Point
from fdglung.radiomics.image_settings import AlignmentSettings
from fdglung.radiomics.label_images import boxes_of
from fdglung.radiomics.resampling import part_around, resample_mask
from fdglung.radiomics.soundness import BACKGROUND

Mask = NDArray[np.bool_]

LARGE_MOVE_MM = 10.0
"""From here on a move is told."""

UNMOVED: Point = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Alignment:
    """How a lesion's mask moves to where the lesion lies on the CT.

    Attributes
    ----------
    shift_mm
        Along x, y and z of the patient (LPS), from where it was drawn to the CT.
    warning
        What to check, in one sentence; None for nothing.

    """

    shift_mm: Point
    warning: str | None = None


def align(
    ct: sitk.Image, lesions: sitk.Image, settings: AlignmentSettings, *, labels: Sequence[int]
) -> dict[int, Alignment]:
    """Move each lesion's mask to where it stands out most from what surrounds it on the CT.

    Each shift within `search_mm` gets the mean of the CT in the shifted mask less that of a shell about it, in HU cut
    to `window_hu`, less `hu_per_mm` for each mm of its length. The best is taken where it gains `least_gain_hu` on no
    shift at all, and refined by the parabola through its contrast and those of its neighbours, unless the mask is
    thinner than three steps everywhere. Other lesions belong to no shell. No shift takes more of the mask out of the CT
    than lies out of it before, nor half of the shell.

    Parameters
    ----------
    ct
        HU. A voxel that is no finite number counts as air.
    lesions
        Label image on any grid in the same space.
    settings
        How far and how readily masks move.
    labels
        Which lesions; one that the label image does not hold is left out.

    Returns
    -------
    dict
        Label to how its mask moves; not at all, with a warning, where that cannot be told. A large move, one to the
        border of the search and masks that come to lie on each other are told too.

    """
    boxes = boxes_of(lesions, labels)
    found = {label: _aligned(ct, lesions, label, box, settings) for label, box in boxes.items()}
    return _with_collisions(found, lesions, boxes)


def moved(mask: sitk.Image, shift_mm: Point) -> sitk.Image:
    """Return a mask with its grid moved, so that nothing is interpolated."""
    if shift_mm == UNMOVED:
        return mask
    result = sitk.Image(mask)
    result.SetOrigin([start + step for start, step in zip(mask.GetOrigin(), shift_mm, strict=True)])
    return result


def lesion_alone(lesions: sitk.Image, label: int, box: Box) -> sitk.Image:
    """Return a lesion's mask, 1 inside, in its box (z, y, x) of the label image and two voxels around it."""
    low = [max(0, part.start - 2) for part in box]
    high = [min(n, part.stop + 2) for part, n in zip(box, lesions.GetSize()[::-1], strict=True)]
    size = [b - a for a, b in zip(low, high, strict=True)]
    return sitk.RegionOfInterest(lesions, size[::-1], low[::-1]) == label


def _aligned(ct: sitk.Image, lesions: sitk.Image, label: int, box: Box, settings: AlignmentSettings) -> Alignment:
    mask = lesion_alone(lesions, label, box)
    grid = _grid_about(mask, ct.GetDirection(), settings)
    inside = _on(grid, mask)
    reach = int(settings.search_mm / settings.step_mm)
    around = grid.part((-reach,) * 3, tuple(n + 2 * reach for n in grid.size))  # type: ignore[arg-type]
    part = part_around(lesions, grid, 2)
    others = resample_mask(sitk.And(part != 0, part != label), grid)
    distance = ndimage.distance_transform_edt(~inside, sampling=settings.step_mm)
    shell = ~inside & ~others & (distance <= settings.shell_mm + 1e-9)
    contrast = _contrast(_values(ct, around), inside, shell, settings)
    if contrast is None:
        problem = "no CT lies at it" if shell.any() else "nothing but other lesions surrounds it"
        return Alignment(UNMOVED, f"The mask could not be aligned with the CT and stays as drawn: {problem}.")
    # A mask that is thin everywhere would fall between the voxels of the CT.
    return _best(contrast, grid, settings, finer=bool(ndimage.binary_erosion(inside).any()))


def _grid_about(mask: sitk.Image, direction: Sequence[float], settings: AlignmentSettings) -> Grid:
    """Return cubes along the CT's axes about a mask and its shell, from the centre of one of its voxels on.

    So a mask and a CT of the same voxels of `step_mm` are taken as they are.
    """
    axes = np.array(direction).reshape(3, 3)
    indices = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    points = indices @ (np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()).T + mask.GetOrigin()
    first = points[0]
    # Half a mask voxel may stand out of the outermost centres.
    margin = 0.5 * float(np.linalg.norm(mask.GetSpacing())) + settings.shell_mm
    along = (points - first) @ axes / settings.step_mm
    low = np.floor(along.min(axis=0) - margin / settings.step_mm).astype(int)
    high = np.ceil(along.max(axis=0) + margin / settings.step_mm).astype(int)
    origin = first + axes @ (low * settings.step_mm)
    step = settings.step_mm
    x, y, z = (int(n) for n in high - low + 1)
    return Grid((x, y, z), (step, step, step), _point(origin), tuple(map(float, direction)))


def _on(grid: Grid, mask: sitk.Image) -> Mask:
    """Return a mask (z, y, x) on a grid; where none of its voxels is half filled, those that hold a voxel's centre."""
    inside = resample_mask(mask, grid)
    if not inside.any():
        indices = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
        steps = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
        x, y, z = np.rint(grid.index_of(indices @ steps.T + mask.GetOrigin())).astype(int).T
        inside[z, y, x] = True
    return inside


def _values(ct: sitk.Image, grid: Grid) -> Array:
    """Return HU (z, y, x) at a grid, NaN outside the CT."""
    part = part_around(ct, grid, 2)
    view = sitk.GetArrayViewFromImage(part)
    if not np.isfinite(view).all():
        filled = sitk.GetImageFromArray(np.where(np.isfinite(view), view, view.dtype.type(BACKGROUND["CT"])))
        filled.CopyInformation(part)
        part = filled
    place = (grid.size, sitk.Transform(), sitk.sitkLinear, grid.origin_mm, grid.spacing_mm, grid.direction)
    return sitk.GetArrayFromImage(sitk.Resample(part, *place, math.nan, sitk.sitkFloat64))


def _contrast(values: Array, inside: Mask, shell: Mask, settings: AlignmentSettings) -> Array | None:
    """Return how a mask stands out at each shift (z, y, x; none in the middle), minus infinity for none to be taken.

    None where that cannot be told without a shift.
    """
    there = np.isfinite(values)
    cut = np.where(there, np.clip(np.where(there, values, 0), *settings.window_hu), 0)
    lesion, lesion_count = _means(cut, there, inside)
    about, about_count = _means(cut, there, shell)
    middle = tuple(n // 2 for n in lesion.shape)
    if not (lesion_count[middle] and about_count[middle]):
        return None
    least = min(int(about_count[middle]), math.ceil(shell.sum() / 2))
    allowed = (lesion_count >= lesion_count[middle]) & (about_count >= least)
    return np.where(allowed, lesion - about, -math.inf)


def _means(values: Array, there: Mask, kernel: Mask) -> tuple[Array, NDArray[np.int64]]:
    """Return the mean of values in a mask at each of its places, and of how many it is."""
    weights = kernel.astype(np.float64)
    total = signal.correlate(values, weights, mode="valid", method="fft")
    if there.all():
        count = np.full(total.shape, int(kernel.sum()))
    else:
        count = np.rint(signal.correlate(there.astype(np.float64), weights, mode="valid", method="fft")).astype(int)
    # Sums by Fourier transform differ in their last digits where they are the same.
    return np.round(total / np.maximum(count, 1), 6), count


def _best(contrast: Array, grid: Grid, settings: AlignmentSettings, *, finer: bool) -> Alignment:
    axes = np.array(grid.direction).reshape(3, 3)
    reach = contrast.shape[0] // 2
    offsets = np.indices(contrast.shape)[::-1].reshape(3, -1).T - reach
    shifts = settings.step_mm * offsets @ axes.T
    length = np.linalg.norm(shifts, axis=1)
    weights = [settings.transverse_factor, settings.transverse_factor, 1]
    cost = settings.hu_per_mm * np.linalg.norm(shifts * weights, axis=1)
    gain = contrast.ravel() - contrast[reach, reach, reach] - cost
    gain[length > settings.search_mm + 1e-9] = -math.inf
    # Of equal ones the shortest.
    best = int(np.lexsort((length, -np.round(gain, 6)))[0])
    if length[best] == 0 or gain[best] < settings.least_gain_hu:
        return Alignment(UNMOVED)
    place = np.unravel_index(best, contrast.shape)
    between = [_peak(contrast, place, axis) if finer else 0.0 for axis in (2, 1, 0)]
    fine = np.round(axes @ (settings.step_mm * (offsets[best] + between)), 3)
    shift = _point(fine if np.linalg.norm(fine) <= settings.search_mm else shifts[best])
    return Alignment(shift, _warning(shift, bool(length[best] + settings.step_mm > settings.search_mm), settings))


def _peak(contrast: Array, place: tuple[np.intp, ...], axis: int) -> float:
    """Return how far from a voxel, within half a voxel, the parabola through it and its neighbours is highest."""
    index = int(place[axis])
    if not 0 < index < contrast.shape[axis] - 1:
        return 0.0
    before, here, after = (float(contrast[(*place[:axis], index + step, *place[axis + 1 :])]) for step in (-1, 0, 1))
    bend = before - 2 * here + after
    if not math.isfinite(bend) or bend >= 0:
        return 0.0
    return round(float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)), 3)


def _warning(shift_mm: Point, at_border: bool, settings: AlignmentSettings) -> str | None:
    length = math.hypot(*shift_mm)
    if length <= LARGE_MOVE_MM and not at_border:
        return None
    x, y, z = (round(step, 1) + 0.0 for step in shift_mm)
    limit = f", as far as was searched ({settings.search_mm:g} mm)" if at_border else ""
    return (
        f"On the CT the mask was moved by {length:.1f} mm (x {x:.1f}, y {y:.1f}, z {z:.1f}){limit}, to where it stands "
        "out most: check that the lesion lies there."
    )


def _with_collisions(found: dict[int, Alignment], lesions: sitk.Image, boxes: dict[int, Box]) -> dict[int, Alignment]:
    """Return alignments that tell where a mask came to lie on another, half of either or more."""
    to_index = np.linalg.inv(np.array(lesions.GetDirection()).reshape(3, 3) * lesions.GetSpacing())
    view = sitk.GetArrayViewFromImage(lesions)
    voxels = {label: np.argwhere(view[box] == label) + [part.start for part in box] for label, box in boxes.items()}
    under: dict[int, set[int]] = {}
    for one, other in itertools.permutations(found, 2):
        apart = np.subtract(found[one].shift_mm, found[other].shift_mm)
        if not apart.any():
            continue
        places = voxels[one] + np.rint(to_index @ apart)[::-1].astype(int)
        bounds = [(part.start, part.stop) for part in boxes[other]]
        low, high = np.array(bounds).T
        places = places[((places >= low) & (places < high)).all(axis=1)]
        if 2 * np.count_nonzero(view[tuple(places.T)] == other) >= len(voxels[one]):
            under.setdefault(one, set()).add(other)
            under.setdefault(other, set()).add(one)
    told = dict(found)
    for label, others in under.items():
        names = " and ".join(map(str, sorted(others)))
        text = f"On the CT the mask came to lie on that of lesion {names}: check both."
        told[label] = replace(found[label], warning=" ".join(filter(None, (found[label].warning, text))))
    return told


def _point(values: Array) -> Point:
    # No minus before a 0.
    x, y, z = (float(value) + 0.0 for value in values)
    return x, y, z
