"""Local and global intensity peak (IBSI family 9ST6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.roi import Roi

PEAK_RADIUS_MM = float((3 * 1000 / (4 * np.pi)) ** (1 / 3))
"""Radius of a sphere of 1 cm3: 6.2035 mm."""


def peak_features(
    roi: Roi, *, surroundings: NDArray[np.float64] | None = None, offset: tuple[int, int, int] = (0, 0, 0)
) -> dict[str, float]:
    """Return the highest means over a sphere of 1 cm3 centred on voxels.

    Unlike SUVpeak as `fdglung.suv_peak` has it, a voxel counts in full where its centre lies in the sphere, and the
    sphere's centre is that of a voxel of the intensity mask (IBSI VJGA and 0F91).

    Parameters
    ----------
    roi
        Its intensity mask holds the spheres' centres.
    surroundings
        Intensities (z, y, x) around the lesion, at least 6.2 mm of them as far as the image goes; a sphere's part
        that they do not hold, or where they are no finite number, is left out. None for those of `roi` alone.
    offset
        Index (z, y, x) in `surroundings` of the first voxel of `roi`.

    Returns
    -------
    dict
        ``loc_peak_loc``, at the voxel with the highest intensity (of several, the highest mean), and
        ``loc_peak_glob``, at any voxel.

    """
    around = roi.intensity if surroundings is None else surroundings
    runs = _runs(roi.spacing_mm)
    reach = np.array([max(abs(run[axis]) for run in runs) for axis in range(3)])
    start = np.array(offset) - reach
    stop = np.array(offset) + roi.intensity.shape + reach
    low, high = np.maximum(start, 0), np.minimum(stop, around.shape)
    part = around[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    padding = [(int(a - s), int(e - b)) for a, s, e, b in zip(low, start, stop, high, strict=True)]
    finite = np.isfinite(part)
    complete = not np.any(padding) and bool(finite.all())
    totals = _sphere_sums(np.pad(part if complete else np.where(finite, part, 0.0), padding), runs, reach)
    if complete:
        means = totals / sum(2 * run[2] + 1 for run in runs)
    else:
        means = totals / np.maximum(_sphere_sums(np.pad(finite.astype(np.float64), padding), runs, reach), 1)
    inside = means[roi.intensity_mask]
    values = roi.values
    return {"loc_peak_loc": float(inside[values == values.max()].max()), "loc_peak_glob": float(inside.max())}


def _runs(spacing_mm: tuple[float, float, float]) -> list[tuple[int, int, int]]:
    """Return the sphere as runs along x: offsets z and y, and how far it reaches to either side."""
    z_mm, y_mm, x_mm = spacing_mm
    squared = PEAK_RADIUS_MM**2
    far_z, far_y = int(PEAK_RADIUS_MM / z_mm), int(PEAK_RADIUS_MM / y_mm)
    left = {
        (z, y): squared - (z * z_mm) ** 2 - (y * y_mm) ** 2
        for z in range(-far_z, far_z + 1)
        for y in range(-far_y, far_y + 1)
    }
    return [(z, y, int(np.sqrt(rest) / x_mm)) for (z, y), rest in left.items() if rest >= 0]


def _sphere_sums(
    values: NDArray[np.float64], runs: list[tuple[int, int, int]], reach: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum over the sphere around each voxel that is `reach` away from the border."""
    depth, height, width = (int(n - 2 * r) for n, r in zip(values.shape, reach, strict=True))
    sums = np.zeros((depth, height, width))
    # Running sums along x make a run two look-ups, however long it is.
    running = np.zeros((*values.shape[:2], values.shape[2] + 1))
    np.cumsum(values, axis=2, out=running[:, :, 1:])
    far = int(reach[2])
    spans = {
        half: running[:, :, far + half + 1 : far + half + 1 + width] - running[:, :, far - half : far - half + width]
        for half in {run[2] for run in runs}
    }
    for z, y, half in runs:
        first, second = int(reach[0]) + z, int(reach[1]) + y
        sums += spans[half][first : first + depth, second : second + height]
    return sums
