"""From parts to voxels: CT numbers, uptake and organ labels of one body on one grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.shapes import Array, Distance, Grid, Solid
from fdglung.phantom.tubes import tubes_coverage

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """One solid part of a body.

    Attributes
    ----------
    tissue
        What it is made of.
    solid
        Where it is, in canonical coordinates.
    organ
        Its label; None leaves the label that was there.
    hu_offset
        Added to the tissue's CT number: a function of canonical x, y, z giving HU.
    suv_factor
        Multiplies the tissue's uptake: a function of canonical x, y, z.
    fine
        Worked out at each voxel in place of every 3 or 4 mm: for what is thinner than about 5 mm, or where 3 % of the
        volume of a body of 18 mm counts.

    """

    tissue: Tissue
    solid: Solid
    organ: Organ | None = None
    hu_offset: Distance | None = None
    suv_factor: Distance | None = None
    fine: bool = False


@dataclass(frozen=True)
class Tubes:
    """Many tapering tubes with round ends: vessels, airways, leads.

    Attributes
    ----------
    tissue, organ
        As in `Part`.
    starts, stops
        (n, 3) canonical coordinates in mm.
    radii, end_radii
        (n,) in mm.
    moves
        The points are organ coordinates: they move with breathing.

    """

    tissue: Tissue
    starts: npt.NDArray[np.float64]
    stops: npt.NDArray[np.float64]
    radii: npt.NDArray[np.float64]
    end_radii: npt.NDArray[np.float64]
    organ: Organ | None = None
    moves: bool = False


@dataclass(frozen=True)
class Volumes:
    """A body on a grid.

    Attributes
    ----------
    hu
        float32 (z, y, x), CT numbers in HU; None where they were not asked for.
    suv
        float32 (z, y, x), SUVbw in g/ml; None where it was not asked for.
    organs
        uint8 (z, y, x), values of `Organ`; None where they were not asked for.

    """

    hu: Array | None
    suv: Array | None
    organs: Labels | None


def rasterise(
    parts: Iterable[Part | Tubes],
    frame: BodyFrame,
    grid: Grid,
    *,
    hu: Mapping[Tissue, float] | None = None,
    suv: Mapping[Tissue, float] | None = None,
    organs: bool = False,
    lattice_mm: float = 3.0,
    progress: Callable[[float], None] | None = None,
) -> Volumes:
    """Paint parts, later ones over earlier ones, each voxel mixed by the fraction that a part takes of it.

    Parameters
    ----------
    parts
        In the order of painting.
    frame
        Carries canonical coordinates to the patient.
    grid
        Where to paint.
    hu, suv
        CT number (HU) and uptake (SUVbw, g/ml) by tissue; None leaves that volume out.
    organs
        Whether to label organs: a voxel of which a part takes at least half.
    lattice_mm
        On a finer grid, distances are worked out this far apart and interpolated between.
    progress
        Told the fraction that is done.

    """
    canvas = _Canvas(
        frame,
        grid,
        _lattice(grid, lattice_mm),
        None if hu is None else np.full(grid.shape, np.float32(-1000)),
        None if suv is None else np.zeros(grid.shape, np.float32),
        np.zeros(grid.shape, np.uint8) if organs else None,
    )
    listed = list(parts)
    for number, part in enumerate(listed):
        hu_value = None if hu is None else hu[part.tissue]
        suv_value = None if suv is None else suv[part.tissue]
        if isinstance(part, Tubes):
            canvas.paint_tubes(part, hu_value, suv_value)
        else:
            canvas.paint(part, hu_value, suv_value)
        if progress is not None:
            progress((number + 1) / len(listed))
    return Volumes(canvas.hu, canvas.suv, canvas.organs)


_CHUNK_VOXELS = 4_000_000
"""Voxels worked on at once: bounds the memory."""


Window = tuple[slice, slice, slice]
"""Part of a grid or a lattice, along z, y, x."""


class _Canvas:
    def __init__(
        self, frame: BodyFrame, grid: Grid, lattice: Grid, hu: Array | None, suv: Array | None, organs: Labels | None
    ) -> None:
        self.frame, self.grid, self.lattice = frame, grid, lattice
        self.hu, self.suv, self.organs = hu, suv, organs
        self.axes = [_Axis(grid, lattice, axis) for axis in (2, 1, 0)]
        self.x, self.y, self.z = frame.coordinates(lattice)
        # lowest and highest canonical coordinate at each index of each axis: for windows of boxes
        self.spans = [
            (field.min(axis=others), field.max(axis=others))
            for field, others in ((self.z, (1, 2)), (self.y, (0, 2)), (self.x, (0, 1)))
        ]

    def paint(self, part: Part, hu: float | None, suv: float | None) -> None:
        nodes = self._window(part.solid)
        if nodes is None:
            return
        whole = self._voxels(nodes)
        layer = math.prod(s.stop - s.start for s in whole[1:])
        step = max(1, _CHUNK_VOXELS // max(layer, 1))
        for start in range(whole[0].start, whole[0].stop, step):
            layers = slice(start, min(start + step, whole[0].stop))
            self._paint_slab(part, layers, (self.axes[0].nodes(layers), nodes[1], nodes[2]), hu, suv)

    def _paint_slab(self, part: Part, layers: slice, nodes: Window, hu: float | None, suv: float | None) -> None:
        x, y, z = self.x[nodes], self.y[nodes], self.z[nodes]
        distance = np.broadcast_to(part.solid.distance(x, y, z), x.shape).astype(np.float32)
        reach = self.lattice.spacing_mm[0] * 1.5 + self.grid.spacing_mm[2]
        inner = _bounding(distance < reach)
        if inner is None:
            return
        rows, columns = (slice(n.start + i.start, n.start + i.stop) for n, i in zip(nodes[1:], inner[1:], strict=True))
        own = slice(nodes[0].start + inner[0].start, nodes[0].start + inner[0].stop)
        nodes = (own, rows, columns)
        voxels = self._voxels(nodes)
        voxels = (slice(max(voxels[0].start, layers.start), min(voxels[0].stop, layers.stop)), *voxels[1:])
        if any(s.stop <= s.start for s in voxels):
            return
        x, y, z = self.x[nodes], self.y[nodes], self.z[nodes]
        if part.fine and self.lattice != self.grid:
            x, y, z = (self._enlarge(field, nodes, voxels) for field in (x, y, z))
            distance = np.broadcast_to(part.solid.distance(x, y, z), x.shape)
            share = self._in_voxels(distance, self.grid)
        else:
            # far from the surface distances may jump
            near = np.clip(distance[inner], -reach, reach)
            share = self._enlarge(self._in_voxels(near, self.lattice), nodes, voxels, bent=True)
        share = np.clip(np.float32(0.5) - share, 0, 1)

        def values(level: float, change: Distance | None, join: Callable[[float, Array], Array]) -> Array | np.float32:
            if change is None:
                return np.float32(level)
            field = np.broadcast_to(change(x, y, z), x.shape).astype(np.float32)
            return join(level, field if field.shape == share.shape else self._enlarge(field, nodes, voxels))

        if self.hu is not None and hu is not None:
            _mix(self.hu[voxels], share, values(hu, part.hu_offset, lambda a, b: np.float32(a) + b))
        if self.suv is not None and suv is not None:
            _mix(self.suv[voxels], share, values(suv, part.suv_factor, lambda a, b: np.float32(a) * b))
        if self.organs is not None and part.organ is not None:
            self.organs[voxels][share >= 0.5] = part.organ

    def _in_voxels(self, distance: Array, spaced: Grid) -> Array:
        """Divide distances, given on a grid, by the width of a painted voxel along the surface's normal."""
        across, along = self.grid.spacing_mm[0], self.grid.spacing_mm[2]
        if len(distance) < 2 or abs(along - across) < 0.2 * across:
            return np.asarray(distance / np.float32(max(across, 0.5)), np.float32)
        tilt = np.empty_like(distance)
        tilt[1:-1] = distance[2:] - distance[:-2]
        tilt[0], tilt[-1] = 2 * (distance[1] - distance[0]), 2 * (distance[-1] - distance[-2])
        share = np.minimum(np.abs(tilt) / np.float32(2 * spaced.spacing_mm[2]), 1)
        return np.asarray(distance / (np.float32(across) + np.float32(along - across) * share**2), np.float32)

    def _window(self, solid: Solid) -> Window | None:
        slices = []
        for (low, high), (start, stop) in zip(self.spans, (solid.box[2], solid.box[1], solid.box[0]), strict=True):
            touched = np.nonzero((high >= start) & (low <= stop))[0]
            if len(touched) == 0:
                return None
            slices.append(slice(max(int(touched[0]) - 1, 0), min(int(touched[-1]) + 2, len(low))))
        return (slices[0], slices[1], slices[2])

    def _voxels(self, nodes: Window) -> Window:
        z, y, x = (axis.voxels(part) for axis, part in zip(self.axes, nodes, strict=True))
        return (z, y, x)

    def _enlarge(self, field: Array, nodes: Window, voxels: Window, *, bent: bool = False) -> Array:
        """Interpolate from nodes of the lattice to voxels: linearly, or true to the second order where `bent`."""
        deep, down, across = (axis.weights(n, v, bent) for axis, n, v in zip(self.axes, nodes, voxels, strict=True))
        if deep is not None:
            field = np.tensordot(deep, field, axes=(1, 0))
        if down is not None:
            field = down @ field
        if across is not None:
            field = field @ across.T
        return np.asarray(field, np.float32)

    def paint_tubes(self, tubes: Tubes, hu: float | None, suv: float | None) -> None:
        if len(tubes.starts) == 0:
            return
        ends = [self.frame.moved(points) if tubes.moves else points for points in (tubes.starts, tubes.stops)]
        starts, stops = (self.frame.to_patient(points) for points in ends)
        voxels, share = tubes_coverage(starts, stops, tubes.radii, tubes.end_radii, self.grid)
        for volume, value in ((self.hu, hu), (self.suv, suv)):
            if volume is not None and value is not None:
                flat = volume.reshape(-1)
                before = flat[voxels]
                flat[voxels] = before + share * (np.float32(value) - before)
        if self.organs is not None and tubes.organ is not None:
            self.organs.reshape(-1)[voxels[share >= 0.5]] = tubes.organ


