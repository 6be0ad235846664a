"""A small PET/CT with lesions of every awkward kind, on two grids."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

PET_SHAPE, PET_MM = (46, 52, 54), 4.0
CT_SHAPE, CT_MM = (62, 70, 72), 3.0

PLAIN, ONE_VOXEL, TWO_VOXELS, FLAT, EDGE, HOLLOW, LITRE = range(1, 8)


def pet_and_ct(seed=7):
    """Return PET (float32) and CT (int16) as modality to image."""
    rng = np.random.default_rng(seed)
    pet = 4 + 2 * ndimage.gaussian_filter(rng.normal(size=PET_SHAPE), 1) * 3
    pet[mask_array() == FLAT] = 5.0
    ct = -200 + 900 * ndimage.gaussian_filter(rng.normal(size=CT_SHAPE), 1)
    return {"PET": placed(pet.astype(np.float32), PET_MM), "CT": placed(ct.astype(np.int16), CT_MM)}


def mask():
    """Return the label image on the PET's grid."""
    return placed(mask_array(), PET_MM)


def mask_array():
    labels = np.zeros(PET_SHAPE, np.uint16)
    labels[ball((30, 30, 34), 16.5)] = LITRE
    labels[ball((4, 6, 44), 3.2)] = PLAIN
    labels[4, 4, 8] = ONE_VOXEL
    labels[4, 10, 8:10] = TWO_VOXELS
    labels[3:7, 15:19, 6:10] = FLAT
    labels[20:25, 46:52, 0:5] = EDGE
    labels[ball((5, 44, 8), 4.2) & ~ball((5, 44, 8), 2.1)] = HOLLOW
    return labels


def ball(centre, radius):
    z, y, x = np.ogrid[: PET_SHAPE[0], : PET_SHAPE[1], : PET_SHAPE[2]]
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


def placed(array, step):
    """Return an image whose first voxel's corner is that of all others."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((step, step, step))
    image.SetOrigin([-100.0 + step / 2] * 3)
    return image
