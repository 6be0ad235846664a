"""Masks that grow or shrink by a share of their volume."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Labels = NDArray[np.uint32]


def grown(labels: Labels, fraction: float, spacing_mm: tuple[float, float, float], *, seed: int = 0) -> Labels:
    """Let each label grow or shrink by a share of its volume.

    The voxels nearest to a lesion join it, or its own nearest to its border leave it, by distance in mm; among voxels
    equally far the seed decides. (Zwanenburg et al. 2019 dilate or erode step by step and draw among the last step's
    voxels: the same but for the order within a step.) A lesion never grows into another and never loses its last voxel.

    Parameters
    ----------
    labels
        Label image (z, y, x), 0 outside.
    fraction
        Above -1; the number of voxels is rounded.
    spacing_mm
        Along z, y, x.
    seed
        Of the choice among equals.

    """
    found = labels.copy()
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        random = np.random.default_rng([seed, index, 2])
        if fraction < 0:
            _shrink(found, index, box, -fraction, spacing_mm, random)
        else:
            _grow(found, index, box, fraction, spacing_mm, random)
    return found


def _shrink(
    labels: Labels,
    label: int,
    box: tuple[slice, ...],
    fraction: float,
    spacing_mm: tuple[float, float, float],
    random: np.random.Generator,
) -> None:
    own = labels[box] == label
    count = int(own.sum())
    fewer = min(round(fraction * count), count - 1)
    depth = ndimage.distance_transform_edt(np.pad(own, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    labels[box][_nearest(depth, own, fewer, random)] = 0


def _grow(
    labels: Labels,
    label: int,
    box: tuple[slice, ...],
    fraction: float,
    spacing_mm: tuple[float, float, float],
    random: np.random.Generator,
) -> None:
    count = int((labels[box] == label).sum())
    more = round(fraction * count)
    reach = max(spacing_mm)
    while True:
        around = tuple(
            slice(max(0, part.start - math.ceil(reach / step)), min(n, part.stop + math.ceil(reach / step)))
            for part, step, n in zip(box, spacing_mm, labels.shape, strict=True)
        )
        part = labels[around]
        distance = ndimage.distance_transform_edt(part != label, sampling=spacing_mm)
        free = (part == 0) & (distance <= reach)
        if int(free.sum()) >= more:
            break
        if part.shape == labels.shape:
            free = part == 0
            break
        reach *= 2
    part[_nearest(distance, free, more, random)] = label


def _nearest(distance: NDArray[np.float64], among: Mask, count: int, random: np.random.Generator) -> Mask:
    """Choose the voxels of least distance among some; of equals by chance."""
    places = np.flatnonzero(among)
    order = np.lexsort((random.random(places.size), np.round(distance.ravel()[places], 6)))
    chosen = np.zeros(distance.size, bool)
    chosen[places[order[:count]]] = True
    return chosen.reshape(distance.shape)
