"""A mock chest of ellipsoids: two lungs cut into lobes by planes, a mediastinum, and a tree of bronchi."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from fdglung.phantom.organs import Organ

SPACING = 3.0
ORIGIN = (-180.0, -120.0, -180.0)
SIZE = (121, 81, 111)

BRONCHI = (
    ((0, 5, 140), (0, 12, 20), 8.0),
    ((0, 12, 20), (-34, 14, -4), 6.5),
    ((0, 12, 20), (38, 16, -8), 6.0),
    ((-34, 14, -4), (-70, 6, 40), 3.5),
    ((-34, 14, -4), (-72, -30, -40), 3.0),
    ((-34, 14, -4), (-76, 34, -70), 3.8),
    ((38, 16, -8), (74, 0, 36), 3.6),
    ((38, 16, -8), (78, 36, -70), 3.8),
    ((-70, 6, 40), (-90, -10, 80), 1.8),
    ((-70, 6, 40), (-100, 20, 50), 1.8),
    ((-76, 34, -70), (-100, 50, -100), 1.8),
    ((-76, 34, -70), (-80, 10, -110), 1.8),
    ((74, 0, 36), (92, -14, 78), 1.8),
    ((74, 0, 36), (104, -20, 20), 1.8),
    ((78, 36, -70), (104, 48, -100), 1.8),
    ((78, 36, -70), (80, 10, -112), 1.8),
)


def segments():
    """Bronchi as (n, 2, 3) in mm, and their radii."""
    ends = np.array([(start, stop) for start, stop, _ in BRONCHI], float)
    return ends, np.array([radius for _, _, radius in BRONCHI])


def coordinates():
    x, y, z = (ORIGIN[i] + SPACING * np.arange(SIZE[i]) for i in range(3))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def ellipsoid(centre, radii):
    x, y, z = coordinates()
    return ((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 + ((z - centre[2]) / radii[2]) ** 2 < 1


def organ_map():
    """uint8 image of `Organ` values."""
    x, y, z = coordinates()
    labels = np.zeros(SIZE[::-1], np.uint8)
    ring = (x / 170) ** 2 + (y / 112) ** 2
    ring = np.broadcast_to(ring, labels.shape)
    labels[(ring < 1) & (ring >= 0.9)] = Organ.FAT
    labels[(ring < 0.9) & (ring >= 0.78)] = Organ.MUSCLE
    right, left = ellipsoid((-78, 0, -20), (58, 82, 130)), ellipsoid((78, 0, -20), (56, 82, 130))
    oblique = z + 20 - 0.9 * y * -1 < 0
    horizontal = z < 10
    labels[right] = Organ.RIGHT_UPPER_LOBE
    labels[right & horizontal & (y < 0)] = Organ.RIGHT_MIDDLE_LOBE
    labels[right & oblique] = Organ.RIGHT_LOWER_LOBE
    labels[left] = Organ.LEFT_UPPER_LOBE
    labels[left & oblique] = Organ.LEFT_LOWER_LOBE
    labels[ellipsoid((22, -36, -80), (48, 42, 52))] = Organ.HEART_CHAMBERS
    labels[ellipsoid((20, 46, -20), (12, 12, 90))] = Organ.AORTA
    labels[ellipsoid((10, -16, 10), (22, 10, 10))] = Organ.PULMONARY_ARTERY
    labels[ellipsoid((0, 80, -20), (20, 20, 160))] = Organ.VERTEBRAE
    for start, stop, radius in BRONCHI:
        a, b = np.array(start, float), np.array(stop, float)
        along = b - a
        t = np.clip(((x - a[0]) * along[0] + (y - a[1]) * along[1] + (z - a[2]) * along[2]) / (along @ along), 0, 1)
        gap = (x - a[0] - t * along[0]) ** 2 + (y - a[1] - t * along[1]) ** 2 + (z - a[2] - t * along[2]) ** 2
        if radius > 2.5:
            labels[gap < (radius + 1) ** 2] = Organ.AIRWAYS
    image = sitk.GetImageFromArray(labels)
    image.SetOrigin(ORIGIN)
    image.SetSpacing((SPACING,) * 3)
    return image
