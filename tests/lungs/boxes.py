"""Lungs that are two boxes with a hilum each, drawn on a grid about the point 0."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from fdglung.lungs import LEFT, RIGHT, LungRegion, bounding_box_mm

STEP = 2.0
SIZE = (80, 100, 100)
ORIGIN = (-100.0, -100.0, -50.0)
HILUM = (10.0, 30.0)
"""Middle of each hilum along y and z; it reaches 40 mm into the lung from its medial face at 10 mm."""


def drawn(array, like=None):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((STEP,) * 3)
    image.SetOrigin(ORIGIN)
    return image if like is None else sitk.DICOMOrient(image, like)


def axes():
    z, y, x = (ORIGIN[2 - axis] + STEP * np.arange(n) for axis, n in enumerate(SIZE))
    return np.meshgrid(z, y, x, indexing="ij")


def ball(centre, radius):
    z, y, x = axes()
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 <= radius**2


def region(sides=(RIGHT, LEFT), orientation=None):
    """Return lungs: boxes of x 10 to 90, y -90 to 90, z -40 to 100 mm, each with a rod of vessels at its hilum."""
    z, y, x = axes()
    mask, lobes = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
    rod = ((y - HILUM[0]) ** 2 + (z - HILUM[1]) ** 2 <= 8**2) & (np.abs(x) < 50)
    for side, sign, (lower, upper) in ((RIGHT, -1, (5, 3)), (LEFT, 1, (2, 1))):
        if side not in sides:
            continue
        box = (sign * x >= 10) & (sign * x <= 90) & (np.abs(y) <= 90) & (z >= -40) & (z <= 100) & ~rod
        mask[box] = side
        lobes[box] = np.where(z[box] < 30, lower, upper)
    image = drawn(mask, orientation)
    return LungRegion(image, bounding_box_mm(image, 15.0), "drawn", lobes=drawn(lobes, orientation))
