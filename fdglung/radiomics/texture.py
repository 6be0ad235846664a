"""Texture of a lesion: every IBSI family and aggregation, and PyRadiomics' classes, from its grey levels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from fdglung.errors import ParameterError
from fdglung.radiomics.dependence import dependence_counts, ngldm_features, pyradiomics_gldm
from fdglung.radiomics.glcm import glcm_features, pair_counts, pair_weights
from fdglung.radiomics.glrlm import glrlm_features, pyradiomics_glrlm, run_counts, run_weights, with_single_voxels
from fdglung.radiomics.level_image import NORMS, Counts, LevelImage, known_mean, level_image, usable_distances
from fdglung.radiomics.ngtdm import ngtdm_features, pyradiomics_ngtdm, tone_differences
from fdglung.radiomics.pyradiomics_glcm import pyradiomics_glcm
from fdglung.radiomics.roi import Roi
from fdglung.radiomics.zones import (
    border_distances,
    distance_features,
    find_zones,
    pyradiomics_glszm,
    size_features,
)

FAMILIES = ("cm", "rlm", "szm", "dzm", "ngt", "ngl")
"""IBSI's texture families: co-occurrence, run length, size zone, distance zone, tone difference, dependence."""

AGGREGATIONS = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb")
"""IBSI's aggregations of co-occurrence and run length matrices; the part before the underscore is what others know."""

PYRADIOMICS_CLASSES = ("glcm", "glrlm", "glszm", "gldm", "ngtdm")
"""PyRadiomics' texture classes."""

_DIRECTED = ("cm", "rlm")
_DIMENSIONS = ("2D", "2_5D", "3D")


def texture_features(
    roi: Roi,
    *,
    families: Iterable[str] = FAMILIES,
    aggregations: Iterable[str] = ("3D_avg",),
    distances: Sequence[int] = (1,),
    alpha: float = 0.0,
    weighting_norm: str | None = None,
    symmetric: bool = True,
    force_2d_dimension: int | None = None,
) -> dict[str, float]:
    """Compute IBSI's texture features (reference manual, sections 3.6 to 3.11; doi 10.1148/radiol.2020191145).

    Parameters
    ----------
    roi
        The lesion, discretised; `roi.level_count` is Ng.
    families
        Some of `FAMILIES`.
    aggregations
        Some of `AGGREGATIONS`, or ``2D``, ``2_5D`` and ``3D``, which only families without directions take. Of the six
        those take the dimension: ``3D_avg`` gives ``szm_sze_3D``.
    distances
        Chebyshev distances of neighbours in voxels (cm, ngt, ngl). (1, 2) is the neighbourhood of distance 2 of ngt
        and ngl.
    alpha
        Coarseness of ngl: largest difference of dependent levels.
    weighting_norm
        Norm of the distance that weights directions where their matrices are merged (``…_comb``): cm by
        exp(-length^2), rlm by length; one of `level_image.NORMS`. None: all weigh the same.
    symmetric
        Whether co-occurrence counts pairs both ways, as IBSI does.
    force_2d_dimension
        Axis of the Roi's arrays that the slices of 2D and 2.5D are perpendicular to; None: z.

    Returns
    -------
    dict
        IBSI's tag, such as ``cm_joint_max_3D_avg`` or ``szm_sze_3D``, to its value. A mean over slices or directions
        leaves out those without a value; NaN where none has any.

    Raises
    ------
    ParameterError
        A name, a distance or `alpha` that is none.

    """
    chosen = _known("families", families, FAMILIES)
    wanted = _known("aggregations", aggregations, AGGREGATIONS + _DIMENSIONS)
    if weighting_norm is not None:
        _known("weighting_norm", (weighting_norm,), NORMS)
    axis = _axis(force_2d_dimension, roi)
    usable_distances(roi.levels.shape, distances, None)
    image = level_image(roi)
    dimensions = [name for name in _DIMENSIONS if any(_dimension(w) == name for w in wanted)]
    settings: dict[str, tuple[Callable[..., Counts], Callable[[Counts], dict[str, Counts]]]] = {
        "ngt": (
            lambda part: tone_differences(part, distances=distances),
            lambda counts: ngtdm_features(counts, image.values),
        ),
        "ngl": (
            lambda part: dependence_counts(part, distances=distances, alpha=alpha),
            lambda counts: ngldm_features(counts, image.values),
        ),
    }
    features: dict[str, float] = {}
    for family in chosen:
        if family in _DIRECTED:
            directed = [name for name in AGGREGATIONS if name in wanted]
            found = _directed(family, image, roi.level_count, directed, distances, weighting_norm, symmetric, axis)
        elif family in settings:
            found = _undirected(*settings[family], image, dimensions, axis)
        else:
            found = _zoned(family, roi, image, dimensions, axis)
        for suffix, values in found:
            features |= {f"{family}_{name}_{suffix}": known_mean(value) for name, value in values.items()}
    return features


