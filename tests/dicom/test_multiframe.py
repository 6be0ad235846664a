import copy
import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from fdglung import study
from fdglung.dicom.multiframe import flatten
from fdglung.errors import DynamicSeriesError, NotAttenuationCorrectedError, UnknownUnitsError
from tests.dicom.series_files import SECRETS, ct_series, pet_series, pixels, refusal, to_file, truth_pet, write
from tests.dicom.suv_headers import header

ENHANCED_PET, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.130", "1.2.840.10008.5.1.4.1.1.2.1"
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
MOVED = (
    *GEOMETRY, "RescaleSlope", "RescaleIntercept", "RescaleType", "Units", "CorrectedImage", "DecayCorrection",
    "SeriesType", "AcquisitionDate", "AcquisitionTime", "ActualFrameDuration", "FrameReferenceTime", "DecayFactor",
    "SliceLocation", "InstanceNumber", "PixelData", "ConvolutionKernel", "SeriesDate", "SeriesTime",
)  # fmt: skip


def item(source=None, **values):
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, source.get(value) if source is not None else value)
    return dataset


def enhanced(series, sop_class=ENHANCED_PET, *, rescale_type="BQML", **changes):
    """One enhanced object of a classic series, written by hand after PS3.3 A.56 (PET) and A.38 (CT)."""
    one = copy.deepcopy(series[0])
    for keyword in MOVED:
        if keyword in one:
            del one[keyword]
    one.SOPClassUID, one.SOPInstanceUID, one.InstanceNumber = sop_class, generate_uid(), 1
    one.NumberOfFrames = len(series)
    one.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    one.PixelData = b"".join(dataset.PixelData for dataset in series)
    one["PixelData"].VR = "OW"
    if sop_class == ENHANCED_PET:
        one.AttenuationCorrected = one.DecayCorrected = one.ScatterCorrected = one.RandomsCorrected = "YES"
        one.DecayCorrectionDateTime = "20250101110000"
    shared = Dataset()
    shared.PixelMeasuresSequence = [item(series[0], PixelSpacing="PixelSpacing", SliceThickness="SliceThickness")]
    shared.PlaneOrientationSequence = [item(series[0], ImageOrientationPatient="ImageOrientationPatient")]
    one.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for index, dataset in enumerate(series):
        frame = Dataset()
        frame.PlanePositionSequence = [item(ImagePositionPatient=dataset.ImagePositionPatient)]
        frame.PixelValueTransformationSequence = [
            item(RescaleSlope=dataset.RescaleSlope, RescaleIntercept=dataset.RescaleIntercept, RescaleType=rescale_type)
        ]
        frame.FrameContentSequence = [
            item(
                FrameAcquisitionDateTime="20250101110000",
                FrameAcquisitionDuration=300000.0,
                InStackPositionNumber=index,
            )
        ]
        frames.append(frame)
    one.PerFrameFunctionalGroupsSequence = frames
    for keyword, value in changes.items():
        setattr(one, keyword, value)
    return one


def test_an_enhanced_pet_gives_the_image_of_the_classic_series(tmp_path):
    series = pet_series(step=(0, 0, -4))
    classic = study.load(write(tmp_path / "classic", series))
    loaded = study.load(write(tmp_path / "enhanced", [enhanced(series)]))
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet)[::-1], truth_pet(series), rtol=1e-6)
    assert loaded.pet.GetOrigin() == classic.pet.GetOrigin()
    assert loaded.pet.GetSpacing() == classic.pet.GetSpacing()
    assert loaded.suv.slice_factors == pytest.approx(classic.suv.slice_factors, rel=1e-9)


def test_its_headers_are_the_single_one_of_the_object_and_frames_count_as_images(tmp_path):
    loaded = study.load(write(tmp_path, [enhanced(pet_series())]))
    (single,) = loaded.pet_headers
    assert single.SOPClassUID == ENHANCED_PET
    assert (single.NumberOfFrames, len(single.PerFrameFunctionalGroupsSequence)) == (6, 6)
    assert [verdict.images for verdict in loaded.series] == [6]


def test_compressed_frames_are_decoded(tmp_path):
    stored = np.random.default_rng(6).integers(0, 9000, (4, 64, 64)).astype(np.uint16)
    series = pet_series(stored=stored)
    loaded = study.load(write(tmp_path, [enhanced(series)], syntax=JPEG2000Lossless))
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet), truth_pet(series), rtol=1e-6)


def test_an_enhanced_ct_goes_with_a_classic_pet(tmp_path):
    series = ct_series()
    write(tmp_path, pet_series())
    write(tmp_path, [enhanced(series, ENHANCED_CT, rescale_type="HU")])
    loaded = study.load(tmp_path)
    expected = np.stack([pixels(one).astype(int) - 1024 for one in series])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(loaded.ct), expected)
    assert loaded.ct_headers[0].SOPClassUID == ENHANCED_CT


