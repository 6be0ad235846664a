"""Departures from a vendor's usual headers that real series show, to be asked for when a study is written."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.catalogue import Vendor


class Quirk(StrEnum):
    """One departure; several can be combined. Whatever is chosen, the true SUV can be read back.

    Those that a reader must see through by itself are marked *trap*.
    """

    ONE_SLOPE = "one_slope"
    """One RescaleSlope for the series, not one a slice."""
    PHILIPS_BQML = "philips_bqml"
    """Philips in Bq/ml and without its private factors, not in counts."""
    PHILIPS_EARLY_REFERENCE = "philips_early_reference"
    """Trap: Philips in Bq/ml corrected to 1328.7 s before the first frame, though the series time is at that frame."""
    REPROCESSED = "reprocessed"
    """Trap: SeriesTime 45.5 minutes after the first AcquisitionTime, as later processing writes it."""
    NO_START_DATETIME = "no_start_datetime"
    """RadiopharmaceuticalStartTime alone, without RadiopharmaceuticalStartDateTime."""
    DECAY_ADMIN = "decay_admin"
    """Values decay corrected to the injection."""
    PAST_MIDNIGHT = "past_midnight"
    """Trap: midnight lies half-way between injection and scan."""
    BEDS_PAST_MIDNIGHT = "beds_past_midnight"
    """Trap: midnight lies one minute after the scan's start."""
    NO_PRIVATE = "no_private"
    """Without private elements, as de-identification leaves a series."""
    GE_FROZEN_ACQUISITION_TIME = "ge_frozen_acquisition_time"
    """Trap: GE's AcquisitionTime is that of the first bed throughout, while FrameReferenceTime runs."""
    GE_CONSTANT_DECAY_FACTOR = "ge_constant_decay_factor"
    """Trap: GE's DecayFactor is that of the first bed throughout, at odds with FrameReferenceTime."""


def fitting_quirks(vendor: Vendor) -> tuple[Quirk, ...]:
    """Return the departures that a vendor's series can have."""
    return tuple(quirk for quirk in Quirk if _ONLY_OF.get(quirk, vendor) == vendor)


def check_quirks(quirks: Collection[str], vendor: Vendor, *, in_counts: bool) -> frozenset[Quirk]:
    """Check that departures exist, suit a vendor and go together.

    Parameters
    ----------
    quirks
        Values of `Quirk`.
    vendor
        Whose scanner it is.
    in_counts
        Whether that scanner writes counts (CNTS) where no departure says otherwise.

    Raises
    ------
    ParameterError
        They do not; ``quirks`` is named.

    """
    fitting = fitting_quirks(vendor)
    for quirk in quirks:
        if quirk not in fitting:
            raise ParameterError(
                f"{str(quirk)!r} is no departure of {vendor}",
                attribute="quirks",
                remedy=f"Give any of {', '.join(fitting)}",
            )
    chosen = frozenset(Quirk(quirk) for quirk in quirks)
    if Quirk.NO_PRIVATE in chosen and in_counts and not chosen & PHILIPS_ACTIVITY:
        raise ParameterError(
            "no_private leaves Philips' counts without the factors that make them activity",
            attribute="quirks",
            remedy="Add philips_bqml, or leave no_private out",
        )
    for first, second in _CONTRADICTIONS:
        if first in chosen and second in chosen:
            raise ParameterError(
                f"{first} and {second} contradict each other", attribute="quirks", remedy="Leave one of them out"
            )
    return chosen


PHILIPS_ACTIVITY = frozenset({Quirk.PHILIPS_BQML, Quirk.PHILIPS_EARLY_REFERENCE})
"""With one of these, Philips writes Bq/ml."""

_ONLY_OF: dict[Quirk, Vendor] = {
    Quirk.PHILIPS_BQML: "philips",
    Quirk.PHILIPS_EARLY_REFERENCE: "philips",
    Quirk.GE_FROZEN_ACQUISITION_TIME: "ge",
    Quirk.GE_CONSTANT_DECAY_FACTOR: "ge",
}
_CONTRADICTIONS = (
    (Quirk.PAST_MIDNIGHT, Quirk.BEDS_PAST_MIDNIGHT),
    (Quirk.DECAY_ADMIN, Quirk.PHILIPS_EARLY_REFERENCE),
    (Quirk.REPROCESSED, Quirk.PHILIPS_EARLY_REFERENCE),
)
