"""Lesions by a network that clicks guide: it sees PET, CT and clicks in a crop around them, so that it is fast."""

from __future__ import annotations

import itertools
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import expit

from fdglung.anatomy import Mask
from fdglung.clicks import ClickedLesions, hottest_first, label_near, mostly_in, voxel_of
from fdglung.errors import NoCtError
from fdglung.network.backends import Predictor
from fdglung.network.click_correction import corrected
from fdglung.network.click_maps import click_maps
from fdglung.network.normalisation import outside as beyond
from fdglung.network.spec import CLICKS
from fdglung.network.volume import Box, Grid, back_onto, grid_over, network_input, raw_on
from fdglung.network.windows import sliding_window

Clicks = Sequence[Sequence[float]]

_LESION = 1
_PROBABILITY = 0.5
_ROOM_MM = 96.0
"""Around the clicks: half of a window of the bundle's networks."""

_STEP_MM = 96.0
_MOST_STEPS = 3
_SAME_LESION_MM = 60.0
_REACH_MM = 4.0


def guided_probability(
    pet: sitk.Image,
    ct: sitk.Image | None,
    predictor: Predictor,
    *,
    inside: Clicks,
    outside: Clicks,
    box_mm: Box | None = None,
    overlap: float = 0.5,
    memory: MutableMapping[Any, Said] | None = None,
) -> sitk.Image:
    """Return the probability of lesion in view of clicks.

    The network sees the clicks where it has channels for them, as `bundle/configs/clicks.yaml` trains one; what it says
    is then corrected around each click that it does not follow (`fdglung.network.click_correction`).

    Parameters
    ----------
    pet
        SUVbw in g/ml, any grid.
    ct
        HU, any grid of the same space; None only for a network that does without it.
    predictor
        A network, with the channels of clicks or without.
    inside, outside
        Clicks into lesions and on what is none, indices (x, y, z) of `pet`.
    box_mm
        What to look at (LPS) in mm; None for the whole PET.
    overlap
        Share of a window that the next one covers again.
    memory
        What the same network said before of the same PET and CT, by where it looked; what is new is added.

    Returns
    -------
    SimpleITK.Image
        float32 on the voxels of `pet` that lie in the box.

    Raises
    ------
    NoCtError
        The network looks at CT and there is none.

    """
    spec = predictor.checkpoint.spec
    if ct is None and "CT" in spec.channels and "CT" not in spec.optional:
        raise NoCtError("the network looks at PET and CT, and there is no CT", remedy="Use suv_click, or add the CT")
    grid = grid_over(pet, spec.spacing_mm, box_mm)
    into, off = (_on_grid(pet, grid, clicks) for clicks in (inside, outside))
    drawn = (str(into), str(off)) if set(CLICKS) & set(spec.channels) else ()
    key = (grid, overlap, drawn)
    said = memory.get(key) if memory is not None else None
    if said is None:
        said = _said(pet, ct, predictor, grid, into, off, overlap)
        if memory is not None:
            memory[key] = said
    voxels = ([np.rint(at).astype(int).tolist() for at in clicks] for clicks in (into, off))
    logits = corrected(said.logits, said.images, said.names, *voxels, spacing_mm=spec.spacing_mm)
    return back_onto(pet if box_mm is None else _voxels_in(pet, box_mm), grid, expit(logits))


@dataclass(frozen=True)
class Said:
    """What a network says of a part of a study.

    Attributes
    ----------
    logits
        Of lesion (z, y, x).
    images
        What it saw, normalised (z, y, x) each.
    names
        Of the images.

    """

    logits: NDArray[np.float32]
    images: Sequence[NDArray[np.float32]]
    names: Sequence[str]


def _said(
    pet: sitk.Image,
    ct: sitk.Image | None,
    predictor: Predictor,
    grid: Grid,
    into: Clicks,
    off: Clicks,
    overlap: float,
) -> Said:
    spec = predictor.checkpoint.spec
    names = [name for name in spec.channels if name not in CLICKS]
    # Resampling all of a CT takes longer than the network does.
    around = {name: _cut(image, _box_of(grid)) for name, image in (("PET", pet), ("CT", ct)) if image is not None}
    raw = raw_on(grid, around, names)
    if len(names) < len(spec.channels):
        raw = np.concatenate([raw, click_maps(grid.shape, into, off, spacing_mm=spec.spacing_mm)])
    image = network_input(raw, spec)
    limits = [beyond(name, spec.normalisation[name]) for name in spec.channels]
    outputs = sliding_window(image, predictor.predict, spec.window, overlap=overlap, outside=limits)
    logits = outputs[_LESION] - _log_sum_exp(np.delete(outputs, _LESION, axis=0))
    return Said(logits, list(image[: len(names)]), names)


