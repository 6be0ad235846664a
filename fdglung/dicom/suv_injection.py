"""How long after the injection PET values hold."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from pydicom import Dataset

from fdglung.dicom.naming import describe
from fdglung.dicom.suv_notes import Notes
from fdglung.dicom.suv_time import DATE_HALF_LIFE_LIMIT, Reference
from fdglung.dicom.values import parse_datetime, parse_offset, parse_time, private, text
from fdglung.errors import SuvError

_DAY = timedelta(days=1)


def uptake_seconds(header: Dataset, item: Dataset, reference: Reference, half_life_s: float, notes: Notes) -> float:
    """Return the time from the injection to a moment of the scan.

    RadiopharmaceuticalStartDateTime is asked first, then GE's administration DateTime (0009,xx3B), then
    RadiopharmaceuticalStartTime on the scan's date, or the day before if it is later than the scan. Dates that make
    it more than two half-lives, or negative, were shifted: the times of day are kept with a warning, for half-lives
    up to `DATE_HALF_LIFE_LIMIT` (OncoRay/IBSI SUV manual).

    Parameters
    ----------
    header
        Header of the series.
    item
        Its item of RadiopharmaceuticalInformationSequence.
    reference
        Moment of the scan.
    half_life_s
        Half-life in s.
    notes
        Takes attributes used and warnings.

    Returns
    -------
    float
        Uptake time in s, not negative.

    Raises
    ------
    SuvError
        No time of injection, one after the scan, or one whose date cannot be told.

    """
    zone = parse_offset(header.get("TimezoneOffsetFromUTC"))
    stated = item.get("RadiopharmaceuticalStartDateTime")
    moment = parse_datetime(stated, zone=zone)
    if moment is not None:
        notes.note("RadiopharmaceuticalStartDateTime", "(0018,1078)", stated, "injection")
        _check_clock(item, moment, stated, zone, notes)
        return _from_datetime(header, moment, reference.moment, half_life_s, notes)
    admin = private(header, 0x0009, "GEMS_PETD_01", 0x3B, vendor="GE")
    moment = parse_datetime(admin.value, zone=zone) if admin is not None else None
    if admin is not None and moment is not None:
        notes.note(
            "GE administration DateTime", f"(0009,{admin.tag.element:04X}) GEMS_PETD_01", admin.value, "injection"
        )
        return _from_datetime(header, moment - reference.private_shift, reference.moment, half_life_s, notes)
    start = parse_time(item.get("RadiopharmaceuticalStartTime"))
    if start is None:
        raise _refuse(header, "the time of injection is missing", "RadiopharmaceuticalStartDateTime (0018,1078)")
    notes.note(
        "RadiopharmaceuticalStartTime", "(0018,1072)", item.get("RadiopharmaceuticalStartTime"), "time of injection"
    )
    return _from_time(header, start, reference.moment, half_life_s, notes)


def _check_clock(item: Dataset, moment: datetime, stated: object, zone: timedelta | None, notes: Notes) -> None:
    written = text(stated)
    if zone is None and (written[-5:-4] in ("+", "-")):
        notes.warn(
            "RadiopharmaceuticalStartDateTime has an offset from UTC but the series has none "
            "(TimezoneOffsetFromUTC): both were taken to be local time."
        )
    start = parse_time(item.get("RadiopharmaceuticalStartTime"))
    if start is not None and _time_apart(_since_midnight(moment), start) > timedelta(minutes=1):
        notes.warn("RadiopharmaceuticalStartDateTime and RadiopharmaceuticalStartTime disagree; the DateTime was used.")


def _from_datetime(header: Dataset, injected: datetime, scanned: datetime, half_life_s: float, notes: Notes) -> float:
    uptake = (scanned - injected).total_seconds()
    if 0 <= uptake <= 2 * half_life_s:
        return uptake
    attribute = "RadiopharmaceuticalStartDateTime (0018,1078)"
    if half_life_s > DATE_HALF_LIFE_LIMIT:
        if 0 <= uptake <= 4 * half_life_s:
            notes.warn(f"The uptake time of {uptake / 3600:.1f} hours is longer than two half-lives.")
            return uptake
        raise _refuse(
            header, "the injection is after the scan or days before it, so that its date must be wrong", attribute
        )
    of_day = ((scanned - injected) % _DAY).total_seconds()
    if -43200 <= uptake < 0 and of_day > 2 * half_life_s:
        raise _refuse(header, "the injection is after the scan", attribute)
    if 0 <= uptake < 86400:
        notes.warn(
            f"The uptake time of {uptake / 3600:.1f} hours is longer than two half-lives: "
            "the time of injection should be checked."
        )
        return uptake
    if of_day > 2 * half_life_s:
        raise _refuse(header, "neither the date nor the time of day of the injection fits the scan", attribute)
    notes.warn(
        "The dates of injection and scan do not belong together, as after de-identification: only the times of day "
        f"were used, which give an uptake time of {of_day / 60:.0f} minutes."
    )
    return of_day


def _from_time(header: Dataset, injected: timedelta, scanned: datetime, half_life_s: float, notes: Notes) -> float:
    attribute = "RadiopharmaceuticalStartTime (0018,1072)"
    if half_life_s > DATE_HALF_LIFE_LIMIT:
        raise _refuse(header, "a radionuclide this long-lived needs the date of injection", attribute)
    uptake = (_since_midnight(scanned) - injected).total_seconds()
    if uptake < 0:
        uptake += 86400
        if uptake > 2 * half_life_s:
            raise _refuse(header, "the injection is after the scan", attribute)
        notes.warn("The time of injection is later than that of the scan: it was taken to be of the day before.")
    elif uptake > 2 * half_life_s:
        notes.warn(
            f"The uptake time of {uptake / 3600:.1f} hours is longer than two half-lives: "
            "the time of injection should be checked."
        )
    return uptake


def _since_midnight(moment: datetime) -> timedelta:
    return moment - datetime.combine(date(moment.year, moment.month, moment.day), time())


def _time_apart(one: timedelta, other: timedelta) -> timedelta:
    apart = abs(one - other)
    return min(apart, _DAY - apart)


def _refuse(header: Dataset, problem: str, attribute: str) -> SuvError:
    return SuvError(
        problem,
        series=describe(header),
        attribute=attribute,
        remedy="Correct the time of injection in the header from the injection protocol",
    )
