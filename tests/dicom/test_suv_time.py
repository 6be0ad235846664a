import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdglung.dicom.suv import convert
from fdglung.dicom.suv_time import mean_activity_time
from fdglung.errors import SuvError
from tests.dicom.suv_headers import HALF_LIFE, add_private, factor, header

GE, SIEMENS, PHILIPS = "GE MEDICAL SYSTEMS", "SIEMENS", "Philips Medical Systems"
GE_SCAN, GE_ADMIN, SIEMENS_START = 0x0009100D, 0x0009103B, 0x00711022
TIME_ONLY = {"RadiopharmaceuticalStartDateTime": None}
LATE_SERIES = {"SeriesTime": "120000"}
# 1/l ln(l T / (1 - exp(-l T))) for T = 300 s and F-18, by its series T/2 - l T^2/24 = 150 - 0.394664
MEAN_300 = 149.605336


def uptake(*headers):
    return convert(headers).uptake_seconds


def warned(headers, words):
    record = convert(headers)
    assert [w for w in record.warnings if words in w], record.warnings
    return record


def decay_factor(since_reference_s, frame_s=300.0):
    decay = math.log(2) * frame_s / HALF_LIFE
    return f"{2 ** (since_reference_s / HALF_LIFE) * decay / (1 - math.exp(-decay)):.8g}"


def test_mean_activity_time_is_just_before_the_middle_of_a_frame():
    assert mean_activity_time(300, HALF_LIFE) == pytest.approx(MEAN_300, abs=1e-3)


def test_admin_needs_neither_times_nor_half_life():
    dataset = header(
        DecayCorrection="ADMIN", SeriesTime=None, AcquisitionTime=None, RadionuclideHalfLife=None, **TIME_ONLY
    )
    record = convert([dataset])
    assert record.slice_factors == pytest.approx([factor(0)])
    assert record.rule == "BQML, ADMIN"
    assert record.uptake_seconds is None


def test_uncorrected_slices_are_decayed_to_their_own_mean_activity():
    # m P W 1000 / Dadm x l T / (1 - exp(-l T)) x exp(l (tacq - tadm)), l T = ln 2 x 300 / 6586.2 = 0.0315728
    starts, decay = (3600, 3900, 4200), math.log(2) * 300 / 6586.2
    slices = [
        header(DecayCorrection="NONE", CorrectedImage=["ATTN", "SCAT"], AcquisitionTime=t)
        for t in ("110000", "110500", "111000")
    ]
    truth = [factor(0) * decay / (1 - math.exp(-decay)) * 2 ** (start / 6586.2) for start in starts]
    record = convert(slices)
    assert record.slice_factors == pytest.approx(truth, rel=1e-9)
    assert record.warnings == ()
    assert convert(slices[::-1]).slice_factors == pytest.approx(truth[::-1], rel=1e-9)


def test_uncorrected_slices_that_list_decay_correction_are_reported():
    record = warned([header(DecayCorrection="NONE")], "DecayCorrection is NONE, which was followed")
    assert record.uptake_seconds == pytest.approx(3600 + MEAN_300, abs=1e-3)


def test_uncorrected_beds_with_one_frozen_acquisition_time_follow_frame_reference_time():
    slices = [header(DecayCorrection="NONE", Manufacturer=GE, FrameReferenceTime=str(t)) for t in (0, 303000)]
    first, second = warned(slices, "AcquisitionTime is the same at every bed").slice_factors
    assert second / first == pytest.approx(2 ** (303 / HALF_LIFE))


def test_uncorrected_slices_without_frame_duration_are_refused():
    with pytest.raises(SuvError, match=r"ActualFrameDuration \(0018,1242\)"):
        convert([header(DecayCorrection="NONE", ActualFrameDuration=None)])


def test_uncorrected_slices_without_acquisition_time_are_refused():
    with pytest.raises(SuvError, match=r"AcquisitionTime \(0008,0032\)"):
        convert([header(DecayCorrection="NONE"), header(DecayCorrection="NONE", AcquisitionTime=None)])


@pytest.mark.parametrize("vendor", ["Synthetic", SIEMENS, PHILIPS])
def test_a_series_time_after_the_acquisition_is_computed_back_from_the_mean_activity(vendor):
    # Frame from 11:28:00, FrameReferenceTime 1829.605 s at its mean activity: reference 11:00:00
    record = convert(
        [header(Manufacturer=vendor, **LATE_SERIES, AcquisitionTime="112800", FrameReferenceTime="1829605")]
    )
    assert record.uptake_seconds == pytest.approx(3600, abs=0.01)
    assert record.rule == "BQML, START, AcquisitionTime plus mean-activity time less FrameReferenceTime"


