"""Trachea and bronchi: lobar and segmental ones by name, finer ones grown into the lobes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy.heart import shape as shape_of_heart
from fdglung.phantom.anatomy.heart import spline
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.lobes import lobes
from fdglung.phantom.anatomy.lung_shape import lung_shape
from fdglung.phantom.anatomy.solids import grown
from fdglung.phantom.anatomy.trees import Branches, Tree, grow, joined, line, pieces, rooted, spread, with_stops
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import LOBES, Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Solid, smooth_intersection
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]

SMALLEST_LUMEN_MM = 1.3
"""Lumen radius below which bronchi are left out."""

TIP_RADIUS_MM = 0.7
"""Radius of the arteries that end a tree."""

MURRAY = 2.92
"""Exponent between radii at a fork (2.92 +- 1.07, PMC7473930)."""

_RUL, _RML, _RLL, _LUL, _LLL = LOBES

SEGMENTS: tuple[tuple[str, Organ, tuple[float, float, float], tuple[float, float, float]], ...] = (
    ("right B1 apical", _RUL, (-46, 15, -10), (-50, 20, 60)),
    ("right B2 posterior", _RUL, (-46, 16, -11), (-80, 55, 20)),
    ("right B3 anterior", _RUL, (-46, 13, -12), (-75, -40, 5)),
    ("right B4 lateral", _RML, (-57, -4, -55), (-105, -25, -75)),
    ("right B5 medial", _RML, (-57, -6, -56), (-72, -60, -85)),
    ("right B6 superior", _RLL, (-37, 26, -48), (-65, 70, -20)),
    ("right B7 medial basal", _RLL, (-42, 32, -70), (-42, 20, -115)),
    ("right B8 anterior basal", _RLL, (-45, 33, -74), (-100, 0, -110)),
    ("right B9 lateral basal", _RLL, (-47, 36, -78), (-112, 45, -120)),
    ("right B10 posterior basal", _RLL, (-47, 38, -80), (-65, 75, -135)),
    ("left B1+2 apicoposterior", _LUL, (61, 8, -6), (60, 35, 50)),
    ("left B3 anterior", _LUL, (62, 3, -12), (80, -45, 5)),
    ("left B4 superior lingular", _LUL, (71, -2, -33), (112, -25, -45)),
    ("left B5 inferior lingular", _LUL, (71, -4, -35), (104, -56, -66)),
    ("left B6 superior", _LLL, (49, 28, -42), (72, 72, -22)),
    ("left B8 anteromedial basal", _LLL, (56, 34, -68), (102, 8, -112)),
    ("left B9 lateral basal", _LLL, (55, 38, -74), (115, 42, -118)),
    ("left B10 posterior basal", _LLL, (55, 40, -76), (74, 75, -135)),
)
"""Segmental bronchi: name, lobe, origin, and the middle of what they feed, in organ coordinates in mm."""

_TIPS = {_RUL: 300, _RML: 160, _RLL: 490, _LUL: 370, _LLL: 430}

_STEMS: tuple[tuple[int, tuple[tuple[float, float, float], ...], tuple[float, ...]], ...] = (
    (0, ((0, 13, 4), (-12, 16, -9), (-25, 18, -18)), (8.0, 7.4, 6.8)),
    (0, ((-25, 18, -18), (-31, 19, -30), (-35, 20, -42)), (6.0, 5.4, 5.2)),
    (0, ((0, 13, 4), (14, 16, -8), (30, 19, -17), (44, 20, -24)), (7.4, 6.6, 6.2, 6.0)),
    (_RUL, ((-23, 17, -15), (-34, 16, -12), (-46, 15, -11)), (5.2, 4.8, 4.4)),
    (_RML, ((-35, 19, -42), (-46, 8, -49), (-57, -4, -55)), (4.0, 3.6, 3.3)),
    (_RLL, ((-35, 20, -42), (-38, 26, -55), (-42, 32, -68), (-47, 37, -79)), (5.0, 4.7, 4.2, 3.3)),
    (_LUL, ((44, 20, -24), (54, 12, -21), (60, 6, -16)), (5.2, 4.8, 4.5)),
    (_LUL, ((60, 6, -16), (61, 7, -10), (61, 8, -5)), (4.2, 3.8, 3.4)),
    (_LUL, ((58, 8, -18), (64, 3, -26), (71, -2, -34)), (3.9, 3.5, 3.2)),
    (_LLL, ((44, 20, -24), (47, 26, -38), (52, 32, -58), (55, 39, -76)), (5.2, 4.9, 4.2, 3.3)),
)
"""Main, intermediate and lobar bronchi: lobe, centres and lumen radii in mm."""


@dataclass(frozen=True)
class SegmentTree:
    """What one segmental bronchus and its artery branch into.

    Attributes
    ----------
    segment
        Place in `SEGMENTS`.
    lobe
        That it lies in.
    origin
        (3,) of the segmental bronchus, in mm.
    branches
        Centres of the bronchi, down to the ends of the arteries.

    """

    segment: int
    lobe: Organ
    origin: Points
    branches: Branches


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the walls of all airways, then their lumina."""
    tree = bronchi(subject, frame)
    walls = wall_mm(tree.radii), wall_mm(tree.end_radii)
    windpipe = _trachea(subject, frame)
    yield Part(Tissue.AIRWAY_WALL, grown(windpipe, 1.8), None, fine=True)
    outer = (tree.radii + walls[0], tree.end_radii + walls[1])
    yield Tubes(Tissue.AIRWAY_WALL, tree.starts, tree.stops, outer[0], outer[1], None, moves=True)
    yield Part(Tissue.AIR, windpipe, Organ.AIRWAYS, fine=True)
    yield Tubes(Tissue.AIR, tree.starts, tree.stops, tree.radii, tree.end_radii, Organ.AIRWAYS, moves=True)


