"""Values of DICOM elements as numbers and times, however the header holds them."""

from __future__ import annotations

import math
import re
import struct
from datetime import date, datetime, time, timedelta
from typing import Any

from pydicom import DataElement, Dataset

_ASCII_NUMBER = re.compile(rb"\s*[+-]?[\d.]+([eE][+-]?\d+)?[\s\0]*")
_DATE = re.compile(r"(\d{4})[.\-/]?(\d{2})[.\-/]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d*)?")
_DATETIME = re.compile(r"(\d{8})(\d{2}\d{0,4})?(\.\d*)?\s*([+-]\d{4})?")


def text(value: Any) -> str:
    """Return an element's value as stripped text: the first of several values, bytes as ASCII, nothing as ``""``."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("ascii", "ignore").strip(" \0")
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return next((text(item) for item in value), "")
    return str(value).strip(" \0")


def number(value: Any) -> float | None:
    """Return an element's value as a finite number, or None.

    Private elements come as DS, as FL, or undecoded as UN: bytes are read as ASCII, else as a little-endian float.
    """
    if isinstance(value, bytes) and not _ASCII_NUMBER.fullmatch(value):
        formats = {4: "<f", 8: "<d"}
        if len(value) not in formats:
            return None
        result = float(struct.unpack(formats[len(value)], value)[0])
    else:
        try:
            result = float(text(value))
        except ValueError:
            return None
    return result if math.isfinite(result) else None


def parse_date(value: Any) -> date | None:
    """Return a DA value as a date, or None."""
    match = _DATE.fullmatch(text(value))
    try:
        return date(*(int(part) for part in match.groups())) if match else None
    except ValueError:
        return None


def parse_time(value: Any) -> timedelta | None:
    """Return a TM value, fraction of a second included, as the time since midnight, or None."""
    match = _TIME.fullmatch(text(value))
    if not match:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    fraction = float("0" + (match[4] or "")) if match[4] not in (None, ".") else 0.0
    return timedelta(hours=hours, minutes=minutes, seconds=seconds + fraction)


def parse_datetime(value: Any, *, zone: timedelta | None = None) -> datetime | None:
    """Return a DT value as the local time of the series, or None.

    Parameters
    ----------
    value
        DT value; the offset from UTC (``&ZZXX``) may be missing.
    zone
        Offset of the series' own times from UTC (TimezoneOffsetFromUTC). Where it or the value's offset is missing,
        both are taken to be on one clock.

    Returns
    -------
    datetime or None
        Without a time zone; None where the value holds no full date.

    """
    match = _DATETIME.fullmatch(text(value))
    if not match:
        return None
    day, since_midnight = parse_date(match[1]), parse_time((match[2] or "000000") + (match[3] or ""))
    if day is None or since_midnight is None:
        return None
    moment = datetime.combine(day, time()) + since_midnight
    offset = parse_offset(match[4])
    return moment if zone is None or offset is None else moment - offset + zone


def parse_offset(value: Any) -> timedelta | None:
    """Return an offset from UTC such as ``+0130``, or None."""
    match = re.fullmatch(r"([+-])(\d{2})(\d{2})", text(value))
    if not match:
        return None
    size = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return -size if match[1] == "-" else size


def private(header: Dataset, group: int, creator: str, element: int, *, vendor: str) -> DataElement | None:
    """Find a private element by its creator's block (DICOM PS3.5 7.8.1).

    Parameters
    ----------
    header
        Dataset to look in.
    group, element
        Group, and element within the block (0x00 to 0xFF).
    creator
        Private creator of the block.
    vendor
        Start of the manufacturer's name. De-identification and reference objects drop private creators: where the
        group has none, the first block is taken to be this vendor's if Manufacturer says so.

    Returns
    -------
    DataElement or None
        The element with a value, or None.

    """
    blocks = [e for e in range(0x10, 0x100) if text(_value(header, group, e)).lower() == creator.lower()]
    if not blocks and 0x10 not in {tag.element for tag in header.keys() if tag.group == group}:  # noqa: SIM118
        blocks = [0x10] if text(header.get("Manufacturer")).lower().startswith(vendor.lower()) else []
    for block in blocks:
        tag = (group, block << 8 | element)
        if tag in header and header[tag].value not in (None, "", b""):
            return header[tag]
    return None


def _value(header: Dataset, group: int, element: int) -> Any:
    return header[group, element].value if (group, element) in header else None
