"""From parts to voxels: CT numbers, uptake and organ labels of one body on one grid."""

from __future__ import annotations

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
        Worked out at each voxel in place of every 3 mm: for what is thinner than about 5 mm, or where 3 % of the
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
        In the plane, distances are worked out about this far apart and interpolated linearly between.
    progress
        Told the fraction that is done.

    """
    every = max(1, int(lattice_mm / grid.spacing_mm[0] + 0.1))
    canvas = _Canvas(
        frame,
        grid,
        every,
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


class _Canvas:
    def __init__(
        self, frame: BodyFrame, grid: Grid, every: int, hu: Array | None, suv: Array | None, organs: Labels | None
    ) -> None:
        self.frame, self.grid, self.every = frame, grid, every
        self.hu, self.suv, self.organs = hu, suv, organs
        columns, rows = (-(-(n - 1) // every) + 1 for n in grid.size[:2])
        across, down, along = grid.spacing_mm
        self.lattice = Grid(grid.origin_mm, (across * every, down * every, along), (columns, rows, grid.size[2]))
        self.x, self.y, self.z = frame.coordinates(self.lattice)
        # lowest and highest canonical coordinate at each index of each axis: for windows of boxes
        self.spans = [
            (field.min(axis=others), field.max(axis=others))
            for field, others in ((self.z, (1, 2)), (self.y, (0, 2)), (self.x, (0, 1)))
        ]

    def paint(self, part: Part, hu: float | None, suv: float | None) -> None:
        window = self._window(part.solid)
        if window is None:
            return
        voxels = (window[1].stop - window[1].start) * (window[2].stop - window[2].start) * self.every**2
        step = max(1, _CHUNK_VOXELS // voxels)
        for start in range(window[0].start, window[0].stop, step):
            stop = min(start + step, window[0].stop)
            self._paint_slab(part, (slice(start, stop), window[1], window[2]), hu, suv)

    def _paint_slab(self, part: Part, slab: tuple[slice, slice, slice], hu: float | None, suv: float | None) -> None:
        x, y, z = self.x[slab], self.y[slab], self.z[slab]
        distance = np.broadcast_to(part.solid.distance(x, y, z), x.shape).astype(np.float32)
        reach = self.lattice.spacing_mm[0] * 1.5 + self.grid.spacing_mm[2]
        inner = _bounding(distance < reach)
        if inner is None:
            return
        grown = tuple(slice(s.start + i.start, s.start + i.stop) for s, i in zip(slab, inner, strict=True))
        slab = (grown[0], grown[1], grown[2])
        x, y, z = self.x[slab], self.y[slab], self.z[slab]
        fine, target = self._fine(slab)
        if part.fine and self.every > 1:
            x, y, z = (self._enlarge(field, target) for field in (x, y, z))
            distance = np.broadcast_to(part.solid.distance(x, y, z), x.shape)
            share = np.clip(np.float32(0.5) - self._in_voxels(distance, self.grid), 0, 1)
        else:
            ratio = self._in_voxels(distance[inner], self.lattice)
            share = np.clip(np.float32(0.5) - self._enlarge(ratio, target), 0, 1)
        share = share[fine]

        def values(level: float, change: Distance | None, join: Callable[[float, Array], Array]) -> Array | np.float32:
            if change is None:
                return np.float32(level)
            field = np.broadcast_to(change(x, y, z), x.shape).astype(np.float32)
            whole = field if field.shape == target else self._enlarge(field, target)
            return join(level, whole[fine])

        if self.hu is not None and hu is not None:
            _mix(self.hu[self._place(slab)], share, values(hu, part.hu_offset, lambda a, b: np.float32(a) + b))
        if self.suv is not None and suv is not None:
            _mix(self.suv[self._place(slab)], share, values(suv, part.suv_factor, lambda a, b: np.float32(a) * b))
        if self.organs is not None and part.organ is not None:
            self.organs[self._place(slab)][share >= 0.5] = part.organ

    def _in_voxels(self, distance: Array, grid: Grid) -> Array:
        """Divide distances by the width of a voxel of the painted grid along the surface's normal."""
        across, along = self.grid.spacing_mm[0], self.grid.spacing_mm[2]
        if len(distance) < 2 or abs(along - across) < 0.2 * across:
            return np.asarray(distance / np.float32(max(across, 0.5)), np.float32)
        tilt = np.empty_like(distance)
        tilt[1:-1] = distance[2:] - distance[:-2]
        tilt[0], tilt[-1] = 2 * (distance[1] - distance[0]), 2 * (distance[-1] - distance[-2])
        share = np.minimum(np.abs(tilt) / np.float32(2 * along), 1)
        return np.asarray(distance / (np.float32(across) + np.float32(along - across) * share**2), np.float32)

    def _window(self, solid: Solid) -> tuple[slice, slice, slice] | None:
        slices = []
        for (low, high), (start, stop) in zip(self.spans, (solid.box[2], solid.box[1], solid.box[0]), strict=True):
            touched = np.nonzero((high >= start) & (low <= stop))[0]
            if len(touched) == 0:
                return None
            slices.append(slice(max(int(touched[0]) - 1, 0), min(int(touched[-1]) + 2, len(low))))
        return (slices[0], slices[1], slices[2])

    def _fine(self, slab: tuple[slice, slice, slice]) -> tuple[tuple[slice, slice, slice], tuple[int, int, int]]:
        """Return the part of an enlarged slab that lies on the grid, and the enlarged slab's shape."""
        rows, columns = ((s.stop - s.start - 1) * self.every + 1 for s in slab[1:])
        place = self._place(slab)
        count = slab[0].stop - slab[0].start
        kept = (slice(0, count), *(slice(0, p.stop - p.start) for p in place[1:]))
        return kept, (count, rows, columns)  # type: ignore[return-value]

    def _place(self, slab: tuple[slice, slice, slice]) -> tuple[slice, slice, slice]:
        ends = (
            slice(s.start * self.every, min((s.stop - 1) * self.every + 1, n))
            for s, n in zip(slab[1:], self.grid.shape[1:], strict=True)
        )
        return (slab[0], *ends)  # type: ignore[return-value]

    def _enlarge(self, field: Array, shape: tuple[int, int, int]) -> Array:
        if field.shape == shape:
            return field
        import torch

        whole = torch.nn.functional.interpolate(
            torch.from_numpy(np.ascontiguousarray(field, np.float32))[None],
            size=shape[1:],
            mode="bilinear",
            align_corners=True,
        )
        enlarged: Array = whole[0].numpy()
        return enlarged

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
