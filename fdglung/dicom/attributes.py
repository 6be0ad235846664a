"""Attributes of a header as plain values, refused by name where they cannot be used."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from fdglung.dicom.naming import describe
from fdglung.errors import MissingAttributeError


def label(keyword: str) -> str:
    """Name an attribute in an error, such as ``Units (0054,1001)``."""
    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def text(header: Dataset, keyword: str) -> str:
    """Value as text without surrounding blanks; empty where it is missing or unreadable."""
    return "" if (value := _value(header, keyword)) is None else str(value).strip()


def texts(header: Dataset, keyword: str) -> tuple[str, ...]:
    """Values of a multi-valued attribute as upper-case text; empty where it is missing or unreadable."""
    value = _value(header, keyword)
    if value is None or value == "":
        return ()
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(str(one).strip().upper() for one in values)


def number(header: Dataset, keyword: str) -> float | None:
    """Value as a number, which may be NaN; None where it is missing, empty, several or no number."""
    value = _value(header, keyword)
    try:
        return None if value is None or value == "" else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def whole(header: Dataset, keyword: str) -> int | None:
    """Value as a whole number; None where it is missing or none."""
    value = number(header, keyword)
    return int(value) if value is not None and math.isfinite(value) else None


def vector(header: Dataset, keyword: str, length: int) -> NDArray[np.float64]:
    """Values of an attribute as finite numbers.

    Raises
    ------
    MissingAttributeError
        It is missing, has another number of values, or holds something that is no finite number.

    """
    value = _value(header, keyword)
    try:
        array = np.atleast_1d(np.asarray([] if value is None or value == "" else value, dtype=np.float64))
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (length,) or not np.isfinite(array).all():
        raise MissingAttributeError(
            f"{keyword} is missing or is not {length} finite number{'' if length == 1 else 's'}",
            series=describe(header),
            attribute=label(keyword),
            remedy="Export the series again from its source, with all its attributes",
        )
    return array


def _value(header: Dataset, keyword: str) -> object:
    # pydicom converts a value when it is first asked for, and raises whatever the conversion raises.
    try:
        return header.get(keyword)
    except Exception:
        return None
