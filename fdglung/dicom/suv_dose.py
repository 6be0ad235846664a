"""The injected dose and its half-life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset

from fdglung.dicom.naming import describe
from fdglung.dicom.radionuclide import HALF_LIVES, named_radionuclide
from fdglung.dicom.suv_notes import Notes
from fdglung.dicom.values import number, text
from fdglung.errors import InconsistentSeriesError, SuvError

_MEGABECQUEREL_LIMIT = 1e4
_BECQUEREL_LIMIT = 1e6
_KEYWORDS = (
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "RadiopharmaceuticalStartDateTime",
    "RadiopharmaceuticalStartTime",
)


@dataclass(frozen=True)
class Dose:
    """An injection.

    Attributes
    ----------
    item
        The item of RadiopharmaceuticalInformationSequence.
    becquerel
        Dose in Bq at the time of injection.

    """

    item: Dataset
    becquerel: float


def read_dose(headers: Sequence[Dataset], notes: Notes) -> Dose:
    """Read the one injection of a series.

    Parameters
    ----------
    headers
        One a slice.
    notes
        Takes attributes used and warnings.

    Returns
    -------
    Dose
        RadionuclideTotalDose below 10^4 is taken as MBq with a warning (OncoRay/IBSI SUV manual).

    Raises
    ------
    SuvError
        No or several different injections; a dose that is missing, not positive, or neither in Bq nor in MBq.
    InconsistentSeriesError
        Slices that name different injections.

    """
    item = _single_item(headers, notes)
    dose = number(item.get("RadionuclideTotalDose"))
    if dose is None or dose <= 0:
        problem = "the injected dose is missing" if dose is None else f"an injected dose of {dose:g} is impossible"
        raise _refuse(headers[0], problem, "RadionuclideTotalDose (0018,1074)")
    notes.note("RadionuclideTotalDose", "(0018,1074)", item.get("RadionuclideTotalDose"), "injected dose in Bq")
    if dose < _MEGABECQUEREL_LIMIT:
        notes.warn(f"RadionuclideTotalDose {dose:g} was taken as MBq, not Bq.")
        dose *= 1e6
    elif dose < _BECQUEREL_LIMIT:
        raise _refuse(
            headers[0],
            f"an injected dose of {dose:g} is too small for Bq and too large for MBq",
            "RadionuclideTotalDose (0018,1074)",
        )
    return Dose(item, dose)


def read_half_life(header: Dataset, item: Dataset, notes: Notes) -> float:
    """Return the half-life in s.

    Where it differs from that of the radionuclide that the item names by more than 1 %, it is kept with a warning. A
    missing one is not guessed (OncoRay/IBSI SUV manual).

    Raises
    ------
    SuvError
        No half-life, or one that is not positive.

    """
    half_life = number(item.get("RadionuclideHalfLife"))
    name, _ = named_radionuclide(item)
    if half_life is None or half_life <= 0:
        problem = "the half-life is missing" if half_life is None else f"a half-life of {half_life:g} s is impossible"
        raise _refuse(header, problem, "RadionuclideHalfLife (0018,1075)")
    notes.note("RadionuclideHalfLife", "(0018,1075)", item.get("RadionuclideHalfLife"), "half-life in s")
    if name is not None and abs(half_life / HALF_LIVES[name] - 1) > 0.01:
        notes.warn(
            f"RadionuclideHalfLife {half_life:g} s is not that of {name}, {HALF_LIVES[name]:g} s, which the header "
            "names: RadionuclideHalfLife was used and should be checked."
        )
    return half_life


def _single_item(headers: Sequence[Dataset], notes: Notes) -> Dataset:
    attribute = "RadiopharmaceuticalInformationSequence (0054,0016)"
    items = list(headers[0].get("RadiopharmaceuticalInformationSequence") or ())
    if not items:
        raise _refuse(headers[0], "the injection is not described", attribute)
    if len({_key(item) for item in items}) > 1:
        raise SuvError(
            f"{len(items)} different injections or half-lives",
            series=describe(headers[0]),
            attribute=attribute,
            remedy="Only series of one injection can be turned into SUV",
        )
    if len(items) > 1:
        notes.warn("The header describes the same injection several times; it was counted once.")
    for header in headers[1:]:
        others = header.get("RadiopharmaceuticalInformationSequence") or ()
        if {_key(item) for item in others} != {_key(items[0])}:
            raise InconsistentSeriesError(
                "slices that name different injections",
                series=describe(headers[0]),
                attribute=attribute,
                remedy="Separate the series that were mixed",
            )
    return items[0]


def _key(item: Dataset) -> tuple[Any, ...]:
    values = (item.get(keyword) for keyword in _KEYWORDS)
    return tuple(text(value) if number(value) is None else number(value) for value in values)


def _refuse(header: Dataset, problem: str, attribute: str) -> SuvError:
    return SuvError(
        problem,
        series=describe(header),
        attribute=attribute,
        remedy="Enter the value of the injection protocol in the header and load the series again",
    )
