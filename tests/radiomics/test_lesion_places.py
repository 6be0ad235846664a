from __future__ import annotations

import numpy as np
import pytest

from fdglung.radiomics.grids import Grid
from fdglung.radiomics.label_images import boxes_of
from fdglung.radiomics.lesion_places import LesionPlaces
from fdglung.radiomics.resampling import reaches_into, resample_mask
from tests.radiomics.points import FLIPPED, OBLIQUE, STRAIGHT, mask_of


def balls(centres, radius=6.0):
    def at(points):
        found = np.zeros(len(points))
        for label, centre in enumerate(centres, start=1):
            found[np.linalg.norm(points - centre, axis=1) <= radius] = label
        return found

    return at


@pytest.mark.parametrize("mask_direction", [STRAIGHT, OBLIQUE, FLIPPED])
@pytest.mark.parametrize("grid_direction", [STRAIGHT, OBLIQUE])
def test_of_the_other_lesions_none_that_reaches_into_a_grid_is_missed(mask_direction, grid_direction):
    """Against all of them, near or far, each resampled to the grid."""
    random = np.random.default_rng(4)
    mask = mask_of(balls(random.uniform(-55, 55, (14, 3))), size=(44, 44, 44), direction=mask_direction)
    boxes = boxes_of(mask, range(1, 15))
    shifts = {label: tuple(random.uniform(-12, 12, 3).tolist()) for label in boxes}
    places = LesionPlaces(mask, boxes, shifts)
    outside = met = 0
    for label in boxes:
        origin = tuple(random.uniform(-50, 20, 3).tolist())
        grid = Grid((12, 10, 9), (2.5, 2.5, 3.0), origin, tuple(grid_direction.ravel().tolist()))
        held = np.zeros(grid.size[::-1], bool)
        for other in boxes:
            if other != label:
                alone = places.mask_of(other)
                held |= resample_mask(alone, grid, 0.5)
                outside += not reaches_into(alone, grid)
        met += held.any()
        np.testing.assert_array_equal(places.others(label, grid, 0.5), held)
    # Some are left out, and some are not: else nothing was tried.
    assert outside > 0
    assert met > 0


@pytest.mark.parametrize(("gap_voxels", "reaches"), [(0.5, True), (0.99, True), (1.01, False), (30, False)])
def test_an_image_reaches_a_voxel_further_than_its_last_one(gap_voxels, reaches):
    image = mask_of(lambda points: np.ones(len(points)), size=(5, 5, 5), spacing=(3, 3, 3))
    # The last voxel's centre is at 6 mm.
    grid = Grid((4, 4, 4), (2.0, 2.0, 2.0), (6 + 3 * gap_voxels, 0.0, 0.0), tuple(STRAIGHT.ravel().tolist()))
    assert reaches_into(image, grid) is reaches
