"""The heart: four chambers, walls, epicardial fat and coronary arteries, in organ coordinates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy.solids import grown, union
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Box, Distance, Solid, capsule, ellipsoid
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]

_ANCHOR = np.array((6.0, -20.0, -56.0))
"""What the heart turns about: the great vessels' roots hardly move."""

_APEX = np.array((0.64, -0.56, -0.53)) / np.linalg.norm((0.64, -0.56, -0.53))
_LEFT_CENTRE = np.array((49.0, -30.0, -84.0))
_BASE_MM = -27.0
_LENGTH_MM = 54.0


@dataclass(frozen=True)
class Heart:
    """One subject's heart, as solids in organ coordinates.

    Attributes
    ----------
    envelope
        All of it with the epicardial fat: the pericardium.
    muscle
        All walls and chambers.
    chambers
        Cavities of the right ventricle and the atria.
    left_wall, left_cavity
        Of the left ventricle.
    coronaries
        Lines of points (n, 3) on the surface: left anterior descending, circumflex, right.

    """

    envelope: Solid
    muscle: Solid
    chambers: tuple[Solid, ...]
    left_wall: Solid
    left_cavity: Solid
    coronaries: tuple[Points, ...]


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the heart in the order of painting; it moves with the breath."""
    heart = shape(subject)
    yield Part(Tissue.VISCERAL_FAT, frame.moving(heart.envelope), Organ.FAT)
    yield Part(Tissue.HEART_WALL, frame.moving(heart.muscle), Organ.HEART_CHAMBERS)
    for chamber in heart.chambers:
        yield Part(Tissue.BLOOD, frame.moving(chamber), Organ.HEART_CHAMBERS)
    yield Part(Tissue.LEFT_VENTRICLE_WALL, frame.moving(heart.left_wall), Organ.MYOCARDIUM)
    yield Part(Tissue.BLOOD, frame.moving(heart.left_cavity), Organ.HEART_CHAMBERS)
    for line in heart.coronaries:
        radii = np.linspace(2.0, 1.0, len(line))
        yield Tubes(Tissue.BLOOD, line[:-1], line[1:], radii[:-1], radii[1:], None, moves=True)


@lru_cache(maxsize=8)
def shape(subject: Subject) -> Heart:
    """Build a subject's heart.

    Sizes give a reference man about 140 g of left ventricle and 440 ml of blood (ICRP Publication 89: heart 330 g,
    blood in its chambers 510 g in men; 250 and 370 g in women).
    """
    rng = subject.rng(210)
    pose = _pose(subject, rng)
    thick = 10.8 + float(np.clip(rng.normal(0, 0.7), -1.5, 1.5)) + (0.3 if subject.age_years > 65 else 0)
    fat = float(np.clip(3.0 + 0.25 * (subject.body_mass_index - 23) + rng.normal(0, 1), 1.5, 8))
    swell = np.clip(rng.normal(1, 0.04, 3), 0.9, 1.1)
    outer = ellipsoid(_LEFT_CENTRE, np.array((36.5, 36.5, _LENGTH_MM)), axis=_APEX)
    inner_radii = np.array((36.5, 36.5, _LENGTH_MM)) - thick
    inner = ellipsoid(_LEFT_CENTRE - 1.0 * _APEX, inner_radii, axis=_APEX)

    def base(x: Array, y: Array, z: Array) -> Array:
        along = sum((p - np.float32(c)) * np.float32(a) for p, c, a in zip((x, y, z), _LEFT_CENTRE, _APEX, strict=True))
        return np.float32(_BASE_MM) - np.asarray(along, np.float32)

    left = Solid(lambda x, y, z: np.maximum(outer.distance(x, y, z), base(x, y, z)), outer.box)
    cavity = Solid(lambda x, y, z: np.maximum(inner.distance(x, y, z), base(x, y, z)), inner.box)
    body = ellipsoid((23, -50, -88), np.array((29.0, 35.0, 42.0)) * swell[0], axis=_APEX)
    outflow = capsule((18, -58, -74), (22, -48, -42), 17, end_radius=13.5)
    right = union(body, outflow, blend_mm=14)
    ventricle = Solid(lambda x, y, z: np.maximum(right.distance(x, y, z), -left.distance(x, y, z)), right.box)
    atrium = ellipsoid((-23, -22, -76), np.array((26.0, 30.0, 37.0)) * swell[1], axis=(0.1, 0.1, 1))
    left_atrium = union(
        ellipsoid((12, 8, -56), np.array((38.0, 22.0, 26.0)) * swell[2]),
        ellipsoid((42, -14, -44), (13, 10, 9)),
        capsule((22, -4, -62), (33, -16, -70), 17),
        blend_mm=8,
    )
    hollow = Solid(lambda x, y, z: np.maximum(left_atrium.distance(x, y, z), -left.distance(x, y, z)), left_atrium.box)
    whole = grown(union(left, right, atrium, left_atrium, blend_mm=3), 2.5)
    envelope = grown(union(left, right, atrium, left_atrium, blend_mm=30), fat)
    lines = tuple(_on_surface(points, whole) for points in _CORONARIES)
    return Heart(
        envelope=_placed(envelope, pose),
        muscle=_placed(whole, pose),
        chambers=tuple(_placed(solid, pose) for solid in (ventricle, atrium, hollow)),
        left_wall=_placed(left, pose),
        left_cavity=_placed(cavity, pose),
        coronaries=tuple(_carried(line, pose) for line in lines),
    )


def carried(subject: Subject, points: npt.ArrayLike) -> Points:
    """Carry points (n, 3) of the reference heart to where the subject's heart has them (organ coordinates, mm)."""
    return _carried(np.asarray(points, np.float64), _pose(subject, subject.rng(210)))


