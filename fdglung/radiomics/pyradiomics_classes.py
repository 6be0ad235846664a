"""PyRadiomics' first-order and shape classes and its bins, re-implemented: the same values in less time.

Definitions: van Griethuysen et al., Cancer Res 2017;77:e104 (doi 10.1158/0008-5472.CAN-17-0339), as version 3.0.1
computes them, which differs from IBSI in kurtosis (not less 3), in bins (multiples of the width) and in axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.radiomics.diameters import diameters
from fdglung.radiomics.filters import Array
from fdglung.radiomics.mesh import area_and_volume

Mask = NDArray[np.bool_]

_FEW_VOXELS = 3000
"""Lesion up to which comparing all vertices of its mesh is the quicker way."""

_SMALLEST = float(np.spacing(1))


def grey_levels(values: Array, *, bin_width: float = 25, bin_count: int | None = None) -> NDArray[np.int32]:
    """Return grey levels from 1.

    Parameters
    ----------
    values
        Intensities of a lesion, in the image's type: the edges of a number of bins are of that type.
    bin_width
        The first edge is a multiple of it.
    bin_count
        Takes the place of `bin_width` where given.

    """
    if bin_count is not None:
        edges = np.histogram_bin_edges(values, bin_count)
        edges[-1] += 1
    else:
        low, high = values.min(), values.max()
        edges = np.arange(low - low % bin_width, high + 2 * bin_width, bin_width)
        if len(edges) == 1:
            edges = np.array([edges[0] - 0.5, edges[0] + 0.5])
    return np.searchsorted(edges, values, side="right").astype(np.int32)


def first_order(
    values: NDArray[np.float64],
    levels: NDArray[np.int32],
    voxel_mm3: float,
    *,
    shift: float = 0,
    deviation: bool = False,
) -> dict[str, float]:
    """Return PyRadiomics' first-order features.

    Parameters
    ----------
    values
        Intensities of a lesion.
    levels
        Their grey levels, for entropy and uniformity.
    voxel_mm3
        Volume of a voxel.
    shift
        PyRadiomics' ``voxelArrayShift``: added before squares are taken.
    deviation
        Whether to give the standard deviation too, which PyRadiomics gives only when asked by name.

    Returns
    -------
    dict
        PyRadiomics' names.

    """
    count = len(values)
    mean = values.mean()
    away = values - mean
    squared = away * away
    m2 = squared.mean()
    m3, m4 = (squared * away).mean(), (squared * squared).mean()
    scale = m2 if m2 != 0 else 1.0
    p10, p25, p75, p90 = np.percentile(values, [10, 25, 75, 90])
    middle = values[~((values - p10 < 0) | (values - p90 > 0))]
    low, high = values.min(), values.max()
    energy = np.square(values + shift).sum()
    counts = np.bincount(levels)
    share = counts[counts > 0] / count
    features = {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -np.sum(share * np.log2(share + _SMALLEST)),
        "InterquartileRange": p75 - p25,
        "Kurtosis": m4 / scale**2,
        "Maximum": high,
        "MeanAbsoluteDeviation": np.abs(away).mean(),
        "Mean": mean,
        "Median": np.median(values),
        "Minimum": low,
        "Range": high - low,
        "RobustMeanAbsoluteDeviation": np.abs(middle - middle.mean()).mean() if len(middle) else np.nan,
        "RootMeanSquared": np.sqrt(energy / count),
        "Skewness": m3 / scale**1.5,
        "TotalEnergy": energy * voxel_mm3,
        "Uniformity": np.sum(share * share),
        "Variance": np.std(values) ** 2,
    }
    if deviation:
        features["StandardDeviation"] = np.std(values)
    return {name: float(value) for name, value in features.items()}


def shape(mask: Mask, spacing_mm: Sequence[float], *, wanted: Sequence[str] = ()) -> dict[str, float]:
    """Return PyRadiomics' shape features.

    Parameters
    ----------
    mask
        A lesion in its box (z, y, x).
    spacing_mm
        Along z, y, x.
    wanted
        Names that PyRadiomics gives only when asked (``Compactness1``, ``Compactness2``,
        ``SphericalDisproportion``) are given too where they are among these.

    """
    spacing = np.array(spacing_mm, float)
    framed = np.pad(mask, 1)
    area, volume, longest = _mesh_measures(mask, spacing)
    least, minor, major = _eigenvalues(framed, spacing)
    features = {
        "Elongation": _root(minor / major) if minor >= 0 and major >= 0 else np.nan,
        "Flatness": _root(least / major) if least >= 0 and major >= 0 else np.nan,
        "LeastAxisLength": 4 * _root(least),
        "MajorAxisLength": 4 * _root(major),
        "Maximum2DDiameterColumn": longest[1],
        "Maximum2DDiameterRow": longest[2],
        "Maximum2DDiameterSlice": longest[0],
        "Maximum3DDiameter": longest[3],
        "MeshVolume": volume,
        "MinorAxisLength": 4 * _root(minor),
        "Sphericity": (36 * np.pi * volume**2) ** (1 / 3) / area,
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "VoxelVolume": float(mask.sum()) * np.prod(spacing),
    }
    rare = {
        "Compactness1": volume / (area**1.5 * np.sqrt(np.pi)),
        "Compactness2": 36 * np.pi * volume**2 / area**3,
        "SphericalDisproportion": area / (36 * np.pi * volume**2) ** (1 / 3),
    }
    features |= {name: value for name, value in rare.items() if name in wanted}
    return {name: float(value) for name, value in features.items()}


def shape_2d(mask: Mask, spacing_mm: Sequence[float], *, wanted: Sequence[str] = ()) -> dict[str, float]:
    """Return PyRadiomics' shape features of a lesion in one plane.

    Parameters
    ----------
    mask
        A lesion in its box, two axes.
    spacing_mm
        Along them.
    wanted
        ``SphericalDisproportion`` is given too where it is among these.

    """
    from radiomics import cShape

    spacing = np.array(spacing_mm, float)
    framed = np.pad(mask, 1)
    perimeter, surface, diameter = cShape.calculate_coefficients2D(framed, spacing)
    minor, major = _eigenvalues(framed, spacing)
    sphericity = 2 * np.sqrt(np.pi * surface) / perimeter
    features = {
        "Elongation": _root(minor / major) if minor >= 0 and major >= 0 else np.nan,
        "MajorAxisLength": 4 * _root(major),
        "MaximumDiameter": diameter,
        "MeshSurface": surface,
        "MinorAxisLength": 4 * _root(minor),
        "Perimeter": perimeter,
        "PerimeterSurfaceRatio": perimeter / surface,
        "PixelSurface": float(mask.sum()) * np.prod(spacing),
        "Sphericity": sphericity,
    }
    if "SphericalDisproportion" in wanted:
        features["SphericalDisproportion"] = 1 / sphericity
    return {name: float(value) for name, value in features.items()}


def only(features: Mapping[str, float], wanted: Sequence[str] | None) -> dict[str, float]:
    """Return the features asked for by name, in that order; all in PyRadiomics' order where none is asked for."""
    order = wanted or sorted(features, key=lambda name: f"{name}Feature")
    return {name: features[name] for name in order if name in features}


