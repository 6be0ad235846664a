"""What is wrong with lesions on an image before features are taken: edges, voxels that are no numbers, what is cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.radiomics.filters import Box
from fdglung.radiomics.label_images import on_grid_of

BACKGROUND: Mapping[str, float] = {"PET": 0.0, "CT": -1000.0}
"""What stands for a voxel that is no finite number, outside lesions: no uptake, and air."""

_SLACK = 1e-3
"""Of a position, in voxels; positions in files are rounded."""


@dataclass(frozen=True)
class Cleaned:
    """An image without voxels that are no finite numbers.

    Attributes
    ----------
    image
        The image, `BACKGROUND` in their place.
    count
        How many there were.
    hit
        Labels of the lesions that such a voxel lies in or at.

    """

    image: sitk.Image
    count: int
    hit: frozenset[int]


def cleaned(image: sitk.Image, mask: sitk.Image, background: float) -> Cleaned:
    """Replace voxels of an image that are no finite numbers.

    Parameters
    ----------
    image
        SUVbw in g/ml or HU.
    mask
        Label image, on any grid.
    background
        What to put in their place.

    """
    view = sitk.GetArrayViewFromImage(image)
    finite = np.isfinite(view) if view.dtype.kind == "f" else None
    if finite is None or finite.all():
        return Cleaned(image, 0, frozenset())
    # Interpolation and filters of one voxel reach look at neighbours too.
    bad = ndimage.binary_dilation(~finite, np.ones((3, 3, 3), bool))
    labels = sitk.GetArrayFromImage(on_grid_of(mask, image))
    filled = sitk.GetImageFromArray(np.where(finite, view, view.dtype.type(background)))
    filled.CopyInformation(image)
    return Cleaned(filled, int((~finite).sum()), frozenset(map(int, np.unique(labels[bad]).tolist())))


def is_at_edge(box: Box, mask: sitk.Image) -> bool:
    """Return whether a lesion's box touches the edge of the label image."""
    return any(part.start == 0 or part.stop == n for part, n in zip(box, mask.GetSize()[::-1], strict=True))


def share_outside(image: sitk.Image, mask: sitk.Image, label: int, box: Box) -> float:
    """Return the share of a lesion's voxels whose centres lie outside an image.

    Parameters
    ----------
    image
        Its voxels are not looked at.
    mask
        Label image, on any grid.
    label, box
        The lesion, and its box (z, y, x) in `mask`.

    """
    if not np.any(_over(image, mask, np.array(list(_corners(box))))):
        return 0.0
    inside = sitk.GetArrayViewFromImage(mask)[box] == label
    voxels = np.argwhere(inside)[:, ::-1] + [part.start for part in box[::-1]]
    return float(np.mean(_over(image, mask, voxels)))


def _corners(box: Box) -> Iterable[Sequence[float]]:
    return ([(part.start, part.stop - 1)[bit >> axis & 1] for axis, part in enumerate(box[::-1])] for bit in range(8))


def _over(image: sitk.Image, mask: sitk.Image, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which voxels (n, 3; x, y, z) of a mask have their centres outside an image."""
    from_mask = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    to_image = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    points = indices @ from_mask.T + mask.GetOrigin()
    found = np.linalg.solve(to_image, (points - image.GetOrigin()).T).T
    return np.asarray(np.any((found < -0.5 - _SLACK) | (found > np.array(image.GetSize()) - 0.5 + _SLACK), axis=1))
