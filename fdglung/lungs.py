"""Lung mask of a CT and the lungs' box with its margin."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk


@dataclass(frozen=True)
class LungRegion:
    """The lungs of a CT.

    Attributes
    ----------
    mask
        uint8 on the CT grid: 0 background, 1 right lung, 2 left lung (as lungmask's R231 labels them).
    box_mm
        Lower and upper corner in patient coordinates (LPS), in mm: the lungs' bounding box plus the margin.
    method
        What made the mask, with its weights, such as ``lungmask R231`` or ``classical``.
    warnings
        What a physician must know, in full sentences.

    """

    mask: sitk.Image
    box_mm: tuple[tuple[float, float, float], tuple[float, float, float]]
    method: str
    warnings: tuple[str, ...] = ()
