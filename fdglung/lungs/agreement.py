"""A narrow network's lungs held against those of thresholds: aerated lung that it left out, and gas that it took."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.lungs.classical import box_around

Mask = NDArray[np.bool_]

_COARSE_MM = 3.0
_THIN_VOXELS, _THIN_GAS_VOXELS = 2, 1
_MOST_LEFT_OUT = 0.02
_LEAST_CONTACT = 0.05
_AIR_HU = -500.0
_GAS_HU = -950.0


def agreed(by_network: sitk.Image, by_thresholds: sitk.Image, ct: sitk.Image) -> tuple[sitk.Image, tuple[str, ...]]:
    """Return a network's lung mask, mended where thresholds are the surer of the two.

    What holds no air is the network's alone to tell. Of what holds air, thresholds tell lung from gas well: where the
    network left out more than 2 % of their lungs, in pieces thicker than about 12 mm that are no pure gas (median above
    -950 HU) and lie beside its lungs, these are added; and pieces of pure gas thicker than about 6 mm that it took, and
    that do not lie beside theirs, are taken away.

    Parameters
    ----------
    by_network, by_thresholds
        1 right lung, 2 left lung, on the grid of `ct`.
    ct
        Hounsfield units.

    Returns
    -------
    tuple
        The mask, uint8 on the same grid, `by_network` itself where nothing changes; and what a physician must know of
        it, in full sentences.

    """
    network, thresholds = sitk.GetArrayFromImage(by_network), sitk.GetArrayViewFromImage(by_thresholds)
    stride = tuple(max(1, round(_COARSE_MM / step)) for step in ct.GetSpacing()[::-1])
    coarse = tuple(slice(None, None, step) for step in stride)
    either = (network[coarse] > 0) | (thresholds[coarse] > 0)
    if not either.any():
        return by_network, ()
    # Most of a CT is neither.
    near = tuple(
        slice(side.start * step, side.stop * step)
        for side, step in zip(box_around(either, margin=2 * _THIN_VOXELS), stride, strict=True)
    )
    added, removed = _differences(network[near], thresholds[near], sitk.GetArrayViewFromImage(ct)[near], stride)
    if not (added.any() or removed.any()):
        return by_network, ()
    network[near][added] = thresholds[near][added]
    network[near][removed] = 0
    mended = sitk.GetImageFromArray(network)
    mended.CopyInformation(by_network)
    if not added.any():
        return mended, ()
    volume_ml = np.count_nonzero(added) * float(np.prod(ct.GetSpacing())) / 1000
    return mended, (
        f"The network for the lungs left out {volume_ml:.0f} ml that hold air and are lung by thresholds; they were "
        "added, and the outline of the lungs is less certain than usual.",
    )


def _differences(
    network: NDArray[np.uint8], thresholds: NDArray[np.uint8], hu: NDArray[Any], stride: tuple[int, ...]
) -> tuple[Mask, Mask]:
    """Return what the network has to get of the lungs of thresholds, and what it has to lose."""
    coarse = tuple(slice(None, None, step) for step in stride)
    found, held, small = network[coarse] > 0, thresholds[coarse] > 0, hu[coarse]
    added, removed = np.zeros(hu.shape, bool), np.zeros(hu.shape, bool)
    missed = held & ~found
    lung, _ = _pieces(missed, small, _THIN_VOXELS)
    lung = _beside(lung, found)
    if lung.sum() > _MOST_LEFT_OUT * np.count_nonzero(held):
        added = _around(ndimage.binary_propagation(lung, mask=missed), stride, hu.shape)
        added &= (thresholds > 0) & (network == 0)
    taken = found & ~held & (small < _AIR_HU)
    _, gas = _pieces(taken, small, _THIN_GAS_VOXELS)
    gas &= ~_beside(gas, held)
    if gas.any():
        pure = ndimage.binary_propagation(gas, np.ones((3, 3, 3)), mask=taken & (small < _GAS_HU))
        removed = _around(pure, stride, hu.shape) & (network > 0) & (thresholds == 0) & (hu < _AIR_HU)
    return added, removed


def _pieces(mask: Mask, hu: NDArray[np.generic], thin_voxels: int) -> tuple[Mask, Mask]:
    """Return the pieces of a mask that are thick, those whose median is lung's apart from those of pure gas."""
    pieces, count = ndimage.label(ndimage.binary_opening(mask, iterations=thin_voxels))
    inside = pieces > 0
    gas = np.zeros(count + 1, bool)
    if count:
        gas[1:] = np.asarray(ndimage.median(hu[inside], pieces[inside], np.arange(1, count + 1))) < _GAS_HU
    return inside & ~gas[pieces], inside & gas[pieces]


def _beside(pieces: Mask, lung: Mask) -> Mask:
    """Return the pieces with lung in 5 % or more of what is within two voxels; the diaphragm parts bowel from it."""
    labels, count = ndimage.label(pieces)
    kept = np.zeros(count + 1, bool)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        wide = tuple(slice(max(0, side.start - 2), side.stop + 2) for side in box)
        piece = labels[wide] == label
        shell = ndimage.binary_dilation(piece, iterations=2) & ~piece
        kept[label] = lung[wide][shell].mean() >= _LEAST_CONTACT
    return kept[labels]


def _around(mask: Mask, stride: tuple[int, ...], shape: tuple[int, ...]) -> Mask:
    """Return a coarse mask and what lies within two voxels of it, on the fine grid."""
    fine = ndimage.binary_dilation(mask, iterations=_THIN_VOXELS)
    for axis, step in enumerate(stride):
        fine = fine.repeat(step, axis)
    return np.asarray(fine[tuple(slice(length) for length in shape)])


__all__ = ["agreed"]
