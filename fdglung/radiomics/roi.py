"""One lesion on one image, ready for features: its voxels, its masks and its grey levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Roi:
    """A lesion on one image, cut to the box of its morphological mask. Arrays are (z, y, x).

    Attributes
    ----------
    intensity
        float64: SUVbw in g/ml, HU, or a filter's response; may be anything outside the intensity mask.
    morphological_mask
        bool: the lesion after resampling, before intensities leave voxels out (IBSI's morphological mask).
    intensity_mask
        bool: the same less voxels outside the re-segmentation range and outliers (IBSI's intensity mask); never empty.
    spacing_mm
        Along z, y, x.
    levels
        int32: grey levels from 1 within the intensity mask, 0 outside.
    level_count
        Highest level that discretisation could give (Ng), also where no voxel has it.
    bin_width
        Width of a grey level's bin in the unit of `intensity`; None where a number of bins was asked for.
    bin_origin
        Lower end of the first bin, in the unit of `intensity`; None where a number of bins was asked for.

    """

    intensity: NDArray[np.float64]
    morphological_mask: NDArray[np.bool_]
    intensity_mask: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    levels: NDArray[np.int32]
    level_count: int
    bin_width: float | None = None
    bin_origin: float | None = None

    @property
    def values(self) -> NDArray[np.float64]:
        """Intensities within the intensity mask, in the order of the array."""
        values: NDArray[np.float64] = self.intensity[self.intensity_mask]
        return values
