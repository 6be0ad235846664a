"""The table: a thin carbon shell around foam, straight in the patient's space whatever the body's form."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.solids import Memory, thinned
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Box, Grid, Solid
from fdglung.phantom.subject import Subject

WIDTH_MM, RISE_MM, SHELL_MM = 420.0, 26.0, 2.2
"""Width of the table's top, rise of its edges above its middle, thickness of its shell (round figures)."""

_DEPTH_MM = 42.0
_STEP_MM = 30.0
_LOW = np.array((-330.0, 40.0, -700.0))
_COUNT = (23, 12, 38)


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield the table's shell and its core, under the back and clear of the body."""
    top = back_mm(subject, frame) + 1.5
    place = _patient_space(frame)
    half = WIDTH_MM / 2
    memory = Memory()

    def work_out(x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        px, py = thinned(place, x, y, z, every=(4, 4, 4))
        bowl = np.float32(top) - np.float32(RISE_MM / half**2) * px**2
        # the underside is flat and narrower: the cross-section of a trough
        floor = np.float32(top + _DEPTH_MM) - np.float32(0.9) * np.maximum(np.abs(px) - np.float32(0.62 * half), 0)
        result: Array = np.maximum(
            np.maximum(bowl - py, (py - floor) * np.float32(0.75)), np.abs(px) - np.float32(half)
        )
        return (result,)

    def outer(x: Array, y: Array, z: Array) -> Array:
        return memory.recall(work_out, x, y, z)[0]

    box = _box(frame, half, top - RISE_MM, top + _DEPTH_MM)
    yield Part(Tissue.COUCH, Solid(outer, box))
    yield Part(Tissue.COUCH_CORE, Solid(lambda x, y, z: outer(x, y, z) + np.float32(SHELL_MM), box))


def _box(frame: BodyFrame, half_mm: float, low_mm: float, high_mm: float) -> Box:
    """Canonical bounds of a bar in patient space that runs along z."""
    axes = (np.linspace(-half_mm, half_mm, 9), np.linspace(low_mm, high_mm, 3), np.arange(-760.0, 440.0, 20.0))
    corners = frame.to_canonical(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3))
    (left, front, _), (right, back, _) = corners.min(axis=0) - 3, corners.max(axis=0) + 3
    return ((float(left), float(right)), (float(front), float(back)), (-700.0, 400.0))


def back_mm(subject: Subject, frame: BodyFrame) -> float:
    """Return the hindmost y of the trunk's skin in patient space, in mm."""
    surface = BodySurface(subject)
    grid = Grid((-150.0, 40.0, -540.0), (15.0, 4.0, 12.0), (21, 68, 57))
    skin = surface.skin(*frame.coordinates(grid))
    # between the voxels where the distance changes sign
    rows = np.nonzero((skin <= 0).any(axis=(0, 2)))[0]
    row = int(rows[-1])
    left = float(np.maximum(-skin[:, row], 0).max())
    return float(grid.origin_mm[1] + grid.spacing_mm[1] * row + left)


def _patient_space(frame: BodyFrame) -> Callable[[Array, Array, Array], tuple[Array, ...]]:
    """Return a function from canonical x, y, z to patient x and y, from a table of the inverse map."""
    there = [_LOW[a] + _STEP_MM * np.arange(_COUNT[a]) for a in range(3)]
    wide = Grid((-500.0, -40.0, -800.0), (25.0, 25.0, 25.0), (41, 30, 50))
    forward = [ndimage.spline_filter(field) for field in frame.coordinates(wide)]
    target = np.stack(np.meshgrid(*there, indexing="ij"))
    point = target.astype(np.float64)
    for _ in range(14):
        where = [(point[a] - wide.origin_mm[a]) / wide.spacing_mm[a] for a in (2, 1, 0)]
        found = [ndimage.map_coordinates(field, where, order=3, mode="nearest", prefilter=False) for field in forward]
        # the body's scale lies between 0.8 and 1.7: this step converges for all of it
        point += 1.1 * (target - np.stack(found))
    tables = [ndimage.spline_filter(point[axis], order=2).astype(np.float32) for axis in (0, 1)]

    def place(x: Array, y: Array, z: Array) -> tuple[Array, ...]:
        where = np.stack([(p - np.float32(low)) / np.float32(_STEP_MM) for p, low in zip((x, y, z), _LOW, strict=True)])
        return tuple(
            ndimage.map_coordinates(t, where, order=2, mode="nearest", output=np.float32, prefilter=False)
            for t in tables
        )

    return place
