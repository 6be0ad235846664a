from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import NoOverlapError
from fdglung.network.volume import back_onto, box_to_search, grid_over, mask_on, raw_on

SLOPE = np.array([0.7, -0.4, 0.25])


def ramp(size, spacing, origin, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    """Return an image whose value is linear in patient coordinates, which linear interpolation keeps exactly."""
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    axes = np.array(direction).reshape(3, 3) * np.array(spacing)
    k, j, i = np.meshgrid(*[np.arange(n) for n in size[::-1]], indexing="ij")
    points = np.stack([i, j, k], axis=-1) @ axes.T + np.array(origin)
    filled = sitk.GetImageFromArray((points @ SLOPE).astype(np.float32))
    filled.CopyInformation(image)
    return filled


def points_of(grid):
    z, y, x = np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij")
    return np.stack([x, y, z], axis=-1) * grid.spacing_mm + np.array(grid.origin_mm)


GRIDS = [
    ((40, 44, 36), (3.0, 3.0, 3.0), (-60.0, 10.0, -900.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    ((30, 27, 48), (5.47, 5.47, 3.27), (2.0, 57.0, -629.0), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    ((100, 90, 110), (1.0, 1.0, 1.0), (0.5, 0.25, 0.1), (1, 0, 0, 0, 1, 0, 0, 0, 1)),
    ((60, 50, 40), (2.0, 2.0, 4.0), (90.0, 80.0, -70.0), (-1, 0, 0, 0, -1, 0, 0, 0, 1)),
    ((40, 50, 60), (2.0, 2.0, 4.0), (0.0, 0.0, 0.0), (0, 0, 1, 1, 0, 0, 0, 1, 0)),
]


@pytest.mark.parametrize(("size", "spacing", "origin", "direction"), GRIDS)
def test_a_ramp_stays_a_ramp_there_and_back_on_any_grid(size, spacing, origin, direction):
    image = ramp(size, spacing, origin, direction)
    grid = grid_over(image, 3.0)
    there = raw_on(grid, {"PET": image}, ["PET"])[0]
    inner = (slice(3, -3),) * 3
    assert there[inner] == pytest.approx((points_of(grid) @ SLOPE)[inner], abs=2e-3)
    back = sitk.GetArrayFromImage(back_onto(image, grid, there))
    rim = tuple(slice(int(np.ceil(12 / step)), -int(np.ceil(12 / step))) for step in spacing[::-1])
    assert back[rim] == pytest.approx(sitk.GetArrayFromImage(image)[rim], abs=2e-3)


def test_an_image_on_the_networks_spacing_keeps_its_voxels():
    image = ramp(*GRIDS[0])
    grid = grid_over(image, 3.0)
    assert grid.size == image.GetSize()
    assert grid.origin_mm == pytest.approx(image.GetOrigin())
    there = raw_on(grid, {"PET": image}, ["PET"])[0]
    assert there == pytest.approx(sitk.GetArrayFromImage(image), abs=1e-4)
    assert sitk.GetArrayFromImage(back_onto(image, grid, there)) == pytest.approx(there, abs=1e-4)


@pytest.mark.parametrize(("size", "spacing", "origin", "direction"), GRIDS)
def test_the_grid_covers_the_image_with_less_than_a_voxel_to_spare(size, spacing, origin, direction):
    image = ramp(size, spacing, origin, direction)
    grid = grid_over(image, 3.0)
    extent = np.sort(np.array(size) * spacing)
    covered = np.sort(np.array(grid.size) * 3.0)
    assert (covered >= extent - 1e-2).all()
    assert (covered < extent + 3.0).all()


def test_a_box_cuts_the_grid_and_a_box_elsewhere_is_an_error():
    image = ramp(*GRIDS[0])
    grid = grid_over(image, 3.0, ((-30.0, 40.0, -880.0), (0.0, 70.0, -850.0)))
    assert grid.size == (10, 10, 10)
    assert grid.origin_mm == pytest.approx((-28.5, 41.5, -878.5))
    with pytest.raises(NoOverlapError):
        grid_over(image, 3.0, ((1000.0, 0.0, 0.0), (1100.0, 1.0, 1.0)))


def test_small_voxels_are_averaged_and_not_picked():
    noise = sitk.GetImageFromArray(np.random.default_rng(1).normal(0, 90, (90, 90, 90)).astype(np.float32))
    values = raw_on(grid_over(noise, 3.0), {"CT": noise}, ["CT"])[0]
    # The mean of 27 voxels has a standard deviation of 90 / sqrt(27).
    assert values.std() == pytest.approx(90 / np.sqrt(27), rel=0.05)


def test_a_missing_ct_is_air_and_a_mask_comes_back_as_it_was():
    image = ramp(*GRIDS[0])
    grid = grid_over(image, 3.0)
    assert (raw_on(grid, {"PET": image, "CT": None}, ["PET", "CT"])[1] == -1000).all()
    mask = image > float(np.median(sitk.GetArrayFromImage(image)))
    assert (mask_on(grid, mask) == sitk.GetArrayFromImage(mask).astype(bool)).all()


def test_the_lungs_box_of_a_small_image_is_not_used():
    box = ((0.0, 0.0, 0.0), (50.0, 50.0, 50.0))
    assert box_to_search(ramp((100, 100, 100), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), box) is None
    assert box_to_search(ramp((100, 100, 100), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0)), box) == box
    assert box_to_search(ramp((100, 100, 100), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0)), None) is None
