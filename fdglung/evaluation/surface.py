"""Distances between the surfaces of two masks, each surface element weighted by its area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]
Floats = NDArray[np.float64]

_ROUNDING_MM = 1e-6


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances from every surface element of one mask to the nearest of the other.

    Attributes
    ----------
    from_reference, from_prediction
        Distances in mm, one a surface element.
    reference_areas, prediction_areas
        Areas in mm2 of these elements.

    """

    from_reference: Floats
    reference_areas: Floats
    from_prediction: Floats
    prediction_areas: Floats

    def dice(self, tolerance_mm: float) -> float:
        """Return the share of both surfaces that lies within a tolerance of the other; 0 where one is missing.

        Nikolov et al., J Med Internet Res 2021;23:e26151. NaN where both are missing.
        """
        limit = tolerance_mm + _ROUNDING_MM
        near = self.reference_areas[self.from_reference <= limit].sum()
        near += self.prediction_areas[self.from_prediction <= limit].sum()
        total = self.reference_areas.sum() + self.prediction_areas.sum()
        return float(near / total) if total else math.nan

    def hausdorff(self, percent: float = 95.0) -> float:
        """Return the larger of the two percentiles of distance, in mm, elements weighted by area.

        NaN where a surface is missing. As compute_robust_hausdorff of github.com/google-deepmind/surface-distance.
        """
        if not (self.from_reference.size and self.from_prediction.size):
            return math.nan
        return max(
            _percentile(self.from_reference, self.reference_areas, percent),
            _percentile(self.from_prediction, self.prediction_areas, percent),
        )

    def mean(self) -> float:
        """Return the mean distance over both surfaces, in mm, elements weighted by area; NaN where one is missing.

        Average symmetric surface distance (ASSD) of Maier-Hein et al., Nat Methods 2024;21:195.
        """
        if not (self.from_reference.size and self.from_prediction.size):
            return math.nan
        weighted = self.from_reference @ self.reference_areas + self.from_prediction @ self.prediction_areas
        return float(weighted / (self.reference_areas.sum() + self.prediction_areas.sum()))


def surface_distances(reference: Mask, prediction: Mask, spacing_mm: Spacing) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks.

    A surface element is a corner where voxels in and out of the mask meet; its area is that of the triangles which
    marching cubes lays through its eight voxels. Beyond the edge of the image is outside, so that a mask that touches
    the edge has a closed surface. The same elements, areas and distances as DeepMind's surface-distance.

    Parameters
    ----------
    reference, prediction
        Masks (z, y, x) on one grid.
    spacing_mm
        Along z, y and x.

    Returns
    -------
    SurfaceDistances
        Infinite distances where the other mask is empty.

    """
    first, first_areas = _elements(reference, spacing_mm)
    second, second_areas = _elements(prediction, spacing_mm)
    return SurfaceDistances(_nearest(first, second), first_areas, _nearest(second, first), second_areas)


def _elements(mask: Mask, spacing_mm: Spacing) -> tuple[Floats, Floats]:
    """Return places (n, 3) in mm and areas (n,) in mm2 of the surface elements of a mask."""
    padded = np.pad(mask, 1).astype(np.uint8)
    z, y, x = (size - 1 for size in padded.shape)
    code = np.zeros((z, y, x), np.uint8)
    for bit, (a, b, c) in enumerate(np.ndindex(2, 2, 2)):
        code |= padded[a : a + z, b : b + y, c : c + x] << np.uint8(bit)
    places = np.argwhere((code != 0) & (code != 255))
    return places * np.asarray(spacing_mm, float), _areas(spacing_mm)[code[tuple(places.T)]]


@lru_cache(maxsize=32)
def _areas(spacing_mm: Spacing) -> Floats:
    """Return the area in mm2 of the surface through eight voxels, for each of their 256 states.

    Lorensen and Cline, SIGGRAPH 1987;21:163. They give a state and its complement the same triangles; skimage does so
    up to four voxels inside, so that of two complements the one with fewer is asked.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    areas = np.zeros(256)
    for code in range(1, 255):
        fewer = code if code.bit_count() <= 4 else 255 - code
        cube = np.array([fewer >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        vertices, faces, _, _ = marching_cubes(cube, 0.5, spacing=spacing_mm, method="lorensen")
        areas[code] = mesh_surface_area(vertices, faces)
    return areas


def _nearest(places: Floats, others: Floats) -> Floats:
    if not len(others) or not len(places):
        return np.full(len(places), np.inf)
    return np.asarray(cKDTree(others).query(places)[0], float)


def _percentile(distances: Floats, areas: Floats, percent: float) -> float:
    order = np.argsort(distances)
    share = np.cumsum(areas[order]) / areas.sum()
    return float(distances[order][min(int(np.searchsorted(share, percent / 100)), len(order) - 1)])
