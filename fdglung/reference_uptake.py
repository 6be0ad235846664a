"""Uptake of liver and mediastinal blood pool, which the seed threshold is tied to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from fdglung.anatomy import Mask, Thorax
from fdglung.lungs import LEFT, RIGHT

_LIVER_SPHERE_MM = 15.0
_BLOOD_POOL_SPHERE_MM = 8.0
_SOFT_TISSUE_HU = (0.0, 250.0)
_EVENNESS = 0.45
"""Highest standard deviation over mean that liver and blood have in a noisy PET."""
_NOISY_LIVER, _NOISY_BLOOD = 0.25, 0.15
"""Standard deviation over mean above which noise passes for lesions (docs/lesions.md)."""


def reference_spheres(thorax: Thorax) -> dict[str, Mask]:
    """Place the spheres in liver and blood pool: name to bool (z, y, x); one that does not fit is missing."""
    found = {"liver": liver_sphere(thorax), "blood pool": blood_pool_sphere(thorax)}
    return {name: sphere for name, sphere in found.items() if sphere is not None}


def suv_means(thorax: Thorax, spheres: Mapping[str, Mask]) -> dict[str, float]:
    """Measure SUVmean (g/ml) in spheres; one that is not as even as liver and blood are is left out."""
    measured = {name: _even_mean(thorax, sphere) for name, sphere in spheres.items()}
    return {name: value for name, value in measured.items() if value is not None}


def noise_warning(thorax: Thorax, spheres: Mapping[str, Mask]) -> str | None:
    """Tell that the PET is so noisy that noise may pass for lesions; None where it is not, or nothing tells.

    Noise is the standard deviation over the mean of SUV in the spheres of liver and blood pool. Both must be noisy: a
    liver with metastases is uneven by itself.
    """
    liver, blood = (_unevenness(thorax, spheres.get(name)) for name in ("liver", "blood pool"))
    if liver is None:
        place, noisy = "mediastinal blood pool", blood is not None and blood > _NOISY_LIVER
    else:
        place, noisy = "liver", liver > _NOISY_LIVER and (blood is None or blood > _NOISY_BLOOD)
    if not noisy:
        return None
    return (
        f"The PET is noisy: SUV varies by {liver or blood:.0%} (standard deviation over mean) within the {place}. Some "
        "of what was found may be noise: look at each on the images."
    )


def liver_sphere(thorax: Thorax) -> Mask | None:
    """Place a sphere of 3 cm in the right lobe of the liver: bool (z, y, x), or None where none fits.

    The sphere is PERCIST's (Wahl et al., J Nucl Med 2009;50:122S), placed where the soft tissue under the right lung
    is deepest, so that the thorax must reach some centimetres below the lungs.
    """
    right = thorax.lungs == RIGHT
    if not right.any():
        return None
    covered = right.any(axis=0)
    lowest = np.where(covered, np.argmax(right, axis=0), -1)
    under = np.arange(right.shape[0])[:, None, None] < lowest
    # Liver reaches a hand's breadth under the dome; deeper lie kidney and bowel.
    dome = int(np.percentile(lowest[covered], 75))
    under[: max(0, dome - int(90 / thorax.spacing_mm[0]))] = False
    return _deepest_sphere(thorax, under & _soft(thorax), _LIVER_SPHERE_MM)


def blood_pool_sphere(thorax: Thorax) -> Mask | None:
    """Place a sphere of 1.6 cm in the great vessels between the upper halves of the lungs: bool (z, y, x), or None."""
    right, left = thorax.lungs == RIGHT, thorax.lungs == LEFT
    if not (right.any() and left.any()):
        return None
    planes = np.flatnonzero(left.any(axis=(1, 2)))
    height = planes[-1] - planes[0]
    between = np.zeros(right.shape, bool)
    for z in range(int(planes[0] + 0.55 * height), int(planes[0] + 0.85 * height)):
        columns_right, columns_left = np.flatnonzero(right[z].any(axis=0)), np.flatnonzero(left[z].any(axis=0))
        rows = np.flatnonzero((thorax.lungs[z] > 0).any(axis=1))
        if columns_right.size and columns_left.size:
            x_from, x_to = int(np.median(columns_right)), int(np.median(columns_left))
            y_to = int(rows[0] + 0.65 * (rows[-1] - rows[0]))
            between[z, rows[0] : y_to, x_from:x_to] = True
    return _deepest_sphere(thorax, between & _soft(thorax), _BLOOD_POOL_SPHERE_MM)


def _soft(thorax: Thorax) -> Mask:
    return (thorax.hu > _SOFT_TISSUE_HU[0]) & (thorax.hu < _SOFT_TISSUE_HU[1])


def _deepest_sphere(thorax: Thorax, tissue: Mask, radius_mm: float) -> Mask | None:
    if not tissue.any():
        return None
    depth = ndimage.distance_transform_edt(tissue, sampling=thorax.spacing_mm)
    centre = np.unravel_index(int(depth.argmax()), depth.shape)
    if depth[centre] < radius_mm:
        return None
    offsets = [
        (np.arange(size) - middle) * step
        for size, middle, step in zip(depth.shape, centre, thorax.spacing_mm, strict=True)
    ]
    sphere: Mask = offsets[0][:, None, None] ** 2 + offsets[1][:, None] ** 2 + offsets[2] ** 2 <= radius_mm**2
    return sphere


def _unevenness(thorax: Thorax, sphere: Mask | None) -> float | None:
    """Return the standard deviation over the mean in a sphere; None without one, or where it holds no uptake."""
    if sphere is None:
        return None
    values = thorax.suv[sphere]
    mean = float(values.mean())
    return float(values.std()) / mean if mean > 0 else None


def _even_mean(thorax: Thorax, sphere: Mask) -> float | None:
    values = thorax.suv[sphere]
    mean = float(values.mean())
    if not 0.2 <= mean <= 8.0 or values.std() > _EVENNESS * mean:
        return None
    return mean
