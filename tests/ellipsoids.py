"""A thorax of ellipsoids: CT and PET whose lungs and lesions are known in closed form."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from fdglung.lungs.labels import LEFT, RIGHT

SPACING = (2.0, 2.0, 3.0)
SHAPE = (100, 160, 190)


def grid():
    origin = (-190.0, -160.0, -150.0)
    z, y, x = np.meshgrid(
        *[origin[2 - i] + np.arange(n) * SPACING[2 - i] for i, n in enumerate(SHAPE)], indexing="ij", sparse=True
    )
    return origin, z, y, x


def ellipsoid(z, y, x, centre, radii):
    return sum(((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radii, strict=True)) <= 1


def thorax(*, trachea=True, lungs=("right", "left"), bowel_gas=False, table=True, joined=False):
    """Return a CT of ellipsoids, and the right and left lung that were drawn (z, y, x)."""
    origin, z, y, x = grid()
    hu = np.full(SHAPE, -1000, np.int16)
    body = ((x / 175) ** 2 + (y / 115) ** 2 <= 1) & (z > -1e9)
    hu[np.broadcast_to(body, SHAPE)] = 40
    centres = {"right": (-78, 0, 0), "left": (78, 0, 0)}
    drawn = {side: ellipsoid(z, y, x, centre, (62, 85, 120)) for side, centre in centres.items()}
    if joined:
        bridge = (np.abs(x) <= 20) & (np.abs(y + 40) <= 3) & (np.abs(z) <= 30)
        hu[bridge] = -850
    for side in lungs:
        hu[drawn[side]] = -850
    if trachea:
        hu[((x / 9) ** 2 + (y / 9) ** 2 <= 1) & (z > 20)] = -1000
    if bowel_gas:
        # Beside the lower end of the left lung, and larger than a twentieth of it.
        wall = ellipsoid(z, y, x, centres["left"], (70, 93, 128))
        hu[ellipsoid(z, y, x, (25, -66, -112), (50, 34, 34)) & ~wall] = -990
    if table:
        hu[np.broadcast_to((np.abs(y - 140) < 4) & (np.abs(x) < 150) & (z > -1e9), SHAPE)] = 100
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(SPACING)
    image.SetOrigin(origin)
    return image, drawn


def mask_of(ct, right, left):
    """Return a lung mask on the grid of a CT: 1 right, 2 left."""
    labels = np.zeros(ct.GetSize()[::-1], np.uint8)
    labels[right], labels[left] = RIGHT, LEFT
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(ct)
    return mask


def pet_of(spheres, *, spacing=(4.0, 4.0, 4.0), background=0.4, soft_tissue=0.8, liver=None, fwhm_mm=0.0):
    """Return SUVbw of the same thorax with spheres of (centre x, y, z in mm, radius in mm, SUV) painted over it."""
    size = [int(n * s / p) for n, s, p in zip(SHAPE[::-1], SPACING, spacing, strict=True)]
    origin = (-190.0, -160.0, -150.0)
    axes = [origin[i] + np.arange(size[i]) * spacing[i] for i in (2, 1, 0)]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    suv = np.zeros(size[::-1], np.float32)
    suv[np.broadcast_to(((x / 175) ** 2 + (y / 115) ** 2 <= 1) & (z > -1e9), suv.shape)] = soft_tissue
    if liver is not None:
        suv[(z < -100) & (x < 40) & ((x / 160) ** 2 + (y / 100) ** 2 <= 1)] = liver
    for side in (-78, 78):
        suv[ellipsoid(z, y, x, (side, 0, 0), (62, 85, 120))] = background
    for centre, radius, value in spheres:
        suv[ellipsoid(z, y, x, centre, (radius,) * 3)] = value
    image = sitk.GetImageFromArray(suv)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return sitk.SmoothingRecursiveGaussian(image, fwhm_mm / 2.3548) if fwhm_mm else image


def with_spheres(ct, spheres, hu=40):
    """Return the CT with soft tissue (or bone) where the spheres of `pet_of` lie."""
    _, z, y, x = grid()
    array = sitk.GetArrayFromImage(ct)
    for centre, radius, _ in spheres:
        array[ellipsoid(z, y, x, centre, (radius,) * 3)] = hu
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(ct)
    return image
