"""Arrays on a grid as images."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import SimpleITK as sitk

from fdglung.phantom.shapes import Grid


def image_on(grid: Grid, array: npt.NDArray[Any] | None) -> sitk.Image:
    """Return an image of an array (z, y, x) whose voxels are a grid's, in patient axes (LPS, mm)."""
    image = sitk.GetImageFromArray(array)
    image.SetOrigin(grid.origin_mm)
    image.SetSpacing(grid.spacing_mm)
    return image
