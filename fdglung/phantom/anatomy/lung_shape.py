"""Where the lungs are: the rib cage less diaphragm, heart, vessels and spine, as sampled fields of distance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fdglung.phantom.anatomy import great_vessels, heart
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, below_dome, cage, inlet, oval, spine_y, sternum_y
from fdglung.phantom.frame import CANONICAL_BREATH, BodyFrame
from fdglung.phantom.shapes import (
    Array,
    Box,
    Distance,
    Grid,
    Solid,
    capsule,
    ellipsoid,
    smooth_intersection,
    smooth_union,
)
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]

PLEURA_MM = 3.5
"""From the inner wall of the rib cage to the lung: fascia, pleura and the innermost muscles."""

SHEET_MM = 2.5
"""From `landmarks.below_dome` up to the lung: the diaphragm."""

_STEP_MM = 3.0
_LOW = (-153.0, -117.0, -243.0)
_COUNT = (103, 80, 124)
_FAR_MM = 40.0
_MEASURE_MM = 5.0
_LEAST_BREATH = 0.25
_OWN_SD = 0.03
"""By what share of their volume lungs of the same sex and size differ: less than the published scatter (1766 ml)."""


@dataclass(frozen=True)
class LungShape:
    """Both lungs of a subject at one breath, in canonical coordinates.

    Attributes
    ----------
    fields
        Signed distance in mm to each lung's surface by side, float32 (z, y, x), 3 mm apart.

    """

    fields: dict[int, Array]

    def distance(self, side: int) -> Distance:
        """Return the signed distance to one lung: `RIGHT` or `LEFT`."""
        field = self.fields[side]

        def distance(x: Array, y: Array, z: Array) -> Array:
            places = [
                (p - np.float32(low)) / np.float32(_STEP_MM) for p, low in zip((z, y, x), _LOW[::-1], strict=True)
            ]
            result: Array = ndimage.map_coordinates(field, np.broadcast_arrays(*places), order=1, mode="nearest")
            return result

        return distance

    def depth(self, side: int, points: Points) -> Points:
        """Return how deep points (n, 3) lie in a lung, in mm; negative outside."""
        x, y, z = (points[:, axis].astype(np.float32) for axis in range(3))
        return -np.asarray(self.distance(side)(x, y, z), np.float64)

    def box(self, side: int) -> Box:
        """Return the bounds of one lung."""
        inside = self.fields[side] < _STEP_MM
        bounds = []
        for axis, others in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2))):
            at = np.nonzero(inside.any(axis=others))[0]
            low = _LOW[2 - axis]
            bounds.append((low + _STEP_MM * float(at[0] - 1), low + _STEP_MM * float(at[-1] + 1)))
        return (bounds[0], bounds[1], bounds[2])

    def grid_points(self, side: int, *, every: int = 2) -> Points:
        """Return points (n, 3) about evenly spread through one lung, `every` times 3 mm apart."""
        where = np.argwhere(self.fields[side][::every, ::every, ::every] < 0)[:, ::-1]
        return np.asarray(where * (_STEP_MM * every) + np.array(_LOW), np.float64)


def lung_volume_ml(subject: Subject, breath: float) -> float:
    """Mean volume in ml of both lungs of an adult of this sex and size at an inflation from 0 to 1.

    Total lung capacity on CT is -10150 ml + 605.3 ml in men + 92.61 ml/cm - 12.99 ml/kg (10.2147/COPD.S187596); a
    quarter of it is left at residual volume (round figure), the rest goes linearly. Never below 2 l full.
    """
    male = subject.sex == "M"
    capacity = -10150 + 605.3 * male + 92.61 * subject.height_cm - 12.99 * subject.weight_kg
    return float(max(capacity, 2000.0) * (0.25 + 0.75 * breath))


def lung_shape(subject: Subject, breath: float | None = None) -> LungShape:
    """Return the lungs at a breath; without one in organ coordinates, which are canonical at that inflation."""
    return _shape(subject, CANONICAL_BREATH if breath is None else breath)


@lru_cache(maxsize=3)
def _shape(subject: Subject, breath: float) -> LungShape:
    halves, floor = _drawn(subject, BodyFrame(subject, breath))
    inset = np.float32(_inset_mm(subject))
    return LungShape(
        {
            side: _largest(np.ascontiguousarray(smooth_intersection(half + inset, floor, 4), np.float32))
            for side, half in halves.items()
        }
    )


@lru_cache(maxsize=64)
def _inset_mm(subject: Subject) -> float:
    """How much further in than drawn the walls of a subject's lungs stand, for their volume at the breath of the CT.

    From -3 to 4 mm: the pleura on the wall's side, fat on the mediastinum's.
    """
    breath = max(subject.breath, _LEAST_BREATH)
    frame = BodyFrame(subject, breath)
    halves, floor = _drawn(subject, frame)
    own = 1 + _OWN_SD * float(np.clip(subject.rng(234).standard_normal(), -2, 2))
    volume_ml = own * lung_volume_ml(subject, breath)
    # on a grid of the patient's: what it finds are millilitres
    ends = frame.to_patient([(_LOW[0], _LOW[1], _LOW[2]), (-_LOW[0], -_LOW[1], -_LOW[2] / 2)])
    size = np.ceil((ends[1] - ends[0]) / _MEASURE_MM).astype(int)
    grid = Grid(tuple(ends[0]), (_MEASURE_MM,) * 3, tuple(size))
    places = [
        (p - np.float32(low)) / np.float32(_STEP_MM) for p, low in zip(frame.coordinates(grid), _LOW, strict=True)
    ]
    walls, base = (
        [ndimage.map_coordinates(field, places[::-1], order=1, mode="nearest") for field in fields]
        for fields in (halves.values(), (floor,))
    )
    low, high = -3.0, 4.0
    for _ in range(8):
        inset = 0.5 * (low + high)
        found = 0.0
        for wall in walls:
            lung = smooth_intersection(wall + np.float32(inset), base[0], 4)
            found += float(np.clip(0.5 - lung, 0, 1).sum()) * _MEASURE_MM**3 / 1000
        low, high = (inset, high) if found > volume_ml else (low, inset)
    return 0.5 * (low + high)


def _drawn(subject: Subject, frame: BodyFrame) -> tuple[dict[int, Array], Array]:
    """Distances to each lung's walls, and to the diaphragm under both, before they are set to a volume."""
    x, y, z = ((low + _STEP_MM * np.arange(count)).astype(np.float32) for low, count in zip(_LOW, _COUNT, strict=True))
    x, y, z = x[None, None, :], y[None, :, None], z[:, None, None]
    lifted = frame.organ_z(z)
    room = cage(x, y, z) + np.float32(PLEURA_MM)
    room = smooth_intersection(room, inlet(x, y, z), 10)
    floor = np.float32(SHEET_MM) - below_dome(x, y, lifted)
    middle = np.full(_COUNT[::-1], np.float32(_FAR_MM))
    for solid, moves, blend in _mediastinum(subject):
        _join(middle, solid, (x, y, lifted if moves else z), blend)
    centre = _midline(subject, y, z)
    halves = {}
    for side in (RIGHT, LEFT):
        # the septum between the lungs: thin before and behind what the solids take
        half = _septum(subject, y, z)
        other = half - np.float32(side) * (x - centre)
        taken = smooth_intersection(other, -middle, 6)
        halves[side] = np.asarray(smooth_intersection(room, taken, 5), np.float32)
    return halves, np.asarray(floor, np.float32)