class _Axis:
    """One axis of a grid, and the nodes of the lattice that spans it."""

    def __init__(self, grid: Grid, lattice: Grid, axis: int) -> None:
        self.same = grid.spacing_mm[axis] == lattice.spacing_mm[axis]
        ratio = 1.0 if self.same else grid.spacing_mm[axis] / lattice.spacing_mm[axis]
        self.places = ratio * np.arange(grid.size[axis])
        self.count = lattice.size[axis]

    def voxels(self, nodes: slice) -> slice:
        """Voxels from the first to the last of some nodes."""
        start = int(np.searchsorted(self.places, nodes.start))
        return slice(start, max(start, int(np.searchsorted(self.places, nodes.stop - 1, side="right"))))

    def nodes(self, voxels: slice) -> slice:
        """Nodes about some voxels, with one more at either end for interpolation."""
        first, last = math.floor(self.places[voxels.start]), math.ceil(self.places[voxels.stop - 1])
        return slice(max(first - 1, 0), min(last + 1, self.count - 1) + 1)

    def weights(self, nodes: slice, voxels: slice, bent: bool) -> Array | None:
        """Weight of each node for each voxel, (voxels, nodes); None where they are the same places.

        `bent` weights are those of cubic convolution (Keys 1981, 10.1109/TASSP.1981.1163711), with what lies beyond
        the nodes extrapolated linearly.
        """
        if self.same and nodes == voxels:
            return None
        gaps = np.abs(self.places[voxels, None] - np.arange(nodes.start - 1, nodes.stop + 1))
        if not bent or nodes.stop - nodes.start < 2:
            return np.maximum(1 - gaps[:, 1:-1], 0).astype(np.float32)
        near, far = 1.5 * gaps**3 - 2.5 * gaps**2 + 1, -0.5 * gaps**3 + 2.5 * gaps**2 - 4 * gaps + 2
        all_weights = np.where(gaps < 1, near, np.where(gaps < 2, far, 0))
        weights = all_weights[:, 1:-1].copy()
        for edge, beside, beyond in ((0, 1, 0), (-1, -2, -1)):
            weights[:, edge] += 2 * all_weights[:, beyond]
            weights[:, beside] -= all_weights[:, beyond]
        return weights.astype(np.float32)


def _lattice(grid: Grid, lattice_mm: float) -> Grid:
    """Spread nodes over a grid, as far apart as `lattice_mm` where its voxels are clearly closer."""
    x, y, z = (step if step > 0.8 * lattice_mm else lattice_mm for step in grid.spacing_mm)
    across, down, along = (
        math.ceil((count - 1) * step / gap - 1e-6) + 1
        for count, step, gap in zip(grid.size, grid.spacing_mm, (x, y, z), strict=True)
    )
    return Grid(grid.origin_mm, (x, y, z), (across, down, along))


def _bounding(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    slices = []
    for others in ((1, 2), (0, 2), (0, 1)):
        touched = np.nonzero(mask.any(axis=others))[0]
        if len(touched) == 0:
            return None
        slices.append(slice(max(int(touched[0]) - 1, 0), int(touched[-1]) + 2))
    return tuple(slice(s.start, min(s.stop, n)) for s, n in zip(slices, mask.shape, strict=True))  # type: ignore[return-value]


def _mix(volume: Array, share: Array, value: Array | np.float32) -> None:
    """Mix a value into part of a volume, in place."""
    volume += share * (value - volume)
