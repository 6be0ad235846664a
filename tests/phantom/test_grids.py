from __future__ import annotations

import numpy as np
import pytest

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.grids import REGIONS_MM, study_grids
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.subject import Subject

FRAME = BodyFrame(Subject("M", 60, 176, 75), 0.35)
VPFX = SCANNERS["ge_690"].reconstructions[0]


def ends(grid):
    first, step, many = grid.origin_mm[2], grid.spacing_mm[2], grid.size[2]
    return first, first + (many - 1) * step


@pytest.mark.parametrize("slice_mm", [1.0, 2.5, 3.27, 5.0])
def test_slices_of_the_ct_are_as_thick_as_asked_for_and_fill_the_region(slice_mm):
    for region, heights in REGIONS_MM.items():
        grid = study_grids(region, FRAME, VPFX, ct_slice_mm=slice_mm).ct
        low, high = (float(FRAME.to_patient([(0.0, 0.0, z)])[0, 2]) for z in heights)
        assert grid.spacing_mm[2] == slice_mm
        assert ends(grid)[0] == pytest.approx(low)
        assert high - slice_mm < ends(grid)[1] <= high + 1e-6


def test_pet_and_ct_have_the_scanners_matrices_about_the_bodys_axis():
    grids = study_grids("thorax", FRAME, VPFX)
    assert grids.ct.size[:2] == (512, 512)
    assert grids.ct.spacing_mm == pytest.approx((500 / 512, 500 / 512, 3.0))
    assert grids.pet.size[:2] == (192, 192)
    assert grids.pet.spacing_mm == pytest.approx((3.64583, 3.64583, 3.27))
    for grid in (grids.ct, grids.pet, grids.activity):
        middle = [grid.origin_mm[a] + 0.5 * (grid.size[a] - 1) * grid.spacing_mm[a] for a in (0, 1)]
        assert middle == pytest.approx([0, 0], abs=1e-9)


def test_activity_reaches_beyond_the_pet_so_that_the_blur_has_something_to_bring():
    grids = study_grids("thorax", FRAME, VPFX)
    assert ends(grids.activity)[0] < ends(grids.pet)[0] - 10
    assert ends(grids.activity)[1] > ends(grids.pet)[1] + 10


def test_a_training_grid_is_one_cubic_grid_whatever_the_slices():
    grids = study_grids("thorax", FRAME, VPFX, ct_slice_mm=5.0, training_mm=4.0)
    assert grids.ct == grids.pet == grids.activity
    assert grids.ct.spacing_mm == (4.0, 4.0, 4.0)
    assert np.multiply(grids.ct.size[:2], 4.0) == pytest.approx([480, 360])