def test_a_series_time_after_the_acquisition_is_computed_back_from_the_frame_start_for_ge():
    late = header(
        Manufacturer=GE, **LATE_SERIES, AcquisitionTime="112800", FrameReferenceTime="1680000", ActualFrameDuration=None
    )
    assert uptake(late) == pytest.approx(3600)


def test_back_computation_starts_from_the_first_frame_of_frozen_acquisition_times():
    beds = [
        header(Manufacturer=GE, **LATE_SERIES, FrameReferenceTime=str(t), DecayFactor=decay_factor(t / 1000))
        for t in (606000, 303000, 0)
    ]
    record = convert(beds)
    assert record.uptake_seconds == pytest.approx(3600)
    assert record.warnings == ()


@pytest.mark.parametrize(
    ("missing", "vendor"),
    [("ActualFrameDuration", "Synthetic"), ("FrameReferenceTime", "Synthetic"), ("FrameReferenceTime", GE)],
)
def test_a_late_series_time_without_what_back_computation_needs_is_refused(missing, vendor):
    with pytest.raises(SuvError, match=missing):
        convert([header(Manufacturer=vendor, **LATE_SERIES, **{missing: None})])


def test_a_late_series_time_is_mended_by_decay_factor_where_it_can():
    late = header(**LATE_SERIES, FrameReferenceTime=None, DecayFactor=decay_factor(600), AcquisitionTime="111000")
    record = convert([late])
    assert record.uptake_seconds == pytest.approx(3600, abs=0.05)
    assert record.rule == "BQML, START, DecayFactor"


def test_microseconds_between_series_and_acquisition_are_no_late_series():
    # As Siemens writes them
    record = convert(
        [
            header(
                Manufacturer=SIEMENS,
                SeriesTime="110000.000000",
                AcquisitionTime="105959.999995",
                FrameReferenceTime=None,
            )
        ]
    )
    assert record.rule == "BQML, START, series DateTime"


def test_an_equal_series_time_is_the_reference_whatever_frame_reference_time_says():
    assert uptake(header(FrameReferenceTime="900000", Manufacturer=GE)) == 3600


def test_an_earlier_series_time_that_back_computation_confirms_is_the_reference():
    # Two beds of 300 s from 11:10:00, decay corrected to 11:00:00
    beds = [
        header(
            AcquisitionTime=t,
            FrameReferenceTime=f"{1000 * (after + MEAN_300):.0f}",
            DecayFactor=decay_factor(after),
        )
        for t, after in (("111000", 600), ("111500", 900))
    ]
    record = convert(beds)
    assert record.uptake_seconds == 3600
    assert record.warnings == ()


def contested(since_reference_s, **changes):
    return header(
        SeriesTime="105000", FrameReferenceTime="150000", DecayFactor=decay_factor(since_reference_s), **changes
    )


def test_decay_factor_decides_for_the_series_time():
    record = warned([contested(600)], "DecayFactor decided")
    assert record.uptake_seconds == pytest.approx(3000)
    assert record.rule == "BQML, START, series DateTime"


def test_decay_factor_decides_for_back_computation():
    record = warned([contested(0)], "DecayFactor decided")
    assert record.uptake_seconds == pytest.approx(3600, abs=1)
    assert "FrameReferenceTime" in record.rule


def test_decay_factor_that_supports_neither_is_followed():
    record = warned([contested(1500)], "DecayFactor decided")
    assert record.uptake_seconds == pytest.approx(3600 - 1500, abs=0.05)


@pytest.mark.parametrize("decay_factor_value", ["1.0", None])
@pytest.mark.parametrize(("vendor", "expected"), [("Synthetic", 3000), (SIEMENS, 3000), (PHILIPS, 3599.6), (GE, 3450)])
def test_without_a_decay_factor_the_vendor_decides(vendor, expected, decay_factor_value):
    dataset = header(Manufacturer=vendor, SeriesTime="105000", DecayFactor=decay_factor_value)
    record = warned([dataset], "no DecayFactor decides")
    assert record.uptake_seconds == pytest.approx(expected, abs=0.1)


def test_philips_reference_that_lies_long_before_the_series_is_computed_back():
    # FrameReferenceTime 1328.7 s while acquisition is about the series time
    dataset = header(Manufacturer=PHILIPS, SeriesTime="105958", FrameReferenceTime="1328700")
    assert warned([dataset], "differ by").uptake_seconds == pytest.approx(3600 + MEAN_300 - 1328.7, abs=0.01)