def wall_mm(lumen_radius: Points) -> Points:
    """Return the thickness of a bronchus's wall: 10 to 16 % of its outer diameter, more in the small ones."""
    share = np.clip(0.155 - 0.012 * (lumen_radius - 1.3), 0.10, 0.155)
    return np.asarray(2 * lumen_radius * share / (1 - 2 * share))


def bronchi(subject: Subject, frame: BodyFrame) -> Tree:
    """Return the bronchi that stay inside the lungs at the frame's breath, from the carina down.

    Lumina follow Weibel's model A: 18 mm (trachea), 12, 8, 6, 4.5, 3.5, 2.8 mm in diameter by generation.
    """
    tree = _bronchi(subject)
    return rooted(tree.kept(inside(subject, frame, tree, margin_mm=0.5) | (tree.segments < 0)))


def inside(subject: Subject, frame: BodyFrame, tree: Tree, *, margin_mm: float) -> npt.NDArray[np.bool_]:
    """Return which pieces end inside their lung at the frame's breath, with a margin beside their radius."""
    shape = lung_shape(subject, frame.breath)
    ends = frame.moved(tree.stops)
    depth = np.where(tree.stops[:, 0] < 0, shape.depth(RIGHT, ends), shape.depth(LEFT, ends))
    central = np.linalg.norm((np.abs(tree.stops) - np.array((45, 10, 30))) / np.array((26, 40, 64)), axis=1) < 1
    # the heart is larger or turned in some: what would run through it is left out
    heart = shape_of_heart(subject).envelope.distance(*(axis.astype(np.float32) for axis in tree.stops.T))
    free = (tree.lobes == 0) | (heart > tree.end_radii)
    return ((depth > margin_mm + tree.end_radii) | central) & free


@lru_cache(maxsize=8)
def segment_trees(subject: Subject) -> tuple[SegmentTree, ...]:
    """Grow every segmental bronchus into its part of its lobe."""
    rng = subject.rng(260)
    result = []
    for lobe in LOBES:
        tips = lobe_tips(subject, lobe, round(_TIPS[lobe] * float(rng.uniform(0.9, 1.1))), rng)
        listed = [number for number, segment in enumerate(SEGMENTS) if segment[1] == lobe]
        centres = np.array([SEGMENTS[number][3] for number in listed]) + rng.normal(0, 4, (len(listed), 3))
        owner = _shared_out(tips, centres)
        for place, number in enumerate(listed):
            origin = np.array(SEGMENTS[number][2]) + stem_shift(subject, lobe)
            mine = tips[owner == place]
            heading = 0.5 * (centres[place] - origin) + 0.5 * (mine.mean(axis=0) - origin)
            branches = grow(origin, heading, mine, rng)
            branches = with_stops(branches, lobes(subject).drawn_in(branches.stops, lobe))
            result.append(SegmentTree(number, lobe, origin, branches))
    return tuple(result)


def _shared_out(tips: Points, centres: Points) -> npt.NDArray[np.int64]:
    """Give each tip to a near segment, so that no segment has less than half of its share."""
    squares = ((tips[:, None] - centres[None]) ** 2).sum(axis=2)
    handicap = np.zeros(len(centres))
    fair = len(tips) / len(centres)
    for _ in range(60):
        owner = np.argmin(squares + handicap, axis=1)
        counts = np.bincount(owner, minlength=len(centres))
        if counts.min() > 0.55 * fair and counts.max() < 1.7 * fair:
            break
        handicap += 250 * (counts / fair - 1)
    return np.asarray(owner, np.int64)


