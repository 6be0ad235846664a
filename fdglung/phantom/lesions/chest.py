"""What placing lesions needs to know of a chest, measured once on its organ map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import cKDTree

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.bodies import Body, fibonacci
from fdglung.phantom.lesions.distributions import Floats
from fdglung.phantom.lesions.placed import Point, Rod
from fdglung.phantom.lesions.plans import RIGHT_LOBES
from fdglung.phantom.organs import LOBES, Organ

Labels = npt.NDArray[np.uint8]

_ENCLOSED = (0, Organ.AIRWAYS, Organ.PULMONARY_ARTERY)
"""What small parts inside a lung may be labelled without being an edge of it."""


@dataclass(frozen=True)
class Chest:
    """A chest on a coarse grid.

    Attributes
    ----------
    labels
        Values of `Organ`, (z, y, x).
    origin_mm, spacing_mm
        Of the grid, x, y, z.
    body
        Where the body is, (z, y, x).
    points
        Centres of the lungs' voxels in mm, x, y, z, shape (voxels, 3).
    lobe
        Their organ, shape (voxels,).
    depth
        Their distance to the lung's surface in mm.
    pleura
        The nearest voxel outside the lung in mm, shape (voxels, 3).
    outwards
        0 at the hilum, 1 at the lung's surface, on straight lines from the hilum.
    to_bronchus
        Distance to the nearest bronchus in mm, to about half a voxel.
    hila
        Points in mm: right and left.
    carina
        Point in mm where the trachea ends.
    bronchi
        Bronchi as given.

    """

    labels: Labels
    origin_mm: Floats
    spacing_mm: Floats
    body: npt.NDArray[np.bool_]
    points: Floats
    lobe: Labels
    depth: Floats
    pleura: Floats
    outwards: Floats
    to_bronchus: Floats
    hila: tuple[Point, Point]
    carina: Point
    bronchi: tuple[Rod, ...]

    def in_lobe(self, lobes: Sequence[Organ]) -> npt.NDArray[np.bool_]:
        """Which of the lungs' voxels lie in any of these lobes."""
        return np.isin(self.lobe, lobes)

    def hilum(self, lobe: Organ) -> Point:
        """Hilum of a lobe's lung."""
        return self.hila[0 if lobe in RIGHT_LOBES else 1]

    def pleura_of(self, index: int) -> Point:
        """Nearest point of the pleura of a lung's voxel."""
        x, y, z = self.pleura[index].tolist()
        return (x, y, z)

    def jitter(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw offsets within a voxel in mm, shape (count, 3)."""
        return (rng.random((count, 3)) - 0.5) * self.spacing_mm

    def bronchi_near(self, centre_mm: Point, reach_mm: float) -> tuple[Rod, ...]:
        """Bronchi, the main ones left out, that come within a distance of a point."""
        near = []
        for rod in self.bronchi:
            start, along = np.array(rod.start), np.subtract(rod.stop, rod.start)
            t = np.clip((np.array(centre_mm) - start) @ along / max(float(along @ along), 1e-6), 0, 1)
            if rod.radius < 4 and float(np.linalg.norm(centre_mm - start - t * along)) < reach_mm:
                near.append(rod)
        return tuple(near)

    def at(self, points: Floats) -> Labels:
        """Organs at points in mm, shape (n, 3); 0 outside of the map."""
        index = np.rint((points - self.origin_mm) / self.spacing_mm).astype(int)[:, ::-1]
        inside = ((index >= 0) & (index < self.labels.shape)).all(axis=1)
        result = np.zeros(len(points), np.uint8)
        result[inside] = self.labels[tuple(index[inside].T)]
        return result

    def share(self, centre_mm: Point, body: Body, organs: Sequence[int]) -> float:
        """Share of a body's volume that lies in some organs, to about 0.02."""
        directions = _SAMPLES / np.linalg.norm(_SAMPLES, axis=1, keepdims=True)
        x, y, z = directions.T.astype(np.float32)
        surface = body.scale_mm * body.relative_radius(x, y, z).astype(np.float64)
        points = np.asarray(centre_mm, np.float64) + _SAMPLES * surface[:, None]
        weights = surface**3
        return float(weights @ np.isin(self.at(points), organs) / weights.sum())

    def holds(self, centre_mm: Point, reach_mm: float) -> bool:
        """Whether a ball lies inside the body."""
        points = np.array(centre_mm) + reach_mm * _SAMPLES / np.linalg.norm(_SAMPLES, axis=1, keepdims=True)
        index = np.rint((points - self.origin_mm) / self.spacing_mm).astype(int)[:, ::-1]
        if (index < 0).any() or (index >= self.labels.shape).any():
            return False
        return bool(self.body[tuple(index.T)].all())


def read_chest(organs: sitk.Image, bronchi: tuple[Rod, ...]) -> Chest:
    """Measure a chest.

    Parameters
    ----------
    organs
        uint8, values of `Organ`, axes those of the patient.
    bronchi
        May be empty: the airways of the organ map then serve for distances.

    Raises
    ------
    ParameterError
        The map is not in patient axes, or a lung or the trachea is missing.

    """
    if organs.GetDimension() != 3 or not np.allclose(organs.GetDirection(), np.eye(3).ravel(), atol=1e-6):
        raise ParameterError(
            "the organ map's axes are not the patient's", attribute="organs", remedy="Resample it to LPS axes"
        )
    labels = sitk.GetArrayFromImage(organs).astype(np.uint8)
    origin, spacing = np.array(organs.GetOrigin()), np.array(organs.GetSpacing())
    carina = _carina(labels, origin, spacing)
    parts, hila = [], []
    for lobes in (RIGHT_LOBES, tuple(lobe for lobe in LOBES if lobe not in RIGHT_LOBES)):
        mask = np.isin(labels, lobes)
        if mask.sum() < 50:
            raise ParameterError(
                "a lung is missing from the organ map", attribute="organs", remedy="Give a map of both lungs' lobes"
            )
        parts.append(_Side(mask, labels, origin, spacing))
        hila.append(parts[-1].hilum(carina))
    points = np.concatenate([part.points for part in parts])
    depth = np.concatenate([part.depth for part in parts])
    outwards = [_outwards(part.points, np.array(hilum)) for part, hilum in zip(parts, hila, strict=True)]
    return Chest(
        labels=labels,
        origin_mm=origin,
        spacing_mm=spacing,
        body=_body(labels),
        points=points,
        lobe=np.concatenate([part.lobe for part in parts]),
        depth=depth,
        pleura=np.concatenate([part.pleura for part in parts]),
        outwards=np.concatenate(outwards),
        to_bronchus=_to_bronchus(points, bronchi, labels, origin, spacing),
        hila=(hila[0], hila[1]),
        carina=carina,
        bronchi=bronchi,
    )


class _Side:
    """One lung."""

    def __init__(self, mask: npt.NDArray[np.bool_], labels: Labels, origin: Floats, spacing: Floats) -> None:
        box = ndimage.find_objects(mask.astype(np.uint8))[0]
        window = tuple(
            slice(max(part.start - 2, 0), min(part.stop + 2, size)) for part, size in zip(box, mask.shape, strict=True)
        )
        small, inside = labels[window], mask[window]
        closed = ndimage.binary_closing(np.pad(inside, 3), iterations=2)[3:-3, 3:-3, 3:-3]
        whole = inside | (closed & np.isin(small, _ENCLOSED))
        distance, nearest = ndimage.distance_transform_edt(
            np.pad(whole, 1), sampling=spacing[::-1], return_indices=True
        )
        index = np.argwhere(inside)
        first = np.array([part.start for part in window])
        padded = tuple((index + 1).T)
        self.points = origin + (index + first)[:, ::-1] * spacing
        self.lobe = small[inside]
        # the surface lies half a voxel before the first voxel outside
        self.depth = np.maximum(distance[padded] - spacing.min() / 2, 0.1)
        outside = np.stack([axis[padded] for axis in nearest], axis=1) - 1 + first
        self.pleura = origin + outside[:, ::-1] * spacing
        airways = ndimage.binary_dilation(small == Organ.AIRWAYS) & inside
        self.contact = origin + (np.argwhere(airways) + first)[:, ::-1] * spacing

    def hilum(self, carina: Point) -> Point:
        """Where the airways enter: the mean of the lung's voxels at an airway that are nearest to the carina."""
        touched = self.contact if len(self.contact) else self.points
        far = np.linalg.norm(touched - carina, axis=1)
        near = touched[np.argsort(far, kind="stable")[: max(5, len(touched) // 20)]]
        x, y, z = near.mean(axis=0).tolist()
        return (x, y, z)


def _carina(labels: Labels, origin: Floats, spacing: Floats) -> Point:
    """Follow the trachea down, slice by slice, until it parts in two."""
    airways = labels == Organ.AIRWAYS
    heights = np.flatnonzero(airways.any(axis=(1, 2)))
    if len(heights) == 0:
        raise ParameterError("the organ map has no airways", attribute="organs", remedy="Give a map with the trachea")
    top = heights[-1]
    parts, count = ndimage.label(airways[top])
    largest = 1 + int(np.argmax(np.bincount(parts.ravel(), minlength=count + 1)[1:]))
    current, z = parts == largest, top
    while z > heights[0]:
        below = airways[z - 1]
        parts, count = ndimage.label(below)
        touched = np.unique(parts[ndimage.binary_dilation(current, np.ones((3, 3), bool))])
        touched = touched[touched > 0]
        if len(touched) == 0:
            break
        columns = [float(np.argwhere(parts == one)[:, 1].mean()) * spacing[0] for one in touched]
        if len(touched) > 1 and max(columns) - min(columns) > 8:
            break
        current, z = np.isin(parts, touched), z - 1
    y, x = np.argwhere(current).mean(axis=0).tolist()
    point = origin + np.array([x, y, float(z)]) * spacing
    return (float(point[0]), float(point[1]), float(point[2]))


def _body(labels: Labels) -> npt.NDArray[np.bool_]:
    """Everything that organs enclose, slice by slice."""
    result = labels > 0
    for plane in result:
        plane[:] = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(plane, 4), iterations=3)[4:-4, 4:-4] | plane)
    return result


def _outwards(points: Floats, hilum: Floats) -> Floats:
    """Distance from the hilum over that of the lung's farthest point in about the same direction."""
    gaps = points - hilum
    far = np.linalg.norm(gaps, axis=1)
    way = cKDTree(_DIRECTIONS).query(gaps / np.maximum(far, 1e-6)[:, None])[1]
    farthest = np.zeros(len(_DIRECTIONS))
    np.maximum.at(farthest, way, far)
    result: Floats = far / np.maximum(farthest[way], 1e-6)
    return result


def _to_bronchus(points: Floats, bronchi: tuple[Rod, ...], labels: Labels, origin: Floats, spacing: Floats) -> Floats:
    """Distance to the nearest voxel through which a bronchus runs."""
    away = labels != Organ.AIRWAYS
    if bronchi:
        away = np.ones(labels.shape, bool)
        for rod in bronchi:
            start, stop = np.array(rod.start), np.array(rod.stop)
            steps = np.linspace(0, 1, max(2, int(np.linalg.norm(stop - start) / 2) + 1))
            index = np.rint((start + steps[:, None] * (stop - start) - origin) / spacing).astype(int)[:, ::-1]
            inside = ((index >= 0) & (index < labels.shape)).all(axis=1)
            away[tuple(index[inside].T)] = False
    if away.all():
        return np.full(len(points), np.inf)
    distances = ndimage.distance_transform_edt(away, sampling=spacing[::-1])
    where = np.rint((points - origin) / spacing).astype(int)[:, ::-1]
    result: Floats = distances[tuple(where.T)]
    return result


def _samples() -> Floats:
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((600, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return directions * rng.random((600, 1)) ** (1 / 3)


_DIRECTIONS = np.stack(fibonacci(400), axis=1).astype(np.float64)
"""Cones about 11 degrees wide."""

_SAMPLES = _samples()
"""Points spread evenly through the unit ball."""
