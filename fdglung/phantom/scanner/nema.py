"""Hot spheres in a warm body, their recovery, and the bands that EARL accepts it in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from fdglung.phantom.images import image_on
from fdglung.phantom.scanner.attenuation import WATER_PER_CM
from fdglung.phantom.shapes import Grid, ball_coverage

DIAMETERS_MM = (37.0, 28.0, 22.0, 17.0, 13.0, 10.0)
"""Of the spheres (NEMA NU 2, IEC 61675-1)."""

Band = tuple[float, float]

EARL_BANDS: dict[int, dict[str, tuple[Band, ...]]] = {
    1: {
        "mean": ((0.76, 0.89), (0.72, 0.85), (0.63, 0.78), (0.57, 0.73), (0.44, 0.60), (0.27, 0.43)),
        "max": ((0.95, 1.16), (0.91, 1.13), (0.83, 1.09), (0.73, 1.01), (0.59, 0.85), (0.34, 0.57)),
    },
    2: {
        "mean": ((0.85, 1.00), (0.82, 0.97), (0.80, 0.99), (0.76, 0.97), (0.63, 0.86), (0.39, 0.61)),
        "max": ((1.05, 1.29), (1.01, 1.26), (1.01, 1.32), (1.00, 1.38), (0.85, 1.22), (0.52, 0.88)),
    },
}
"""Lowest and highest recovery by `DIAMETERS_MM`: EARL accreditation 1 (earl.eanm.org) and 2 (as pynemaiqpet has it)."""

_RING_MM = 57.2
_HALF_AXES_MM = (150.0, 115.0)


@dataclass(frozen=True)
class SpherePhantom:
    """Spheres of `DIAMETERS_MM` on a ring in an elliptical cylinder of water, 30 x 23 cm.

    Attributes
    ----------
    activity
        SUVbw, float32: 1 in the background.
    mu
        Linear attenuation coefficient in 1/cm on the same grid.
    centres_mm
        Of the spheres, x, y, z.
    contrast
        Activity of the spheres over the background's.

    """

    activity: sitk.Image
    mu: sitk.Image
    centres_mm: tuple[tuple[float, float, float], ...]
    contrast: float


def sphere_phantom(
    *, contrast: float = 10.0, spacing_mm: float = 2.0, length_mm: float = 120.0, scale: float = 1.0
) -> SpherePhantom:
    """Make the phantom, the middle of the ring at 0, 0, 0.

    Parameters
    ----------
    contrast
        Activity of the spheres over the background's.
    spacing_mm
        Of the grid.
    length_mm
        Of the cylinder, which fills the grid along the patient.
    scale
        Of the cylinder's axes, not of the spheres.

    """
    half = [scale * axis + 8 for axis in _HALF_AXES_MM] + [length_mm / 2 - spacing_mm / 2]
    size = [2 * math.ceil(reach / spacing_mm) + 1 for reach in half]
    origin = [-(many - 1) / 2 * spacing_mm for many in size]
    grid = Grid((origin[0], origin[1], origin[2]), (spacing_mm,) * 3, (size[0], size[1], size[2]))
    x, y, z = grid.coordinates((slice(0, size[2]), slice(0, size[1]), slice(0, size[0])))
    a, b = (scale * axis for axis in _HALF_AXES_MM)
    radius = np.sqrt((x / a) ** 2 + (y / b) ** 2)
    body = np.clip(0.5 + (1 - radius) * min(a, b) / spacing_mm, 0, 1) + np.zeros_like(z)
    activity = body.astype(np.float32)
    centres = []
    for index, diameter in enumerate(DIAMETERS_MM):
        angle = 2 * math.pi * index / len(DIAMETERS_MM)
        centre = (_RING_MM * math.cos(angle), _RING_MM * math.sin(angle), 0.0)
        window, filled = ball_coverage(centre, diameter / 2, grid)
        activity[window] += np.float32(contrast - 1) * filled
        centres.append(centre)
    mu = (WATER_PER_CM * body).astype(np.float32)
    return SpherePhantom(image_on(grid, activity.astype(np.float32)), image_on(grid, mu), tuple(centres), contrast)


def recovery(image: sitk.Image, phantom: SpherePhantom) -> dict[str, tuple[float, ...]]:
    """Recovery coefficients of the spheres, measured over true activity.

    Returns
    -------
    dict
        "mean": of the voxels above half of the way from the background (1) to the sphere's maximum (A50, as of EARL);
        "max": of the hottest voxel. By `DIAMETERS_MM`.

    """
    values = sitk.GetArrayFromImage(image)
    grid = Grid(image.GetOrigin(), image.GetSpacing(), image.GetSize())
    x, y, z = grid.coordinates((slice(0, grid.size[2]), slice(0, grid.size[1]), slice(0, grid.size[0])))
    means, maxima = [], []
    for centre, diameter in zip(phantom.centres_mm, DIAMETERS_MM, strict=True):
        away = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
        near = np.where(away <= diameter / 2 + 8, values, -np.inf)
        peak = float(near.max())
        labels, _ = ndimage.label(near > (peak + 1) / 2)
        voi = labels == labels[np.unravel_index(int(near.argmax()), near.shape)]
        means.append(float(values[voi].mean()) / phantom.contrast)
        maxima.append(peak / phantom.contrast)
    return {"mean": tuple(means), "max": tuple(maxima)}
