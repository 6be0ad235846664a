import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import config, dcmread
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from fdglung import study
from fdglung.errors import (
    EmptyPetError,
    InvalidPixelError,
    RescaleError,
    TruncatedFileError,
    UndecodablePixelDataError,
)
from tests.cases import case
from tests.dicom.series_files import SUVBW, ct_series, pet_series, pixels, refusal, truth_pet, write


def pet_of(source):
    return sitk.GetArrayFromImage(study.load(source).pet)


def ct_of(source):
    return sitk.GetArrayFromImage(study.load(source).ct)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless, RLELossless])
@pytest.mark.parametrize("kind", [np.int16, np.uint16])
def test_compressed_series_decode_to_the_stored_values(tmp_path, syntax, kind):
    stored = np.random.default_rng(3).integers(0, 30000, (4, 64, 64)).astype(kind)
    pet, ct = pet_series(stored=stored), ct_series(stored=stored.astype(np.int16) - 2000, RescaleIntercept=0)
    write(tmp_path, pet, syntax=syntax)
    write(tmp_path, ct, syntax=syntax)
    np.testing.assert_allclose(pet_of(tmp_path), truth_pet(pet), rtol=1e-6)
    np.testing.assert_array_equal(ct_of(tmp_path), np.maximum(stored.astype(np.int16) - 2000, -1024))


def test_jpeg_lossless_decodes(tmp_path):
    gdcm = pytest.importorskip("gdcm")
    series = pet_series(stored=np.random.default_rng(3).integers(0, 30000, (4, 16, 16)).astype(np.uint16))
    write(tmp_path, series)
    for path in tmp_path.iterdir():
        reader = gdcm.ImageReader()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer = gdcm.ImageWriter()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        assert writer.Write()
    assert dcmread(path).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.70" != JPEGLossless
    np.testing.assert_allclose(pet_of(tmp_path), truth_pet(series), rtol=1e-6)


def test_each_pet_slice_has_its_own_slope(tmp_path):
    series = pet_series(slopes=[0.5, 100, 3.25, 1e-3, 7, 7])
    image = study.load(write(tmp_path, series)).pet
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), truth_pet(series), rtol=1e-6)


def test_a_reference_object_with_slopes_by_slice_has_its_known_suv():
    folder = case("suv_dro/DRO_1_0")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(next(folder.glob("mask/*.nii*")))) > 0
    values = pet_of(folder / "PT")[mask]
    found = values.min(), np.median(values), values.max()
    assert found == pytest.approx((0.20, 1.00, 4.00), rel=1e-3)


def test_float_pixel_data_are_read(tmp_path):
    stored = np.random.default_rng(4).random((5, 7, 9)).astype(np.float32)
    series = pet_series(5, stored=stored, slopes=[2.0] * 5)
    np.testing.assert_allclose(pet_of(write(tmp_path, series)), stored * 2 * SUVBW, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused(tmp_path, value):
    stored = np.ones((5, 7, 9), np.float32)
    stored[3, 2, 2] = value
    message = refusal(InvalidPixelError, write(tmp_path, pet_series(5, stored=stored)))
    assert "PT series 4" in message
    assert "PixelData (7FE0,0010)" in message


def test_a_ct_with_nan_is_refused(tmp_path):
    stored = np.zeros((5, 7, 9), np.float32)
    stored[0, 0, 0] = np.nan
    assert "CT series 2" in refusal(InvalidPixelError, write(tmp_path, ct_series(5, stored=stored)))


@pytest.mark.parametrize("value", [0, -5])
def test_a_pet_without_activity_is_refused(tmp_path, value):
    series = pet_series(stored=np.full((6, 7, 9), value, np.int16))
    assert "no value is above 0" in refusal(EmptyPetError, write(tmp_path, series))


@pytest.mark.parametrize(("keyword", "value"), [("RescaleIntercept", 3), ("RescaleSlope", None), ("RescaleSlope", 0)])
def test_a_rescale_that_no_pet_has_is_refused(tmp_path, keyword, value):
    message = refusal(RescaleError, write(tmp_path, pet_series(**{keyword: value})))
    assert f"{keyword} (0028,105" in message


def test_pixel_data_that_no_plug_in_decodes_are_refused_by_syntax(tmp_path):
    write(tmp_path, pet_series(), syntax=JPEGLSLossless)
    path = tmp_path / "PT003.dcm"
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    message = refusal(UndecodablePixelDataError, tmp_path)
    assert "JPEG 2000 Image Compression (Lossless Only) (1.2.840.10008.1.2.4.90)" in message
    assert "file 4 of the input" in message


def test_a_syntax_that_nobody_knows_is_refused_by_its_uid(tmp_path):
    write(tmp_path, pet_series())
    path = tmp_path / "PT000.dcm"
    data = path.read_bytes()
    known, unknown = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.77"
    assert data.count(known) == 1
    path.write_bytes(data.replace(known, unknown))
    assert "1.2.840.10008.1.2.77" in refusal(UndecodablePixelDataError, tmp_path)


@pytest.mark.parametrize("keep", [0.8, 0.99])
def test_compressed_pixel_data_cut_short_are_refused(tmp_path, keep):
    write(tmp_path, pet_series(stored=np.random.default_rng(5).integers(0, 9999, (4, 40, 40)).astype(np.int16)),
          syntax=JPEGLSLossless)  # fmt: skip
    path = tmp_path / "PT001.dcm"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert "file 2 of the input" in refusal(TruncatedFileError, tmp_path).lower()


def test_too_few_native_pixels_are_refused(tmp_path):
    series = pet_series()
    series[2].PixelData = series[2].PixelData[:-10]
    assert "File 3 of the input" in refusal(TruncatedFileError, write(tmp_path, series))


def test_ct_is_int16_where_hounsfield_units_are_whole(tmp_path):
    series = ct_series()
    image = study.load(write(tmp_path, series)).ct
    assert image.GetPixelID() == sitk.sitkInt16
    expected = np.stack([pixels(one).astype(int) - 1024 for one in series])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), expected)


