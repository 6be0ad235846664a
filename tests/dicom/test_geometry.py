import math

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import study
from fdglung.dicom.geometry import coverage, lay_out
from fdglung.errors import (
    DuplicateSliceError,
    InconsistentSeriesError,
    MissingAttributeError,
    MissingSliceError,
    SingleSliceError,
    TiltedGantryError,
    UnevenSpacingError,
)
from tests.cases import case
from tests.dicom.series_files import ct_series, pet_series, refusal, truth_pet, write

S = math.sqrt(0.5)


def place(dataset, row, column):
    """Where the header puts a pixel (PS3.3 C.7.6.2.1.1), in mm."""
    x, y = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = dataset.PixelSpacing
    return np.array(dataset.ImagePositionPatient, float) + column * between_columns * x + row * between_rows * y


def assert_every_corner_lies_where_its_header_says(image, series, truth):
    for dataset, plane in zip(series, truth, strict=True):
        for row in (0, dataset.Rows - 1):
            for column in (0, dataset.Columns - 1):
                index = image.TransformPhysicalPointToIndex(place(dataset, row, column))
                centre = np.array(image.TransformIndexToPhysicalPoint(index))
                np.testing.assert_allclose(centre, place(dataset, row, column), atol=1e-4)
                assert image[index] == pytest.approx(plane[row, column], rel=1e-6)


@pytest.mark.parametrize(
    ("orientation", "step"),
    [
        ((1, 0, 0, 0, 1, 0), (0, 0, 4)),
        ((1, 0, 0, 0, 1, 0), (0, 0, -4)),  # from head to feet
        ((-1, 0, 0, 0, 1, 0), (0, 0, 4)),  # feet first, supine: the normal points to the feet
        ((-1, 0, 0, 0, -1, 0), (0, 0, 4)),  # prone
        ((0, 1, 0, 0, 0, -1), (3, 0, 0)),  # sagittal
        ((1, 0, 0, 0, 0, -1), (0, 3, 0)),  # coronal
        ((S, S, 0, -S, S, 0), (0, 0, 2)),  # turned about the long axis
        ((1, 0, 0, 0, S, S), (0, -3 * S, 3 * S)),  # oblique
    ],
)
def test_slices_of_any_orientation_lie_where_their_headers_say(tmp_path, orientation, step):
    series = pet_series(orientation=orientation, step=step)
    image = study.load(write(tmp_path, series)).pet
    assert_every_corner_lies_where_its_header_says(image, series, truth_pet(series))
    direction = np.array(image.GetDirection()).reshape(3, 3)
    np.testing.assert_allclose(direction[:, 2], np.cross(orientation[:3], orientation[3:]), atol=1e-12)
    assert np.linalg.det(direction) == pytest.approx(1)


def test_headers_come_in_the_order_of_the_image(tmp_path):
    loaded = study.load(write(tmp_path, pet_series(step=(0, 0, -4))))
    for index, header in enumerate(loaded.pet_headers):
        origin = loaded.pet.TransformIndexToPhysicalPoint((0, 0, index))
        np.testing.assert_allclose(origin, header.ImagePositionPatient, atol=1e-6)
        assert "PixelData" not in header


@pytest.mark.parametrize("name", ["acrin_nsclc_042/ct", "thorax_ct/nlst_101287"])
def test_a_real_ct_equals_what_simpleitk_reads(name):
    folder = str(case(name))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    other, image = reader.Execute(), study.load(folder).ct
    assert image.GetSize() == other.GetSize()
    for ours, theirs in (
        (image.GetOrigin(), other.GetOrigin()),
        (image.GetSpacing(), other.GetSpacing()),
        (image.GetDirection(), other.GetDirection()),
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    theirs = np.maximum(sitk.GetArrayViewFromImage(other), -1024)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(image), theirs)


def test_spacing_of_a_real_pet_that_differs_by_rounding_is_even():
    image = study.load(case("acrin_nsclc_042/pet_ac")).pet
    assert image.GetSize() == (128, 128, 135)
    np.testing.assert_allclose(image.GetSpacing(), (4.6875, 4.6875, 3.2703), atol=1e-4)


def test_seams_between_the_beds_of_a_real_pet_are_even():
    assert study.load(case("sts_001_raw_pet")).pet.GetSpacing()[2] == pytest.approx(3.27, abs=1e-3)


@pytest.mark.parametrize("jitter", [0.0, 0.02, 0.1])
def test_positions_that_are_rounded_are_even(jitter):
    series = pet_series(20)
    for index, dataset in enumerate(series):
        dataset.ImagePositionPatient[2] = -100 + 4 * index + jitter * (index % 3)
    assert lay_out(series).spacing[2] == pytest.approx(4, rel=0.005)


@pytest.mark.parametrize("gone", [[3], [3, 4], [2, 6]])
def test_a_gap_is_refused_with_its_place(tmp_path, gone):
    series = [one for index, one in enumerate(pet_series(10)) if index not in gone]
    message = refusal(MissingSliceError, write(tmp_path, series))
    assert message.startswith("PT series 4 (SeriesInstanceUID 1.2.3.4); ImagePositionPatient (0020,0032)")
    before = -100 + 4 * (gone[0] - 1)
    assert f"{len(gone)} slice" in message
    assert f"between {before:.2f} and" in message


def test_a_slice_missing_from_three_is_not_taken_for_even(tmp_path):
    series = pet_series(4)
    refusal(MissingSliceError, write(tmp_path, [series[0], series[1], series[3]]))