def _largest(field: Array) -> Array:
    """Leave out islands: what hangs together with the most stays."""
    marked, count = ndimage.label(field < 0)
    if count > 1:
        most = 1 + int(np.argmax(np.bincount(marked.ravel())[1:]))
        field[(marked > 0) & (marked != most)] = 1.0
    return field


def _join(field: Array, solid: Solid, axes: tuple[Array, Array, Array], blend: float) -> None:
    """Unite a solid with a sampled field, in place, near the solid only."""
    window = []
    for axis, (low, high) in zip(axes[::-1], solid.box[::-1], strict=True):
        near = np.nonzero((axis.ravel() > low - 22) & (axis.ravel() < high + 22))[0]
        if len(near) == 0:
            return
        window.append(slice(int(near[0]), int(near[-1]) + 1))
    slab = (window[0], window[1], window[2])
    distance = solid.distance(axes[0][..., slab[2]], axes[1][:, slab[1]], axes[2][slab[0]])
    field[slab] = smooth_union(field[slab], np.broadcast_to(distance, field[slab].shape), blend)


def _midline(subject: Subject, y: Array, z: Array) -> Array:
    """Plane between the lungs: the left lung often reaches a little across it behind the sternum."""
    lean = float(np.clip(subject.rng(231).normal(2, 3), -4, 8))
    front = np.clip((-y - 10) / 50, 0, 1)
    # the right lung reaches into the azygo-oesophageal recess
    recess = np.exp(-(((z + 65) / 65) ** 4)) * np.exp(-(((y - 38) / 16) ** 2))
    return np.asarray(np.float32(lean) * front + np.float32(4) + np.float32(5) * recess, np.float32)


def _septum(subject: Subject, y: Array, z: Array) -> Array:
    """Half the thickness of what parts the lungs in the midline, in mm."""
    rng = subject.rng(232)
    fat = float(np.clip(3.5 + 0.35 * (subject.body_mass_index - 22) + abs(rng.normal(0, 2)), 1.5, 12))
    wedge = np.clip((-y + sternum_y(z) + 40) / 40, 0, 1)
    before = np.float32(1.2) + np.float32(fat) * wedge + np.float32(10) * np.clip((z - 45) / 40, 0, 1)
    behind = np.float32(3.5)
    return np.asarray(np.where(y < 0, before, behind) + 0 * z, np.float32)


