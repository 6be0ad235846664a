"""Where the images of a synthetic study lie: the grids of CT, PET and of the activity before it is scanned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.scanner.catalogue import Reconstruction
from fdglung.phantom.shapes import Grid

Region = Literal["thorax", "trunk"]

REGIONS_MM: dict[str, tuple[float, float]] = {"thorax": (-232.0, 128.0), "trunk": (-560.0, 232.0)}
"""Lowest and highest canonical z that is shown: upper kidneys to the base of the neck, thighs to the ears."""

CT_FIELD_MM = 500.0
CT_MATRIX = 512
ACTIVITY_MM = 2.5
ACTIVITY_FIELD_MM = (560.0, 400.0)
"""Extent across and from front to back of what can hold activity: a large adult with the arms down."""

_TRAINING_FIELD_MM = (480.0, 360.0)


@dataclass(frozen=True)
class Grids:
    """Grids of one study: all axial, patient space (LPS, mm), centred on the body's axis."""

    ct: Grid
    pet: Grid
    activity: Grid


def study_grids(
    region: Region,
    frame: BodyFrame,
    reconstruction: Reconstruction,
    *,
    ct_slice_mm: float = 3.0,
    training_mm: float | None = None,
) -> Grids:
    """Lay the grids of a study over a region of a body.

    Parameters
    ----------
    region
        What is shown.
    frame
        Carries the region's ends to the patient.
    reconstruction
        Gives the PET's matrix and voxels.
    ct_slice_mm
        Of the CT's slices, which touch one another.
    training_mm
        One cubic grid of this spacing for all three, over 480 x 360 mm; None for the scanner's grids.

    """
    low, high = (float(frame.to_patient([(0.0, 0.0, z)])[0, 2]) for z in REGIONS_MM[region])
    if training_mm is not None:
        across, deep = (round(field / training_mm) for field in _TRAINING_FIELD_MM)
        grid = _centred((across, deep), (training_mm, training_mm), training_mm, low, high)
        return Grids(grid, grid, grid)
    pixel = CT_FIELD_MM / CT_MATRIX
    ct = _centred((CT_MATRIX, CT_MATRIX), (pixel, pixel), ct_slice_mm, low, high)
    pixel, slice_mm = reconstruction.voxel_mm
    pet = _centred((reconstruction.matrix, reconstruction.matrix), (pixel, pixel), slice_mm, low, high)
    across, deep = (round(field / ACTIVITY_MM) for field in ACTIVITY_FIELD_MM)
    # what lies just beyond the ends is blurred into the image
    activity = _centred((across, deep), (ACTIVITY_MM, ACTIVITY_MM), ACTIVITY_MM, low - 15, high + 15)
    return Grids(ct, pet, activity)


def _centred(matrix: tuple[int, int], pixel_mm: tuple[float, float], slice_mm: float, low: float, high: float) -> Grid:
    x, y = (-0.5 * (count - 1) * step for count, step in zip(matrix, pixel_mm, strict=True))
    slices = math.floor((high - low) / slice_mm + 1e-6) + 1
    return Grid((x, y, low), (*pixel_mm, slice_mm), (*matrix, slices))
