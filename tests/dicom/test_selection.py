import pytest
import SimpleITK as sitk

from fdglung import study
from fdglung.errors import (
    AmbiguousSeriesError,
    FrameOfReferenceMismatchError,
    MissingSliceError,
    NoImageError,
    NoOverlapError,
    NotAttenuationCorrectedError,
    PatientMismatchError,
)
from tests.cases import case
from tests.dicom.series_files import ct_series, pet_series, refusal, write

UNCORRECTED = {"CorrectedImage": ["DECY"], "SeriesInstanceUID": "1.2.3.5", "SeriesNumber": 5}


def verdicts(loaded):
    """Whether each series was taken, and why, by its UID."""
    return {verdict.uid: (verdict.taken, verdict.reason) for verdict in loaded.series}


def taken(loaded):
    return {uid for uid, (is_taken, _) in verdicts(loaded).items() if is_taken}


def other(series, number, **changes):
    return series(SeriesInstanceUID=f"1.2.3.{number}", SeriesNumber=number, **changes)


def test_a_real_study_gives_its_corrected_pet_and_its_ct_and_says_why():
    loaded = study.load(case("acrin_nsclc_042"))
    by_number = {(verdict.modality, verdict.number): verdict for verdict in loaded.series}
    assert {key for key, verdict in by_number.items() if verdict.taken} == {("PT", 1), ("CT", 2)}
    assert loaded.pet_headers[0].Units == "BQML"
    assert by_number["PT", 1].reason.startswith("The attenuation-corrected quantitative PET")
    assert "PROPCNTS" in by_number["PT", 2].reason
    assert "frame of reference" in by_number["CT", 2].reason
    assert by_number["RWV", 1000].reason == "Real World Value Mapping Storage is no PET or CT image."
    assert [verdict.images for _, verdict in sorted(by_number.items())] == [135, 135, 135, 1]
    # Known of the case: SUVmax of the two kidneys and of the hilar mass, around these voxels.
    suv = sitk.GetArrayFromImage(loaded.pet)
    for (x, y, z), maximum in (((48, 65, 13), 51), ((76, 59, 13), 38), ((54, 60, 73), 42.2)):
        around = suv[z - 8 : z + 9, y - 6 : y + 7, x - 6 : x + 7]
        assert around.max() == pytest.approx(maximum, abs=0.5)


def test_pet_alone_and_ct_alone_are_studies(tmp_path):
    pet = study.load(write(tmp_path / "pet", pet_series()))
    assert (pet.ct, pet.ct_headers, pet.pet.GetSize()) == (None, (), (9, 7, 6))
    ct = study.load(write(tmp_path / "ct", ct_series()))
    assert (ct.pet, ct.pet_headers, ct.suv, ct.ct.GetSize()) == (None, (), None, (10, 12, 8))


def test_a_usable_pet_is_taken_rather_than_an_uncorrected_one_of_more_slices(tmp_path):
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", pet_series(12, **UNCORRECTED))
    loaded = study.load(tmp_path)
    assert taken(loaded) == {"1.2.3.4"}
    assert "CorrectedImage (0028,0051)" in verdicts(loaded)["1.2.3.5"][1]


def test_an_uncorrected_pet_beside_a_ct_is_an_error_and_no_ct_study(tmp_path):
    write(tmp_path, ct_series())
    write(tmp_path, pet_series(**UNCORRECTED))
    refusal(NotAttenuationCorrectedError, tmp_path)


def test_the_ct_of_the_pets_frame_of_reference_is_taken(tmp_path):
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", ct_series())
    write(tmp_path / "c", other(ct_series, 1, count=40, FrameOfReferenceUID="1.2.3.99"))
    loaded = study.load(tmp_path)
    assert taken(loaded) == {"1.2.3.4", "1.2.3.2"}
    assert "FrameOfReferenceUID (0020,0052)" in verdicts(loaded)["1.2.3.1"][1]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"start": (-20, -20, -113)}),  # covers half of the PET
        ({}, {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"]}),
        ({}, {"ConvolutionKernel": "LUNG"}),
        ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": ["B70f", "3"]}),
        ({"ConvolutionKernel": "FC08"}, {"ConvolutionKernel": "FC51"}),
        ({}, {"count": 5, "step": (0, 0, 4.8)}),  # thicker slices over the same length
    ],
)
def test_of_two_cts_the_better_one_is_taken_whatever_its_number(tmp_path, better, worse):
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", other(ct_series, 1, **worse))
    write(tmp_path / "c", other(ct_series, 2, **better))
    loaded = study.load(tmp_path)
    assert taken(loaded) == {"1.2.3.4", "1.2.3.2"}
    assert "CT series 2 (SeriesInstanceUID 1.2.3.2) ranks before it" in verdicts(loaded)["1.2.3.1"][1]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({}, {"ImageType": ["DERIVED", "PRIMARY"]}),
        ({"count": 8}, {}),
        ({"pixel_spacing": (5.0, 3.0)}, {}),  # all of it within the CT; smaller voxels
    ],
)
def test_of_two_pets_the_better_one_is_taken_whatever_its_number(tmp_path, better, worse):
    write(tmp_path / "a", ct_series(20))
    write(tmp_path / "b", other(pet_series, 3, **worse))
    write(tmp_path / "c", other(pet_series, 4, **better))
    assert taken(study.load(tmp_path)) == {"1.2.3.4", "1.2.3.2"}