def _mesh_measures(mask: Mask, spacing: NDArray[np.float64]) -> tuple[float, float, Sequence[float]]:
    """Return area, volume and diameters of the mesh; PyRadiomics' own code compares each vertex with each other.

    Its mesh has gaps where cells are ambiguous, so that the volume depends on the origin: a voxel before the box.
    """
    if mask.sum() > _FEW_VOXELS:
        z, y, x = map(float, spacing)
        area, volume = area_and_volume(mask, (z, y, x))
        return area, volume, diameters(mask, (z, y, x))
    from radiomics import cShape

    area, volume, longest = cShape.calculate_coefficients(np.pad(mask, 1), spacing)
    return area, volume, longest


def _eigenvalues(mask: Mask, spacing: NDArray[np.float64]) -> Any:
    """Return the eigenvalues of the voxels' covariance (with N in place of N - 1), ascending.

    The order of the operations is PyRadiomics', because axes of length 0 are decided by the last bit.
    """
    indices = np.array(np.where(mask), dtype=int).T
    points = indices * spacing[None, :]
    points -= np.mean(points, axis=0)
    points /= np.sqrt(len(indices))
    values = np.linalg.eigvals(np.dot(points.T.copy(), points))
    values[(values < 0) & (values > -1e-10)] = 0
    values.sort()
    return values


def _root(value: float) -> float:
    return float(np.sqrt(value)) if value >= 0 else float("nan")
