"""A simulated annotator: clicks where the outline is most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.anatomy import Mask


@dataclass(frozen=True)
class SimulatedClick:
    """A click.

    Attributes
    ----------
    voxel
        (z, y, x).
    foreground
        Whether it says lesion.

    """

    voxel: tuple[int, int, int]
    foreground: bool


def next_click(
    truth: Mask,
    found: Mask,
    *,
    spacing: Sequence[float] = (1.0, 1.0, 1.0),
    counted: Mask | None = None,
    random: np.random.Generator | None = None,
) -> SimulatedClick | None:
    """Click the middle of the largest part that is missing or too much.

    The middle is where the distance to the part's border is largest. This is the usual simulated annotator: Mahadevan
    et al., *Iteratively trained interactive segmentation*, BMVC 2018; Sofiiuk et al., *Reviving iterative training with
    mask guidance for interactive segmentation*, ICIP 2022.

    Parameters
    ----------
    truth, found
        Masks (z, y, x). Without anything found the click lies inside the largest lesion.
    spacing
        Of the voxels along z, y and x, in any unit.
    counted
        Where either answer can be wrong; None for everywhere.
    random
        Chooses another voxel of the part, the likelier the farther it is from its border; None for the middle.

    Returns
    -------
    SimulatedClick or None
        None where nothing is wrong.

    """
    wrong = truth != found
    if counted is not None:
        wrong &= counted
    # A part is missing or too much, never both.
    parts, _ = ndimage.label(wrong & truth)
    surplus, _ = ndimage.label(wrong & ~truth)
    sizes = [np.bincount(labels.ravel()) for labels in (parts, surplus)]
    largest = [int(counts[1:].max(initial=0)) for counts in sizes]
    if not max(largest):
        return None
    missing = largest[0] >= largest[1]
    labels, counts = (parts, sizes[0]) if missing else (surplus, sizes[1])
    part = 1 + int(counts[1:].argmax())
    box = ndimage.find_objects(labels, max_label=part)[part - 1]
    depth = _depth(labels[box] == part, spacing)
    at = int(depth.argmax()) if random is None else int(random.choice(depth.size, p=(depth / depth.sum()).ravel()))
    z, y, x = (int(i) + side.start for i, side in zip(np.unravel_index(at, depth.shape), box, strict=True))
    return SimulatedClick((z, y, x), missing)


def _depth(part: Mask, spacing: Sequence[float]) -> NDArray[np.float64]:
    """Return the distance to the nearest voxel outside a part, beyond its box too."""
    depth: NDArray[np.float64] = ndimage.distance_transform_edt(np.pad(part, 1), spacing)[1:-1, 1:-1, 1:-1]
    return depth
