from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import InputError, InvalidPixelError
from fdglung.radiomics.preprocessing import (
    discretised,
    filtered_roi,
    lesion_grid,
    prepare,
    resample_image,
    resample_mask,
    resampled_grid,
)
from fdglung.radiomics.settings import FilterSettings, ImageSettings

TURNED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)


def picture(array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=None):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction:
        image.SetDirection(direction)
    return image


def random_case(seed=0, shape=(12, 14, 16), **where):
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape) - (np.array(shape)[:, None, None, None] - 1) / 2
    mask = (z**2 + y**2 + x**2 < 20).astype(np.uint8)
    return picture(rng.normal(10, 3, shape), **where), picture(mask, **where)


def test_grids_have_the_size_and_origin_of_the_manuals_example():
    # IBSI manual, section 2.4: 4 voxels of 3 mm become 6 of 2 mm; x_b = x_a + (s_a (n_a - 1) - s_b (n_b - 1)) / 2.
    grid = resampled_grid(picture(np.zeros((4, 4, 4)), (3, 3, 3), (10, 20, 30)), (2, 2, 0))
    assert grid.size == (6, 6, 4)
    assert grid.spacing_mm == (2, 2, 3)
    assert grid.origin_mm == pytest.approx((9.5, 19.5, 30))


def test_a_fractional_size_is_rounded_up():
    assert resampled_grid(picture(np.zeros((3, 3, 5))), (2, 2, 2)).size == (3, 2, 2)


@pytest.mark.parametrize("direction", [None, TURNED])
@pytest.mark.parametrize(("interpolator", "order"), [("linear", 1), ("bspline", 3)])
def test_intensities_are_those_of_scipy(interpolator, order, direction):
    image, mask = random_case(shape=(30, 31, 32), spacing=(2.0, 2.5, 3.0), origin=(5, -7, 11), direction=direction)
    grid = lesion_grid(resampled_grid(image, (1.7, 1.3, 2.1)), mask, margin_mm=2)
    settings = ImageSettings(spacing_mm=(1.7, 1.3, 2.1), interpolator=interpolator, bin_count=8)
    found = resample_image(image, grid, settings)
    steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
    indices = np.stack(np.meshgrid(*map(np.arange, grid.size), indexing="ij"), axis=-1).reshape(-1, 3)
    points = indices @ steps.T + grid.origin_mm
    places = np.array([image.TransformPhysicalPointToContinuousIndex(point) for point in points])
    whole = ndimage.map_coordinates(sitk.GetArrayFromImage(image), places[:, ::-1].T, order=order, mode="mirror")
    assert np.moveaxis(found, (0, 1, 2), (2, 1, 0)).ravel() == pytest.approx(whole, abs=1e-6)


def test_a_region_has_the_values_of_the_whole():
    image, mask = random_case(spacing=(2.0, 2.5, 3.0))
    settings = ImageSettings(spacing_mm=(1.5, 1.5, 1.5), bin_count=8)
    whole = resampled_grid(image, settings.spacing_mm)
    part = lesion_grid(whole, mask)
    start = np.rint(whole.index_of(np.array([part.origin_mm]))[0]).astype(int)[::-1]
    box = tuple(slice(a, a + n) for a, n in zip(start, part.size[::-1], strict=True))
    assert np.array_equal(resample_mask(mask, part), resample_mask(mask, whole)[box])
    assert resample_mask(mask, part).sum() == resample_mask(mask, whole).sum()
    assert resample_image(image, part, settings) == pytest.approx(resample_image(image, whole, settings)[box])


def test_a_voxel_that_is_half_in_is_in():
    mask = picture(np.array([0, 1, 1, 0], np.uint8).reshape(1, 1, 4))
    # Two voxels in place of four: each is half mask.
    assert resample_mask(mask, resampled_grid(mask, (2, 0, 0))).ravel().tolist() == [True, True]


def test_without_resampling_intensities_stay_as_they_are():
    image, mask = random_case()
    prepared = prepare(image, mask, ImageSettings(bin_count=8, round_to=1))
    inside = sitk.GetArrayFromImage(mask) > 0
    assert np.array_equal(np.sort(prepared.roi.values), np.sort(sitk.GetArrayFromImage(image)[inside]))
    assert prepared.roi.morphological_mask.sum() == inside.sum()


def test_a_mask_on_another_grid_finds_the_same_lesion():
    image, mask = random_case(shape=(20, 20, 20), spacing=(2.0, 2.0, 2.0))
    finer = sitk.Resample(mask, (40, 40, 40), sitk.Transform(), sitk.sitkNearestNeighbor, (-0.5,) * 3, (1, 1, 1))
    settings = ImageSettings(bin_count=8)
    here, there = prepare(image, mask, settings), prepare(image, finer, settings)
    assert np.array_equal(here.roi.intensity, there.roi.intensity)
    assert np.array_equal(here.roi.intensity_mask, there.roi.intensity_mask)


