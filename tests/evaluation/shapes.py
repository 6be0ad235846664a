"""Masks of known size, and files made from them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk


def box(start, size, shape=(30, 30, 30)):
    """A box that starts at a voxel (z, y, x) and has so many voxels a side."""
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = True
    return mask


def ball(centre_mm, radius_mm, shape, spacing_mm):
    """Voxels whose centres lie within a ball; places and spacing along z, y, x."""
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    squares = [(a * s - c) ** 2 for a, s, c in zip(axes, spacing_mm, centre_mm, strict=True)]
    return sum(squares) <= radius_mm**2


def blobs(seed, shape=(24, 28, 32), count=5):
    """Boxes of random place and size, which touch each other and the edge of the image by chance."""
    random = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    for _ in range(count):
        start = [int(random.integers(0, n)) for n in shape]
        mask |= box(start, random.integers(1, 9, size=3), shape)
    return mask


def image(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    """An image of an array (z, y, x); spacing and origin along x, y, z in mm."""
    made = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == bool else array)
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    return made


def write(array, path, **grid):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image(array, **grid), str(path))
    return path
