"""Morphological features of a region of interest (IBSI family HCUG)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from fdglung.radiomics.autocorrelation import autocorrelation
from fdglung.radiomics.enclosing import ellipsoid_area, enclosing_ellipsoid, oriented_box
from fdglung.radiomics.mesh import area_and_volume, outermost_points
from fdglung.radiomics.roi import Roi


def morphology_features(roi: Roi) -> dict[str, float]:
    """Return the 29 morphological features.

    Parameters
    ----------
    roi
        Its morphological mask gives the shape; its intensity mask the centre of mass of intensities, the integrated
        intensity and the autocorrelations.

    Returns
    -------
    dict
        ``morph_volume`` to ``morph_geary_c`` in IBSI's order and in mm; NaN where a voxel or a row of voxels has no
        such measure, as axes of one voxel.

    """
    mask, spacing = roi.morphological_mask, roi.spacing_mm
    area, volume = area_and_volume(mask, spacing)
    hull = ConvexHull(outermost_points(mask, spacing))
    corners = hull.points[hull.vertices]
    centres = np.argwhere(mask) * np.array(spacing)
    axes = _axes(centres)
    features = _measures(volume, area, len(centres) * math.prod(spacing))
    features["morph_com"] = _centre_shift(roi, centres)
    features["morph_diam"] = float(pdist(corners).max())
    features |= _principal(axes)
    features |= _densities("aabb", volume, area, *_box(np.ptp(corners, axis=0)))
    features |= _densities("ombb", volume, area, *_box(oriented_box(hull)))
    features |= _densities("aee", volume, area, *_ellipsoid(axes / 2))
    features |= _densities("mvee", volume, area, *_ellipsoid(enclosing_ellipsoid(corners)))
    features |= _densities("conv_hull", volume, area, float(hull.volume), float(hull.area))
    features["morph_integ_int"] = float(roi.values.mean()) * volume
    features["morph_moran_i"], features["morph_geary_c"] = autocorrelation(roi)
    return features


def _measures(volume: float, area: float, voxels: float) -> dict[str, float]:
    roundness = 36 * math.pi * volume**2 / area**3
    return {
        "morph_volume": volume,
        "morph_vol_approx": voxels,
        "morph_area_mesh": area,
        "morph_av": area / volume,
        "morph_comp_1": volume / (math.sqrt(math.pi) * area**1.5),
        "morph_comp_2": roundness,
        "morph_sph_dispr": roundness ** (-1 / 3),
        "morph_sphericity": roundness ** (1 / 3),
        "morph_asphericity": roundness ** (-1 / 3) - 1,
    }


def _centre_shift(roi: Roi, centres: NDArray[np.float64]) -> float:
    """Return the distance of the centre of mass of intensities from that of the shape (IBSI KLMA)."""
    values = roi.values
    total = float(values.sum())
    if total == 0:
        return math.nan
    weighted = values @ (np.argwhere(roi.intensity_mask) * np.array(roi.spacing_mm)) / total
    return float(np.linalg.norm(weighted - centres.mean(axis=0)))


def _axes(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ellipsoid's axes by principal components, longest first: 4 standard deviations (IBSI TDIC)."""
    if len(centres) < 2:
        return np.full(3, math.nan)
    covariance = np.cov(centres, rowvar=False)
    variances = np.linalg.eigvalsh(covariance)[::-1]
    # A flat shape has no variance across; rounding makes a little, of either sign.
    return 4 * np.sqrt(np.where(variances > 1e-12 * variances[0], variances, 0.0))


def _principal(axes: NDArray[np.float64]) -> dict[str, float]:
    major, minor, least = map(float, axes)
    return {
        "morph_pca_maj_axis": major,
        "morph_pca_min_axis": minor,
        "morph_pca_least_axis": least,
        "morph_pca_elongation": minor / major,
        "morph_pca_flatness": least / major,
    }


def _box(edges: NDArray[np.float64] | tuple[float, float, float]) -> tuple[float, float]:
    a, b, c = map(float, edges)
    return a * b * c, 2 * (a * b + b * c + a * c)


def _ellipsoid(semi_axes: NDArray[np.float64] | tuple[float, float, float]) -> tuple[float, float]:
    a, b, c = map(float, semi_axes)
    if not c > 0:
        return math.nan, math.nan
    return 4 / 3 * math.pi * a * b * c, ellipsoid_area(a, b, c)


def _densities(name: str, volume: float, area: float, whole: float, surface: float) -> dict[str, float]:
    return {f"morph_vol_dens_{name}": volume / whole, f"morph_area_dens_{name}": area / surface}
