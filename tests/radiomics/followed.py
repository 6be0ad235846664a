"""A synthetic person scanned twice: other breath, other noise, other place on the table, and lesions that changed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from fdglung.phantom import PlacedLesion, Subject, make_study
from fdglung.phantom.organs import Organ

PERSON = Subject("M", 60, 176, 75, breath=0.5, shape_seed=3)
GRID_MM = 5.0

GROWN, MERGED_A, MERGED_B, GONE = 1, 2, 3, 4
"""Labels at baseline."""

GROWN_AFTER, MERGED_AFTER, NEW_AFTER = 1, 2, 3
"""Labels at follow-up."""


@cache
def empty():
    return make_study(seed=1, subject=PERSON, lesions=(), grid_mm=GRID_MM)


@cache
def places():
    """Return deep points (x, y, z in mm) of three lobes."""
    organs = empty().organs
    array = sitk.GetArrayFromImage(organs)
    found = []
    for lobe in (Organ.RIGHT_UPPER_LOBE, Organ.LEFT_UPPER_LOBE, Organ.RIGHT_LOWER_LOBE):
        depth = ndimage.distance_transform_edt(np.pad(array == lobe, 1))[1:-1, 1:-1, 1:-1]
        index = np.unravel_index(depth.argmax(), depth.shape)
        found.append(np.array(organs.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])))
    return found


@cache
def baseline():
    upper, left, lower = places()
    balls = [(upper, 10, 8), (left + np.array([0, 0, 14]), 8, 6), (left - np.array([0, 0, 14]), 8, 6), (lower, 9, 7)]
    return _made(1, 0.5, balls)


@cache
def followup():
    """The grown lesion has 1.4 times the radius, two are one, one is gone and one is new."""
    upper, left, lower = places()
    balls = [(upper, 14, 12), (left, 21, 6), (lower + np.array([0, 0, 45]), 8, 9)]
    return _made(2, 0.6, balls)


def _made(seed, breath, balls):
    lesions = [PlacedLesion.sphere(tuple(map(float, place)), radius, suv) for place, radius, suv in balls]
    return make_study(seed=seed, subject=replace(PERSON, breath=breath), lesions=lesions, grid_mm=GRID_MM)


def turned(degrees, shift_mm):
    """Return a rigid transform about the middle of the chest."""
    transform = sitk.Euler3DTransform()
    transform.SetCenter([0, 0, -50])
    transform.SetRotation(*np.radians(degrees))
    transform.SetTranslation(shift_mm)
    return transform


def carried(image, transform, *, labels=False, background=0.0):
    """Return an image whose patient was moved by a transform."""
    how = sitk.sitkNearestNeighbor if labels else sitk.sitkLinear
    return sitk.Resample(image, image, transform.GetInverse(), how, background)