def lobe_tips(subject: Subject, lobe: Organ, count: int, rng: np.random.Generator) -> Points:
    """Spread about `count` ends of branches through a lobe: 6 mm from the pleura, 4 mm from fissures, or further."""
    side = RIGHT if lobe in LOBES[:3] else LEFT
    shape = lung_shape(subject)
    coarse = shape.grid_points(side, every=3)
    volume = float(_room(coarse, side, lobe, subject).sum()) * 9.0**3
    box = np.array(shape.box(side))
    points = spread(box[:, 0], box[:, 1], (volume / count) ** (1 / 3), rng)
    return points[_room(points, side, lobe, subject)]


def _room(points: Points, side: int, lobe: Organ, subject: Subject) -> npt.NDArray[np.bool_]:
    away = np.abs(points - np.array((side * 45, 16, -25))) / np.array((20, 22, 30))
    deep = (lung_shape(subject).depth(side, points) > 6) & (lobes(subject).depth(points, lobe) > 4)
    return np.asarray(deep & (np.linalg.norm(away, axis=1) > 1), bool)


@lru_cache(maxsize=64)
def stem_shift(subject: Subject, lobe: int) -> Points:
    """Return by how much a lobe's bronchus is off its usual place, in mm."""
    return np.clip(subject.rng(261, int(lobe)).normal(0, 1.2, 3), -2.5, 2.5)


@lru_cache(maxsize=8)
def _bronchi(subject: Subject) -> Tree:
    size = airway_scale(subject)
    trees = []
    for lobe, points, radii in _STEMS:
        centres = np.array(points, np.float64)
        if lobe:
            centres[1:] += stem_shift(subject, lobe) * np.linspace(0.5, 1, len(centres) - 1)[:, None]
        way = spline(np.column_stack([centres, np.array(radii) * size]), step_mm=4)
        trees.append(line(way[:, :3], way[:, 3], lobe))
    for tree in segment_trees(subject):
        lumen = 0.8 * size * artery_radii(tree.branches)
        lumen = np.minimum(lumen, 3.0 * size)
        before = np.where(tree.branches.parents >= 0, lumen[tree.branches.parents], lumen)
        grown = pieces(tree.branches, np.minimum(before, 1.15 * lumen), 0.95 * lumen, tree.lobe, tree.segment)
        trees.append(grown.kept(grown.end_radii >= SMALLEST_LUMEN_MM))
        # from the nearest point of the lobe's bronchus to where the segment's starts
        ways = np.vstack([stem.stops for stem in trees[: len(_STEMS)] if stem.lobes[0] == tree.lobe])
        near = ways[np.argmin(np.linalg.norm(ways - tree.origin, axis=1))]
        trees.append(line(np.array([near, tree.origin]), np.full(2, lumen[0]), tree.lobe, tree.segment))
    return joined(trees)


def airway_scale(subject: Subject) -> float:
    """Return the size of the airways over that of Weibel's model: smaller in women, larger in the tall."""
    own = float(np.clip(subject.rng(262).normal(1, 0.05), 0.88, 1.12))
    return own * (1.0 if subject.sex == "M" else 0.88) * (subject.height_cm / 176) ** 0.5


def artery_radii(branches: Branches) -> Points:
    """Return the radius of each branch's artery: of its tips by Murray's law."""
    return np.asarray(TIP_RADIUS_MM * branches.tips ** (1 / MURRAY), np.float64)


def _trachea(subject: Subject, frame: BodyFrame) -> Solid:
    """Trachea from below the glottis to the carina: a tube with a flat back."""
    rng = subject.rng(263)
    radius = 9.0 * airway_scale(subject)
    heights = np.array((-4.0, 4, 40, 80, 120, 155))
    course = np.array((0.0, 0, 0.5, 1, 0.5, 0)) + np.array((0, 0, 1, 1, 0.5, 0)) * rng.normal(1, 1.5)
    depth = np.array((13.5, 13, 10, 6, 4, 2))
    flat = float(rng.uniform(0.5, 0.8))
    low, high = float(frame.moved([(0, 0, -2.0)])[0, 2]), 152.0

    def distance(x: Array, y: Array, z: Array) -> Array:
        lifted = frame.organ_z(z)
        across = x - np.interp(lifted, heights, course).astype(np.float32)
        deep = y - np.interp(lifted, heights, depth).astype(np.float32)
        # the airway is narrow below the vocal cords
        bore = np.float32(radius) * (1 - np.float32(0.35) * np.clip((z - 118) / 25, 0, 1))
        ring = np.hypot(across, deep * np.float32(0.93)) - bore
        ring = smooth_intersection(ring, deep - np.float32(flat) * bore, 4)
        ends = np.maximum(z - np.float32(high), np.float32(low) - z)
        return np.asarray(np.maximum(ring, ends), np.float32)

    return Solid(distance, ((-15.0, 15.0), (-12.0, 28.0), (low - 2, high + 2)))