def test_equal_series_are_chosen_by_number_with_a_warning_that_names_the_other(tmp_path):
    write(tmp_path / "a", other(pet_series, 7))
    write(tmp_path / "b", other(pet_series, 6))
    loaded = study.load(tmp_path)
    assert taken(loaded) == {"1.2.3.6"}
    (warning,) = loaded.warnings
    assert "PT series 7 (SeriesInstanceUID 1.2.3.7) would serve equally well" in warning
    assert "--pet-series" in warning


def test_the_series_asked_for_are_taken(tmp_path):
    write(tmp_path / "a", other(pet_series, 6))
    write(tmp_path / "b", other(pet_series, 7))
    write(tmp_path / "c", other(ct_series, 1))
    write(tmp_path / "d", other(ct_series, 2))
    loaded = study.load(tmp_path, pet_series_uid="1.2.3.7", ct_series_uid="1.2.3.2")
    assert taken(loaded) == {"1.2.3.7", "1.2.3.2"}


def test_a_series_asked_for_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    message = refusal(NoImageError, write(tmp_path, pet_series()), pet_series_uid="9.9")
    assert "--pet-series" in message
    assert "PT series 4 (SeriesInstanceUID 1.2.3.4)" in message


def test_an_unusable_series_asked_for_is_refused_though_another_one_is_usable(tmp_path):
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", pet_series(**UNCORRECTED))
    refusal(NotAttenuationCorrectedError, tmp_path, pet_series_uid="1.2.3.5")


def test_pet_and_ct_of_two_patients_are_refused_without_naming_them(tmp_path):
    write(tmp_path, pet_series())
    write(tmp_path, ct_series(PatientID="SECRET-2"))
    message = refusal(PatientMismatchError, tmp_path)
    assert "PatientID (0010,0020)" in message
    assert "PT series 4 (SeriesInstanceUID 1.2.3.4) and CT series 2 (SeriesInstanceUID 1.2.3.2)" in message


def test_a_patient_id_that_was_removed_contradicts_nothing(tmp_path):
    write(tmp_path, pet_series())
    write(tmp_path, ct_series(PatientID=None))
    assert study.load(tmp_path).ct is not None


@pytest.mark.parametrize("frame", ["1.2.3.99", None])
def test_a_ct_of_another_or_no_frame_of_reference_is_refused(tmp_path, frame):
    write(tmp_path, pet_series())
    write(tmp_path, ct_series(FrameOfReferenceUID=frame))
    message = refusal(FrameOfReferenceMismatchError, tmp_path)
    assert "FrameOfReferenceUID (0020,0052)" in message
    assert "PET alone" in message


def test_a_ct_that_lies_elsewhere_is_refused(tmp_path):
    write(tmp_path, pet_series())
    write(tmp_path, ct_series(start=(-20, -20, 500)))
    assert "share no space" in refusal(NoOverlapError, tmp_path)


def test_a_ct_that_covers_little_of_the_pet_is_said(tmp_path):
    write(tmp_path, pet_series(20))
    write(tmp_path, ct_series())
    assert any("covers only" in warning for warning in study.load(tmp_path).warnings)


def test_the_only_ct_of_the_pet_being_damaged_is_an_error(tmp_path):
    series = ct_series(10)
    write(tmp_path, pet_series())
    write(tmp_path, series[:4] + series[5:])
    assert "CT series 2" in refusal(MissingSliceError, tmp_path)


def test_a_damaged_series_that_is_left_is_said(tmp_path):
    series = other(ct_series, 1, count=20)
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", ct_series())
    write(tmp_path / "c", series[:4] + series[5:])
    loaded = study.load(tmp_path)
    assert taken(loaded) == {"1.2.3.4", "1.2.3.2"}
    assert any("CT series 1" in warning and "1 slice missing" in warning for warning in loaded.warnings)


def test_two_studies_with_pet_and_ct_are_ambiguous_until_one_is_named(tmp_path):
    second = {"StudyInstanceUID": "1.2.8.0", "FrameOfReferenceUID": "1.2.8.9", "PatientID": "Q4711B"}
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", ct_series())
    write(tmp_path / "c", other(pet_series, 14, **second))
    write(tmp_path / "d", other(ct_series, 12, **second))
    message = refusal(AmbiguousSeriesError, tmp_path)
    assert "PT series 4 (SeriesInstanceUID 1.2.3.4), PT series 14 (SeriesInstanceUID 1.2.3.14)" in message
    assert "--pet-series" in message
    assert taken(study.load(tmp_path, pet_series_uid="1.2.3.14")) == {"1.2.3.14", "1.2.3.12"}


def test_of_two_studies_the_one_with_pet_and_ct_is_taken(tmp_path):
    write(tmp_path / "a", pet_series())
    write(tmp_path / "b", ct_series())
    write(tmp_path / "c", other(pet_series, 14, StudyInstanceUID="1.2.8.0", FrameOfReferenceUID="1.2.8.9"))
    loaded = study.load(tmp_path)
    assert taken(loaded) == {"1.2.3.4", "1.2.3.2"}
    assert "of another study was taken" in verdicts(loaded)["1.2.3.14"][1]


def test_ct_alone_of_two_studies_is_ambiguous(tmp_path):
    write(tmp_path / "a", ct_series())
    write(tmp_path / "b", other(ct_series, 12, StudyInstanceUID="1.2.8.0"))
    assert "--ct-series" in refusal(AmbiguousSeriesError, tmp_path)
    assert taken(study.load(tmp_path, ct_series_uid="1.2.3.12")) == {"1.2.3.12"}
