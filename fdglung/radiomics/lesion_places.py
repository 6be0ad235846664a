"""Where the lesions of a label image lie on one image: as drawn, or aligned with it and outlined there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.radiomics.alignment import UNMOVED, align, lesion_alone, moved
from fdglung.radiomics.cache import image_digest
from fdglung.radiomics.filters import Box
from fdglung.radiomics.grids import Grid, Point
from fdglung.radiomics.image_settings import ImageSettings
from fdglung.radiomics.label_images import boxes_of, labels_in
from fdglung.radiomics.outline import outlines
from fdglung.radiomics.resampling import part_around, reaches_into, resample_mask
from fdglung.radiomics.soundness import share_outside


@dataclass(frozen=True)
class LesionPlaces:
    """Where lesions lie on an image.

    Attributes
    ----------
    mask
        Label image as drawn.
    boxes
        Label to its box (z, y, x) in it; all labels where lesions were looked for on the image.
    shifts_mm
        Label to how it was moved along x, y and z of the patient (LPS); empty without alignment.
    warnings
        Label to what to check about its move.
    outlines
        Label to its mask on the image, 1 inside; empty where no outlines were looked for.
    outlined
        Label to whether that is an outline, not the mask as drawn.

    """

    mask: sitk.Image
    boxes: Mapping[int, Box]
    shifts_mm: Mapping[int, Point] = field(default_factory=dict)
    warnings: Mapping[int, str] = field(default_factory=dict)
    outlines: Mapping[int, sitk.Image] = field(default_factory=dict)
    outlined: Mapping[int, bool] = field(default_factory=dict)

    @property
    def as_drawn(self) -> bool:
        """Whether all lesions lie where they were drawn."""
        return not (self.shifts_mm or self.outlines)

    def mask_of(self, label: int) -> sitk.Image:
        """Return a lesion alone, 1 inside, where it lies on the image and with its outline there."""
        if label in self.outlines:
            return self.outlines[label]
        return _drawn_mask(self.mask, label, self.boxes[label], self.shifts_mm)

    def others(self, label: int, grid: Grid, threshold: float) -> NDArray[np.bool_]:
        """Return the voxels (z, y, x) of a grid that lesions other than `label` hold."""
        if self.as_drawn:
            part = part_around(self.mask, grid, 2)
            return resample_mask(sitk.And(part != 0, part != label), grid, threshold)
        held = np.zeros(grid.size[::-1], bool)
        for other in self.boxes:
            if other != label and reaches_into(alone := self.mask_of(other), grid):
                held |= resample_mask(alone, grid, threshold)
        return held

    def share_outside(self, label: int, image: sitk.Image) -> float:
        """Return the share of a lesion, as drawn and moved, that lies outside an image, from 0 to 1."""
        if self.shifts_mm.get(label, UNMOVED) == UNMOVED:
            return share_outside(image, self.mask, label, self.boxes[label])
        alone = _drawn_mask(self.mask, label, self.boxes[label], self.shifts_mm)
        return share_outside(image, alone, 1, boxes_of(alone, [1])[1])

    def decided_by(self, label: int, *, others: bool) -> list[object]:
        """Return what decides a lesion's place beside its mask, as plain values; with the other lesions if asked."""
        if others:
            return [image_digest(self.mask), label, sorted(self.shifts_mm.items())]
        moves: list[object] = [self.shifts_mm[label]] if label in self.shifts_mm else []
        return [*moves, image_digest(self.outlines[label])] if label in self.outlines else moves


def lesion_places(
    image: sitk.Image, mask: sitk.Image, labels: Sequence[int], settings: ImageSettings | None
) -> LesionPlaces:
    """Find where lesions lie on an image.

    Parameters
    ----------
    image
        HU where the settings ask for alignment or outlines.
    mask
        Label image on any grid in the same space.
    labels
        Which lesions. Where they are looked for, all of the mask are, for none may take what is another's.
    settings
        Of the image; None takes them as they were drawn.

    """
    if settings is None or (settings.alignment is None and settings.outline is None):
        return LesionPlaces(mask, boxes_of(mask, labels))
    view = sitk.GetArrayViewFromImage(mask)
    every = labels_in(view if view.dtype.kind in "iu" else view.astype(np.int64))
    boxes = boxes_of(mask, every)
    moves = align(image, mask, settings.alignment, labels=every) if settings.alignment else {}
    shifts = {label: one.shift_mm for label, one in moves.items()}
    drawn = {label: _drawn_mask(mask, label, box, shifts) for label, box in boxes.items()}
    found = outlines(image, drawn, settings.outline) if settings.outline else {}
    return LesionPlaces(
        mask=mask,
        boxes=boxes,
        shifts_mm=shifts,
        warnings={label: one.warning for label, one in moves.items() if one.warning},
        outlines={label: one.mask for label, one in found.items()},
        outlined={label: one.outlined for label, one in found.items()},
    )


def _drawn_mask(mask: sitk.Image, label: int, box: Box, shifts_mm: Mapping[int, Point]) -> sitk.Image:
    """Return a lesion alone as it was drawn, in its box and two voxels around it, where it was moved."""
    return moved(lesion_alone(mask, label, box), shifts_mm.get(label, UNMOVED))