def long_axis(subject: Subject) -> Points:
    """Return the middle of the mitral valve and the tip of the left ventricle, (2, 3) organ coordinates in mm."""
    return carried(subject, [_LEFT_CENTRE + _BASE_MM * _APEX, _LEFT_CENTRE + _LENGTH_MM * _APEX])


_CORONARIES = (
    ((14, -22, -50), (36, -34, -50), (46, -58, -68), (58, -74, -90), (74, -76, -112), (84, -66, -120)),
    ((36, -30, -52), (58, -6, -58), (68, 6, -74), (60, 12, -92)),
    ((-6, -46, -54), (-22, -60, -66), (-26, -58, -90), (-14, -40, -116), (8, -14, -116)),
)


@dataclass(frozen=True)
class _Pose:
    scale: float
    turn: Points
    shift: Points


def _pose(subject: Subject, rng: np.random.Generator) -> _Pose:
    own = np.clip(rng.standard_normal(6), -2, 2)
    # broad bodies have hearts that lie flatter
    flat = np.radians(5 * own[0] - 0.8 * np.clip(subject.body_mass_index - 24, -6, 12))
    round_z = np.radians(4 * own[1])
    c, s = np.cos(flat), np.sin(flat)
    about_y = np.array(((c, 0, s), (0, 1, 0), (-s, 0, c)))
    c, s = np.cos(round_z), np.sin(round_z)
    about_z = np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)))
    scale = float(1 + 0.03 * own[2] + 0.002 * np.clip(subject.body_mass_index - 24, -6, 12))
    return _Pose(scale, about_z @ about_y, np.array((2.5, 1.5, 2.0)) * own[3:6])


def _carried(points: Points, pose: _Pose) -> Points:
    result: Points = (points - _ANCHOR) @ pose.turn.T * pose.scale + _ANCHOR + pose.shift
    return result


def _placed(solid: Solid, pose: _Pose) -> Solid:
    back = (pose.turn.T / pose.scale).astype(np.float32)
    origin = (_ANCHOR + pose.shift).astype(np.float32)

    def distance(x: Array, y: Array, z: Array) -> Array:
        p = (x - origin[0], y - origin[1], z - origin[2])
        q = [r[0] * p[0] + r[1] * p[1] + r[2] * p[2] + np.float32(a) for r, a in zip(back, _ANCHOR, strict=True)]
        return solid.distance(q[0], q[1], q[2]) * np.float32(pose.scale)

    corners = np.array(np.meshgrid(*solid.box, indexing="ij")).reshape(3, -1).T
    moved = _carried(corners, pose)
    low, high = moved.min(axis=0), moved.max(axis=0)
    box: Box = ((low[0], high[0]), (low[1], high[1]), (low[2], high[2]))
    return Solid(distance, box)


def _on_surface(points: npt.ArrayLike, solid: Solid) -> Points:
    """Spread points along a line and draw them to 1 mm outside of a solid."""
    line = spline(np.asarray(points, np.float64), step_mm=5)
    for _ in range(12):
        gradient = np.stack([_at(solid.distance, line + e) - _at(solid.distance, line - e) for e in 0.5 * np.eye(3)], 1)
        gradient /= np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-6)
        line = line - 0.6 * gradient * (_at(solid.distance, line) - 1)[:, None]
    return line


def _at(distance: Distance, points: Points) -> Points:
    x, y, z = (points[:, a].astype(np.float32).reshape(-1, 1, 1) for a in range(3))
    return np.asarray(distance(x, y, z), np.float64).reshape(-1)


def spline(points: Points, *, step_mm: float) -> Points:
    """Smooth line (Catmull-Rom) through points (n, 3), about `step_mm` apart."""
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    pieces = []
    for before, a, b, after in zip(ends[:-3], ends[1:-2], ends[2:-1], ends[3:], strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(b - a) / step_mm)))
        t = (np.arange(count) / count)[:, None]
        pieces.append(
            0.5 * (2 * a + (b - before) * t + (2 * before - 5 * a + 4 * b - after) * t**2)
            + 0.5 * (3 * a - before - 3 * b + after) * t**3
        )
    return np.vstack([*pieces, points[-1:]])
