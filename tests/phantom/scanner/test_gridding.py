import numpy as np
import pytest
import SimpleITK as sitk
import torch

from fdglung.errors import ParameterError
from fdglung.phantom.scanner import gridding
from fdglung.phantom.scanner.resolution import gaussian
from fdglung.phantom.shapes import Grid


def test_resampling_keeps_a_slope_and_means_over_coarser_voxels():
    source = Grid((-50.0, -40.0, -30.0), (2.0, 2.0, 2.5), (50, 40, 24))
    target = Grid((-40.0, -30.0, -20.0), (4.07, 4.07, 3.0), (18, 14, 12))
    x, y, z = (torch.from_numpy(axis) for axis in source.coordinates((slice(0, 24), slice(0, 40), slice(0, 50))))
    tx, ty, tz = (torch.from_numpy(axis) for axis in target.coordinates((slice(0, 12), slice(0, 14), slice(0, 18))))
    found = gridding.resample(3 + 0.1 * x - 0.2 * y + 0.3 * z, source, target)
    assert found.numpy() == pytest.approx((3 + 0.1 * tx - 0.2 * ty + 0.3 * tz).numpy(), abs=1e-4)


def test_resampling_to_a_coarser_grid_keeps_the_integral():
    source = Grid((0.0, 0.0, 0.0), (2.0, 2.0, 2.0), (40, 40, 40))
    target = Grid((1.0, 1.0, 1.0), (4.0, 4.0, 4.0), (20, 20, 20))
    values = torch.zeros(40, 40, 40)
    values[10:25, 12:20, 14:30] = 1
    found = gridding.resample(values, source, target)
    assert float(found.sum()) * 8 == pytest.approx(float(values.sum()), rel=1e-3)


def test_beyond_the_source_there_is_nothing():
    source = Grid((0.0, 0.0, 0.0), (2.0, 2.0, 2.0), (5, 5, 5))
    target = Grid((-20.0, 0.0, 0.0), (2.0, 2.0, 2.0), (5, 5, 5))
    assert float(gridding.resample(torch.ones(5, 5, 5), source, target).abs().max()) == 0
    assert float(gridding.resample(torch.ones(5, 5, 5), source, target, outside=-3.0).max()) == pytest.approx(-3)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_weighted_sums_are_a_matrix_product(axis):
    rng = np.random.default_rng(0)
    values = rng.random((7, 8, 9)).astype(np.float32)
    many = values.shape[axis]
    indices = rng.integers(0, many, (5, 3))
    weights = rng.random((5, 3)).astype(np.float32)
    matrix = np.zeros((5, many))
    np.add.at(matrix, (np.arange(5)[:, None], indices), weights)
    expected = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    found = gridding.weighted_sums(torch.from_numpy(values), axis, indices, weights)
    assert found.numpy() == pytest.approx(expected, rel=1e-5)


def test_a_gaussian_blur_has_its_width_and_keeps_the_sum():
    values = torch.zeros(41, 41, 41)
    values[20, 20, 20] = 1
    found = gridding.smooth(values, (2.0, 2.0, 3.0), gaussian((8.0, 10.0)), reach_mm=20).numpy().astype(np.float64)
    assert found.sum() == pytest.approx(1, rel=1e-3)
    place = np.arange(41) - 20
    for axis, step, width in ((0, 3.0, 10.0), (1, 2.0, 8.0), (2, 2.0, 8.0)):
        along = found.sum(axis=tuple({0, 1, 2} - {axis}))
        assert np.sqrt((along * (place * step) ** 2).sum()) * 2.3548 == pytest.approx(width, rel=0.01)


def test_blurring_goes_on_beyond_the_ends_of_the_scan():
    found = gridding.smooth(torch.ones(10, 40, 40), (2.0, 2.0, 2.0), gaussian((6.0, 6.0)), reach_mm=12)
    assert found[:, 20, 20].numpy() == pytest.approx(1, abs=1e-4)


def test_an_image_off_the_patients_axes_is_refused_by_name():
    image = sitk.Image(4, 4, 4, sitk.sitkFloat32)
    image.SetDirection((0, 1, 0, 1, 0, 0, 0, 0, -1))
    with pytest.raises(ParameterError, match="activity"):
        gridding.grid_of(image, name="activity")
