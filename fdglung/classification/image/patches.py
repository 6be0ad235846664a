"""Cubes of PET, CT and mask around lesions, on an isotropic grid along the patient's axes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.errors import NoCtError, NoPetError
from fdglung.network.normalisation import normalised
from fdglung.network.volume import Grid, not_much_finer, raw_on

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Patches:
    """Lesions of one study as a network is given them.

    Attributes
    ----------
    labels
        (lesions,) of the label image.
    raw
        float32 (lesions, channels, z, y, x): g/ml, HU, and the share of each voxel that is the lesion.
    grids
        (lesions,) where each cube lies.

    """

    labels: tuple[int, ...]
    raw: Floats = field(repr=False)
    grids: tuple[Grid, ...] = field(repr=False)


def patches(
    images: Mapping[str, sitk.Image | None],
    labels: sitk.Image,
    config: ImageClassifierConfig,
    *,
    only: tuple[int, ...] | None = None,
) -> Patches:
    """Cut a cube around the centroid of each lesion.

    Parameters
    ----------
    images
        ``PET`` in SUVbw (g/ml) and ``CT`` in HU, in one space, on any grid; those that are no channel are not used.
    labels
        Lesions from 1; on any grid of the same space.
    config
        Channels, spacing and size.
    only
        Labels to cut, in this order; None for all, rising.

    Returns
    -------
    Patches
        What lies outside an image is no uptake, air, and no lesion.

    Raises
    ------
    NoPetError, NoCtError
        The network looks at an image that is not there.

    """
    for channel, kind in (("PET", NoPetError), ("CT", NoCtError)):
        if channel in config.channels and images.get(channel) is None:
            raise kind(
                f"The classifier looks at the {channel}, and there is none",
                attribute="classifier",
                remedy=f"Give the {channel} too, or a classifier trained without it",
            )
    shapes = sitk.LabelShapeStatisticsImageFilter()
    shapes.Execute(sitk.Cast(labels, sitk.sitkUInt16))
    found = tuple(int(label) for label in shapes.GetLabels()) if only is None else only
    coarse = {
        name: not_much_finer(sitk.Cast(image, sitk.sitkFloat32), config.spacing_mm)
        for name, image in images.items()
        if image is not None and name in config.channels
    }
    side = config.voxels
    raw = np.zeros((len(found), len(config.channels), side, side, side), np.float32)
    grids = tuple(_grid(shapes.GetCentroid(label), side, config.spacing_mm) for label in found)
    for place, (label, grid) in enumerate(zip(found, grids, strict=True)):
        near = {name: _around(grid, image) for name, image in (coarse | {"MASK": labels}).items()}
        if near["MASK"] is not None:
            near["MASK"] = sitk.Cast(sitk.Equal(near["MASK"], float(label)), sitk.sitkFloat32)
        raw[place] = raw_on(grid, near, config.channels)
    return Patches(found, raw, grids)


def network_input(raw: Floats, config: ImageClassifierConfig) -> Floats:
    """Normalise cubes (lesions, channels, z, y, x) for the network; the mask stays as it is."""
    seen = raw.copy()
    for place, channel in enumerate(config.channels):
        if channel != "MASK":
            seen[:, place] = normalised(raw[:, place], config.normalisation[channel])
    return seen


def _around(grid: Grid, image: sitk.Image) -> sitk.Image | None:
    """Return the part of an image that a grid needs, because resampling copies whole images; None where it has none."""
    step = grid.spacing_mm
    sides = zip(grid.origin_mm, grid.size, strict=True)
    ends = itertools.product(*((first - step, first + count * step) for first, count in sides))
    corners = np.array([image.TransformPhysicalPointToContinuousIndex(end) for end in ends])
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, image.GetSize())
    if not (high > low).all():
        return None
    return sitk.RegionOfInterest(image, (high - low).tolist(), low.tolist())


def _grid(centre_mm: tuple[float, ...], side: int, spacing_mm: float) -> Grid:
    first = [float(one) - (side - 1) / 2 * spacing_mm for one in centre_mm]
    return Grid((side, side, side), (first[0], first[1], first[2]), spacing_mm)
