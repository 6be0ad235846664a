"""Laplacian-of-Gaussian and wavelet images where lesions are, equal to those of the whole image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

Array = NDArray[Any]
Box = tuple[slice, slice, slice]
"""Voxels of an image along z, y and x; starts and stops are given."""

PAD_SIGMAS = 16.0
"""Room around a lesion for a Laplacian of Gaussian, in standard deviations.

The recursive filter forgets its start by a factor of about 6 a standard deviation: after 12 the responses differ from
those of the whole image by less than 1e-6 of their range, after 16 at most in the last bit of a few voxels.
"""

_LEAST_PAD = 8
"""Voxels; for standard deviations well below a voxel."""


@dataclass(frozen=True)
class Region:
    """Part of an image that several boxes share.

    Attributes
    ----------
    box
        What is filtered.
    members
        Indices of the boxes within.

    """

    box: Box
    members: tuple[int, ...]


def regions(boxes: Sequence[Box], limits: Sequence[Box], pad: Sequence[int]) -> tuple[Region, ...]:
    """Put boxes that lie close together into one region, those far apart into regions of their own.

    Two regions are merged where one filter over both costs less than two filters, and where neither sees another end
    of the image than it would see alone.

    Parameters
    ----------
    boxes
        Of lesions, in voxels (z, y, x).
    limits
        For each box, the part of the image that a filter would have been given for it; its ends are the image's ends.
    pad
        Voxels around a box along z, y, x.

    Returns
    -------
    tuple of Region
        Each box is a member of one.

    """
    parts = [
        _Part(box, padded(box, limit, pad), (limit,), (index,))
        for index, (box, limit) in enumerate(zip(boxes, limits, strict=True))
    ]
    merging = True
    while merging:
        merging = False
        for first in range(len(parts)):
            for second in range(first + 1, len(parts)):
                merged = _merged(parts[first], parts[second])
                if merged is not None and merged.cost < parts[first].cost + parts[second].cost:
                    parts[first] = merged
                    del parts[second]
                    merging = True
                    break
            if merging:
                break
    return tuple(Region(part.outer, part.members) for part in parts)


def laplacian_of_gaussian(
    image: Array, spacing_mm: Sequence[float], sigma_mm: float, boxes: Sequence[Box], limits: Sequence[Box]
) -> list[NDArray[np.float32]]:
    """Return the responses in boxes of the scale-normalised Laplacian of Gaussian, as PyRadiomics has them.

    ITK's recursive filter (Deriche, INRIA report 1893, 1993) runs on a region around the boxes that are close
    together; after each of its passes what no later pass needs is cut off.

    Parameters
    ----------
    image
        Of any type (z, y, x).
    spacing_mm
        Along z, y, x.
    sigma_mm
        Standard deviation in mm.
    boxes
        Where responses are wanted.
    limits
        For each box, the part of `image` that is filtered for it, usually the whole.

    Returns
    -------
    list of float32 arrays
        One a box.

    """
    pad = log_pad(spacing_mm, sigma_mm)
    responses: dict[int, NDArray[np.float32]] = {}
    for region in regions(boxes, limits, pad):
        inner = hull(boxes[index] for index in region.members)
        response = _log_within(image[region.box], spacing_mm, sigma_mm, relative(inner, region.box))
        for index in region.members:
            responses[index] = np.ascontiguousarray(response[relative(boxes[index], inner)])
    return [responses[index] for index in range(len(boxes))]


def log_pad(spacing_mm: Sequence[float], sigma_mm: float) -> tuple[int, int, int]:
    """Return the room around a lesion for a Laplacian of Gaussian, in voxels along the axes of `spacing_mm`."""
    z, y, x = (max(_LEAST_PAD, int(np.ceil(PAD_SIGMAS * sigma_mm / step))) for step in spacing_mm)
    return z, y, x


def wavelet_bands(
    image: Array,
    box: Box,
    limit: Box,
    *,
    wavelet: str = "coif1",
    level: int = 1,
    start_level: int = 0,
    axes: tuple[int, ...] = (2, 1, 0),
) -> dict[str, Array]:
    """Return the bands of the undecimated wavelet transform in a box, as PyRadiomics has them.

    The transform is periodic: over an end of the image lies its other end. PyRadiomics repeats the first voxel of an
    axis of odd length to make it even, and starts each level anew from the last approximation.

    Parameters
    ----------
    image
        Of any type (z, y, x); float32 gives float32 bands, all others float64.
    box
        Where the bands are wanted.
    limit
        The part of `image` that is transformed, usually the whole.
    wavelet
        A name of PyWavelets'.
    level, start_level
        Levels given, and levels passed over before.
    axes
        Axes of `image` that are transformed, in the order of the letters of a band's name.

    Returns
    -------
    dict
        Bands by PyRadiomics' names (``wavelet-HHL``, from the second level on ``wavelet2-HHL``), the last
        approximation last.

    """
    import pywt  # type: ignore[import-untyped]

    filters = pywt.Wavelet(wavelet)
    reach = wavelet_reach(wavelet, level + start_level)
    indices, inner = [], []
    for axis, (part, ends) in enumerate(zip(box, limit, strict=True)):
        first, size = ends.start, ends.stop - ends.start
        pad = reach if axis in axes else 0
        low, high = part.start - first - pad, part.stop - first + pad + (part.stop - part.start) % 2
        if low < 0 or high > size:
            # PyWavelets adds in another order at the ends, so they must be the ends here too.
            low, high = 0, size + size % 2
        indices.append(first + np.arange(low, high) % size)
        inner.append(slice(part.start - first - low, part.stop - first - low))
    data = image[np.ix_(*indices)]
    inside = tuple(inner)
    smooth = "a" * len(axes)
    for _ in range(start_level):
        data = pywt.swtn(data, filters, level=1, start_level=0, axes=axes)[0][smooth]
    bands = {}
    for number in range(1, level + 1):
        decomposition = pywt.swtn(data, filters, level=1, start_level=0, axes=axes)[0]
        data = decomposition.pop(smooth)
        prefix = "wavelet-" if number == 1 else f"wavelet{number}-"
        for name, band in decomposition.items():
            bands[prefix + name.replace("a", "L").replace("d", "H")] = np.ascontiguousarray(band[inside])
    bands[prefix + smooth.replace("a", "L")] = np.ascontiguousarray(data[inside])
    return bands


def wavelet_reach(wavelet: str, levels: int) -> int:
    """Return how far around a voxel its bands depend on an image, in voxels, and one more."""
    import pywt

    return int(pywt.Wavelet(wavelet).dec_len) * levels + 1


def whole(image: Array) -> Box:
    """Return the box of all voxels of an image (z, y, x)."""
    z, y, x = (slice(0, n) for n in image.shape)
    return z, y, x


def hull(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all of some boxes."""
    z, y, x = (slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*boxes, strict=True))
    return z, y, x


