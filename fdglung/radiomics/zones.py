"""Zones of one grey level: their sizes (IBSI 3.8, PyRadiomics' GLSZM) and distances to the border (IBSI 3.9)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.radiomics.emphases import emphases
from fdglung.radiomics.level_image import Counts, LevelImage, usable_distances

SIZE_FEATURES = (
    *("sze", "lze", "lgze", "hgze", "szlge", "szhge", "lzlge", "lzhge", "glnu", "glnu_norm"),
    *("zsnu", "zsnu_norm", "z_perc", "gl_var", "zs_var", "zs_entr"),
)
"""IBSI's tags of size zone features without family and aggregation, in the order of `emphases`."""

DISTANCE_FEATURES = (
    *("sde", "lde", "lgze", "hgze", "sdlge", "sdhge", "ldlge", "ldhge", "glnu", "glnu_norm"),
    *("zdnu", "zdnu_norm", "z_perc", "gl_var", "zd_var", "zd_entr"),
)
"""IBSI's tags of distance zone features without family and aggregation, in the order of `emphases`."""

_PYRADIOMICS = (
    "SmallAreaEmphasis",
    "LargeAreaEmphasis",
    "LowGrayLevelZoneEmphasis",
    "HighGrayLevelZoneEmphasis",
    "SmallAreaLowGrayLevelEmphasis",
    "SmallAreaHighGrayLevelEmphasis",
    "LargeAreaLowGrayLevelEmphasis",
    "LargeAreaHighGrayLevelEmphasis",
    "GrayLevelNonUniformity",
    "GrayLevelNonUniformityNormalized",
    "SizeZoneNonUniformity",
    "SizeZoneNonUniformityNormalized",
    "ZonePercentage",
    "GrayLevelVariance",
    "ZoneVariance",
    "ZoneEntropy",
)
"""PyRadiomics' names in the order of `SIZE_FEATURES`."""


@dataclass(frozen=True)
class Zones:
    """Zones of a lesion, or of each of its slices.

    Attributes
    ----------
    rank, size, plane
        One entry a zone: rank of its level from 0, number of voxels, slice among those that hold voxels (0 in 3D).
    voxels
        Number of voxels of each slice, or of the lesion.
    labels, box
        Number of each voxel's zone from 1, 0 outside, and where that array lies in the Roi's.
    values
        The levels that ranks stand for.

    """

    rank: NDArray[np.int64]
    size: NDArray[np.int64]
    plane: NDArray[np.int64]
    voxels: NDArray[np.int64]
    labels: NDArray[np.int64]
    box: tuple[slice, ...]
    values: NDArray[np.int64]


def find_zones(image: LevelImage, *, flat_axis: int | None = None) -> Zones:
    """Find the zones: voxels of one level that touch by a face, an edge or a corner.

    Parameters
    ----------
    image
        Levels and mask.
    flat_axis
        Zones stay within slices perpendicular to this axis; None lets them go through the volume.

    """
    from skimage.measure import label

    coded = image.ranks.astype(np.int64)
    if flat_axis is not None:
        shape = [-1 if axis == flat_axis else 1 for axis in range(coded.ndim)]
        slices = np.arange(coded.shape[flat_axis]).reshape(shape)
        coded = np.where(image.mask, coded + image.size * slices, 0)
    labels = np.asarray(label(coded, background=0, connectivity=coded.ndim), dtype=np.int64)
    sizes = np.bincount(labels.ravel())[1:]
    codes = np.zeros(len(sizes) + 1, np.int64)
    codes[labels.ravel()] = coded.ravel()
    plane, rank = np.divmod(codes[1:] - 1, image.size)
    voxels = np.bincount(plane, sizes).astype(np.int64)
    compact = np.cumsum(voxels > 0) - 1
    return Zones(rank, sizes, compact[plane], voxels[voxels > 0], labels, image.box, image.values)


def size_features(zones: Zones, *, merged: bool = False, eps: float = 0.0) -> dict[str, Counts]:
    """Compute IBSI's 16 size zone features (section 3.8).

    Parameters
    ----------
    zones
        Zones of the volume or of slices.
    merged
        Whether the matrices of slices are added up (2.5D).
    eps
        Added within the logarithm.

    Returns
    -------
    dict
        IBSI's tag without family and aggregation, to a value a slice, or one.

    """
    return _features(zones, zones.size, SIZE_FEATURES, merged, eps)


def distance_features(zones: Zones, distances: NDArray[np.int64], *, merged: bool = False) -> dict[str, Counts]:
    """Compute IBSI's 16 distance zone features (section 3.9).

    Parameters
    ----------
    zones
        Zones of the volume or of slices.
    distances
        What `border_distances` gives for the lesion, with the same `flat_axis`.
    merged
        Whether the matrices of slices are added up (2.5D).

    Returns
    -------
    dict
        IBSI's tag without family and aggregation, to a value a slice, or one.

    """
    nearest = np.full(len(zones.size) + 1, np.iinfo(np.int64).max)
    np.minimum.at(nearest, zones.labels.ravel(), distances[zones.box].ravel())
    return _features(zones, nearest[1:], DISTANCE_FEATURES, merged, 0.0)


def border_distances(mask: NDArray[np.bool_], *, flat_axis: int | None = None) -> NDArray[np.int64]:
    """Return how many steps over faces lead from each voxel of a morphological mask out of it: 1 at its border.

    IBSI 3.9: a step leads over a face (3D) or an edge of a pixel (2D); what lies outside the array is outside.

    Parameters
    ----------
    mask
        Morphological mask (z, y, x).
    flat_axis
        Steps stay within slices perpendicular to this axis.

    """
    if flat_axis is None:
        return _steps_out(mask)
    planes = np.moveaxis(mask, flat_axis, 0)
    return np.moveaxis(np.stack([_steps_out(plane) for plane in planes]), 0, flat_axis)


def pyradiomics_glszm(image: LevelImage, *, flat_axis: int | None = None) -> dict[str, float]:
    """Compute PyRadiomics' 16 GLSZM features (version 3.0.1).

    Parameters
    ----------
    image
        Levels and mask.
    flat_axis
        Zones stay within slices perpendicular to this axis (PyRadiomics' force2D).

    Returns
    -------
    dict
        PyRadiomics' name without class, to its value; NaN for a single voxel in every plane, which it refuses.

    """
    if not len(usable_distances(image.mask.shape, (1,), flat_axis)):
        return dict.fromkeys(_PYRADIOMICS, float("nan"))
    values = size_features(find_zones(image, flat_axis=flat_axis), merged=True, eps=float(np.spacing(1)))
    return {name: float(values[ours][0]) for name, ours in zip(_PYRADIOMICS, SIZE_FEATURES, strict=True)}


def _features(
    zones: Zones, sizes: NDArray[np.int64], names: tuple[str, ...], merged: bool, eps: float
) -> dict[str, Counts]:
    columns, column = np.unique(sizes, return_inverse=True)
    planes = 1 if merged else len(zones.voxels)
    plane = 0 if merged else zones.plane
    levels = len(zones.values)
    cell = (plane * levels + zones.rank) * len(columns) + column
    counts = np.bincount(cell, minlength=planes * levels * len(columns)).astype(np.float64)
    voxels = zones.voxels.sum(keepdims=True) if merged else zones.voxels
    shaped = counts.reshape(planes, levels, len(columns))
    return emphases(shaped, zones.values, columns, names, voxels=voxels, eps=eps)


def _steps_out(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    steps = ndimage.distance_transform_cdt(np.pad(mask, 1), metric="taxicab")
    return np.asarray(steps[(slice(1, -1),) * mask.ndim], dtype=np.int64)