def test_surroundings_hold_the_roi_at_its_offset():
    image, mask = random_case(spacing=(2.0, 2.0, 2.0))
    prepared = prepare(image, mask, ImageSettings(spacing_mm=(1, 1, 1), bin_count=8), margin_mm=3)
    box = tuple(slice(a, a + n) for a, n in zip(prepared.offset, prepared.roi.intensity.shape, strict=True))
    assert np.array_equal(prepared.surroundings[box], prepared.roi.intensity)
    assert min(prepared.offset) >= 3


def test_the_range_goes_before_outliers_and_the_shape_keeps_all():
    values = np.array([0, 10, 10, 11, 12, 9, 10, 11, 10, 30, 1000], float).reshape(1, 1, -1)
    mask = picture(np.ones(values.shape, np.uint8))
    roi = prepare(picture(values), mask, ImageSettings(range=(1, 100), outlier_sigma=2, bin_count=4)).roi
    assert sorted(roi.values) == [9, 10, 10, 10, 10, 11, 11, 12]
    assert roi.morphological_mask.sum() == 11
    assert np.array_equal(roi.levels > 0, roi.intensity_mask)


def test_bins_of_a_width_start_at_the_range_then_at_the_origin_then_at_the_lowest():
    values = picture(np.array([3.0, 4.0, 7.5]).reshape(1, 1, -1))
    mask = picture(np.ones((1, 1, 3), np.uint8))

    def levels(**settings):
        return prepare(values, mask, ImageSettings(bin_width=2, **settings)).roi.levels.ravel().tolist()

    assert levels(range=(-1, None)) == [3, 3, 5]
    assert levels(range=(-1, None), bin_origin=0) == [2, 3, 4]
    assert levels() == [1, 1, 3]


def test_a_number_of_bins_is_reached_by_the_highest_alone():
    levels, count, width, origin = discretised(np.array([0, 0.99, 1, 3.99, 4.0]), bin_count=4)
    assert levels.tolist() == [1, 1, 2, 4, 4]
    assert (count, width, origin) == (4, None, None)


def test_a_flat_lesion_has_one_level():
    assert discretised(np.full(5, 7.0), bin_count=32)[:2][1] == 1
    assert discretised(np.full(5, 7.0), bin_width=0.5)[0].tolist() == [1] * 5


def test_a_filtered_roi_keeps_the_masks():
    image, mask = random_case()
    roi = prepare(image, mask, ImageSettings(range=(8, None), bin_width=1)).roi
    filtered = filtered_roi(roi, -roi.intensity, FilterSettings(bin_count=5))
    assert np.array_equal(filtered.intensity_mask, roi.intensity_mask)
    assert filtered.levels.max() == filtered.level_count == 5
    assert filtered.levels[roi.intensity_mask][roi.values.argmax()] == 1


def test_one_voxel_and_a_lesion_at_the_edge_are_lesions():
    image, _ = random_case(spacing=(4.0, 4.0, 4.0))
    mask = np.zeros(image.GetSize()[::-1], np.uint8)
    mask[0, 0, 0] = 1
    settings = ImageSettings(spacing_mm=(2, 2, 2), bin_width=0.5)
    # Of its eight parts the one towards the inside of the image is 0.75^3 mask, less than half.
    assert prepare(image, picture(mask, (4, 4, 4)), settings).roi.intensity_mask.sum() == 7


def test_a_lesion_without_voxels_is_refused():
    image, mask = random_case()
    with pytest.raises(InputError, match="empty"):
        prepare(image, mask * 0, ImageSettings(bin_count=8))
    small = np.zeros(image.GetSize()[::-1], np.uint8)
    small[5, 5, 5] = 1
    with pytest.raises(InputError, match="no voxel after resampling"):
        prepare(image, picture(small), ImageSettings(spacing_mm=(9, 9, 9), bin_count=8))
    with pytest.raises(InputError, match="leaves no voxel"):
        prepare(image, mask, ImageSettings(range=(1000, None), bin_count=8))
    mask.SetOrigin((500, 500, 500))
    with pytest.raises(InputError, match="outside the image"):
        prepare(image, mask, ImageSettings(bin_count=8))


def test_nan_in_the_lesion_is_refused_and_beside_it_is_not():
    image, mask = random_case()
    settings = ImageSettings(bin_count=8)
    image[0, 0, 0] = float("nan")
    assert prepare(image, mask, settings, margin_mm=50).roi.values.size > 0
    image[8, 7, 6] = float("nan")
    with pytest.raises(InvalidPixelError):
        prepare(image, mask, settings)
