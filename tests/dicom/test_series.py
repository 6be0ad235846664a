import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import study
from fdglung.errors import DuplicateSliceError, NoImageError
from tests.dicom.series_files import ct_series, pet_series, refusal, truth_pet, write


def reasons(loaded):
    return [verdict.reason for verdict in loaded.series if not verdict.taken]


@pytest.mark.parametrize(
    ("image_type", "said"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER"], "a localizer"),
        (["DERIVED", "SECONDARY", "PROJECTION IMAGE"], "a projection"),
        (["DERIVED", "SECONDARY", "MIP"], "a maximum intensity projection"),
        (["DERIVED", "SECONDARY", "MPR", "CSA MPR"], "a reformat of another series"),
        (["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"], "a reformat of another series"),
    ],
)
def test_images_that_are_no_volume_are_left_with_the_reason(tmp_path, image_type, said):
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", ct_series(20, ImageType=image_type))
    loaded = study.load(tmp_path)
    assert loaded.ct is None
    (reason,) = reasons(loaded)
    assert "ImageType says" in reason
    assert said in reason


def test_a_localizer_and_a_volume_in_one_series_are_told_apart(tmp_path):
    volume = ct_series()
    scout = ct_series(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], orientation=(1, 0, 0, 0, 0, -1))
    unmarked = ct_series(2, orientation=(0, 1, 0, 0, 0, -1), step=(3, 0, 0))
    write(tmp_path / "a", volume)
    write(tmp_path / "b", scout)
    expected = study.load(tmp_path).ct
    assert expected.GetSize() == (10, 12, 8)
    write(tmp_path / "c", unmarked)
    loaded = study.load(tmp_path)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(loaded.ct), sitk.GetArrayFromImage(expected))
    assert [(verdict.uid, verdict.images, verdict.taken) for verdict in loaded.series] == [
        ("1.2.3.2", 8, True),
        ("1.2.3.2", 2, False),
        ("1.2.3.2", 1, False),
    ]


def test_acquisitions_of_one_ct_series_at_the_same_places_are_told_apart(tmp_path):
    first, second = ct_series(AcquisitionNumber=1), ct_series(AcquisitionNumber=2, ConvolutionKernel="BONE")
    write(tmp_path / "a", first)
    write(tmp_path / "b", second)
    loaded = study.load(tmp_path)
    assert loaded.ct.GetSize() == (10, 12, 8)
    assert {header.AcquisitionNumber for header in loaded.ct_headers} == {1}


def test_copies_of_files_count_once_and_are_said(tmp_path):
    series = pet_series()
    write(tmp_path / "a", series)
    write(tmp_path / "b", series[:2])
    loaded = study.load(tmp_path)
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet), truth_pet(series), rtol=1e-6)
    assert any("2 copies of slices were left out" in warning for warning in loaded.warnings)


def test_slices_at_one_place_with_other_values_are_no_copies(tmp_path):
    series = pet_series()
    write(tmp_path / "a", series)
    changed = pet_series(slopes=[9.0] * 6, AcquisitionDate="20250101")[2]
    changed.SOPInstanceUID = series[2].SOPInstanceUID
    write(tmp_path / "b", [changed])
    refusal(DuplicateSliceError, tmp_path)


@pytest.mark.parametrize(
    ("sop_class", "modality", "said"),
    [
        ("1.2.840.10008.5.1.4.1.1.7", "OT", "Secondary Capture Image Storage is no PET or CT image."),
        ("1.2.840.10008.5.1.4.1.1.66.4", "SEG", "Segmentation Storage is no PET or CT image."),
        ("1.2.840.10008.5.1.4.1.1.4", "MR", "MR Image Storage is no PET or CT image."),
    ],
)
def test_other_objects_are_named_and_alone_are_no_image(tmp_path, sop_class, modality, said):
    objects = ct_series(3, SOPClassUID=sop_class, Modality=modality, SeriesInstanceUID="1.2.3.7")
    write(tmp_path / "other", objects)
    assert said.rstrip(".") in refusal(NoImageError, tmp_path)
    write(tmp_path / "pet", pet_series())
    assert reasons(study.load(tmp_path)) == [said]


def test_a_colour_picture_is_no_pet(tmp_path):
    series = pet_series(SamplesPerPixel=3)
    assert "colour" in refusal(NoImageError, write(tmp_path, series))


def test_maps_of_electron_density_are_no_ct(tmp_path):
    assert "no Hounsfield units" in refusal(NoImageError, write(tmp_path, ct_series(RescaleType="ED")))
