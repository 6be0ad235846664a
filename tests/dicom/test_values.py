import struct
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from fdglung.dicom.naming import describe
from fdglung.dicom.values import number, parse_date, parse_datetime, parse_offset, parse_time


@given(st.floats(-1e6, 1e6, width=32))
def test_numbers_are_read_as_text_and_bytes(value):
    assert number(f"{value!r} ") == value
    assert number(repr(value).encode()) == value
    assert number(struct.pack("<d", value)) == value


@pytest.mark.parametrize("value", [None, "", "abc", b"abc", float("nan"), "inf", []])
def test_what_is_no_finite_number_is_none(value):
    assert number(value) is None


def test_four_bytes_are_a_float():
    assert number(struct.pack("<f", 6588.0)) == 6588


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("12", 43200), ("1230", 45000), ("123015", 45015), ("123015.25", 45015.25), ("12:30:15", 45015), ("000000.", 0)],
)
def test_times_of_every_precision_are_read(value, seconds):
    assert parse_time(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", ["", "25", "1260", "noon", None])
def test_what_is_no_time_is_none(value):
    assert parse_time(value) is None


def test_dates_are_read_and_impossible_ones_are_none():
    assert parse_date("20250228") == date(2025, 2, 28)
    assert parse_date("2025.02.28") == date(2025, 2, 28)
    assert parse_date("20250230") is None
    assert parse_date("") is None


def test_datetimes_are_moved_to_the_zone_of_the_series():
    assert parse_datetime("20250101003000.5+0100", zone=timedelta(0)) == datetime(2024, 12, 31, 23, 30, 0, 500000)
    assert parse_datetime("20250101003000+0100") == datetime(2025, 1, 1, 0, 30)
    assert parse_datetime("20250101") == datetime(2025, 1, 1)
    assert parse_datetime("2025") is None
    assert parse_offset("-0330") == timedelta(hours=-3, minutes=-30)


def test_a_series_is_described_without_its_patient():
    header = Dataset()
    header.Modality, header.SeriesNumber, header.SeriesInstanceUID = "PT", 4, "1.2.3"
    header.PatientName = "Doe^Jane"
    assert describe(header) == "PT series 4 (SeriesInstanceUID 1.2.3)"
    assert describe(Dataset()) == "series (SeriesInstanceUID unknown)"
