"""What is true of a lesion, measured on a grid much finer than any scanner's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.placed import PlacedLesion
from fdglung.phantom.lesions.rendering import LUNG_HU, Confine, Rendered, render
from fdglung.phantom.shapes import Grid
from fdglung.phantom.study import TrueLesion


def render_fine(
    lesion: PlacedLesion, *, shift_mm: Sequence[float] = (0.0, 0.0, 0.0), confine: Confine | None = None
) -> Rendered:
    """Render a lesion's body on a cubic grid of an eighth of its radius, 0.25 to 1 mm, that holds it all.

    Parameters
    ----------
    lesion, shift_mm
        As for `render`.
    confine
        A function of x, y, z in mm; None for everywhere.

    Raises
    ------
    ParameterError
        `confine` is an array, whose grid this is not.

    """
    spacing = float(np.clip(lesion.radius_mm / 8, 0.25, 1.0))
    reach = lesion.body.reach_mm + 2 * spacing
    count = 2 * math.ceil(reach / spacing) + 1
    corner = [c + s - (count - 1) / 2 * spacing for c, s in zip(lesion.centre_mm, shift_mm, strict=True)]
    grid = Grid((corner[0], corner[1], corner[2]), (spacing, spacing, spacing), (count, count, count))
    return render(lesion, grid, shift_mm=shift_mm, confine=confine)


def true_lesion(lesion: PlacedLesion, fine: Rendered, label: int, tracking_uid: str) -> TrueLesion:
    """Measure what is true of a lesion.

    Parameters
    ----------
    lesion
        The lesion.
    fine
        As `render_fine` renders it, where it is in the PET; volume, means and centre are its.
    label
        Value in the lesion mask, from 1.
    tracking_uid
        DICOM UID.

    Returns
    -------
    TrueLesion
        The volume is that of the body, necrosis, cavity and air in bronchi included. SUVmax is that of the hottest
        place that the lesion fills by half: the plan's, or a little less where what bounds the lesion cuts off its
        hottest part. The CT number takes aerated lung to be -850 HU where the lesion is hazy.

    Raises
    ------
    ParameterError
        A label below 1, or a rendering in which the lesion fills nothing.

    """
    if label < 1:
        raise ParameterError(f"label is {label}", attribute="label", remedy="Give a whole number from 1")
    filled = fine.coverage.astype(np.float64)
    total = filled.sum()
    if total <= 0:
        raise ParameterError(
            "the lesion fills nothing", attribute="fine", remedy="Render it where it lies, with another confinement"
        )
    solid = np.clip(fine.opacity / np.maximum(fine.coverage, 1e-6), 0, 1)
    hu = solid * fine.hu + (1 - solid) * np.float32(LUNG_HU)
    axes = (axis.astype(np.float64) for axis in fine.grid.coordinates(fine.window))
    centre = [float((filled * axis).sum() / total) for axis in axes]
    return TrueLesion(
        label=label,
        lesion_class=lesion.plan.lesion_class,
        subtype=lesion.plan.subtype,
        kind=lesion.plan.kind,
        place=lesion.place,
        centre_mm=(centre[0], centre[1], centre[2]),
        volume_ml=float(total * fine.voxel_ml),
        suv_max=float(fine.suv[fine.coverage >= 0.5 * fine.coverage.max()].max()),
        suv_mean=float((filled * fine.suv).sum() / total),
        hu=float((filled * hu).sum() / total),
        signs=tuple(sorted(str(sign) for sign in lesion.plan.signs)),
        tracking_uid=tracking_uid,
    )
