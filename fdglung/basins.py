"""Basins of the maxima of an image: a watershed whose neighbours are joined unless a deep saddle parts them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def basins_of_maxima(
    image: NDArray[np.float32],
    *,
    seed: float,
    floor: float,
    saddle_fraction: float,
    organ: NDArray[np.bool_] | None = None,
    organ_saddle_fraction: float = 0.9,
) -> tuple[NDArray[np.int32], list[tuple[int, int, int]]]:
    """Part an image into one region for each distinct maximum.

    Parameters
    ----------
    image
        Three axes, any order.
    seed
        Lowest value of a maximum.
    floor
        Lowest value that belongs to a basin.
    saddle_fraction
        Two neighbouring maxima stay apart when the highest path between them falls below this fraction of the lower
        one; otherwise they are one.
    organ
        Voxels of an organ: a maximum in it and one outside are held apart by a shallower saddle.
    organ_saddle_fraction
        The fraction for those.

    Returns
    -------
    basins
        Same shape; 0 outside, else the number of the basin from 1, in descending order of the maxima.
    peaks
        Index of the highest voxel of each basin.

    """
    from skimage.segmentation import watershed

    basins = np.zeros(image.shape, np.int32)
    markers, count = _plateau_maxima(image, seed)
    if not count:
        return basins, []
    over = ndimage.find_objects((image >= floor).astype(np.uint8))[0]
    flooded = np.asarray(watershed(-image[over], markers[over], mask=image[over] >= floor))
    in_organ = np.zeros(count + 1, bool) if organ is None else _peak_flags(markers, organ, count)
    needed = np.where(in_organ[:, None] == in_organ, saddle_fraction, max(saddle_fraction, organ_saddle_fraction))
    basins[over] = _join(flooded, image[over], count, needed)
    return _ordered(basins, image)


def _plateau_maxima(image: NDArray[np.float32], seed: float) -> tuple[NDArray[np.int32], int]:
    """Label the connected plateaus that no neighbour exceeds, of at least `seed`."""
    highest = ndimage.maximum_filter(image, footprint=np.ones((3, 3, 3)), mode="nearest")
    # A flat rim below a maximum passes the filter only where no neighbour is higher, so plateaus are whole.
    labels, count = ndimage.label((image >= seed) & (image == highest), structure=np.ones((3, 3, 3)))
    return labels.astype(np.int32), int(count)


def _peak_flags(markers: NDArray[np.int32], organ: NDArray[np.bool_], count: int) -> NDArray[np.bool_]:
    flags = np.zeros(count + 1, bool)
    flags[markers[organ & (markers > 0)]] = True
    return flags


def _join(
    basins: NDArray[np.int32], image: NDArray[np.float32], count: int, needed: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Join basins over saddles from the highest down; `needed` has the fraction for each two maxima."""
    peaks = np.zeros(count + 1)
    np.maximum.at(peaks, basins.ravel(), image.ravel())
    parent = np.arange(count + 1)

    def root(label: int) -> int:
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = int(parent[label])
        return label

    for first, second, saddle in _saddles(basins, image, count):
        low, high = root(first), root(second)
        if low == high:
            continue
        if peaks[low] > peaks[high]:
            low, high = high, low
        if saddle >= needed[low, high] * peaks[low]:
            parent[low] = high
    roots = np.array([root(label) for label in range(count + 1)], np.int32)
    return roots[basins]


def _saddles(basins: NDArray[np.int32], image: NDArray[np.float32], count: int) -> list[tuple[int, int, float]]:
    """Return the highest pass between each two touching basins, highest first."""
    passes: dict[int, float] = {}
    for axis in range(3):
        one = tuple(slice(None, -1) if i == axis else slice(None) for i in range(3))
        other = tuple(slice(1, None) if i == axis else slice(None) for i in range(3))
        touching = (basins[one] != basins[other]) & (basins[one] > 0) & (basins[other] > 0)
        a, b = basins[one][touching].astype(np.int64), basins[other][touching].astype(np.int64)
        keys = np.minimum(a, b) * (count + 1) + np.maximum(a, b)
        heights = np.minimum(image[one][touching], image[other][touching])
        order = np.argsort(heights, kind="stable")
        passes.update(
            (key, max(height, passes.get(key, -np.inf)))
            for key, height in dict(zip(keys[order].tolist(), heights[order].tolist(), strict=True)).items()
        )
    found = [(key // (count + 1), key % (count + 1), height) for key, height in passes.items()]
    return sorted(found, key=lambda saddle: (-saddle[2], saddle[0], saddle[1]))


def _ordered(
    basins: NDArray[np.int32], image: NDArray[np.float32]
) -> tuple[NDArray[np.int32], list[tuple[int, int, int]]]:
    labels = np.unique(basins[basins > 0])
    boxes = ndimage.find_objects(basins)
    peaks = [_peak(image[boxes[label - 1]], basins[boxes[label - 1]] == label, boxes[label - 1]) for label in labels]
    order = sorted(range(len(labels)), key=lambda i: (-float(image[peaks[i]]), peaks[i]))
    renumber = np.zeros(int(labels.max()) + 1, np.int32)
    for new, old in enumerate(order, start=1):
        renumber[labels[old]] = new
    return renumber[basins], [peaks[i] for i in order]


def _peak(image: NDArray[np.float32], own: NDArray[np.bool_], box: tuple[slice, slice, slice]) -> tuple[int, int, int]:
    """Return the hottest voxel, of several alike the one in their middle: the same on every processor."""
    hottest = np.argwhere(own & (image == image[own].max()))
    distance = ((hottest - hottest.mean(axis=0)) ** 2).sum(axis=1)
    z, y, x = hottest[int(distance.argmin())] + [side.start for side in box]
    return int(z), int(y), int(x)