def relative(box: Box, outer: Box) -> Box:
    """Return a box as seen from the first voxel of an outer one."""
    z, y, x = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, outer, strict=True))
    return z, y, x


def padded(box: Box, limit: Box, pad: Sequence[int]) -> Box:
    """Return a box with room around it (voxels along z, y, x), as far as a limit goes."""
    z, y, x = (
        slice(max(b.start - p, w.start), min(b.stop + p, w.stop)) for b, w, p in zip(box, limit, pad, strict=True)
    )
    return z, y, x


def volume_of(box: Box) -> int:
    """Return the number of voxels of a box."""
    return int(np.prod([part.stop - part.start for part in box]))


@dataclass(frozen=True)
class _Part:
    """A region in the making: the hull of its boxes, what is filtered, and the limits of its members."""

    inner: Box
    outer: Box
    limits: tuple[Box, ...]
    members: tuple[int, ...]

    @property
    def cost(self) -> int:
        """Voxels that the nine passes of the filter visit."""
        tz, ty, tx = (s.stop - s.start for s in self.inner)
        z, y, x = (s.stop - s.start for s in self.outer)
        return 3 * x * y * z + (tx * y * z + x * ty * z + x * y * tz) + (2 * tx * ty * z + tx * y * tz)


def _merged(first: _Part, second: _Part) -> _Part | None:
    """Return two parts as one, or None where a member would see another end of the image than by itself."""
    outer = hull([first.outer, second.outer])
    limits = (*first.limits, *second.limits)
    if any(a.start < b.start or a.stop > b.stop for limit in limits for a, b in zip(outer, limit, strict=True)):
        return None
    return _Part(hull([first.inner, second.inner]), outer, limits, first.members + second.members)


def _log_within(image: Array, spacing_mm: Sequence[float], sigma_mm: float, inner: Box) -> NDArray[np.float32]:
    """Filter an image (z, y, x) and return the responses in a box; pass by pass in ITK's order and precision."""
    # The first pass reads what it is given, all passes write single precision.
    kind = np.float64 if image.dtype == np.float64 else np.float32
    source = sitk.GetImageFromArray(np.ascontiguousarray(image, dtype=kind))
    source.SetSpacing([float(step) for step in spacing_mm[::-1]])
    inside = inner[::-1]
    total = np.zeros(tuple(s.stop - s.start for s in inner), np.float32)
    for axis in range(3):
        response = source
        for direction in (axis, *(other for other in range(3) if other != axis)):
            line = sitk.RecursiveGaussian(response, sigma_mm, True, 2 if direction == axis else 0, direction)
            response = _cut(line, direction, inside[direction])
            if response.GetPixelID() != sitk.sitkFloat32:
                response = sitk.Cast(response, sitk.sitkFloat32)
        # ITK adds in double precision and keeps the sum in single.
        scale = 1.0 / source.GetSpacing()[axis] ** 2
        total = (total + sitk.GetArrayViewFromImage(response).astype(np.float64) * scale).astype(np.float32)
    return total


def _cut(image: sitk.Image, axis: int, kept: slice) -> sitk.Image:
    size, start = list(image.GetSize()), [0, 0, 0]
    size[axis], start[axis] = kept.stop - kept.start, kept.start
    return image if tuple(size) == image.GetSize() else sitk.RegionOfInterest(image, size, start)
