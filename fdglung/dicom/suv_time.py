"""To which moment PET values are decay corrected, and how long after the injection that was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from pydicom import Dataset

from fdglung.dicom.naming import describe
from fdglung.dicom.suv_notes import Notes
from fdglung.dicom.values import number, parse_date, parse_datetime, parse_offset, parse_time, private, text
from fdglung.errors import SuvError

DATE_HALF_LIFE_LIMIT = 41400.0
"""Half-life in s (11.5 h) up to which an unknown injection date may be taken from the scan."""

TOLERANCE = 0.01
"""Relative disagreement of two decay factors that is reported."""

_SAME_MOMENT = timedelta(seconds=1)
_DAY = timedelta(days=1)
_NO_DATE = datetime(1900, 1, 1).date()


@dataclass(frozen=True)
class Reference:
    """Moment that a decay-corrected series is corrected to.

    Attributes
    ----------
    moment
        On the clock of the series' public dates.
    rule
        How it was found.
    private_shift
        Whole days by which private dates run ahead of the public ones.

    """

    moment: datetime
    rule: str
    private_shift: timedelta = timedelta()


@dataclass(frozen=True)
class _Frame:
    acquired: datetime
    reference_s: float | None
    duration_s: float | None
    decay_factor: float | None


def mean_activity_time(duration_s: float, half_life_s: float) -> float:
    """Return the time in s from a frame's start at which its activity equals the frame's mean.

    ``1/l ln(l T / (1 - exp(-l T)))`` for a frame of ``duration_s`` and ``l = ln 2 / half_life_s`` (OncoRay/IBSI SUV
    manual).
    """
    decay = math.log(2) * duration_s / half_life_s
    return half_life_s / math.log(2) * math.log(decay / -math.expm1(-decay))


def start_reference(headers: Sequence[Dataset], half_life_s: float, notes: Notes) -> Reference:
    """Find the moment that a series with DecayCorrection START is corrected to.

    In this order: DecayCorrectionDateTime; the vendor's private scan DateTime (GE (0009,xx0D), Siemens (0071,xx22));
    SeriesDate and SeriesTime unless they are later than the first acquisition or contradicted; back-computation from
    the first frame, ``tacq + tmean - FrameReferenceTime``, or ``tacq - FrameReferenceTime`` for GE, whose
    FrameReferenceTime counts to the frame's start (OncoRay/IBSI SUV manual). Where the rules disagree by more than 1 %
    DecayFactor, which is ``2^(t/half-life) * lT/(1 - exp(-lT))``, decides; 1.0 throughout is no evidence.

    Parameters
    ----------
    headers
        One a slice.
    half_life_s
        Half-life in s.
    notes
        Takes attributes used and warnings.

    Returns
    -------
    Reference

    Raises
    ------
    SuvError
        No AcquisitionTime, or no FrameReferenceTime or ActualFrameDuration where they are needed.

    """
    frames = _frames(headers)
    first = min(
        (f for f in frames if f), key=lambda f: (f.acquired, f.reference_s or 0.0, f.decay_factor or 0.0), default=None
    )
    explicit = parse_datetime(headers[0].get("DecayCorrectionDateTime"), zone=_zone(headers[0]))
    if explicit is not None:
        notes.use(headers, "DecayCorrectionDateTime", "moment that the values are corrected to")
        return Reference(explicit, "DecayCorrectionDateTime")
    stated = _private_reference(headers[0], first, notes)
    if stated is None and first is None:
        raise SuvError(
            "the time of acquisition is missing",
            series=describe(headers[0]),
            attribute="AcquisitionTime (0008,0032)",
            remedy="Export the series again with its acquisition times",
        )
    witness = _by_decay_factor(frames, first, half_life_s)
    if witness is not None:
        notes.use(headers, "DecayFactor", "check of the moment that the values are corrected to")
        _check_progress(headers, half_life_s, notes)
    if stated is not None:
        _compare(stated.moment, witness, stated.rule, half_life_s, notes)
        return stated
    assert first is not None
    return _public_reference(headers, first, witness, half_life_s, notes)


def frame_references(headers: Sequence[Dataset], half_life_s: float, notes: Notes) -> list[Reference]:
    """Find the moment that each slice of a series without decay correction holds for: its mean-activity time.

    Parameters
    ----------
    headers
        One a slice.
    half_life_s
        Half-life in s.
    notes
        Takes attributes used and warnings.

    Returns
    -------
    list of Reference
        One a slice, in the order given.

    Raises
    ------
    SuvError
        A slice without AcquisitionTime or ActualFrameDuration.

    """
    times = _acquisition_times(headers)
    durations = [number(header.get("ActualFrameDuration")) for header in headers]
    if not all(duration and duration > 0 for duration in durations):
        raise SuvError(
            "a series without decay correction needs the duration of its frames",
            series=describe(headers[0]),
            attribute="ActualFrameDuration (0018,1242)",
            remedy="Use the decay-corrected series, or export this one again with its frame durations",
        )
    for keyword in ("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"):
        notes.use(headers, keyword, "start of each slice's frame")
    notes.use(headers, "ActualFrameDuration", "time of the mean activity in a frame")
    delays = _frozen_delays(headers, times, notes)
    stated = _private_reference(headers[0], _frames(headers)[0], Notes())
    shift = stated.private_shift if stated else timedelta()
    return [
        Reference(
            start + timedelta(seconds=delay + mean_activity_time(float(duration or 0) / 1000, half_life_s)),
            "AcquisitionTime plus mean-activity time",
            shift,
        )
        for start, delay, duration in zip(times, delays, durations, strict=True)
    ]


def _frozen_delays(headers: Sequence[Dataset], times: Sequence[datetime], notes: Notes) -> list[float]:
    references = [number(header.get("FrameReferenceTime")) for header in headers]
    known = [t / 1000 for t in references if t is not None]
    if len(set(times)) > 1 or len(known) < len(headers) or max(known) - min(known) < 1:
        return [0.0] * len(headers)
    notes.use(headers, "FrameReferenceTime", "delay of each bed")
    notes.warn(
        "AcquisitionTime is the same at every bed while FrameReferenceTime runs: the latter gave the beds' delays."
    )
    return [t - min(known) for t in known]


def _acquisition_times(headers: Sequence[Dataset]) -> list[datetime]:
    times = [_acquired(header) for header in headers]
    if any(moment is None for moment in times):
        raise SuvError(
            "a slice without the time of its acquisition",
            series=describe(headers[0]),
            attribute="AcquisitionTime (0008,0032)",
            remedy="Export the series again with its acquisition times",
        )
    return [moment for moment in times if moment is not None]


def _frames(headers: Sequence[Dataset]) -> list[_Frame | None]:
    frames: list[_Frame | None] = []
    for header in headers:
        acquired = _acquired(header)
        frame_reference, duration = number(header.get("FrameReferenceTime")), number(header.get("ActualFrameDuration"))
        frames.append(
            None
            if acquired is None
            else _Frame(
                acquired,
                None if frame_reference is None else frame_reference / 1000,
                None if not duration or duration < 0 else duration / 1000,
                number(header.get("DecayFactor")),
            )
        )
    return frames


def _acquired(header: Dataset) -> datetime | None:
    moment = _combine(header, "AcquisitionDate", "AcquisitionTime")
    return moment or parse_datetime(header.get("AcquisitionDateTime"), zone=_zone(header))


def _combine(header: Dataset, date_keyword: str, time_keyword: str) -> datetime | None:
    since_midnight = parse_time(header.get(time_keyword))
    if since_midnight is None:
        return None
    dates = (parse_date(header.get(k)) for k in (date_keyword, "AcquisitionDate", "SeriesDate", "StudyDate"))
    day = next((d for d in dates if d is not None), _NO_DATE)
    return datetime.combine(day, time()) + since_midnight


def _zone(header: Dataset) -> timedelta | None:
    return parse_offset(header.get("TimezoneOffsetFromUTC"))


def _private_reference(header: Dataset, first: _Frame | None, notes: Notes) -> Reference | None:
    for vendor, group, creator, element, name in (
        ("GE", 0x0009, "GEMS_PETD_01", 0x0D, "GE scan DateTime"),
        ("Siemens", 0x0071, "SIEMENS MED PT", 0x22, "Siemens decay correction DateTime"),
    ):
        found = private(header, group, creator, element, vendor=vendor)
        moment = parse_datetime(found.value, zone=_zone(header)) if found is not None else None
        if found is None or moment is None:
            continue
        notes.note(name, f"({group:04X},{found.tag.element:04X}) {creator}", found.value, "start of the scan")
        public = first.acquired if first else _combine(header, "SeriesDate", "SeriesTime")
        shift = _DAY * round((moment - public) / _DAY) if public else timedelta()
        if shift:
            notes.warn(
                f"The private {name} lies {shift.days} days from the acquisition, as de-identification does: "
                "only its time of day was used."
            )
        return Reference(moment - shift, name, shift)
    return None


def _by_decay_factor(frames: Sequence[_Frame | None], first: _Frame | None, half_life_s: float) -> datetime | None:
    factors = [f.decay_factor for f in frames if f and f.decay_factor]
    if first is None or not first.decay_factor or first.decay_factor < 1 or all(abs(f - 1) < 1e-9 for f in factors):
        return None
    since_reference = half_life_s * math.log2(first.decay_factor)
    if first.duration_s is not None:
        to_start = since_reference - mean_activity_time(first.duration_s, half_life_s)
        # Some factors leave out the decay within the frame: the first frame's is then 1 or little more
        since_reference = to_start if to_start > -2 else since_reference
    return first.acquired - timedelta(seconds=since_reference)


def _check_progress(headers: Sequence[Dataset], half_life_s: float, notes: Notes) -> None:
    pairs = [(number(h.get("FrameReferenceTime")), number(h.get("DecayFactor"))) for h in headers]
    known = sorted((t / 1000, f) for t, f in pairs if t is not None and f)
    if not known:
        return
    (t0, f0), worst = known[0], 0.0
    for t, f in known:
        worst = max(worst, abs(f / f0 / 2 ** ((t - t0) / half_life_s) - 1))
    if worst > TOLERANCE:
        notes.warn(
            f"DecayFactor and FrameReferenceTime disagree by up to {100 * worst:.1f} % between slices: "
            "the decay correction of this series should be checked."
        )


def _compare(chosen: datetime, witness: datetime | None, rule: str, half_life_s: float, notes: Notes) -> None:
    if witness is not None and not _agree(chosen, witness, half_life_s):
        notes.warn(
            f"DecayFactor places the moment of decay correction {abs((witness - chosen).total_seconds()):.0f} s "
            f"{'after' if witness > chosen else 'before'} the {rule}, which was used: SUV would differ by "
            f"{100 * _difference(chosen, witness, half_life_s):.1f} %."
        )


def _public_reference(
    headers: Sequence[Dataset], first: _Frame, witness: datetime | None, half_life_s: float, notes: Notes
) -> Reference:
    vendor = text(headers[0].get("Manufacturer")).lower()
    series = _combine(headers[0], "SeriesDate", "SeriesTime")
    for keyword in ("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"):
        notes.use(headers, keyword, "start of the acquisition")
    if series is not None:
        notes.use(headers, "SeriesDate", "moment that the values are corrected to")
        notes.use(headers, "SeriesTime", "moment that the values are corrected to")
        if abs(series - first.acquired) < _SAME_MOMENT:
            _compare(series, witness, "series DateTime", half_life_s, notes)
            return Reference(series, "series DateTime")
    usable = series is not None and series < first.acquired
    back = _back_computed(headers, first, half_life_s, notes, required=not usable and witness is None)
    if usable and series is not None:
        if back is None or _agree(series, back.moment, half_life_s):
            _compare(series, witness, "series DateTime", half_life_s, notes)
            return Reference(series, "series DateTime")
        return _arbitrate(series, back, witness, half_life_s, notes, trust_back=vendor.startswith(("philips", "ge")))
    if back is not None and (witness is None or _agree(back.moment, witness, half_life_s)):
        return back
    assert witness is not None
    if back is not None:
        notes.warn(
            "The series time is later than the first acquisition, and the moment of decay correction computed from "
            "FrameReferenceTime contradicts DecayFactor, which was followed: SUV would differ by "
            f"{100 * _difference(back.moment, witness, half_life_s):.1f} %."
        )
    return Reference(witness, "DecayFactor")


def _back_computed(
    headers: Sequence[Dataset], first: _Frame, half_life_s: float, notes: Notes, *, required: bool
) -> Reference | None:
    is_ge = text(headers[0].get("Manufacturer")).lower().startswith("ge")
    lacking = "FrameReferenceTime (0054,1300)" if first.reference_s is None else None
    if lacking is None and not is_ge and first.duration_s is None:
        lacking = "ActualFrameDuration (0018,1242)"
    if lacking is not None:
        if required:
            raise SuvError(
                "the series time is missing or later than the acquisition, and without this attribute the moment of "
                "decay correction is unknown",
                series=describe(headers[0]),
                attribute=lacking,
                remedy="Export the original series of the scanner",
            )
        return None
    assert first.reference_s is not None
    notes.use(headers, "FrameReferenceTime", "from the moment of decay correction to the frame")
    if is_ge or first.duration_s is None:
        return Reference(
            first.acquired - timedelta(seconds=first.reference_s), "AcquisitionTime less FrameReferenceTime (GE)"
        )
    notes.use(headers, "ActualFrameDuration", "time of the mean activity in a frame")
    back = mean_activity_time(first.duration_s, half_life_s) - first.reference_s
    return Reference(
        first.acquired + timedelta(seconds=back), "AcquisitionTime plus mean-activity time less FrameReferenceTime"
    )


def _arbitrate(
    series: datetime,
    back: Reference,
    witness: datetime | None,
    half_life_s: float,
    notes: Notes,
    *,
    trust_back: bool,
) -> Reference:
    reference = back if trust_back else Reference(series, "series DateTime")
    reason = "no DecayFactor decides"
    if witness is not None:
        by_series, by_back = (_difference(moment, witness, half_life_s) for moment in (series, back.moment))
        reference = Reference(series, "series DateTime") if by_series <= by_back else back
        reason = "DecayFactor decided"
        if min(by_series, by_back) > TOLERANCE:
            reference = Reference(witness, "DecayFactor")
    notes.warn(
        "The series time and the moment of decay correction computed from FrameReferenceTime differ by "
        f"{100 * _difference(series, back.moment, half_life_s):.1f} % of SUV; {reason}, and the rule "
        f"'{reference.rule}' was used."
    )
    return reference


def _agree(one: datetime, other: datetime, half_life_s: float) -> bool:
    return _difference(one, other, half_life_s) <= TOLERANCE


def _difference(one: datetime, other: datetime, half_life_s: float) -> float:
    seconds = abs((one - other).total_seconds())
    return float(min(2 ** min(seconds / half_life_s, 100.0) - 1, 1e9))