def apply_guided_clicks(
    pet: sitk.Image,
    ct: sitk.Image | None,
    start: sitk.Image | None,
    predictor: Predictor,
    *,
    inside: Clicks,
    outside: Clicks,
    memory: MutableMapping[Any, Said] | None = None,
) -> ClickedLesions:
    """Outline the lesions under some clicks by the network, and take the lesions under others away.

    The network looks at 192 mm around the clicks of a lesion, and farther where the lesion reaches the rim of that.
    Of what it finds, the connected parts that hold a click in `inside` are kept.

    Parameters
    ----------
    pet, ct, predictor
        As of `guided_probability`.
    start
        Lesions to begin with, on the grid of `pet`; None for none.
    inside
        Clicks into lesions, indices (x, y, z). A lesion that holds such a click is replaced by the network's.
    outside
        Clicks on what is no lesion. They keep the network off, and a lesion of `start` that holds one, and no click of
        `inside`, goes.
    memory
        As of `guided_probability`: clicks of a session come again with each new one.

    Returns
    -------
    ClickedLesions

    Raises
    ------
    ClickError
        A click is no voxel of the PET.
    NoCtError
        As of `guided_probability`.

    """
    labels = (
        np.zeros(pet.GetSize()[::-1], np.uint16) if start is None else sitk.GetArrayFromImage(start).astype(np.uint16)
    )
    into, off = ([voxel_of(pet, click) for click in clicks] for clicks in (inside, outside))
    warnings: list[str] = []
    touched = {int(labels[click[::-1]]) for click in into} - {0}
    gone = {label_near(pet, labels, click) for click in off} - {0} - touched
    labels[np.isin(labels, list(gone | touched))] = 0
    added = 0
    look = partial(guided_probability, pet, ct, predictor, inside=into, outside=off, memory=memory)
    for group in _groups(pet, into):
        found, first = _outlined(pet, group, look)
        parts, _ = ndimage.label(found, structure=np.ones((3, 3, 3)))
        hit = {click: _part_near(parts, np.array(click[::-1]) - first, pet.GetSpacing()[::-1]) for click in group}
        for part in sorted(set(hit.values()) - {0}):
            voxels = np.argwhere(parts == part) + first
            labels[labels == (mostly_in(labels, voxels) or -1)] = 0
            labels[tuple(voxels.T)] = labels.max() + 1
            added += 1
        for click in (click for click, part in hit.items() if not part):
            warnings.append(f"Click {into.index(click) + 1} into a lesion: the network outlines nothing there.")
    return ClickedLesions(hottest_first(pet, labels), added, len(gone), tuple(warnings))


def _outlined(pet: sitk.Image, group: Clicks, look: Callable[..., sitk.Image]) -> tuple[Mask, NDArray[np.int64]]:
    """Return what the network outlines around a group of clicks (z, y, x), and the first voxel of it in the PET."""
    places = np.array([pet.TransformIndexToPhysicalPoint([int(i) for i in click]) for click in group])
    low, high = places.min(axis=0) - _ROOM_MM, places.max(axis=0) + _ROOM_MM
    for step in range(_MOST_STEPS + 1):
        found = look(box_mm=(tuple(low.tolist()), tuple(high.tolist())))
        mask = sitk.GetArrayFromImage(found) >= _PROBABILITY
        first = np.array(pet.TransformPhysicalPointToIndex(found.GetOrigin()))[::-1]
        rim = _rim_reached(found, mask, pet, [np.array(click[::-1]) - first for click in group])
        if step == _MOST_STEPS or not rim.any():
            break
        low, high = low - _STEP_MM * rim[0], high + _STEP_MM * rim[1]
    return mask, first


