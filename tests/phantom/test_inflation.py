from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from fdglung.phantom.anatomy import parts
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.inflation import carried, displacement
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.raster import rasterise
from fdglung.phantom.shapes import Grid
from fdglung.phantom.subject import Subject

MAN = Subject("M", 50, 176, 75, breath=0.6, shape_seed=3)
GRID = Grid((-200.0, -160.0, -240.0), (4.0, 4.0, 4.0), (101, 81, 94))


def image(values):
    result = sitk.GetImageFromArray(values)
    result.SetOrigin(GRID.origin_mm)
    result.SetSpacing(GRID.spacing_mm)
    return result


def painted(breath):
    frame = BodyFrame(MAN, breath)
    return frame, rasterise(parts(MAN, frame), frame, GRID, organs=True).organs


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_to_the_same_breath_nothing_moves():
    frame = BodyFrame(MAN, 0.4)
    moving = np.ones(GRID.shape, np.float32)
    ramp = image(np.random.default_rng(0).normal(size=GRID.shape).astype(np.float32))
    still = sitk.GetArrayFromImage(carried(ramp, displacement(frame, frame, GRID, moving)))
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(still[inner], sitk.GetArrayFromImage(ramp)[inner], atol=0.02)


def test_organs_carried_to_another_breath_lie_where_they_are_painted_at_that_breath():
    (rest, at_rest), (full, at_full) = painted(0.35), painted(0.6)
    outside = np.isin(at_rest, [0, Organ.MUSCLE, Organ.SKIN, Organ.RIBS, Organ.VERTEBRAE, Organ.STERNUM])
    moving = ndimage.gaussian_filter((~outside).astype(np.float32), 2.0)
    moved = sitk.GetArrayFromImage(
        carried(image(at_rest), displacement(rest, full, GRID, np.clip(2 * moving - 0.4, 0, 1)))
    )
    lungs = [int(lobe) for lobe in LOBES]
    before = dice(np.isin(at_rest, lungs), np.isin(at_full, lungs))
    assert dice(np.isin(moved, lungs), np.isin(at_full, lungs)) > 0.95 > before
    assert dice(moved == Organ.LIVER, at_full == Organ.LIVER) > 0.93
