"""Pulmonary arteries that follow the bronchi, and pulmonary veins between them, down to 0.5 mm."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy import great_vessels, heart
from fdglung.phantom.anatomy.airways import artery_radii, inside, lobe_tips, segment_trees
from fdglung.phantom.anatomy.heart import spline
from fdglung.phantom.anatomy.lobes import lobes
from fdglung.phantom.anatomy.trees import Branches, Tree, grow, joined, line, pieces, with_stops
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import LOBES, Organ, Tissue
from fdglung.phantom.raster import Tubes
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]

_RUL, _RML, _RLL, _LUL, _LLL = LOBES

_FEEDERS: dict[str, tuple[str, float]] = {
    "right B1 apical": ("truncus anterior", 1.0),
    "right B2 posterior": ("truncus anterior", 1.0),
    "right B3 anterior": ("truncus anterior", 0.9),
    "right B4 lateral": ("right interlobar artery", 0.6),
    "right B5 medial": ("right interlobar artery", 0.6),
    "right B6 superior": ("right interlobar artery", 0.65),
    "right B7 medial basal": ("right interlobar artery", 1.0),
    "right B8 anterior basal": ("right interlobar artery", 1.0),
    "right B9 lateral basal": ("right interlobar artery", 1.0),
    "right B10 posterior basal": ("right interlobar artery", 1.0),
    "left B1+2 apicoposterior": ("left pulmonary artery", 0.75),
    "left B3 anterior": ("left pulmonary artery", 0.7),
    "left B4 superior lingular": ("left interlobar artery", 0.55),
    "left B5 inferior lingular": ("left interlobar artery", 0.6),
    "left B6 superior": ("left interlobar artery", 0.4),
    "left B8 anteromedial basal": ("left interlobar artery", 1.0),
    "left B9 lateral basal": ("left interlobar artery", 1.0),
    "left B10 posterior basal": ("left interlobar artery", 1.0),
}
"""Hilar artery that feeds a segment, and where along it."""

_BESIDE = {_RUL: (0.9, -0.2, 0.5), _RML: (0.3, 0.2, 1.0), _RLL: (-1.0, 0.2, 0.1), _LUL: (-0.6, 0.2, 0.9)} | {
    _LLL: (1.0, 0.2, 0.2)
}
"""On which side of its bronchus a lobe's artery runs."""

_VEINS: tuple[tuple[str, tuple[tuple[float, float, float], ...], tuple[Organ, ...]], ...] = (
    ("right superior", ((-14, 8, -46), (-30, -4, -40), (-44, -8, -32)), (_RUL, _RML)),
    ("right inferior", ((-14, 16, -62), (-34, 26, -68), (-46, 34, -74)), (_RLL,)),
    ("left superior", ((38, 4, -46), (48, -4, -38), (58, -10, -28)), (_LUL,)),
    ("left inferior", ((38, 16, -62), (50, 26, -67), (60, 34, -74)), (_LLL,)),
)
"""Pulmonary veins from the left atrium to the hilum, and the lobes that they drain."""

_VEIN_TIPS = {_RUL: 240, _RML: 130, _RLL: 370, _LUL: 295, _LLL: 340}
_VEIN_HUB_MM = {_RUL: 5.2, _RML: 4.0, _RLL: 5.8, _LUL: 5.8, _LLL: 5.6}
_VEIN_ROOT_MM = 6.8


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Tubes]:
    """Yield the veins, then the arteries, of both lungs."""
    for tree in (pulmonary_veins(subject, frame), pulmonary_arteries(subject, frame)):
        yield Tubes(Tissue.LUNG_VESSEL, tree.starts, tree.stops, tree.radii, tree.end_radii, None, moves=True)


def pulmonary_arteries(subject: Subject, frame: BodyFrame) -> Tree:
    """Return the arteries from the hila to the lobules, less what would leave the lung at the frame's breath."""
    tree = _arteries(subject)
    return tree.kept(inside(subject, frame, tree, margin_mm=1.5))


