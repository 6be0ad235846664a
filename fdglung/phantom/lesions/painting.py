"""Lesions painted into a body: into its activity with their truth, and into its CT where breathing has put them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom.uid import generate_uid

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.grids import Grids
from fdglung.phantom.images import image_on
from fdglung.phantom.lesions.placed import PlacedLesion
from fdglung.phantom.lesions.placement import confinement
from fdglung.phantom.lesions.rendering import render
from fdglung.phantom.lesions.truth import render_fine, true_lesion
from fdglung.phantom.raster import Volumes
from fdglung.phantom.shapes import Array, Grid
from fdglung.phantom.study import TrueLesion


def paint_in_pet(
    placed: Sequence[PlacedLesion], active: Volumes, organs: sitk.Image, grids: Grids, entropy: str
) -> tuple[tuple[TrueLesion, ...], sitk.Image]:
    """Paint the uptake of lesions, measure their truth, and label them on the PET grid.

    Parameters
    ----------
    placed
        In the order of their labels, which start at 1.
    active
        Painted in place: what attenuates and what is active.
    organs
        uint8, values of `Organ`: confines the lesions.
    grids
        Of the study.
    entropy
        Says what the study is made from: the tracking UIDs follow from it.

    Returns
    -------
    tuple
        The truth of each lesion, and uint16 labels on the PET grid.

    """
    truth = []
    labels = np.zeros(grids.pet.shape, np.uint16)
    for label, lesion in enumerate(placed, start=1):
        confine = confinement(lesion, organs)
        rendered = render(lesion, grids.activity, confine=confine)
        rendered.paint_pet(cast(Array, active.suv))
        rendered.paint_ct(cast(Array, active.hu))
        place = json.dumps([label, lesion.centre_mm, lesion.radius_mm])
        uid = generate_uid(entropy_srcs=["fdglung phantom lesion", entropy, place])
        truth.append(true_lesion(lesion, render_fine(lesion, confine=confine), label, uid))
        if grids.pet != grids.activity:
            rendered = render(lesion, grids.pet, confine=confine)
        _label(labels, rendered.window, rendered.coverage, label)
    return tuple(truth), image_on(grids.pet, labels)


def paint_in_ct(
    placed: Sequence[PlacedLesion], still: Volumes, grid: Grid, in_pet: BodyFrame, in_ct: BodyFrame
) -> sitk.Image:
    """Paint the lesions where breathing has put them at the moment of the CT, and return their uint16 labels."""
    labels = np.zeros(grid.shape, np.uint16)
    organs = image_on(grid, still.organs)
    for label, lesion in enumerate(placed, start=1):
        modelled = in_pet.to_canonical([lesion.centre_mm])
        modelled[:, 2] = in_pet.organ_z(modelled[:, 2].astype(np.float32))
        shift = (in_ct.to_patient(in_ct.moved(modelled)) - np.array([lesion.centre_mm]))[0]
        rendered = render(lesion, grid, shift_mm=tuple(shift), confine=confinement(lesion, organs))
        rendered.paint_ct(cast(Array, still.hu))
        _label(labels, rendered.window, rendered.coverage, label)
    return image_on(grid, labels)


def _label(labels: npt.NDArray[np.uint16], window: tuple[slice, slice, slice], coverage: Array, label: int) -> None:
    """Label the voxels that are filled by half or more; of a speck that fills no voxel by half, its fullest."""
    if coverage.size and coverage.max() > 0:
        labels[window][coverage >= min(0.5, float(coverage.max()))] = label
