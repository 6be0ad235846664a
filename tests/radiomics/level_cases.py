"""Lesions made of grey levels, IBSI's reference values, and PyRadiomics' own classes on the same levels."""

from __future__ import annotations

import csv
import importlib
import logging
import warnings

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from fdglung.radiomics.roi import Roi
from tests.cases import case

SPACING = (3.0, 2.0, 1.5)


def roi_of(levels, *, mask=None, spacing=SPACING, level_count=None):
    """Return the lesion whose intensity mask is where levels are above 0; `mask` is its morphological mask."""
    levels = np.asarray(levels, dtype=np.int32)
    inside = levels > 0
    count = int(levels.max()) if level_count is None else level_count
    return Roi(levels.astype(float), inside if mask is None else mask, inside, spacing, levels, count)


def smooth_levels(width, levels, *, seed=0):
    """Return a ball with levels from 1 to `levels` that vary smoothly."""
    z, y, x = np.ogrid[-1 : 1 : width * 1j, -1 : 1 : width * 1j, -1 : 1 : width * 1j]
    ball = z * z + y * y + x * x <= 1
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=ball.shape), 1.2)
    low, high = field[ball].min(), field[ball].max()
    scaled = np.floor((field - low) / (high - low) * levels) + 1
    return np.where(ball, np.clip(scaled, 1, levels), 0).astype(np.int32)


def noise_levels(shape, levels, *, seed=0, filled=0.8):
    """Return independent levels from 1, with voxels left out."""
    random = np.random.default_rng(seed)
    noise = random.integers(1, levels + 1, shape) * (random.random(shape) < filled)
    noise.flat[0], noise.flat[-1] = 1, 1
    return noise


def array(image_name):
    """Return an IBSI image (z, y, x) and its spacing."""
    image = sitk.ReadImage(str(case("ibsi") / image_name))
    return sitk.GetArrayFromImage(image), image.GetSpacing()[::-1]


def reference(table):
    """Return IBSI's texture values: tag to (value, tolerance), the value as its text."""
    families = ("cm_", "rlm_", "szm_", "dzm_", "ngt_", "ngl_")
    path = case("ibsi") / "reference_values" / f"ibsi_1_{table}.csv"
    with path.open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter=";")
        return {
            row["tag"]: (row["reference value"], float(row["tolerance"]))
            for row in rows
            if row["tag"].startswith(families)
        }


def misses(features, table, *, family):
    """Return the values of a family that are neither within tolerance nor equal to the digits of the reference."""
    return {
        tag: (features.get(tag), text)
        for tag, (text, tolerance) in reference(table).items()
        if tag.startswith(f"{family}_")
        and not (
            tag in features
            and (abs(features[tag] - float(text)) <= tolerance or float(f"{features[tag]:.3g}") == float(text))
        )
    }


def by_pyradiomics(roi, **settings):
    """Return what PyRadiomics' classes give for the levels; a class that refuses them is left out."""
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    image = sitk.GetImageFromArray(roi.levels.astype(float))
    mask = sitk.GetImageFromArray(roi.intensity_mask.astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing(roi.spacing_mm[::-1])
    values = {}
    for name in ("glcm", "glrlm", "glszm", "gldm", "ngtdm"):
        kind = getattr(importlib.import_module(f"radiomics.{name}"), f"Radiomics{name.upper()}")
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                computed = kind(image, mask, binWidth=1, **settings).execute()
        except RuntimeError:
            continue
        values |= {f"{name}_{feature}": float(value) for feature, value in computed.items()}
    return values
