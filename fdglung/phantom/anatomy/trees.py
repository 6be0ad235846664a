"""Branching trees that fill a space: points spread through it, split in two again and again from the root."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from fdglung.phantom.organs import Organ

Points = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """Pieces of branches of a lung's airways or vessels, in organ coordinates.

    Attributes
    ----------
    starts, stops
        (n, 3) in mm.
    radii, end_radii
        (n,) in mm: of the lumen.
    lobes
        (n,) the lobe that a piece feeds, a value of `Organ`; 0 before the lobes.
    segments
        (n,) the bronchopulmonary segment, its place in `airways.SEGMENTS`; -1 before the segments.

    """

    starts: Points
    stops: Points
    radii: Points
    end_radii: Points
    lobes: Indices
    segments: Indices

    def __len__(self) -> int:
        return len(self.radii)

    def kept(self, which: npt.NDArray[np.bool_]) -> Tree:
        """Return the pieces that a mask (n,) marks."""
        return Tree(*(getattr(self, item.name)[which] for item in fields(self)))


def joined(trees: list[Tree]) -> Tree:
    """Put several trees into one."""
    return Tree(*(np.concatenate([getattr(tree, item.name) for tree in trees]) for item in fields(Tree)))


def rooted(tree: Tree) -> Tree:
    """Leave out the pieces of segments that no longer start at the end of another piece."""
    stops = np.round(tree.stops, 3)
    starts = np.round(tree.starts, 3)
    kept = np.ones(len(tree), bool)
    while True:
        ends = {tuple(point) for point in stops[kept]} | {tuple(p) for p in starts[kept & (tree.segments < 0)]}
        lost = np.array([kept[n] and tree.segments[n] >= 0 and tuple(starts[n]) not in ends for n in range(len(tree))])
        if not lost.any():
            return tree.kept(kept)
        kept &= ~lost


def line(points: npt.ArrayLike, radii: npt.ArrayLike, lobe: Organ | int = 0, segment: int = -1) -> Tree:
    """Return a line of points (n, 3) with radii (n,) as a tree without branches."""
    p, r = np.asarray(points, np.float64), np.asarray(radii, np.float64)
    count = len(p) - 1
    return Tree(p[:-1], p[1:], r[:-1], r[1:], np.full(count, int(lobe)), np.full(count, segment))


@dataclass(frozen=True)
class Branches:
    """Edges of a grown tree, each before its children.

    Attributes
    ----------
    starts, controls, stops
        (n, 3) in mm: a quadratic Bezier curve.
    tips
        (n,) ends of the tree that it leads to.
    parents
        (n,) number of the edge that it springs from; -1 at the root.

    """

    starts: Points
    controls: Points
    stops: Points
    tips: npt.NDArray[np.int64]
    parents: npt.NDArray[np.int64]


def with_stops(branches: Branches, stops: Points) -> Branches:
    """Return branches whose forks and ends (n, 3) have moved."""
    moved = stops - branches.stops
    before = np.where((branches.parents >= 0)[:, None], moved[branches.parents], 0.0)
    return Branches(
        branches.starts + before,
        branches.controls + 0.5 * (moved + before),
        stops,
        branches.tips,
        branches.parents,
    )


def grow(
    root: npt.ArrayLike,
    direction: npt.ArrayLike,
    tips: Points,
    rng: np.random.Generator,
    *,
    reach: float = 0.24,
    longest_mm: float = 22.0,
) -> Branches:
    """Grow a tree to its tips.

    Parameters
    ----------
    root, direction
        (3,) where it starts, in mm, and whither.
    tips
        (n, 3) in mm, where it ends.
    rng
        Of the uneven splits.
    reach
        How much of the way to the middle of its tips a branch goes before it forks: more makes wider forks.
    longest_mm
        A branch forks at the latest after this length.

    """
    starts: list[Points] = []
    controls: list[Points] = []
    stops: list[Points] = []
    counts: list[int] = []
    parents: list[int] = []
    first = np.asarray(direction, np.float64)
    waiting = [(np.asarray(root, np.float64), first / np.linalg.norm(first), np.asarray(tips, np.float64), -1)]
    shares = rng.uniform(0.2, 0.8, 4 * len(tips) + 8)
    wobble = rng.standard_normal((4 * len(tips) + 8, 3))
    while waiting:
        start, heading, group, parent = waiting.pop()
        number = len(starts)
        middle = group.mean(axis=0)
        way = middle - start
        length = float(np.sqrt(way @ way))
        if len(group) > 1:
            part = min(reach if len(group) > 3 else 0.25, longest_mm / max(length, 1e-6))
            stop = start + part * way + 0.03 * length * part * wobble[number]
        else:
            stop = group[0]
        gone = stop - start
        size = float(np.sqrt(gone @ gone)) + 1e-9
        # it leaves along its parent's way and bends to its own; a hairpin would be drawn if it turned back
        turn = float(heading @ gone) / size
        control = start + heading * size * (0.22 * max(turn, 0.0)) + gone * (0.28 + 0.1 * (1 - max(turn, 0.0)))
        leaving = stop - control
        leaving /= np.sqrt(leaving @ leaving) + 1e-9
        starts.append(start)
        controls.append(control)
        stops.append(stop)
        counts.append(len(group))
        parents.append(parent)
        if len(group) == 1:
            continue
        spread = group - middle
        axis = np.linalg.eigh(spread.T @ spread)[1][:, -1] if len(group) > 2 else spread[0]
        order = np.argsort(spread @ axis, kind="stable")
        cut = int(np.clip(round(shares[number] * len(group)), 1, len(group) - 1))
        waiting.append((stop, leaving, group[order[:cut]], number))
        waiting.append((stop, leaving, group[order[cut:]], number))
    return Branches(np.array(starts), np.array(controls), np.array(stops), np.array(counts), np.array(parents))


def pieces(
    branches: Branches, radii: Points, end_radii: Points, lobe: int, segment: int | Indices, *, piece_mm: float = 7.0
) -> Tree:
    """Cut the curved branches, with radii (n,) at both ends, into straight pieces."""
    lengths = np.linalg.norm(branches.stops - branches.starts, axis=1)
    counts = np.clip(np.ceil(lengths / piece_mm), 1, 5).astype(int)
    owner = np.repeat(np.arange(len(lengths)), counts)
    step = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    ends = [(step + more) / counts[owner] for more in (0, 1)]
    curve = (branches.starts[owner], branches.controls[owner], branches.stops[owner])
    places = [
        (1 - t)[:, None] ** 2 * curve[0] + (2 * t * (1 - t))[:, None] * curve[1] + (t**2)[:, None] * curve[2]
        for t in ends
    ]
    sizes = [radii[owner] + t * (end_radii - radii)[owner] for t in ends]
    numbers = np.broadcast_to(np.asarray(segment, np.int64), lengths.shape)[owner]
    return Tree(places[0], places[1], sizes[0], sizes[1], np.full(len(owner), int(lobe)), numbers)


def spread(low: npt.ArrayLike, high: npt.ArrayLike, apart_mm: float, rng: np.random.Generator) -> Points:
    """Spread points (n, 3) evenly but not regularly through a box: a jittered lattice, `apart_mm` between points."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    counts = np.maximum(np.round((high - low) / apart_mm), 1).astype(int)
    corners = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(low + apart_mm * (corners + rng.uniform(0.08, 0.92, corners.shape)), np.float64)
