"""The clock of a PET: beds, the moment of decay correction, and what each slice says of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.catalogue import Scanner
from fdglung.phantom.study import Acquisition
from fdglung.phantom.writer.quirks import Quirk
from fdglung.phantom.writer.vendors.habits import FrameReference, Habits

EARLY_REFERENCE_S = 1328.7
"""FrameReferenceTime of the first frame of a Philips series that is corrected to long before it (public test data)."""

REPROCESSED_AFTER_S = 2730.0
"""From the first AcquisitionTime to the SeriesTime of a reprocessed series (public test data: 130348 and 134918)."""

CT_BEFORE_S = 150.0
"""From the start of the CT to that of the PET (round figure)."""


@dataclass(frozen=True)
class SliceTime:
    """What the header of one slice says of time.

    Attributes
    ----------
    bed
        Bed position, 0 first.
    acquired
        AcquisitionDate and AcquisitionTime.
    started
        When its bed was really begun.
    frame_reference_ms
        FrameReferenceTime.
    decay_factor
        Activity at the moment of correction over the mean activity within the frame.

    """

    bed: int
    acquired: datetime
    started: datetime
    frame_reference_ms: float
    decay_factor: float


@dataclass(frozen=True)
class Timing:
    """When a PET was made. All in local time, the vendor's rounding and the departures asked for applied.

    Attributes
    ----------
    injected, started
        Injection and first frame.
    series
        SeriesDate and SeriesTime.
    ct_started
        Start of the CT: that of the study.
    reference
        The moment that values are decay corrected to.
    slices
        One a slice, from the feet's end.

    """

    injected: datetime
    started: datetime
    series: datetime
    ct_started: datetime
    reference: datetime
    slices: tuple[SliceTime, ...]


def time_slices(
    acquisition: Acquisition,
    scanner: Scanner,
    habits: Habits,
    heights_mm: Sequence[float],
    half_life_s: float,
    quirks: Collection[Quirk] = (),
) -> Timing:
    """Work out the times of a PET whose beds run from the feet's end to the head's.

    Parameters
    ----------
    acquisition
        Times of injection and start are cut to whole seconds.
    scanner
        Its axial field and overlap make the beds; a slice is of the bed whose centre is nearest.
    habits
        What the vendor writes.
    heights_mm
        z of the slices, rising.
    half_life_s
        As the header has it.
    quirks
        Departures.

    Raises
    ------
    ParameterError
        The injection is not before the scan, or not early enough for a departure; a bed time that is not positive.

    """
    injected, started = _moments(acquisition, quirks)
    if acquisition.bed_seconds <= 0:
        raise ParameterError("a bed takes no time", attribute="bed_seconds", remedy="Give a positive time")
    reference = started
    delay = mean_activity_s(acquisition.bed_seconds, half_life_s)
    if Quirk.PHILIPS_EARLY_REFERENCE in quirks:
        reference = started + timedelta(seconds=delay - EARLY_REFERENCE_S)
    elif Quirk.DECAY_ADMIN in quirks:
        reference = injected
    if reference < injected:
        raise ParameterError(
            f"the injection is less than {EARLY_REFERENCE_S:.0f} s before the scan",
            attribute="quirks",
            remedy="Leave philips_early_reference out",
        )
    decay = math.log(2) / half_life_s
    slices = []
    for bed in beds(heights_mm, scanner.bed_mm, scanner.bed_overlap):
        offset = bed * (acquisition.bed_seconds + habits.bed_gap_s)
        counted = 0.0 if Quirk.GE_CONSTANT_DECAY_FACTOR in quirks else offset
        shown = 0.0 if Quirk.GE_FROZEN_ACQUISITION_TIME in quirks else offset
        since = (started - reference).total_seconds() + counted + delay
        frame = EARLY_REFERENCE_S + offset
        if Quirk.PHILIPS_EARLY_REFERENCE not in quirks:
            frame = offset + _frame_delay(habits.frame_reference, acquisition.bed_seconds, delay)
        slices.append(
            SliceTime(
                bed=bed,
                acquired=started + timedelta(seconds=shown + habits.acquisition_shift_s),
                started=started + timedelta(seconds=offset),
                frame_reference_ms=1000 * frame,
                decay_factor=math.exp(decay * since),
            )
        )
    late = timedelta(seconds=REPROCESSED_AFTER_S) if Quirk.REPROCESSED in quirks else timedelta()
    # the series of the early reference begins a little before its first frame: nobody may take the two for one moment
    early = timedelta(seconds=2) if Quirk.PHILIPS_EARLY_REFERENCE in quirks else timedelta()
    return Timing(
        injected=injected,
        started=started,
        series=started + late - early,
        ct_started=started - timedelta(seconds=CT_BEFORE_S),
        reference=reference,
        slices=tuple(slices),
    )


def beds(heights_mm: Sequence[float], bed_mm: float, overlap: float) -> list[int]:
    """Number of the bed of each slice, 0 at the lowest z; beds share `overlap` of their length and cover all slices."""
    first, last = min(heights_mm), max(heights_mm)
    step = bed_mm * (1 - overlap)
    count = 1 + max(0, math.ceil((last - first - bed_mm) / step - 1e-9))
    centre = first + (last - first - (count - 1) * step) / 2
    return [min(max(round((height - centre) / step), 0), count - 1) for height in heights_mm]


def mean_activity_s(duration_s: float, half_life_s: float) -> float:
    """Return the time from a frame's start at which its activity equals the frame's mean.

    ``ln(l T / (1 - exp(-l T))) / l`` for a frame of ``duration_s`` and ``l = ln 2 / half_life_s``.
    """
    decay = math.log(2) / half_life_s
    return math.log(decay * duration_s / -math.expm1(-decay * duration_s)) / decay


def _moments(acquisition: Acquisition, quirks: Collection[Quirk]) -> tuple[datetime, datetime]:
    injected = acquisition.injected.replace(microsecond=0)
    started = acquisition.started.replace(microsecond=0)
    uptake = started - injected
    if uptake <= timedelta():
        raise ParameterError(
            "the injection is not before the scan", attribute="injected", remedy="Give a moment before started"
        )
    midnight = datetime.combine(started.date() + timedelta(days=1), datetime.min.time())
    if Quirk.PAST_MIDNIGHT in quirks:
        started = midnight + timedelta(seconds=round(uptake.total_seconds() / 2))
    elif Quirk.BEDS_PAST_MIDNIGHT in quirks:
        started = midnight - timedelta(seconds=60)
    return started - uptake, started


def _frame_delay(kind: FrameReference, duration_s: float, mean_s: float) -> float:
    """From a frame's start to what FrameReferenceTime counts to."""
    return {"start": 0.0, "middle": duration_s / 2, "mean": mean_s}[kind]
