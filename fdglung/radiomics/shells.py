"""Intensities of what surrounds a lesion, in shells about it (peritumoral radiomics), as a task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.errors import InputError
from fdglung.radiomics.image_settings import SHELL, ImageSettings
from fdglung.radiomics.preprocessing import Prepared, make_roi
from fdglung.radiomics.roi import Roi

Mask = NDArray[np.bool_]
Features = dict[str, float]


@dataclass(frozen=True)
class ShellTask:
    """Statistics of the intensities about a lesion, at given distances from it.

    Attributes
    ----------
    prepared
        The lesion, with a margin about it that holds the shells.
    others
        Voxels (z, y, x) of other lesions on the grid of the margin; they belong to no shell.
    settings, families
        Of the modality, and which features: of the families of voxels' intensities, ``stat`` and ``ih``.

    """

    prepared: Prepared
    others: Mask
    settings: ImageSettings
    families: tuple[str, ...]

    def run(self) -> Features:
        """Return features by IBSI's tags, after the name of the shell; none of a shell without voxels."""
        found: Features = {}
        for bounds in self.settings.shells_mm:
            try:
                roi = shell(self.prepared, self.others, bounds, self.settings)
            except InputError:
                # No room between the lesion, others and the image's edge, or nothing in the range.
                continue
            found |= {f"{shell_name(bounds)}_{key}": value for key, value in self._features(roi).items()}
        return found

    def _features(self, roi: Roi) -> Features:
        from fdglung.radiomics.histogram import histogram_features
        from fdglung.radiomics.intensity import intensity_features

        found: Features = {}
        if "stat" in self.families:
            found |= intensity_features(roi)
        if "ih" in self.families:
            found |= histogram_features(roi)
        return found


def shell(prepared: Prepared, others: Mask, bounds_mm: tuple[float, float], settings: ImageSettings) -> Roi:
    """Return the voxels outside a lesion at a distance from it, re-segmented and discretised as the lesion is.

    Parameters
    ----------
    prepared
        The lesion with a margin of at least the outer bound.
    others
        Voxels (z, y, x) on the grid of the margin that belong to no shell.
    bounds_mm
        Inner and outer bound. A voxel belongs to the shell where the distance from its centre to that of the nearest
        voxel of the lesion's morphological mask is above the inner bound and at most the outer one.
    settings
        `range`, `outlier_sigma` and bins.

    Raises
    ------
    InputError
        No voxel is left.

    """
    roi, around = prepared.roi, prepared.surroundings
    lesion = np.zeros(around.shape, bool)
    box = tuple(slice(start, start + size) for start, size in zip(prepared.offset, roi.intensity.shape, strict=True))
    lesion[box] = roi.morphological_mask
    distance = ndimage.distance_transform_edt(~lesion, sampling=roi.spacing_mm)
    low, high = bounds_mm
    # Rounding must not move a voxel that lies on a bound.
    inside = ~lesion & ~others & (distance > low + 1e-9) & (distance <= high + 1e-9)
    return make_roi(around, inside, roi.spacing_mm, settings)


def shell_name(bounds_mm: tuple[float, float]) -> str:
    """Return the name that a shell has among images: ``shell-0-0-4-5-mm-3D`` from 0.0 to 4.5 mm."""
    low, high = (str(float(bound)).replace(".", "-") for bound in bounds_mm)
    return f"{SHELL}-{low}-{high}-mm-3D"
