"""Lungs by lungmask's network as lungmask finds them, in only those slices that can hold lung."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.lungs.inference import BATCH, SliceNetwork
from fdglung.lungs.slices import Box, Labels, cleaned, prepared, restored

_SIDE = 256
_COARSE_SIDE = 128
_COARSE_STEP_MM = 12.0
_ROOM_MM = 24.0
_LEAST_PIXELS = 30
"""Pixels of 256 x 256 that a slice with lung has: about 1 cm2 of an adult."""


def segment_by_network(
    ct: sitk.Image,
    network: SliceNetwork,
    *,
    whole: bool = False,
    progress: Callable[[float], None] | None = None,
) -> sitk.Image:
    """Label the lungs as `lungmask.LMInferer.apply` does.

    The lungs' extent along the body is found first, on every slice at 12 mm and at half resolution; then every slice
    in it and 24 mm around it is labelled, and more where lung reaches the end of that. Slices are prepared and labels
    cleaned as lungmask does it (`fdglung.lungs.slices`), so that on the same slices the result is lungmask's own.

    Parameters
    ----------
    ct
        Hounsfield units, any orientation.
    network
        From `fdglung.lungs.inference.open_network`.
    whole
        Label every slice and look for no extent first.
    progress
        Called with the fraction done.

    Returns
    -------
    SimpleITK.Image
        uint8 on the grid of `ct`: the network's classes, 0 background.

    """
    tell = progress or (lambda fraction: None)
    upright = sitk.DICOMOrient(ct, "LPS")
    hu = sitk.GetArrayViewFromImage(upright)
    found = np.zeros(hu.shape, np.uint8)
    if whole:
        low, high = 0, len(hu)
    else:
        low, high = _rough_extent(hu, upright.GetSpacing()[2], network, lambda fraction: tell(0.1 * fraction))
    if low < high:
        labels, boxes = _labelled(hu, range(low, high), _SIDE, network, lambda fraction: tell(0.1 + 0.8 * fraction))
        while low > 0 and _has_lung(labels[0]):
            more, more_boxes = _labelled(hu, range(max(0, low - BATCH), low), _SIDE, network)
            labels, boxes, low = np.concatenate((more, labels)), more_boxes + boxes, low - len(more)
        while high < len(hu) and _has_lung(labels[-1]):
            more, more_boxes = _labelled(hu, range(high, min(len(hu), high + BATCH)), _SIDE, network)
            labels, boxes, high = np.concatenate((labels, more)), boxes + more_boxes, high + len(more)
        tell(0.9)
        if labels.any():
            labels = cleaned(labels)
            for z, plane, box in zip(range(low, high), labels, boxes, strict=True):
                if plane.any():
                    found[z] = restored(plane, box, hu.shape[1:])
    tell(1.0)
    mask = sitk.GetImageFromArray(found)
    mask.CopyInformation(upright)
    orientation = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(ct.GetDirection())
    mask = sitk.DICOMOrient(mask, orientation)
    # Turned there and back, the geometry is the CT's own but for rounding.
    mask.CopyInformation(ct)
    return mask


def _rough_extent(
    hu: NDArray[np.generic], spacing_mm: float, network: SliceNetwork, tell: Callable[[float], None]
) -> tuple[int, int]:
    """Return the first slice that may hold lung and the one after the last; equal where none does."""
    step = max(1, int(_COARSE_STEP_MM / spacing_mm))
    rough = range(0, len(hu), step)
    labels, _ = _labelled(hu, rough, _COARSE_SIDE, network, tell)
    holding = [z for z, plane in zip(rough, labels, strict=True) if _has_lung(plane)]
    if not holding:
        return 0, 0
    room = step + int(np.ceil(_ROOM_MM / spacing_mm))
    return max(0, holding[0] - room), min(len(hu), holding[-1] + room + 1)


def _has_lung(plane: Labels) -> bool:
    return bool(np.count_nonzero(plane) * (_SIDE / len(plane)) ** 2 >= _LEAST_PIXELS)


def _labelled(
    hu: NDArray[np.generic],
    positions: Iterable[int],
    side: int,
    network: SliceNetwork,
    tell: Callable[[float], None] | None = None,
) -> tuple[Labels, list[Box]]:
    """Return labels (slice, side, side) of the slices at `positions`, and each one's box of the body."""
    wanted = list(positions)
    labels = np.empty((len(wanted), side, side), np.uint8)
    boxes: list[Box] = []
    batches = [wanted[start : start + BATCH] for start in range(0, len(wanted), BATCH)]
    # The next slices are prepared while the network sees these.
    with ThreadPoolExecutor(1) as beside:
        for slices, of_body in beside.map(lambda batch: prepared(hu[batch], side), batches):
            labels[len(boxes) : len(boxes) + len(slices)] = network.labels(slices)
            boxes += of_body
            if tell is not None:
                tell(len(boxes) / len(wanted))
    return labels, boxes
