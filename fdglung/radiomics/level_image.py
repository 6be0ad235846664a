"""Grey levels of a lesion as the texture kernels want them: cut to the box of the mask, with dense ranks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import ParameterError
from fdglung.radiomics.roi import Roi

Counts = NDArray[np.float64]

NORMS = ("manhattan", "euclidean", "infinity", "no_weighting")
"""Norms by which directions can be weighted where their matrices are merged."""


@dataclass(frozen=True)
class LevelImage:
    """Grey levels within the box of an intensity mask. Arrays have the Roi's axes, (z, y, x), or two of them.

    Attributes
    ----------
    levels
        int32: from 1 within the mask, 0 outside.
    ranks
        int32: place of each level among `values`, from 1; 0 outside.
    mask
        bool: the intensity mask.
    values
        int64: the levels that occur, ascending.
    spacing_mm
        Along the axes of the arrays.
    box
        Where the arrays lie in the Roi's.

    """

    levels: NDArray[np.int32]
    ranks: NDArray[np.int32]
    mask: NDArray[np.bool_]
    values: NDArray[np.int64]
    spacing_mm: tuple[float, ...]
    box: tuple[slice, ...]

    @property
    def size(self) -> int:
        """Number of levels that occur."""
        return len(self.values)

    def planes(self, axis: int) -> Iterator[LevelImage]:
        """Yield the slices perpendicular to `axis` that hold voxels, two axes each, with the same `values`."""
        others = [other for other in range(self.mask.ndim) if other != axis]
        for index in np.flatnonzero(self.mask.any(axis=tuple(others))):
            at = (*(slice(None),) * axis, index)
            yield LevelImage(
                self.levels[at],
                self.ranks[at],
                self.mask[at],
                self.values,
                tuple(self.spacing_mm[other] for other in others),
                tuple(self.box[other] for other in others),
            )

    def padded(self, least: int) -> LevelImage:
        """Return the image with every axis at least `least` voxels long, so that no direction is left out."""
        if min(self.mask.shape) >= least:
            return self
        pad = [(0, max(0, least - n)) for n in self.mask.shape]
        return replace(
            self, levels=np.pad(self.levels, pad), ranks=np.pad(self.ranks, pad), mask=np.pad(self.mask, pad)
        )


def level_image(roi: Roi) -> LevelImage:
    """Cut the grey levels of a lesion to the box of its intensity mask."""
    mask = roi.intensity_mask
    box = tuple(
        slice(int(found[0]), int(found[-1]) + 1)
        for axis in range(mask.ndim)
        for found in [np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))]
    )
    mask = np.ascontiguousarray(mask[box])
    levels = np.where(mask, roi.levels[box], 0).astype(np.int32)
    present = np.bincount(levels.ravel()) > 0
    present[0] = False
    ranks = np.cumsum(present, dtype=np.int32) * present
    return LevelImage(levels, ranks[levels].astype(np.int32), mask, np.flatnonzero(present), tuple(roi.spacing_mm), box)


def usable_distances(shape: Sequence[int], distances: Iterable[int], flat_axis: int | None) -> NDArray[np.int32]:
    """Return the distances (Chebyshev, voxels) that fit into a box, moving along any axis but `flat_axis`.

    Raises
    ------
    ParameterError
        A distance is not a whole number from 1, or occurs twice.

    """
    asked = list(distances)
    if not asked or len(set(asked)) < len(asked) or any(d < 1 or d % 1 for d in asked):
        raise ParameterError(
            "A distance between voxels is not a whole number from 1, or occurs twice",
            attribute="distances",
            remedy="Give each distance once, such as (1,).",
        )
    longest = max((n for axis, n in enumerate(shape) if axis != flat_axis), default=1)
    return np.array([d for d in asked if d < longest], dtype=np.int32)


def direction_norms(offsets: NDArray[np.int32], spacing_mm: Sequence[float], norm: str) -> NDArray[np.float64] | None:
    """Return the length in mm of each direction by a norm, or None for ``no_weighting``.

    Raises
    ------
    ParameterError
        `norm` is not one of `NORMS`.

    """
    steps = np.abs(offsets) * np.asarray(spacing_mm)
    if norm == "manhattan":
        return np.asarray(steps.sum(axis=1))
    if norm == "euclidean":
        return np.asarray(np.sqrt((steps**2).sum(axis=1)))
    if norm == "infinity":
        return np.asarray(steps.max(axis=1))
    if norm == "no_weighting":
        return None
    raise ParameterError(
        f"There is no norm {norm!r}", attribute="weighting_norm", remedy=f"Choose one of {', '.join(NORMS)}, or None."
    )


def entropy(p: Counts, *, eps: float = 0.0) -> Counts:
    """Return -sum p log2(p + eps) over all axes but the first; 0 log 0 is 0."""
    logs = np.log2(p + eps) if eps else np.log2(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(-(p * logs).sum(axis=tuple(range(1, p.ndim))))


def known_mean(values: Counts) -> float:
    """Return the mean of the values that are not NaN; NaN where none is known."""
    if not len(values):
        return float("nan")
    mean = float(np.add.reduce(values)) / len(values)
    if mean == mean:
        return mean
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else mean
