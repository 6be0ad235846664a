"""Images made of a function of points, on any grid, and the barest settings to measure them by."""

from __future__ import annotations

from functools import partial

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from fdglung.radiomics import RadiomicsSettings
from fdglung.radiomics.settings import FilterSettings, ImageSettings

STRAIGHT = np.eye(3)
OBLIQUE = Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix()
FLIPPED = np.diag([-1.0, -1.0, 1.0])

BARE = ImageSettings(bin_width=25, filters=FilterSettings())
"""Neither alignment nor outline."""


def image_of(value_at, *, size, spacing=(3, 3, 3), direction=STRAIGHT, dtype=np.float32):
    """Return an image whose middle is the point 0, each voxel having the value at its centre (n, 3; LPS in mm)."""
    spacing, size = np.array(spacing, float), np.array(size)
    x, y, z = size
    indices = np.indices((z, y, x)).reshape(3, -1).T[:, ::-1]
    origin = -direction @ ((size - 1) / 2 * spacing)
    values = value_at(indices * spacing @ direction.T + origin)
    image = sitk.GetImageFromArray(np.asarray(values).reshape(z, y, x).astype(dtype))
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(origin.tolist())
    image.SetDirection(direction.ravel().tolist())
    return image


def mask_of(label_at, **grid):
    """Return labels, or where something is, as an image of whole numbers."""
    return image_of(label_at, dtype=np.uint8, **grid)


def of_size(size):
    """Return `image_of` and `mask_of`, which take this size (x, y, z) where none is given."""
    return partial(image_of, size=size), partial(mask_of, size=size)


def settings_of(ct):
    """Return settings of the CT alone, with what is fastest to compute."""
    return RadiomicsSettings(modalities={"CT": ct}, families=("stat", "morph"))
