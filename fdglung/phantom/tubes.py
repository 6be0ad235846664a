"""Share of each voxel that thousands of tapering tubes take: vessels, airways, leads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fdglung.phantom.shapes import Array, Grid

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_CHUNK_SAMPLES = 1_500_000
"""Samples worked on at once: bounds the memory."""


def tubes_coverage(
    starts: Points, stops: Points, radii: Points, end_radii: Points, grid: Grid
) -> tuple[Indices, Array]:
    """Fraction of each voxel that any of many tapering tubes with round ends takes.

    A tube wider than a voxel is sampled about a voxel's width apart, several times through a thick slice; of two tubes
    in a voxel the larger share counts. A thinner one is spread as its volume over the voxels about its axis, so that
    it keeps its cross-section on any grid; shares of such tubes add up, to at most 1.

    Parameters
    ----------
    starts, stops
        (n, 3) patient coordinates in mm.
    radii, end_radii
        (n,) in mm.
    grid
        Where to look.

    Returns
    -------
    voxels, fractions
        Flat indices into an array (z, y, x) on the grid, and float32 fractions there. An index may come twice, then
        with the same fraction.

    """
    total = np.zeros(int(np.prod(grid.size)), np.float32)
    thin = 0.5 * (radii + end_radii) < 0.5 * grid.spacing_mm[0]
    touched: list[Indices] = []
    if thin.any():
        for voxels, fractions in _spread(starts[thin], stops[thin], radii[thin], end_radii[thin], grid):
            np.add.at(total, voxels, fractions)
            touched.append(voxels)
        for voxels in touched:
            total[voxels] = np.minimum(total[voxels], 1)
    if not thin.all():
        for voxels, fractions in _sampled(starts[~thin], stops[~thin], radii[~thin], end_radii[~thin], grid):
            np.maximum.at(total, voxels, fractions)
            touched.append(voxels)
    if not touched:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    listed = np.concatenate(touched)
    return listed, total[listed]


def _spread(
    starts: Points, stops: Points, radii: Points, end_radii: Points, grid: Grid
) -> Iterator[tuple[Indices, Array]]:
    """Deposit each tube's volume along its axis, shared linearly between the eight voxels about each point."""
    spacing, origin = np.array(grid.spacing_mm), np.array(grid.origin_mm)
    lengths = np.linalg.norm(stops - starts, axis=1)
    counts = np.maximum(np.ceil(lengths / (0.5 * spacing.min())).astype(int), 1)
    owner = np.repeat(np.arange(len(starts)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    t = ((within + 0.5) / counts[owner])[:, None]
    radius = radii[owner] + (end_radii - radii)[owner] * t[:, 0]
    volume = np.pi * radius**2 * (lengths / counts)[owner] / spacing.prod()
    place = (starts[owner] + t * (stops - starts)[owner] - origin) / spacing
    low = np.floor(place).astype(np.int64)
    part = place - low
    for corner in np.ndindex(2, 2, 2):
        at = low + np.array(corner)
        kept = ((at >= 0) & (at < np.array(grid.size))).all(axis=1)
        share = volume * np.where(np.array(corner), part, 1 - part).prod(axis=1)
        at = at[kept]
        yield (at[:, 2] * grid.size[1] + at[:, 1]) * grid.size[0] + at[:, 0], share[kept].astype(np.float32)


def _sampled(
    starts: Points, stops: Points, radii: Points, end_radii: Points, grid: Grid
) -> Iterator[tuple[Indices, Array]]:
    """Sample tubes on windows about them, many of one window size at once."""
    spacing, origin, size = np.array(grid.spacing_mm), np.array(grid.origin_mm), np.array(grid.size)
    width = spacing[0]
    layers = max(1, round(spacing[2] / (1.4 * width)))
    thick = (np.maximum(radii, end_radii) + 0.5 * width)[:, None]
    # a slice's samples reach half a slice to either side of its centre
    reach = thick + np.array((0, 0, 0.5 * spacing[2] * (1 - 1 / layers)))
    first = np.ceil((np.minimum(starts, stops) - reach - origin) / spacing).astype(np.int64)
    last = np.floor((np.maximum(starts, stops) + reach - origin) / spacing).astype(np.int64)
    seen = np.nonzero(((last >= 0) & (first < size) & (last >= first)).all(axis=1))[0]
    steps = np.array((4, 4, 2))
    extent = np.minimum(-(-(last - first + 1) // steps) * steps, size)
    first = np.clip(first, 0, size - extent)
    seen = seen[np.lexsort(extent[seen].T)]
    edges = np.nonzero(np.any(np.diff(extent[seen], axis=0) != 0, axis=1))[0] + 1
    for group in np.split(seen, edges):
        if len(group) == 0:
            continue
        wide, deep, high = (int(n) for n in extent[group[0]])
        many = max(1, _CHUNK_SAMPLES // (wide * deep * high * layers))
        for low in range(0, len(group), many):
            some = group[low : low + many]
            yield _batch(
                starts[some], stops[some], radii[some], end_radii[some], first[some], (wide, deep, high), layers, grid
            )


def _batch(
    starts: Points,
    stops: Points,
    radii: Points,
    end_radii: Points,
    first: Indices,
    extent: tuple[int, int, int],
    layers: int,
    grid: Grid,
) -> tuple[Indices, Array]:
    """Return voxels and shares of tubes whose windows (from `first`) are of one size."""
    width = np.float32(grid.spacing_mm[0])
    offsets: list[Array] = []
    for axis, count in enumerate(extent):
        parts = layers if axis == 2 else 1
        fine = (np.arange(count * parts) + 0.5) / parts - 0.5
        at = grid.origin_mm[axis] + grid.spacing_mm[axis] * (first[:, axis, None] + fine)
        offsets.append((at - starts[:, axis, None]).astype(np.float32))
    along = (stops - starts).astype(np.float32)
    square: Array = np.maximum((along**2).sum(axis=1), np.float32(1e-6))[:, None, None, None]
    x, y, z = offsets[0][:, None, None, :], offsets[1][:, None, :, None], offsets[2][:, :, None, None]
    a: Array = along[:, :, None, None, None]
    dot = np.asarray((y * a[:, 1] + z * a[:, 2]) + x * a[:, 0], np.float32)
    gap = np.asarray((y * y + z * z) + x * x, np.float32)
    t: Array = dot / square
    np.clip(t, 0, 1, out=t)
    dot *= np.float32(2)
    dot -= t * square
    dot *= t
    gap -= dot
    np.maximum(gap, 0, out=gap)
    np.sqrt(gap, out=gap)
    # a ramp one voxel wide about a circle of radius r covers pi (r^2 + w^2/12): that of the tube itself is meant
    bore, end = (np.sqrt(np.maximum(r**2 - float(width) ** 2 / 12, 0)).astype(np.float32) for r in (radii, end_radii))
    t *= (end - bore)[:, None, None, None]
    t += bore[:, None, None, None]
    t -= gap
    t /= width
    t += np.float32(0.5)
    np.clip(t, 0, 1, out=t)
    count = len(first)
    share: Array = t
    if layers > 1:
        share = t.reshape(count, extent[2], layers, extent[1], extent[0]).mean(axis=2)
    flat = np.nonzero(share.ravel() > 0.004)[0]
    owner, rest = np.divmod(flat, extent[0] * extent[1] * extent[2])
    level, rest = np.divmod(rest, extent[0] * extent[1])
    row, column = np.divmod(rest, extent[0])
    place = ((first[owner, 2] + level) * grid.size[1] + first[owner, 1] + row) * grid.size[0] + first[owner, 0] + column
    return place, share.ravel()[flat]