def _mediastinum(subject: Subject) -> Iterator[tuple[Solid, bool, float]]:
    """Yield what keeps the lungs away: solid, whether it moves with the breath, and the blend to what is beside."""
    rng = subject.rng(233)
    more = float(np.clip(1.2 + 0.15 * (subject.body_mass_index - 24) + rng.normal(0, 0.7), -0.5, 5))
    yield Solid(_spine, ((-60.0, 60.0), (20.0, 125.0), (-260.0, 130.0))), False, 8
    envelope = heart.shape(subject).envelope
    yield Solid(lambda x, y, z: envelope.distance(x, y, z) - np.float32(1.5), envelope.box), True, 10
    core = Solid(_core, ((-40.0, 40.0), (-45.0, 50.0), (-75.0, 150.0)))
    yield Solid(lambda x, y, z: core.distance(x, y, z) - np.float32(more), core.box), True, 10
    size = float(np.clip(14 + 0.9 * (subject.body_mass_index - 22) + rng.normal(0, 3), 6, 30))
    for side in (RIGHT, LEFT):
        yield ellipsoid((side * 30 + 12, -66, -122), (size + 6, size, size)), True, 14
    for course in great_vessels.courses(subject):
        if course.name not in _APART:
            continue
        grow = _APART[course.name] + 0.5 * more
        chosen = sorted({*range(0, len(course.points), 2), len(course.points) - 1})
        for first, last in pairwise(chosen):
            piece = capsule(
                course.points[first],
                course.points[last],
                float(course.radii[first]) + grow,
                end_radius=float(course.radii[last]) + grow,
            )
            yield piece, course.moves, 7
    # trachea, main bronchi, roots of the pulmonary veins, oesophagus
    for start, stop, radius, end in _TUBES:
        yield capsule(start, stop, radius, end_radius=end), True, 7


_APART = {
    "superior vena cava": 1.5,
    "azygos vein": 1.5,
    "aorta": 2.5,
    "descending aorta": 2.5,
    "pulmonary trunk": 3.0,
    "right pulmonary artery": 1.5,
    "left pulmonary artery": 1.0,
    "right brachiocephalic vein": 3.0,
    "left brachiocephalic vein": 3.0,
    "right subclavian artery": 4.0,
    "left subclavian artery": 3.0,
    "right subclavian vein": 5.0,
    "left subclavian vein": 5.0,
    "brachiocephalic trunk": 2.5,
    "left carotid artery": 3.0,
}
"""Fat in mm between a vessel and the lung."""

_TUBES = (
    ((0, 4, 120), (0, 14, 2), 11.5, 11.5),
    ((0, 14, 2), (-26, 18, -18), 11.5, 9.5),
    ((-26, 18, -18), (-33, 20, -40), 8.5, 7.0),
    ((0, 14, 2), (40, 20, -22), 11.5, 8.5),
    ((-22, 8, -44), (-34, 0, -36), 9.0, 7.0),
    ((-20, 18, -64), (-36, 27, -70), 8.0, 6.0),
    ((40, 4, -44), (48, -4, -36), 8.0, 7.0),
    ((42, 18, -62), (50, 26, -67), 8.0, 6.0),
    ((3, 25, 100), (3, 30, 30), 8.5, 8.5),
    ((3, 30, 30), (8, 37, -30), 8.5, 9.5),
    ((8, 37, -30), (13, 36, -80), 9.5, 10.0),
    ((13, 36, -80), (22, 20, -125), 10.0, 12.0),
)


def _spine(x: Array, y: Array, z: Array) -> Array:
    """Vertebrae with the muscles and the heads of ribs beside them: wider towards the back."""
    behind = y - spine_y(z)
    body = oval(x, behind, np.float32(21.0) + 0 * z, np.float32(18.5) + 0 * z)
    wedge = np.maximum(np.abs(x) - np.float32(20) - np.float32(0.22) * np.maximum(behind, 0), -behind)
    return smooth_union(body, np.broadcast_to(wedge, body.shape), 6)


def _core(x: Array, y: Array, z: Array) -> Array:
    """Fat between the great vessels and the trachea."""
    wide = np.float32(24) - np.float32(6) * np.clip((z - 40) / 60, 0, 1)
    deep = np.float32(28) - np.float32(8) * np.clip((z - 40) / 60, 0, 1)
    flat = oval(x - np.float32(1), y + np.float32(2), wide + 0 * z, deep + 0 * z)
    ends = np.abs(z - np.float32(40)) - np.float32(100)
    return smooth_intersection(flat, np.broadcast_to(ends, flat.shape), 20)