def test_decay_factor_without_the_decay_within_the_frame_is_understood():
    beds = [
        header(
            AcquisitionTime=t,
            SeriesTime="110000",
            FrameReferenceTime=f"{1000 * (after + MEAN_300):.0f}",
            DecayFactor=f"{2 ** (after / HALF_LIFE):.8g}",
        )
        for t, after in (("110000", 0), ("110500", 300))
    ]
    beds[0].DecayFactor = "1.0001"
    assert convert(beds).warnings == ()


def test_decay_factor_at_odds_with_the_series_time_is_reported():
    dataset = header(DecayFactor=decay_factor(400))
    assert warned([dataset], "DecayFactor places the moment").uptake_seconds == 3600


def test_decay_factor_at_odds_with_frame_reference_time_is_reported():
    beds = [
        header(Manufacturer=GE, FrameReferenceTime=str(t), DecayFactor=decay_factor(0)) for t in (0, 303000, 606000)
    ]
    warned(beds, "disagree by up to")


def test_a_decay_factor_of_one_is_no_evidence():
    beds = [header(Manufacturer=GE, FrameReferenceTime=str(t)) for t in (0, 303000, 606000)]
    assert convert(beds).warnings == ()


@pytest.mark.parametrize("creator", [None, "GEMS_PETD_01"])
@pytest.mark.parametrize(("vr", "value"), [("DT", "20250101110000.00"), ("UN", b"20250101110000.00 ")])
def test_ge_scan_datetime_comes_first(creator, vr, value):
    dataset = header(Manufacturer=GE, SeriesTime="113000", AcquisitionTime="110000")
    record = convert([add_private(dataset, GE_SCAN, vr, value, creator)])
    assert record.rule == "BQML, START, GE scan DateTime"
    assert record.uptake_seconds == 3600


def test_ge_scan_datetime_contradicted_by_decay_factor_is_reported():
    dataset = header(Manufacturer=GE, DecayFactor=decay_factor(900), FrameReferenceTime="900000")
    record = warned([add_private(dataset, GE_SCAN, "DT", "20250101110000")], "DecayFactor places the moment")
    assert record.uptake_seconds == 3600


def test_an_element_of_another_vendor_is_not_taken_for_a_scan_datetime():
    assert uptake(add_private(header(), GE_SCAN, "DT", "20250101113000")) == 3600
    other = add_private(header(Manufacturer=GE), GE_SCAN, "DT", "20250101113000", "SOMEBODY")
    assert uptake(other) == 3600


def test_siemens_decay_correction_datetime_comes_first():
    dataset = header(Manufacturer=SIEMENS, SeriesTime="120000", AcquisitionTime="113000")
    record = convert([add_private(dataset, SIEMENS_START, "DT", "20250101110000.000000", "SIEMENS MED PT")])
    assert record.uptake_seconds == 3600
    assert record.rule == "BQML, START, Siemens decay correction DateTime"


def test_decay_correction_datetime_of_enhanced_pet_comes_first():
    record = convert([header(DecayCorrectionDateTime="20250101105000", SeriesTime="120000")])
    assert record.uptake_seconds == 3000
    assert record.rule == "BQML, START, DecayCorrectionDateTime"


def test_private_dates_shifted_apart_from_public_ones_serve_by_their_time_of_day():
    dataset = header(Manufacturer=GE, **TIME_ONLY, RadiopharmaceuticalStartTime="095000")
    add_private(dataset, GE_SCAN, "DT", "19591224110000")
    add_private(dataset, GE_ADMIN, "DT", "19591224100000")
    assert warned([dataset], "days from the acquisition").uptake_seconds == 3600


def test_missing_acquisition_time_is_refused():
    with pytest.raises(SuvError, match=r"AcquisitionTime \(0008,0032\)"):
        convert([header(AcquisitionTime=None)])


@given(shift=st.integers(0, 86399), wait=st.integers(0, 13000))
def test_uptake_does_not_depend_on_midnight(shift, wait):
    injected = datetime(2025, 1, 1) + timedelta(seconds=shift)
    scanned = injected + timedelta(seconds=wait)
    scan = {
        f"{of}{what}": scanned.strftime(form)
        for of in ("Series", "Acquisition")
        for what, form in (("Date", "%Y%m%d"), ("Time", "%H%M%S"))
    }
    injection = {"RadiopharmaceuticalStartTime": injected.strftime("%H%M%S")}
    assert uptake(header(**scan, **injection, **TIME_ONLY)) == wait
    stamp = injected.strftime("%Y%m%d%H%M%S")
    assert uptake(header(**scan, **injection, RadiopharmaceuticalStartDateTime=stamp)) == wait


