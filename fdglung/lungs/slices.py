"""Slices as lungmask prepares them for its network, and labels as it cleans them, without lungmask and torch.

Hofmanninger et al., Eur Radiol Exp 2020;4:50, with the software lungmask 0.2.22, whose steps these are; tests
compare the results with lungmask's own voxel by voxel.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""First row, first column, last row + 1, last column + 1."""

LOWEST_HU, HIGHEST_HU = -1024, 600

_BODY_HU = -500
_BODY_SIDE = 128
_LEAST_VOXELS = 3
_ONE_SLICE_HOLE = 64


def cropped(planes: NDArray[Any], side: int) -> tuple[NDArray[Any], list[Box]]:
    """Limit slices to -1024 to 600 HU, crop them to the body, and resize them.

    Parameters
    ----------
    planes
        HU (slice, y, x) in LPS order.
    side
        Pixels along y and x of the result; lungmask itself takes 256.

    Returns
    -------
    ndarray
        HU (slice, side, side), of the type of `planes`.
    list of tuple
        Of each slice, where the body is.

    """
    clipped = np.clip(planes, LOWEST_HU, HIGHEST_HU)
    boxes = [_box_of_body(plane) for plane in clipped]
    bodies = (plane[_inside(box)] for plane, box in zip(clipped, boxes, strict=True))
    return np.stack([_resized(body, side) for body in bodies]), boxes


def as_input(hu: NDArray[Any]) -> NDArray[np.float32]:
    """Bring HU to what the network sees: -1024 to 600 becomes 0 to 1."""
    limited = np.clip(hu, LOWEST_HU, HIGHEST_HU)
    return ((limited - LOWEST_HU) / (HIGHEST_HU - LOWEST_HU)).astype(np.float32)


def prepared(planes: NDArray[np.generic], side: int) -> tuple[NDArray[np.float32], list[Box]]:
    """Return `cropped` slices as the network sees them, float32, and where each one's body is."""
    slices, boxes = cropped(planes, side)
    return as_input(slices), boxes


def restored(plane: Labels, box: Box, shape: tuple[int, ...]) -> Labels:
    """Put the labels (side, side) of a prepared slice back where it was cut out of a slice of `shape` (y, x)."""
    whole = np.zeros(shape, np.uint8)
    whole[_inside(box)] = _nearest(plane, (box[2] - box[0], box[3] - box[1]))
    return whole


def cleaned(labels: Labels) -> Labels:
    """Leave one piece a label, with no holes.

    From the smallest to the largest, each piece (26 neighbours) that is not the largest of its label joins the piece
    that it shares most of its border with, if it has any neighbour and three voxels; of each label the largest piece is
    kept then, and what it encloses is filled. lungmask also fills what lies open at the first row of the first
    slice, where no lung is.

    Parameters
    ----------
    labels
        (slice, y, x).

    Returns
    -------
    ndarray
        As `labels`.

    """
    pieces = _joined(labels)
    result = np.zeros(labels.shape, np.uint8)
    for label in np.unique(pieces[pieces > 0]):
        where = pieces == label
        rows, columns = ndimage.find_objects(where.any(axis=0).astype(np.uint8))[0]
        result[:, rows, columns][_filled(_largest_piece(where[:, rows, columns]))] = label
    return result


