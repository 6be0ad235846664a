import pytest

from fdglung import study
from fdglung.errors import (
    DynamicSeriesError,
    GatedSeriesError,
    MissingSliceError,
    NotAttenuationCorrectedError,
    UnknownUnitsError,
)
from tests.cases import case
from tests.dicom.series_files import pet_series, refusal, write

UNCORRECTED = ["DECY", "ATTN", "DTIM", "RAN", "RADL", "DCAL", "SLSENS", "NORM"]


def test_the_uncorrected_series_of_a_real_study_is_refused_though_it_says_attn():
    message = refusal(NotAttenuationCorrectedError, case("acrin_nsclc_042/pet_nac"))
    assert "Units (0054,1001)" in message
    assert "PROPCNTS" in message
    assert "SCAT" in message


def test_pet_without_attenuation_correction_is_refused(tmp_path):
    series = pet_series(CorrectedImage=["DECY", "RAN"])
    message = refusal(NotAttenuationCorrectedError, write(tmp_path, series))
    assert "CorrectedImage (0028,0051)" in message


def test_pet_proportional_to_counts_without_a_method_is_not_believed(tmp_path):
    series = pet_series(Units="PROPCNTS", CorrectedImage=UNCORRECTED)
    refusal(NotAttenuationCorrectedError, write(tmp_path, series))


def test_pet_proportional_to_counts_with_a_method_has_unknown_units(tmp_path):
    series = pet_series(
        Units="PROPCNTS", CorrectedImage=[*UNCORRECTED, "SCAT"], AttenuationCorrectionMethod="CT", RescaleType=None
    )
    assert "PROPCNTS" in refusal(UnknownUnitsError, write(tmp_path, series))


@pytest.mark.parametrize("units", ["CPS", "NONE", "PCNT", ""])
def test_units_that_make_no_suv_are_refused(tmp_path, units):
    assert "Units (0054,1001)" in refusal(UnknownUnitsError, write(tmp_path, pet_series(Units=units)))


def test_a_series_that_says_dynamic_is_refused(tmp_path):
    series = pet_series(SeriesType=["DYNAMIC", "IMAGE"])
    assert "SeriesType (0054,1000)" in refusal(DynamicSeriesError, write(tmp_path, series))


def test_a_series_that_says_gated_is_refused(tmp_path):
    series = pet_series(SeriesType=["GATED", "IMAGE"])
    assert "SeriesType (0054,1000)" in refusal(GatedSeriesError, write(tmp_path, series))


def test_positions_that_repeat_over_time_are_dynamic(tmp_path):
    frames = [pet_series(SeriesType=["STATIC", "IMAGE"], AcquisitionTime=f"1{hour}0000") for hour in range(3)]
    message = refusal(DynamicSeriesError, write(tmp_path, [one for frame in frames for one in frame]))
    assert "3 slices that differ in AcquisitionTime" in message
    assert "AcquisitionTime (0008,0032)" in message


def test_positions_that_repeat_over_phases_are_gated(tmp_path):
    phases = [pet_series(SeriesType=["STATIC", "IMAGE"], TriggerTime=float(time)) for time in (0, 200, 400)]
    message = refusal(GatedSeriesError, write(tmp_path, [one for phase in phases for one in phase]))
    assert "TriggerTime (0018,1060)" in message


@pytest.mark.parametrize("kind", [["STATIC", "IMAGE"], ["WHOLE BODY", "IMAGE"]])
def test_several_time_slices_without_a_repeated_position_are_beds(tmp_path, kind):
    series = pet_series(SeriesType=kind, NumberOfTimeSlices=3)
    assert study.load(write(tmp_path, series)).pet is not None


@pytest.mark.parametrize("kept", [slice(2, None), slice(None, -2)])
def test_slices_missing_at_the_ends_are_found_by_their_index(tmp_path, kept):
    series = pet_series(8, NumberOfSlices=8)
    for index, dataset in enumerate(series):
        dataset.ImageIndex = index + 1
    message = refusal(MissingSliceError, write(tmp_path, series[kept]))
    assert "2 of 8 slices are missing" in message
    assert "NumberOfSlices (0054,0081)" in message


def test_a_number_of_slices_that_nothing_confirms_is_only_said(tmp_path):
    loaded = study.load(write(tmp_path, pet_series(8, NumberOfSlices=48)))
    assert any("NumberOfSlices (0054,0081) is 48, but 8" in warning for warning in loaded.warnings)