def test_injection_by_time_past_midnight_is_reported():
    night = header(SeriesTime="003000", AcquisitionTime="003000", RadiopharmaceuticalStartTime="233000", **TIME_ONLY)
    assert warned([night], "of the day before").uptake_seconds == 3600


def test_injection_by_datetime_alone_is_enough():
    assert uptake(header(RadiopharmaceuticalStartTime=None)) == 3600


def test_fractions_of_a_second_count():
    dataset = header(RadiopharmaceuticalStartDateTime="20250101095959.250000", RadiopharmaceuticalStartTime="095959.25")
    assert uptake(dataset) == pytest.approx(3600.75, abs=1e-6)


@pytest.mark.parametrize(
    ("stamp", "zone"),
    [("20250101090000+0000", "+0100"), ("20250101043000-0430", "+0100"), ("20250101100000", "+0100")],
)
def test_offsets_from_utc_are_taken_to_the_clock_of_the_series(stamp, zone):
    dataset = header(RadiopharmaceuticalStartDateTime=stamp, TimezoneOffsetFromUTC=zone)
    record = convert([dataset])
    assert record.uptake_seconds == 3600
    assert record.warnings == ()


def test_an_offset_that_the_series_does_not_share_is_reported():
    dataset = header(RadiopharmaceuticalStartDateTime="20250101100000+0100")
    assert warned([dataset], "offset from UTC").uptake_seconds == 3600


def test_injection_datetime_and_time_that_disagree_are_reported():
    assert warned([header(RadiopharmaceuticalStartTime="094000")], "disagree").uptake_seconds == 3600


def test_missing_injection_time_is_refused():
    with pytest.raises(SuvError, match=r"RadiopharmaceuticalStartDateTime \(0018,1078\)"):
        convert([header(RadiopharmaceuticalStartTime=None, **TIME_ONLY)])


@pytest.mark.parametrize(
    "changes",
    [{"RadiopharmaceuticalStartDateTime": "20250101113000"}, TIME_ONLY | {"RadiopharmaceuticalStartTime": "113000"}],
)
def test_injection_after_the_scan_is_refused(changes):
    with pytest.raises(SuvError, match="the injection is after the scan"):
        convert([header(**changes)])


@pytest.mark.parametrize("day", ["19700520", "20260101", "20241231"])
def test_dates_that_do_not_belong_together_leave_the_times_of_day(day):
    dataset = header(RadiopharmaceuticalStartDateTime=f"{day}100000")
    assert warned([dataset], "only the times of day").uptake_seconds == 3600


def test_times_of_day_past_midnight_serve_where_the_scan_date_was_changed():
    dataset = header(
        SeriesDate="19000101",
        AcquisitionDate="19000101",
        SeriesTime="003000",
        AcquisitionTime="003000",
        RadiopharmaceuticalStartDateTime="20250101233000",
        RadiopharmaceuticalStartTime="233000",
    )
    assert warned([dataset], "only the times of day").uptake_seconds == 3600


def test_missing_dates_leave_the_times_of_day():
    dataset = header(SeriesDate=None, AcquisitionDate=None)
    assert warned([dataset], "only the times of day").uptake_seconds == 3600


def test_times_of_day_that_do_not_fit_either_are_refused():
    with pytest.raises(SuvError, match="neither the date nor the time of day"):
        convert([header(RadiopharmaceuticalStartDateTime="19700520180000")])


@pytest.mark.parametrize(
    "changes",
    [{"RadiopharmaceuticalStartDateTime": "20250101060000"}, TIME_ONLY | {"RadiopharmaceuticalStartTime": "060000"}],
)
def test_an_uptake_beyond_two_half_lives_is_reported(changes):
    assert warned([header(**changes)], "longer than two half-lives").uptake_seconds == 5 * 3600


ZIRCONIUM = {"RadionuclideHalfLife": "282240", "Radiopharmaceutical": "Zr-89 trastuzumab"}


def zirconium(**changes):
    dataset = header(**ZIRCONIUM, **changes)
    del dataset.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence
    return dataset


def test_a_long_lived_radionuclide_may_have_been_injected_days_before():
    days = 4 * 86400 + 3600
    assert uptake(zirconium(RadiopharmaceuticalStartDateTime="20241228100000")) == days
    late = zirconium(RadiopharmaceuticalStartDateTime="20241224100000")
    assert warned([late], "longer than two half-lives").uptake_seconds == 8 * 86400 + 3600


@pytest.mark.parametrize("stamp", [None, "19700520100000", "20260101100000"])
def test_a_long_lived_radionuclide_needs_a_trustworthy_date(stamp):
    with pytest.raises(SuvError, match="date"):
        convert([zirconium(RadiopharmaceuticalStartDateTime=stamp)])
