"""Where lesions lie in the chest, as features: side, lobe, and distances to the pleura, the hilum and the mediastinum.

Models of pulmonary nodules count the upper lobe as a sign of cancer (Swensen et al., Arch Intern Med 1997;157:849;
McWilliams et al., N Engl J Med 2013;369:910).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import NoThoraxError
from fdglung.radiomics.columns import PLACEMENT_MEANINGS
from fdglung.radiomics.label_images import boxes_of
from fdglung.settings_checks import one_of

if TYPE_CHECKING:
    from fdglung.lungs import LungRegion
    from fdglung.lungs.placement import Placement

LUNGS = ("lobes", "sides")
"""What finds the lungs: fdglung's own narrow networks, the one that tells lobes or the one that tells sides alone."""

_LEAST_STEP_MM = 2.0
"""Finer masks are worked on in blocks of about this size: nothing here is known to a millimetre."""


@dataclass(frozen=True)
class PlacementSettings:
    """What tells where lesions lie.

    Attributes
    ----------
    lungs
        One of `LUNGS`. It decides values, so it stands here and is not left to what lungs a study has already.

    """

    lungs: str = "lobes"

    def __post_init__(self) -> None:
        one_of(self.lungs, LUNGS, "lungs")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        lobes = self.lungs == "lobes"
        return tuple(name for name in PLACEMENT_MEANINGS if lobes or not name.endswith("_lobe"))


@dataclass(frozen=True)
class Placed:
    """Where lesions lie.

    Attributes
    ----------
    features
        Label to name to value; NaN where it is not known.
    warnings
        What to know about all of them, in full sentences.

    """

    features: Mapping[int, dict[str, float]]
    warnings: tuple[str, ...]


def lungs_of(
    ct: sitk.Image, settings: PlacementSettings, *, progress: Callable[[str, float], None] | None = None
) -> LungRegion:
    """Find the lungs of a CT (HU) as the settings say.

    Raises
    ------
    NoThoraxError
        If the CT shows no lungs.
    BackendError
        If what runs the network is not installed.

    """
    from fdglung.lungs import segment
    from fdglung.lungs.weights import OWN_NAMES

    return segment(ct, weights=OWN_NAMES[settings.lungs], progress=progress)


def placed(
    ct: sitk.Image | None,
    mask: sitk.Image,
    labels: Sequence[int],
    settings: PlacementSettings,
    *,
    lungs: LungRegion | None = None,
) -> Placed:
    """Tell where lesions lie.

    Parameters
    ----------
    ct
        HU; None for a study without one, of which nothing is known.
    mask
        Label image on any grid in the same space.
    labels
        Which lesions.
    settings
        What finds the lungs.
    lungs
        What `lungs_of` found on the CT before; None finds them.

    Returns
    -------
    Placed
        `fdglung.lungs.placement.Placement` as numbers. Masks finer than 2 mm are taken in blocks of about 2 mm.

    Raises
    ------
    BackendError
        If what runs the network is not installed.

    """
    unknown = dict.fromkeys(settings.names, math.nan)
    if lungs is None:
        if ct is None:
            return _nowhere(labels, unknown, "There is no CT, so that where lesions lie in the lungs is not known.")
        try:
            lungs = lungs_of(ct, settings)
        except NoThoraxError as error:
            text = f"Where lesions lie in the lungs is not known: {error.problem}."
            return _nowhere(labels, unknown, text)
    from fdglung.lungs.placement import LungPlaces

    blocks = np.array([max(1, math.floor(_LEAST_STEP_MM / step)) for step in mask.GetSpacing()])
    grid = _in_blocks(mask, blocks)
    found = dict(_voxels(mask, labels, blocks))
    if not found:
        return _nowhere(labels, unknown)
    every = np.zeros(grid.GetSize()[::-1], bool)
    for voxels in found.values():
        every[tuple(voxels.T)] = True
    places = LungPlaces(grid, lungs, every)
    features = {label: dict(unknown) for label in labels}
    for label, voxels in found.items():
        low = voxels.min(axis=0)
        inside = np.zeros(voxels.max(axis=0) - low + 1, bool)
        inside[tuple((voxels - low).T)] = True
        box = tuple(slice(int(start), int(start) + size) for start, size in zip(low, inside.shape, strict=True))
        features[label] |= _numbers(places.place(inside, box), settings)
    return Placed(features, lungs.warnings)


def _nowhere(labels: Sequence[int], unknown: dict[str, float], *warnings: str) -> Placed:
    return Placed({label: dict(unknown) for label in labels}, warnings)


def _numbers(place: Placement, settings: PlacementSettings) -> dict[str, float]:
    """Return a placement as numbers: 0 or 1, and distances in mm."""
    from fdglung.lungs.placement import Side

    if place.lung_distance_mm is None or not math.isfinite(place.lung_distance_mm):
        return {}
    found = {side.value: float(place.side is side) for side in (Side.RIGHT, Side.LEFT, Side.MEDIASTINUM)}
    if place.lobe is not None or place.side is Side.MEDIASTINUM:
        lobe = place.lobe or ""
        found |= {f"{part}_lobe": float(lobe.endswith(f"{part} lobe")) for part in ("upper", "middle", "lower")}
    distances = {
        "lung_distance_mm": place.lung_distance_mm,
        "hilum_distance_mm": place.hilum_distance_mm,
        "mediastinum_distance_mm": place.mediastinum_distance_mm,
    }
    found |= {name: math.nan if value is None else value for name, value in distances.items()}
    return {name: found[name] for name in settings.names if name in found}


def _in_blocks(mask: sitk.Image, blocks: NDArray[np.intp]) -> sitk.Image:
    """Return an empty image whose voxels are blocks of a mask's, the last ones reaching beyond it."""
    size = [math.ceil(count / block) for count, block in zip(mask.GetSize(), blocks.tolist(), strict=True)]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing((np.array(mask.GetSpacing()) * blocks).tolist())
    grid.SetDirection(mask.GetDirection())
    grid.SetOrigin(mask.TransformContinuousIndexToPhysicalPoint(((blocks - 1) / 2).tolist()))
    return grid


def _voxels(
    mask: sitk.Image, labels: Sequence[int], blocks: NDArray[np.intp]
) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each lesion that is there, with the blocks (n, 3; z, y, x) that hold some of it."""
    view = sitk.GetArrayViewFromImage(mask)
    for label, box in boxes_of(mask, labels).items():
        fine = np.argwhere(view[box] == label) + [part.start for part in box]
        yield label, np.unique(fine // blocks[::-1], axis=0)