def pulmonary_veins(subject: Subject, frame: BodyFrame) -> Tree:
    """Return the veins from the lobules to the left atrium, less what would leave the lung at the frame's breath."""
    tree = _veins(subject)
    return tree.kept(inside(subject, frame, tree, margin_mm=1.5) | (tree.lobes == 0))


@lru_cache(maxsize=8)
def _arteries(subject: Subject) -> Tree:
    from fdglung.phantom.anatomy.airways import SEGMENTS

    courses = {course.name: course for course in great_vessels.courses(subject)}
    trees = []
    for tree in segment_trees(subject):
        name, along = _FEEDERS[SEGMENTS[tree.segment][0]]
        course = courses[name]
        hub = course.points[round(along * (len(course.points) - 1))]
        radii = artery_radii(tree.branches)
        branches, radii = _beside(tree.branches, radii, np.array(_BESIDE[tree.lobe]))
        first = branches.starts[0]
        ahead = branches.controls[0] - first
        ahead = ahead / (np.linalg.norm(ahead) + 1e-9)
        gap = float(np.linalg.norm(first - hub))
        way = spline(np.array([hub, 0.5 * (hub + first) - 0.12 * gap * ahead, first]), step_mm=4)
        trees.append(line(way, np.linspace(min(1.2 * radii[0], 5.0), radii[0], len(way)), tree.lobe, tree.segment))
        before = np.where(branches.parents >= 0, radii[branches.parents], radii)
        ends = np.where(branches.tips == 1, 0.7, 0.93) * radii
        trees.append(pieces(branches, np.minimum(before, 1.25 * radii), ends, tree.lobe, tree.segment))
    return joined(trees)


def _beside(branches: Branches, radii: Points, side: Points) -> tuple[Branches, Points]:
    """Move a tree beside the bronchi that it follows, the less the thinner it is."""
    main = branches.stops.mean(axis=0) - branches.starts[0]
    main /= np.linalg.norm(main) + 1e-9
    across = side - (side @ main) * main
    across /= np.linalg.norm(across) + 1e-9
    before = np.where(branches.parents >= 0, radii[branches.parents], radii)
    gap = [np.clip(2.15 * r, 0, 7.5)[:, None] * across for r in (before, radii)]
    # the very ends stay where they were
    gap[1] = np.where((branches.tips == 1)[:, None], 0, gap[1])
    moved = Branches(
        branches.starts + gap[0],
        branches.controls + 0.5 * (gap[0] + gap[1]),
        branches.stops + gap[1],
        branches.tips,
        branches.parents,
    )
    return moved, radii


@lru_cache(maxsize=8)
def _veins(subject: Subject) -> Tree:
    rng = subject.rng(270)
    trees = []
    for _, points, drained in _VEINS:
        centres = np.array(points, np.float64)
        centres[0] = heart.carried(subject, centres[:1])[0]
        centres[1:] += rng.normal(0, 1.0, (len(centres) - 1, 3))
        way = spline(centres, step_mm=4)
        trees.append(line(way, np.linspace(_VEIN_ROOT_MM, 0.85 * _VEIN_ROOT_MM, len(way))))
        heading = centres[-1] - centres[-2]
        for lobe in drained:
            tips = lobe_tips(subject, lobe, round(_VEIN_TIPS[lobe] * float(rng.uniform(0.9, 1.1))), rng)
            branches = grow(centres[-1], 0.4 * heading + tips.mean(axis=0) - centres[-1], tips, rng)
            branches = with_stops(branches, lobes(subject).drawn_in(branches.stops, lobe))
            exponent = np.log(len(tips)) / np.log(_VEIN_HUB_MM[lobe] / 0.68)
            radii = 0.68 * branches.tips ** (1 / exponent)
            before = np.where(branches.parents >= 0, radii[branches.parents], radii)
            ends = np.where(branches.tips == 1, 0.7, 0.95) * radii
            trees.append(pieces(branches, np.minimum(before, 1.3 * radii), ends, lobe, -1))
    return joined(trees)
