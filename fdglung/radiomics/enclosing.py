"""The smallest box and the smallest ellipsoid that enclose points."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

Array = NDArray[np.float64]

_AT_ONCE = 1_000_000
"""Places of points along axes that are held in memory at a time."""


def oriented_box(hull: ConvexHull) -> tuple[float, float, float]:
    """Return the edges of the box of least volume that has a side flush with a face of a convex hull.

    IBSI ZH1A leaves the method open; O'Rourke (doi:10.1007/BF00991005) shows that the least box of all has two
    adjacent sides flush with edges, so that the one found here is an upper bound, met by boxes in any orientation.

    Parameters
    ----------
    hull
        Of points in mm.

    Returns
    -------
    tuple of float
        Longest first, in mm.

    """
    points = hull.points[hull.vertices]
    best, least = (0.0, 0.0, 0.0), math.inf
    for normals, along in _orientations(hull, _AT_ONCE // len(points)):
        edges = np.stack([_extent(points, axes) for axes in (normals, along, np.cross(normals, along))])
        volumes = edges.prod(axis=0)
        index = int(volumes.argmin())
        if volumes[index] < least:
            least = float(volumes[index])
            a, b, c = sorted(map(float, edges[:, index]), reverse=True)
            best = (a, b, c)
    return best


def enclosing_ellipsoid(points: Array, *, tolerance: float = 1e-6) -> tuple[float, float, float]:
    """Return the semi-axes of the ellipsoid of least volume around points (IBSI SWZ1).

    Khachiyan's algorithm with away steps (Todd and Yildirim, doi:10.1016/j.dam.2007.02.013).

    Parameters
    ----------
    points
        (n, 3) in mm, not all in one plane.
    tolerance
        Of the volume, relative.

    Returns
    -------
    tuple of float
        Longest first, in mm.

    """
    count, size = len(points), 4
    centred = points - points.mean(axis=0)
    lifted = np.concatenate([centred, np.ones((count, 1))], axis=1)
    weights = _initial_weights(centred)
    inverse, reach = _leverage(lifted, weights)
    for turn in range(1, 100_000):
        far = int(reach.argmax())
        near = int(np.where(weights > 0, reach, np.inf).argmin())
        excess, lack = reach[far] / size - 1, 1 - reach[near] / size
        if max(excess, lack) < tolerance:
            break
        if excess >= lack:
            moved, step = far, (reach[far] - size) / (size * (reach[far] - 1))
        else:
            limit = weights[near] / (1 - weights[near])
            away = (size - reach[near]) / (size * (reach[near] - 1)) if reach[near] > 1 else math.inf
            moved, step = near, -min(away, limit)
        weights *= 1 - step
        weights[moved] = max(weights[moved] + step, 0.0)
        if turn % 100 == 0:
            inverse, reach = _leverage(lifted, weights)
            continue
        # The matrix changed by one point's: so do its inverse and what follows from it.
        towards = inverse @ lifted[moved]
        share = step / (1 - step)
        factor = share / (1 + share * reach[moved])
        inverse = (inverse - factor * np.outer(towards, towards)) / (1 - step)
        reach = (reach - factor * (lifted @ towards) ** 2) / (1 - step)
    centre = weights @ centred
    shape = 3 * (centred.T @ (centred * weights[:, None]) - np.outer(centre, centre))
    offset = centred - centre
    scale = np.einsum("ij,ij->i", offset @ np.linalg.inv(shape), offset).max()
    a, b, c = np.sqrt(np.linalg.eigvalsh(shape)[::-1] * scale)
    return float(a), float(b), float(c)


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Return an ellipsoid's surface as IBSI RDD2 defines it, from semi-axes a >= b >= c > 0.

    4 pi a b times the sum over n of (p q)^n P_n((p^2 + q^2) / (2 p q)) / (1 - 4 n^2), P_n Legendre's polynomials, with
    p^2 = 1 - b^2 / a^2 and q^2 = 1 - c^2 / a^2, up to n = 20. It is the true surface of a sphere only: that would need
    1 - c^2 / a^2 and 1 - c^2 / b^2, and IBSI's reference values are met with the former alone. The polynomials stand
    multiplied by the power before them, so that p = 0 is no special case.
    """
    first, second = 1 - (b / a) ** 2, 1 - (c / a) ** 2
    product, mean = math.sqrt(first * second), (first + second) / 2
    before, now, total = 1.0, mean, 1 - mean / 3
    for order in range(1, 20):
        before, now = now, ((2 * order + 1) * mean * now - order * product**2 * before) / (order + 1)
        total += now / (1 - 4 * (order + 1) ** 2)
    return 4 * math.pi * a * b * total


def _orientations(hull: ConvexHull, most: int) -> Iterator[tuple[Array, Array]]:
    """Yield boxes' axes, about `most` at once: a face's normal, and an edge of the outline seen along it."""
    normals = hull.equations[:, :3]
    faces, opposite = np.indices(hull.neighbors.shape)
    other = hull.neighbors[faces, opposite]
    once = faces < other
    ends = np.stack([np.roll(hull.simplices, -shift, axis=1) for shift in (1, 2)], axis=2)[once]
    edges = hull.points[ends[:, 1]] - hull.points[ends[:, 0]]
    axes = _distinct_axes(normals)
    share = max(1, most // len(edges))
    for start in range(0, len(axes), share):
        part = axes[start : start + share]
        # The outline is where faces turn away.
        upward = part @ normals.T > 1e-9
        which, edge = np.nonzero(upward[:, faces[once]] != upward[:, other[once]])
        chosen = part[which]
        flat = edges[edge] - np.einsum("ij,ij->i", edges[edge], chosen)[:, None] * chosen
        length = np.linalg.norm(flat, axis=1)
        seen = length > 1e-9
        yield chosen[seen], flat[seen] / length[seen, None]


def _distinct_axes(normals: Array) -> Array:
    """Return normals without repetition, a direction and its opposite taken for one."""
    first = np.abs(normals) > 1e-9
    signs = np.sign(np.take_along_axis(normals, first.argmax(axis=1)[:, None], axis=1))
    _, index = np.unique(np.round(normals * signs, 9), axis=0, return_index=True)
    return np.asarray(normals[index])


def _extent(points: Array, axes: Array) -> Array:
    places = axes @ points.T
    return np.asarray(places.max(axis=1) - places.min(axis=1))


def _initial_weights(points: Array) -> Array:
    """Weigh the outermost points in a few directions alike (Kumar and Yildirim, doi:10.1007/s10957-005-2653-6)."""
    directions = np.concatenate([np.eye(3), np.linalg.svd(points, full_matrices=False)[2]])
    places = points @ directions.T
    chosen = np.unique([*places.argmax(axis=0), *places.argmin(axis=0)])
    weights = np.zeros(len(points))
    weights[chosen] = 1 / len(chosen)
    return weights


def _leverage(lifted: Array, weights: Array) -> tuple[Array, Array]:
    inverse = np.linalg.inv(lifted.T @ (lifted * weights[:, None]))
    return inverse, np.einsum("ij,ij->i", lifted @ inverse, lifted)