def _rim_reached(
    found: sitk.Image, mask: Mask, pet: sitk.Image, clicks: Sequence[NDArray[np.int64]]
) -> NDArray[np.bool_]:
    """Return (lower or upper end, patient's x, y or z): where a clicked lesion reaches a rim that is not the PET's."""
    parts, _ = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    clicked = {_part_near(parts, click, found.GetSpacing()[::-1]) for click in clicks} - {0}
    reached = np.zeros((2, 3), bool)
    if not clicked:
        return reached
    lesion = np.isin(parts, list(clicked))
    start = np.array(pet.TransformPhysicalPointToIndex(found.GetOrigin()))
    axes = np.array(found.GetDirection()).reshape(3, 3)
    for axis, end in itertools.product(range(3), (0, -1)):
        at_end = start[axis] == 0 if end == 0 else start[axis] + found.GetSize()[axis] == pet.GetSize()[axis]
        if not at_end and np.take(lesion, end, axis=2 - axis).any():
            along = int(np.abs(axes[:, axis]).argmax())
            towards = (axes[along, axis] > 0) == (end == -1)
            reached[int(towards), along] = True
    return reached


def _part_near(parts: NDArray[np.int32], voxel: NDArray[np.int64], spacing: Sequence[float]) -> int:
    """Return the part at a voxel (z, y, x), or the nearest within 4 mm; 0 for none."""
    reach = np.array([int(_REACH_MM / step) for step in spacing])
    low, high = np.maximum(voxel - reach, 0), np.minimum(voxel + reach + 1, parts.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    places = np.argwhere(parts[box])
    if not len(places):
        return 0
    distance = (((places + low - voxel) * np.array(spacing)) ** 2).sum(axis=1)
    return int(parts[box][tuple(places[distance.argmin()])])


def _groups(pet: sitk.Image, clicks: Sequence[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    """Part clicks into those of one crop: each within 60 mm of another one of its group."""
    groups: list[list[tuple[int, int, int]]] = []
    place = {click: np.array(pet.TransformIndexToPhysicalPoint(click)) for click in clicks}
    for click in place:
        near = [g for g in groups if any(np.linalg.norm(place[click] - place[other]) <= _SAME_LESION_MM for other in g)]
        groups = [group for group in groups if group not in near] + [[click, *itertools.chain.from_iterable(near)]]
    return groups


def _log_sum_exp(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logit of all outputs (output, z, y, x) together."""
    result: NDArray[np.float32] = np.logaddexp.reduce(outputs, axis=0)
    return result


def _on_grid(pet: sitk.Image, grid: Grid, clicks: Clicks) -> list[list[float]]:
    """Return clicks as voxels (z, y, x) of a grid."""
    places = (pet.TransformIndexToPhysicalPoint([round(float(i)) for i in click]) for click in clicks)
    return [((np.array(place) - grid.origin_mm) / grid.spacing_mm)[::-1].tolist() for place in places]


def _box_of(grid: Grid) -> Box:
    low = np.array(grid.origin_mm) - grid.spacing_mm
    high = low + (np.array(grid.size) + 1) * grid.spacing_mm
    return tuple(low.tolist()), tuple(high.tolist())


def _cut(image: sitk.Image, box_mm: Box) -> sitk.Image:
    """Return the part of an image that interpolation in a box needs; the image where they do not meet."""
    low, high = _indices(image, box_mm)
    size = np.array(image.GetSize())
    low, high = np.clip(np.floor(low) - 1, 0, size).astype(int), np.clip(np.ceil(high) + 2, 0, size).astype(int)
    return sitk.RegionOfInterest(image, (high - low).tolist(), low.tolist()) if (high > low).all() else image


def _voxels_in(image: sitk.Image, box_mm: Box) -> sitk.Image:
    """Return the voxels of an image whose centres lie in a box around one of them."""
    low, high = _indices(image, box_mm)
    # A centre on the very edge has nothing to be interpolated from.
    first = np.maximum(np.ceil(low + 1e-3), 0).astype(int)
    last = np.minimum(np.floor(high - 1e-3), np.array(image.GetSize()) - 1).astype(int)
    return sitk.RegionOfInterest(image, (last - first + 1).tolist(), first.tolist())


def _indices(image: sitk.Image, box_mm: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and largest continuous index (x, y, z) of a box's corners."""
    corners = itertools.product(*zip(*box_mm, strict=True))
    indices = np.array([image.TransformPhysicalPointToContinuousIndex(corner) for corner in corners])
    return indices.min(axis=0), indices.max(axis=0)