def _joined(labels: Labels) -> Labels:
    from skimage import measure

    # Pieces of one label touch by a corner; pieces of two labels lie side by side and stay two.
    pieces = measure.label(labels)
    count = int(pieces.max())
    if count == 0:
        return np.zeros(labels.shape, np.uint8)
    size = np.bincount(pieces.ravel(), minlength=count + 1)
    first = np.zeros(count + 1, np.int64)
    first[pieces.ravel()] = labels.ravel()
    boxes = ndimage.find_objects(pieces)
    # Ties keep the order of the labels of the pieces.
    order = np.argsort(size[1:], kind="stable") + 1
    largest = np.zeros(int(labels.max()) + 1, np.int64)
    becomes = np.zeros(count + 1, np.uint8)
    for piece in order:
        if size[piece] > largest[first[piece]]:
            largest[first[piece]] = size[piece]
            becomes[piece] = first[piece]
    holds = {int(piece): [int(piece)] for piece in order}
    for piece in (int(each) for each in order):
        if size[piece] >= largest[first[piece]] or size[piece] < _LEAST_VOXELS:
            continue
        near = _union([boxes[each - 1] for each in holds[piece]], labels.shape)
        there = pieces[near] == piece
        beside, shared = np.unique(pieces[near][ndimage.binary_dilation(there)], return_counts=True)
        other = (beside != 0) & (beside != piece)
        if not other.any():
            continue
        # The first of those that share the most, in the order of their numbers.
        neighbour = int(beside[other][shared[other].argmax()])
        pieces[near][there] = neighbour
        holds[neighbour] += holds[piece]
        if size[neighbour] == largest[first[neighbour]]:
            largest[first[neighbour]] += size[piece]
        size[neighbour] += size[piece]
    return becomes[pieces]


def _union(boxes: list[tuple[slice, ...]], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(
        slice(max(0, min(box[axis].start for box in boxes) - 1), min(length, max(box[axis].stop for box in boxes) + 1))
        for axis, length in enumerate(shape)
    )


def _largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from skimage import measure

    pieces = measure.label(mask)
    sizes = np.bincount(pieces.ravel())[1:]
    # Of pieces of one size the one that sorting floats puts last, as regionprops gives areas.
    return np.asarray(pieces == np.argsort(sizes.astype(np.float64))[-1] + 1)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if len(mask) > 1:
        return np.asarray(ndimage.binary_fill_holes(mask))
    from skimage.morphology import area_closing

    closed = area_closing(mask[0], area_threshold=_ONE_SLICE_HOLE)
    return np.asarray(closed & ndimage.binary_fill_holes(mask[0]))[None]


def _box_of_body(plane: NDArray[np.generic]) -> Box:
    small = _nearest(plane, (_BODY_SIDE, _BODY_SIDE)) > _BODY_HU
    small = ndimage.binary_fill_holes(ndimage.binary_closing(small), structure=np.ones((3, 3)))
    parts, count = ndimage.label(ndimage.binary_erosion(small, iterations=2))
    body = parts > 0
    if count:
        body = ndimage.binary_dilation(parts == np.bincount(parts.ravel())[1:].argmax() + 1, iterations=2)
    if min(plane.shape) < _BODY_SIDE:
        # Some of its rows or columns are lost on the way to the slice, and with them what they join.
        body = _nearest(body, plane.shape)
    pieces, count = ndimage.label(body, structure=np.ones((3, 3)))
    if not count:
        return 0, 0, plane.shape[0], plane.shape[1]
    box = ndimage.find_objects(pieces)[0]
    ends = []
    for side, length, steps in zip(box, plane.shape, body.shape, strict=True):
        there = np.flatnonzero(np.isin(_nearest_index(steps, length), np.arange(side.start, side.stop)))
        ends.append((int(there[0]), int(there[-1]) + 1))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def _inside(box: Box) -> tuple[slice, slice]:
    return slice(box[0], box[2]), slice(box[1], box[3])


def _resized(plane: NDArray[Any], side: int) -> NDArray[Any]:
    return np.asarray(ndimage.zoom(plane, side / np.asarray(plane.shape), order=1))


def _nearest(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return what `scipy.ndimage.zoom` of order 0 does, by looking up rows and columns, in a tenth of its time."""
    rows, columns = (_nearest_index(length, wanted) for length, wanted in zip(plane.shape, shape, strict=True))
    found = np.asarray(plane[rows][:, columns])
    found[rows < 0] = 0
    found[:, columns < 0] = 0
    return found


@cache
def _nearest_index(length: int, wanted: int) -> NDArray[np.intp]:
    """Return which of so many places `scipy.ndimage.zoom` of order 0 takes for each of those wanted.

    -1 is none: by rounding the last one may come to lie beyond the end, which it fills with 0.
    """
    return np.asarray(ndimage.zoom(np.arange(1, length + 1), wanted / length, order=0), np.intp) - 1