def test_a_legacy_converted_pet_of_another_library_gives_the_classic_image(tmp_path):
    from highdicom.legacy import LegacyConvertedEnhancedPETImage

    series = pet_series(
        AccessionNumber="", StudyID="1", StudyTime="110000", PatientSex="O", ReferringPhysicianName="",
        ContentDate="20250101", ContentTime="110000", SpecificCharacterSet="ISO_IR 192",
        PatientPosition="HFS", PositionReferenceIndicator="", BodyPartExamined="CHEST", Laterality="",
        RescaleType="BQML",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = [to_file(one) for one in series]
        converted = LegacyConvertedEnhancedPETImage(files, generate_uid(), 9, generate_uid(), 1)
        converted.save_as(tmp_path / "legacy.dcm")
    loaded = study.load(tmp_path)
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet), truth_pet(series), rtol=1e-6)
    assert loaded.suv.units == "BQML"


def test_frames_of_several_times_are_dynamic(tmp_path):
    one = enhanced(pet_series() + pet_series())
    for index, frame in enumerate(one.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence[0].TemporalPositionIndex = 1 + index // 6
    message = refusal(DynamicSeriesError, write(tmp_path, [one]))
    assert "TemporalPositionIndex (0020,9128)" in message


def test_an_enhanced_pet_without_attenuation_correction_is_refused(tmp_path):
    refusal(NotAttenuationCorrectedError, write(tmp_path, [enhanced(pet_series(), AttenuationCorrected="NO")]))


def test_an_enhanced_pet_without_units_is_refused(tmp_path):
    refusal(UnknownUnitsError, write(tmp_path, [enhanced(pet_series(), rescale_type="US")]))


def test_units_and_slope_of_a_real_world_value_mapping_are_taken_where_the_rescale_has_none(tmp_path):
    series = pet_series(slopes=[1.0] * 6)
    one = enhanced(series, rescale_type="US")
    units = item(CodeValue="Bq/ml", CodingSchemeDesignator="UCUM", CodeMeaning="Becquerels/milliliter")
    for frame in one.PerFrameFunctionalGroupsSequence:
        mapping = item(RealWorldValueSlope=2.5, RealWorldValueIntercept=0.0, MeasurementUnitsCodeSequence=[units])
        frame.RealWorldValueMappingSequence = [mapping]
    loaded = study.load(write(tmp_path, [one]))
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet), 2.5 * truth_pet(series), rtol=1e-6)


@pytest.mark.parametrize(
    ("corrected", "moment", "expected"),
    [("YES", "20250101110000", "START"), ("YES", "20250101100000.000", "ADMIN"), ("NO", None, "NONE")],
)
def test_decay_correction_follows_the_moment_that_the_image_is_corrected_to(corrected, moment, expected):
    one = enhanced(pet_series(), DecayCorrected=corrected)
    if moment is None:
        del one.DecayCorrectionDateTime
    else:
        one.DecayCorrectionDateTime = moment
    assert {flat.DecayCorrection for flat in flatten(one)} == {expected}


def test_flat_headers_hold_the_classic_keywords(tmp_path):
    flat = flatten(enhanced(pet_series()))[2]
    assert flat.ImagePositionPatient == [-16, -15, -92]
    assert flat.PixelSpacing == [5, 4]
    assert flat.RescaleSlope == 1.0
    assert flat.Units == "BQML"
    assert (flat.AcquisitionDate, flat.AcquisitionTime, flat.ActualFrameDuration) == ("20250101", "110000", 300000)
    assert set(flat.CorrectedImage) == {"ATTN", "DECY", "SCAT", "RAN"}
    expected = header().RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose
    assert flat.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose == expected


def test_flattening_leaves_the_object_as_it_was():
    one = enhanced(pet_series(), rescale_type="US")
    units = item(CodeValue="Bq/ml", CodingSchemeDesignator="UCUM", CodeMeaning="Becquerels/milliliter")
    shared = one.SharedFunctionalGroupsSequence[0]
    shared.PixelValueTransformationSequence = [item(RescaleSlope=1.0, RescaleIntercept=0.0, RescaleType="US")]
    for index, frame in enumerate(one.PerFrameFunctionalGroupsSequence):
        del frame.PixelValueTransformationSequence
        frame.RealWorldValueMappingSequence = [
            item(RealWorldValueSlope=1.0 + index, RealWorldValueIntercept=0.0, MeasurementUnitsCodeSequence=[units])
        ]
    before = copy.deepcopy(one)
    assert [flat.RescaleSlope for flat in flatten(one)] == [1, 2, 3, 4, 5, 6]
    assert one == before


def test_functional_groups_that_cannot_be_read_leave_the_series_and_say_so(tmp_path):
    broken = enhanced(pet_series(SeriesInstanceUID="1.2.3.5"))
    broken.PerFrameFunctionalGroupsSequence = []
    write(tmp_path / "a", [broken], syntax=ExplicitVRLittleEndian)
    write(tmp_path / "b", pet_series())
    loaded = study.load(tmp_path)
    assert loaded.pet is not None
    assert not any(secret in str(loaded.series) for secret in SECRETS)
    assert len(loaded.series) == 2
    assert "functional groups" in loaded.series[1].reason