def test_two_slices_at_one_position_are_refused(tmp_path):
    series = pet_series()
    series[3].ImagePositionPatient = series[2].ImagePositionPatient
    message = refusal(DuplicateSliceError, write(tmp_path, series))
    assert "ImagePositionPatient (0020,0032)" in message
    assert "at -92.00 mm" in message


@pytest.mark.parametrize("heights", [(0, 4, 8, 13.7, 18, 22), (0, 4, 8, 12, 17.2, 22.4), (0, 1, 3, 7, 15, 31)])
def test_positions_that_no_grid_holds_are_refused(tmp_path, heights):
    series = pet_series()
    for dataset, height in zip(series, heights, strict=True):
        dataset.ImagePositionPatient[2] = height
    assert "mm apart" in refusal(UnevenSpacingError, write(tmp_path, series))


def test_one_slice_makes_no_volume(tmp_path):
    assert "one slice" in refusal(SingleSliceError, write(tmp_path, pet_series(1)))


@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows"])
def test_missing_geometry_is_refused_by_name(tmp_path, keyword):
    series = pet_series()
    del series[2][keyword]
    message = refusal(MissingAttributeError, write(tmp_path, series))
    assert f"{keyword} (00" in message
    assert "PT series 4 (SeriesInstanceUID 1.2.3.4)" in message


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PixelSpacing", [5.0, 4.2]),
        ("ImageOrientationPatient", [1, 0, 0, 0, 0.9962, 0.0872]),
        ("FrameOfReferenceUID", "1.2.3.10"),
        ("PatientID", "Q4711-2"),
    ],
)
def test_slices_that_differ_are_refused(tmp_path, keyword, value):
    series = pet_series()
    setattr(series[2], keyword, value)
    assert f"{keyword} (00" in refusal(InconsistentSeriesError, write(tmp_path, series))


def test_slices_of_different_sizes_are_refused(tmp_path):
    series = pet_series(5) + pet_series(6, stored=np.ones((6, 8, 9), np.int16))[5:]
    assert "Rows (0028,0010)" in refusal(InconsistentSeriesError, write(tmp_path, series))


@pytest.mark.parametrize("cosines", [(1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0), (0, 0, 0, 0, 0, 0)])
def test_an_orientation_that_is_none_is_refused(tmp_path, cosines):
    refusal(InconsistentSeriesError, write(tmp_path, pet_series(orientation=cosines)))


def test_a_tilted_ct_is_resampled_to_where_it_was(tmp_path):
    # A linear function of place survives linear interpolation exactly, whatever the grid.
    angle = math.radians(15)
    orientation = (1, 0, 0, 0, math.cos(angle), math.sin(angle))
    series = ct_series(stored=np.zeros((10, 30, 10), np.int16), orientation=orientation, RescaleIntercept=0)
    for dataset in series:
        grid = np.array([[place(dataset, row, column) for column in range(10)] for row in range(30)])
        linear = np.round(2 * grid[..., 0] + 10 * grid[..., 1] + 4 * grid[..., 2]).astype(np.int16)
        dataset.PixelData = linear.tobytes()
    loaded = study.load(write(tmp_path, series))
    assert any("tilted by 15.0 degrees" in warning for warning in loaded.warnings)
    image = loaded.ct
    array = sitk.GetArrayFromImage(image)
    checked = 0
    for z, y, x in np.argwhere(array != -1024):
        point = np.array(image.TransformIndexToPhysicalPoint((int(x), int(y), int(z))))
        around = array[z, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        # Within half a pixel of a slice's edge the resampler holds the edge's value.
        if (around == -1024).any() or not 0 < y < array.shape[1] - 1:
            continue
        assert abs(array[z, y, x] - point @ (2, 10, 4)) <= 1.5
        checked += 1
    assert checked > 2000
    # Nothing is cut: the corners of the first and the last slice lie in the image.
    for dataset in (series[0], series[-1]):
        for row in (0, 29):
            index = image.TransformPhysicalPointToIndex(place(dataset, row, 5))
            assert all(0 <= i < size for i, size in zip(index, image.GetSize(), strict=True))


def test_a_tilted_pet_is_refused(tmp_path):
    series = pet_series(orientation=(1, 0, 0, 0, math.cos(0.2), math.sin(0.2)))
    assert "tilted gantry" in refusal(TiltedGantryError, write(tmp_path, series))


def test_displaced_slices_that_no_shear_explains_are_refused(tmp_path):
    series = ct_series()
    series[3].ImagePositionPatient[1] += 5
    refusal(TiltedGantryError, write(tmp_path, series))


def test_a_ct_with_gaps_between_thin_slices_comes_with_a_warning(tmp_path):
    series = ct_series(SliceThickness=1.25)
    assert any("1.25 mm lie 3 mm apart" in warning for warning in study.load(write(tmp_path, series)).warnings)


def test_coverage_is_the_fraction_of_volume_inside():
    whole = lay_out(ct_series(stored=np.zeros((8, 12, 10), np.int16)))
    # Half of the slices and three quarters of the columns.
    part = ct_series(stored=np.zeros((8, 12, 10), np.int16), start=(-20 + 0.25 * 10 * 4.5, -20, -101 + 12))
    assert coverage(whole, whole) == 1
    assert coverage(whole, lay_out(part)) == pytest.approx(0.5 * 0.75)
    assert coverage(lay_out(part), whole) == pytest.approx(0.5 * 0.75)
    away = ct_series(stored=np.zeros((8, 12, 10), np.int16), start=(500, 0, 0))
    assert coverage(whole, lay_out(away)) == 0