def pyradiomics_textures(
    roi: Roi,
    *,
    classes: Iterable[str] = PYRADIOMICS_CLASSES,
    distances: Sequence[int] = (1,),
    gldm_a: float = 0,
    symmetrical_glcm: bool = True,
    weighting_norm: str | None = None,
    force_2d: bool = False,
    force_2d_dimension: int = 0,
) -> dict[str, float]:
    """Compute PyRadiomics' texture features as version 3.0.1 does, with its own conventions.

    Parameters
    ----------
    roi
        The lesion, discretised as PyRadiomics does it: its Ng is the highest level that occurs.
    classes
        Some of `PYRADIOMICS_CLASSES`.
    distances, gldm_a, symmetrical_glcm, weighting_norm, force_2d, force_2d_dimension
        PyRadiomics' settings of nearly the same names, with its defaults.

    Returns
    -------
    dict
        ``class_Name``, such as ``glcm_Idmn``, to its value, NaN where PyRadiomics has none.

    Raises
    ------
    ParameterError
        A name, a distance or `gldm_a` that is none.

    """
    chosen = _known("classes", classes, PYRADIOMICS_CLASSES)
    if weighting_norm is not None:
        _known("weighting_norm", (weighting_norm,), NORMS)
    flat = _axis(force_2d_dimension, roi) if force_2d else None
    image = level_image(roi)
    compute: dict[str, Callable[[], dict[str, float]]] = {
        "glcm": lambda: pyradiomics_glcm(
            image, distances=distances, symmetric=symmetrical_glcm, weighting_norm=weighting_norm, flat_axis=flat
        ),
        "glrlm": lambda: pyradiomics_glrlm(image, weighting_norm=weighting_norm, flat_axis=flat),
        "glszm": lambda: pyradiomics_glszm(image, flat_axis=flat),
        "gldm": lambda: pyradiomics_gldm(image, distances=distances, alpha=gldm_a, flat_axis=flat),
        "ngtdm": lambda: pyradiomics_ngtdm(image, distances=distances, flat_axis=flat),
    }
    return {f"{name}_{feature}": value for name in chosen for feature, value in compute[name]().items()}


def _known(attribute: str, names: Iterable[str], all_names: tuple[str, ...]) -> tuple[str, ...]:
    given = tuple(names)
    for name in given:
        if name not in all_names:
            raise ParameterError(
                f"There is no {name!r}", attribute=attribute, remedy=f"Choose from {', '.join(all_names)}."
            )
    return given


def _axis(axis: int | None, roi: Roi) -> int:
    if axis is not None and axis not in range(roi.levels.ndim):
        raise ParameterError(
            f"The array has no axis {axis}", attribute="force_2d_dimension", remedy="Choose 0 (z), 1 (y) or 2 (x)."
        )
    return axis or 0


def _dimension(aggregation: str) -> str:
    return aggregation.removesuffix("_avg").removesuffix("_comb")


def _directed(
    family: str,
    image: LevelImage,
    level_count: int,
    aggregations: list[str],
    distances: Sequence[int],
    norm: str | None,
    symmetric: bool,
    axis: int,
) -> Iterator[tuple[str, dict[str, Counts]]]:
    """Yield each aggregation and its features, a value a matrix."""

    def counted(part: LevelImage) -> tuple[Counts, Counts]:
        """Return the matrix of each direction, and the weighted sum of them, (1, …)."""
        if family == "cm":
            counts, offsets = pair_counts(part.padded(max(distances) + 1), distances=distances, symmetric=symmetric)
            weights = pair_weights(offsets, part.spacing_mm, norm)
        else:
            counts, offsets = run_counts(part.padded(2))
            counts = with_single_voxels(counts, part)
            weights = run_weights(offsets, part.spacing_mm, norm)
        weighted = counts if weights is None else counts * weights[:, None, None]
        return counts, weighted.sum(axis=0, keepdims=True)

    def features(counts: Counts) -> dict[str, Counts]:
        return (
            glcm_features(counts, image.values, level_count) if family == "cm" else glrlm_features(counts, image.values)
        )

    if any(_dimension(name) == "3D" for name in aggregations):
        each, merged = counted(image)
        yield from ((name, features(each if name == "3D_avg" else merged)) for name in aggregations if name[:2] == "3D")
    flat = [name for name in aggregations if name[:2] != "3D"]
    if not flat:
        return
    planes = list(image.planes(axis))
    found: dict[str, list[dict[str, Counts]]] = {"2D_avg": [], "2D_comb": []}
    sums: list[Counts] = []
    for plane in planes:
        matrices = counted(plane)
        for name, counts in zip(found, matrices, strict=True):
            if name in flat:
                found[name].append(features(counts))
        sums = [a + b for a, b in zip(sums, matrices, strict=True)] if sums else list(matrices)
    for name in flat:
        if name in found:
            yield name, {key: np.concatenate([one[key] for one in found[name]]) for key in found[name][0]}
        else:
            yield name, features(sums[0] if name == "2_5D_avg" else sums[1])


def _undirected(
    count: Callable[[LevelImage], Counts],
    features: Callable[[Counts], dict[str, Counts]],
    image: LevelImage,
    dimensions: list[str],
    axis: int,
) -> Iterator[tuple[str, dict[str, Counts]]]:
    if "3D" in dimensions:
        yield "3D", features(count(image)[None])
    if "2D" in dimensions or "2_5D" in dimensions:
        counts = np.stack([count(plane) for plane in image.planes(axis)])
        if "2D" in dimensions:
            yield "2D", features(counts)
        if "2_5D" in dimensions:
            yield "2_5D", features(counts.sum(axis=0, keepdims=True))


def _zoned(
    family: str, roi: Roi, image: LevelImage, dimensions: list[str], axis: int
) -> Iterator[tuple[str, dict[str, Counts]]]:
    for dimension in dimensions:
        flat = None if dimension == "3D" else axis
        zones = find_zones(image, flat_axis=flat)
        merged = dimension == "2_5D"
        if family == "szm":
            yield dimension, size_features(zones, merged=merged)
        else:
            distances = border_distances(roi.morphological_mask, flat_axis=flat)
            yield dimension, distance_features(zones, distances, merged=merged)