def test_ct_is_float_where_hounsfield_units_are_not_whole_or_do_not_fit(tmp_path):
    series = ct_series(RescaleSlope=0.5)
    image = study.load(write(tmp_path / "a", series)).ct
    assert image.GetPixelID() == sitk.sitkFloat32
    expected = np.stack([pixels(one) * 0.5 - 1024 for one in series])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), expected)
    stored = np.zeros((5, 4, 4), np.uint16)
    stored[3, 1, 1] = 60000
    array = ct_of(write(tmp_path / "b", ct_series(5, stored=stored)))
    assert (array.dtype, array[3, 1, 1], array[0, 0, 0]) == (np.float32, 60000 - 1024, -1024)


def test_unsigned_ct_with_an_intercept_is_read(tmp_path):
    stored = np.array([[[0, 1024], [2048, 4095]]] * 3, np.uint16)
    np.testing.assert_array_equal(ct_of(write(tmp_path, ct_series(3, stored=stored)))[0], [[-1024, 0], [1024, 3071]])


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_outside_the_field_of_view_is_air_even_with_the_wrong_sign(tmp_path, padding):
    stored = np.array([[[-2000, 40], [-1100, 0]]] * 3, np.int16)
    series = ct_series(3, stored=stored, RescaleIntercept=0)
    with config.disable_value_validation():
        for dataset in series:
            dataset.add_new("PixelPaddingValue", "US" if padding > 0 else "SS", padding)
        folder = write(tmp_path, series)
    np.testing.assert_array_equal(ct_of(folder)[0], [[-1024, 40], [-1024, 0]])


def test_high_padding_is_air(tmp_path):
    stored = np.array([[[5000, 40], [100, 0]]] * 3, np.int16)
    series = ct_series(3, stored=stored, RescaleIntercept=0)
    for dataset in series:
        dataset.add_new("PixelPaddingValue", "SS", 5000)
    np.testing.assert_array_equal(ct_of(write(tmp_path, series))[0], [[-1024, 40], [100, 0]])


def test_padding_that_is_the_value_of_water_is_not_followed_and_said(tmp_path):
    stored = np.array([[[0, 40], [-700, 0]]] * 3, np.int16)
    series = ct_series(3, stored=stored, RescaleIntercept=0)
    for dataset in series:
        dataset.add_new("PixelPaddingValue", "SS", 0)
    loaded = study.load(write(tmp_path, series))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(loaded.ct), stored)
    assert any("PixelPaddingValue" in warning for warning in loaded.warnings)


def test_a_ct_without_rescale_is_read_with_a_warning(tmp_path):
    series = ct_series(RescaleSlope=None, RescaleIntercept=None)
    loaded = study.load(write(tmp_path, series))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(loaded.ct), np.stack([pixels(one) for one in series]))
    assert any("1 and 0 were assumed" in warning for warning in loaded.warnings)


def test_compression_with_loss_is_said(tmp_path):
    loaded = study.load(write(tmp_path, pet_series(LossyImageCompression="01")))
    assert any("compressed with loss" in warning for warning in loaded.warnings)
