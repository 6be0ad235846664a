"""Synthetic chests of one person on a coarse grid, with the lungs that they were made from."""

from __future__ import annotations

from functools import cache

import numpy as np
import SimpleITK as sitk

from fdglung.phantom import Subject, make_study

GRID_MM = 4.0
RIGHT_LOBES, LEFT_LOBES = (7, 8, 9), (10, 11)


@cache
def chest(*, finds=(), arms="up", contrast="none", lesions=()):
    """Return a synthetic study of one person on a grid of 4 mm, without lesions but those given."""
    person = Subject(
        sex="M",
        age_years=60,
        height_cm=172,
        weight_kg=74,
        breath=0.5,
        arms=arms,
        finds=frozenset(finds),
        shape_seed=7,
    )
    return make_study(seed=5, subject=person, lesions=lesions, grid_mm=GRID_MM, ct_contrast=contrast)


def truth(study):
    organs = sitk.GetArrayFromImage(study.ct_organs)
    return np.isin(organs, RIGHT_LOBES), np.isin(organs, LEFT_LOBES)


def like(image, array):
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())
