"""Lesions as instances: parted, counted against each other, matched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.int32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Instances:
    """Lesions of one image.

    Attributes
    ----------
    labels
        Array (z, y, x): 0 background, lesion n of `names` has the value n + 1.
    names
        The value of each lesion in the file, or the number of its component where a mask was split.
    voxels
        Number of voxels of each lesion.
    boxes
        The smallest box (z, y, x) that holds each lesion.

    """

    labels: Labels
    names: tuple[int, ...]
    voxels: NDArray[np.int64]
    boxes: tuple[tuple[slice, ...], ...]

    def __len__(self) -> int:
        return len(self.names)

    def mask(self, index: int) -> Mask:
        """Return the voxels of a lesion within its box."""
        return np.asarray(self.labels[self.boxes[index]] == index + 1)


@dataclass(frozen=True)
class Overlaps:
    """Pairs of a reference lesion and a predicted lesion that share voxels.

    Attributes
    ----------
    reference, prediction
        Index of each, from 0; one entry a pair.
    iou, dice
        Shared voxels over those of either, and twice them over the sum of both.

    """

    reference: NDArray[np.int64]
    prediction: NDArray[np.int64]
    iou: NDArray[np.float64]
    dice: NDArray[np.float64]


def components(mask: Mask) -> tuple[Labels, int]:
    """Part a mask (z, y, x) into components whose voxels touch by a face or an edge (18-connectivity).

    autoPET parts its masks so: github.com/lab-midas/autoPET, val_script.py.
    """
    labels, count = ndimage.label(mask, structure=ndimage.generate_binary_structure(3, 2), output=np.int32)
    return labels, int(count)


def instances(labels: Labels, *, split: bool = False, keep_labels: bool = False) -> Instances:
    """Tell the lesions of a label image.

    Parameters
    ----------
    labels
        Array (z, y, x), 0 is background.
    split
        Part the whole mask into components, whatever the labels. An image with one label is a mask and is always
        split; several labels are lesions as given, in one piece or not.
    keep_labels
        Take a single label too as the lesion that it is.

    """
    flat = labels[labels != 0]
    values = np.unique(flat)
    if split or (values.size <= 1 and not keep_labels):
        compact, count = components(labels != 0)
        names = tuple(range(1, count + 1))
    else:
        compact = np.zeros(labels.shape, np.int32)
        compact[labels != 0] = np.searchsorted(values, flat) + 1
        names = tuple(int(value) for value in values)
    voxels = np.bincount(compact.ravel(), minlength=len(names) + 1)[1:]
    return Instances(compact, names, voxels, tuple(ndimage.find_objects(compact)))


def overlaps(reference: Instances, prediction: Instances) -> Overlaps:
    """Return the pairs of lesions of two images of one grid that share voxels."""
    both = (reference.labels > 0) & (prediction.labels > 0)
    width = len(prediction) + 1
    codes = reference.labels[both].astype(np.int64) * width + prediction.labels[both]
    pairs, shared = np.unique(codes, return_counts=True)
    first, second = pairs // width - 1, pairs % width - 1
    total = reference.voxels[first] + prediction.voxels[second]
    return Overlaps(first, second, shared / (total - shared), 2 * shared / total)


def match(pairs: Overlaps) -> dict[int, int]:
    """Match reference lesions and predicted lesions one to one, best IoU first.

    Pairs above any threshold of IoU are the same as if lesions had been matched with that threshold: greedy matching
    as in panoptica (NaiveThresholdMatching) and unique above 0.5 (Kirillov et al., CVPR 2019, section 4.1).

    Returns
    -------
    dict
        Index into `pairs` by index of the reference lesion.

    """
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for pair in np.argsort(-pairs.iou, kind="stable"):
        first, second = int(pairs.reference[pair]), int(pairs.prediction[pair])
        if first not in matched and second not in taken:
            matched[first] = int(pair)
            taken.add(second)
    return matched
