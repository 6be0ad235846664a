"""SUV factors of a PET series, and where each number came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import Dataset


@dataclass(frozen=True)
class AttributeUsed:
    """One number that entered a conversion.

    Attributes
    ----------
    name
        Keyword, or the name of a private element.
    tag
        As in ``(0054,1001)``, with the private creator where there is one.
    value
        The value as it stood in the header (a range ``a..b`` where it differs by slice).
    role
        What it was used for.

    """

    name: str
    tag: str
    value: str
    role: str


@dataclass(frozen=True)
class SuvRecord:
    """How a PET series becomes SUV.

    Attributes
    ----------
    slice_factors
        One a slice, in the order of the headers given: rescaled value (RescaleSlope x stored value) times this is
        SUVbw in g/ml.
    conversions
        From SUVbw to the other normalisations: keys ``suvlbm_james128`` (g/ml), ``suvlbm_janma`` (g/ml),
        ``suvlbm_morgan`` (g/ml), ``suvbsa`` (cm2/ml), ``suvibw`` (g/ml); None where an attribute is missing.
    rule
        Name of the rule chosen, such as ``BQML, START, GE scan DateTime``.
    units
        Units (0054,1001) of the series.
    weight_kg, height_m, sex
        The patient's, where known.
    injected_dose_bq, decayed_dose_bq
        RadionuclideTotalDose, and what is left of it at the reference time; None where SUV was in the image already.
    uptake_seconds
        From injection to the time that the image is corrected to; None where not needed.
    half_life_seconds
        Of the radionuclide; None where not needed.
    attributes
        Every attribute used.
    warnings
        What a physician must know, in full sentences.

    """

    slice_factors: tuple[float, ...]
    conversions: dict[str, float | None]
    rule: str
    units: str
    weight_kg: float | None
    height_m: float | None
    sex: str | None
    injected_dose_bq: float | None
    decayed_dose_bq: float | None
    uptake_seconds: float | None
    half_life_seconds: float | None
    attributes: tuple[AttributeUsed, ...]
    warnings: tuple[str, ...]


def convert(headers: Sequence[Dataset]) -> SuvRecord:
    """To be written."""
    raise RuntimeError(len(headers))
