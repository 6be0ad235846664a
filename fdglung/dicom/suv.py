"""SUV factors of a PET series, and where each number came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from fdglung.dicom.body import (
    body_surface_area,
    conversions,
    ideal_body_weight,
    lean_body_mass_james128,
    lean_body_mass_janma,
    lean_body_mass_morgan,
)
from fdglung.dicom.naming import describe
from fdglung.dicom.suv_dose import read_dose, read_half_life
from fdglung.dicom.suv_injection import uptake_seconds
from fdglung.dicom.suv_notes import Notes
from fdglung.dicom.suv_patient import Patient, read_patient, require_height, require_sex, require_weight
from fdglung.dicom.suv_time import TOLERANCE, frame_references, start_reference
from fdglung.dicom.values import number, private, text
from fdglung.errors import (
    DecayCorrectionError,
    InconsistentSeriesError,
    InputError,
    NotAttenuationCorrectedError,
    RescaleError,
    SuvError,
    UnknownUnitsError,
)


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
    """Find the factors that turn a PET series into SUVbw, following the OncoRay/IBSI SUV manual.

    Parameters
    ----------
    headers
        One classic PET header a slice, without pixel data, in slice order. Of one series.

    Returns
    -------
    SuvRecord
        ``slice_factors[i]`` times the rescaled value (RescaleSlope x stored value) of slice i is SUVbw in g/ml.

    Raises
    ------
    NotAttenuationCorrectedError
        CorrectedImage without ATTN, or AttenuationCorrectionMethod NONE.
    UnknownUnitsError
        Units other than BQML, GML, CM2ML and Philips' CNTS with a scale factor, or an unknown SUVType.
    DecayCorrectionError
        CorrectedImage without DECY although DecayCorrection is not NONE, or an unknown DecayCorrection.
    RescaleError
        RescaleIntercept other than 0, or RescaleSlope missing or not positive.
    InconsistentSeriesError
        Slices that differ in units, decay correction, patient or injection.
    SuvError
        Another attribute that is needed is missing or impossible; the message names it.

    """
    if not headers:
        raise SuvError("a series without images", remedy="Choose a series that holds images")
    _require_constant(headers)
    _require_corrections(headers)
    _require_rescale(headers)
    notes = Notes()
    for keyword, role in _ROLES.items():
        notes.use(headers, keyword, role)
    _warn_of_corrections(headers, notes)
    patient = read_patient(headers, notes)
    units = text(headers[0].get("Units")).upper()
    if units == "BQML":
        scaled = _from_activity(headers, patient, (1.0,) * len(headers), notes)
    elif units == "CNTS":
        scaled = _from_counts(headers, patient, notes)
    elif units in ("GML", "CM2ML"):
        scaled = _from_suv(headers, patient, units, notes)
    else:
        raise _unknown_units(headers[0], units)
    return SuvRecord(
        slice_factors=scaled.factors,
        conversions=conversions(patient.weight_kg, patient.height_m, patient.sex),
        rule=f"{units}, {scaled.rule}",
        units=units,
        weight_kg=patient.weight_kg,
        height_m=patient.height_m,
        sex=patient.sex,
        injected_dose_bq=scaled.dose_bq,
        decayed_dose_bq=scaled.decayed_dose_bq,
        uptake_seconds=scaled.uptake_s,
        half_life_seconds=scaled.half_life_s,
        attributes=tuple(AttributeUsed(*fields) for fields in dict.fromkeys(notes.used)),
        warnings=tuple(notes.warnings),
    )


@dataclass(frozen=True)
class _Scaled:
    factors: tuple[float, ...]
    rule: str
    dose_bq: float | None = None
    decayed_dose_bq: float | None = None
    uptake_s: float | None = None
    half_life_s: float | None = None


_ROLES = {
    "Units": "unit of the rescaled values",
    "SUVType": "kind of SUV stored",
    "CorrectedImage": "corrections applied",
    "DecayCorrection": "moment that the values are corrected to",
    "RescaleSlope": "rescaled value = slope x stored value, slice by slice",
    "Manufacturer": "meaning of private and vendor-dependent attributes",
}
_CONSTANT = (
    "Units",
    "SUVType",
    "DecayCorrection",
    "PatientWeight",
    "PatientSize",
    "PatientSex",
    "SeriesDate",
    "SeriesTime",
    "DecayCorrectionDateTime",
)
_MASSES: dict[str, Callable[[float, float, str], float | None]] = {
    "LBM": lean_body_mass_morgan,
    "LBMJAMES128": lean_body_mass_james128,
    "LBMJANMA": lean_body_mass_janma,
    "IBW": lambda _weight_kg, height_m, sex: ideal_body_weight(height_m, sex),
}


def _require_constant(headers: Sequence[Dataset]) -> None:
    for keyword in _CONSTANT:
        values = {text(h.get(keyword)) if number(h.get(keyword)) is None else number(h.get(keyword)) for h in headers}
        if len(values) > 1:
            raise InconsistentSeriesError(
                "slices of one series that differ in this attribute",
                series=describe(headers[0]),
                attribute=_name(keyword),
                remedy="Separate the series that were mixed, or export the series again",
            )


def _require_corrections(headers: Sequence[Dataset]) -> None:
    for header in headers:
        applied = _corrections(header)
        method = text(header.get("AttenuationCorrectionMethod")).lower()
        if "ATTN" not in applied or method.startswith(("none", "no attenuation")):
            units = text(header.get("Units")) or "missing"
            raise NotAttenuationCorrectedError(
                f"the PET is not attenuation corrected (Units {units})",
                series=describe(header),
                attribute=_name("CorrectedImage" if "ATTN" not in applied else "AttenuationCorrectionMethod"),
                remedy="Use the attenuation-corrected series of the study",
            )
        if "DECY" not in applied and text(header.get("DecayCorrection")).upper() != "NONE":
            raise DecayCorrectionError(
                "CorrectedImage lacks DECY although DecayCorrection is not NONE",
                series=describe(header),
                attribute=_name("CorrectedImage"),
                remedy="Use the decay-corrected series of the study",
            )


def _corrections(header: Dataset) -> set[str]:
    value = header.get("CorrectedImage") or ()
    parts = value.split("\\") if isinstance(value, str) else value
    return {text(part).upper() for part in parts}


def _require_rescale(headers: Sequence[Dataset]) -> None:
    for header in headers:
        slope, intercept = number(header.get("RescaleSlope")), number(header.get("RescaleIntercept", 0))
        if intercept != 0:
            raise _rescale(header, "PET values must be proportional to activity: the intercept is not 0", "Intercept")
        if slope is None or slope <= 0:
            raise _rescale(header, "the slope is missing or not a positive number", "Slope")


def _rescale(header: Dataset, problem: str, which: str) -> RescaleError:
    return RescaleError(
        problem,
        series=describe(header),
        attribute=_name(f"Rescale{which}"),
        remedy="Export the original series of the scanner",
    )


def _warn_of_corrections(headers: Sequence[Dataset], notes: Notes) -> None:
    applied = set.intersection(*(_corrections(header) for header in headers))
    decay_correction = text(headers[0].get("DecayCorrection")).upper()
    if "DECY" in applied and decay_correction == "NONE":
        notes.warn("CorrectedImage lists decay correction (DECY) but DecayCorrection is NONE, which was followed.")
    if "SCAT" not in applied:
        notes.warn("The PET is not listed as scatter corrected: SUV may be too high.")
    if decay_correction == "NONE" and text(headers[0].get("Units")).upper() in ("GML", "CM2ML"):
        notes.warn("The stored SUV is said not to be decay corrected; it was taken as it is.")


def _from_activity(headers: Sequence[Dataset], patient: Patient, scale: Sequence[float], notes: Notes) -> _Scaled:
    """Turn values that ``scale`` (one a slice) makes Bq/ml into SUVbw: weight in g over the dose left."""
    weight_g = 1000 * require_weight(headers[0], patient)
    dose = read_dose(headers, notes)
    decay_correction = text(headers[0].get("DecayCorrection")).upper()
    if decay_correction == "ADMIN":
        factors = tuple(s * weight_g / dose.becquerel for s in scale)
        return _Scaled(factors, "ADMIN", dose.becquerel, dose.becquerel)
    if decay_correction not in ("START", "NONE"):
        raise DecayCorrectionError(
            f"decay correction '{decay_correction}' is unknown",
            series=describe(headers[0]),
            attribute=_name("DecayCorrection"),
            remedy="Use a series whose decay correction is START, ADMIN or NONE and that says so",
        )
    half_life = read_half_life(headers[0], dose.item, notes)
    if decay_correction == "START":
        references = [start_reference(headers, half_life, notes)] * len(headers)
    else:
        references = frame_references(headers, half_life, notes)
    first = min(references, key=lambda reference: reference.moment)
    uptake = uptake_seconds(headers[0], dose.item, first, half_life, notes)
    left = [
        dose.becquerel * 2 ** -((uptake + (reference.moment - first.moment).total_seconds()) / half_life)
        for reference in references
    ]
    return _Scaled(
        tuple(s * weight_g / remaining for s, remaining in zip(scale, left, strict=True)),
        f"{decay_correction}, {first.rule}",
        dose.becquerel,
        max(left),
        uptake,
        half_life,
    )


def _from_counts(headers: Sequence[Dataset], patient: Patient, notes: Notes) -> _Scaled:
    suv_scale = _philips(headers, 0x00, "Philips SUV scale factor", notes)
    activity_scale = _philips(headers, 0x09, "Philips activity concentration scale factor", notes)
    undecayed = text(headers[0].get("DecayCorrection")).upper() == "NONE"
    if suv_scale and not (undecayed and activity_scale):
        if undecayed:
            notes.warn("The counts are not decay corrected, yet one SUV scale factor was applied to all beds.")
        elif activity_scale:
            _check_philips(headers, patient, suv_scale, activity_scale, notes)
        return _Scaled(suv_scale, "Philips SUV scale factor")
    if activity_scale:
        scaled = _from_activity(headers, patient, activity_scale, notes)
        return replace(scaled, rule=f"Philips activity concentration scale factor, {scaled.rule}")
    raise UnknownUnitsError(
        "CNTS without Philips' SUV scale factor (7053,1000) or activity concentration scale factor (7053,1009)",
        series=describe(headers[0]),
        attribute=_name("Units"),
        remedy="Export the series with its private elements, or one in BQML",
    )


def _philips(headers: Sequence[Dataset], element: int, name: str, notes: Notes) -> tuple[float, ...]:
    found = [private(h, 0x7053, "Philips PET Private Group", element, vendor="Philips") for h in headers]
    values = [number(e.value) or 0.0 for e in found if e is not None]
    if len(values) < len(headers) or min(values) <= 0:
        return ()
    shown = f"{min(values):g}" if min(values) == max(values) else f"{min(values):g}..{max(values):g}"
    tag = next(e.tag for e in found if e is not None)
    notes.note(name, f"(7053,{tag.element:04X}) Philips PET Private Group", shown, name)
    return tuple(values)


def _check_philips(
    headers: Sequence[Dataset], patient: Patient, suv: Sequence[float], activity: Sequence[float], notes: Notes
) -> None:
    try:
        computed = _from_activity(headers, patient, activity, Notes()).factors
    except InputError:
        return
    worst = max(abs(c / s - 1) for c, s in zip(computed, suv, strict=True))
    if worst > TOLERANCE:
        notes.warn(
            f"Philips' SUV scale factor, which was used, differs by {100 * worst:.1f} % from the SUV that weight, dose "
            "and times give."
        )


def _from_suv(headers: Sequence[Dataset], patient: Patient, units: str, notes: Notes) -> _Scaled:
    header = headers[0]
    suv_type = text(header.get("SUVType")).upper() or ("BW" if units == "GML" else "BSA")
    count = len(headers)
    if units == "GML" and suv_type == "BW":
        return _Scaled((1.0,) * count, "SUVbw")
    if units == "CM2ML" and suv_type == "BSA":
        weight_kg = require_weight(header, patient)
        area_m2 = body_surface_area(weight_kg, require_height(header, patient))
        # kg a m2 is 10^3 g a 10^4 cm2
        return _Scaled((weight_kg / (10 * area_m2),) * count, "back from SUVbsa")
    if units != "GML" or suv_type not in _MASSES:
        raise UnknownUnitsError(
            f"SUVType {suv_type} does not go with Units {units}",
            series=describe(header),
            attribute=_name("SUVType"),
            remedy="Export the series in BQML, or as SUVbw in GML",
        )
    weight_kg, height_m = require_weight(header, patient), require_height(header, patient)
    sex = require_sex(header, patient)
    mass_kg = _MASSES[suv_type](weight_kg, height_m, sex)
    if mass_kg is None:
        raise SuvError(
            f"the formula of SUVType {suv_type} gives no positive mass for this weight and height",
            series=describe(header),
            attribute="PatientWeight (0010,1030), PatientSize (0010,1020)",
            remedy="Check weight and height, or export the series in BQML",
        )
    if sex == "O":
        notes.warn(f"PatientSex is O: the mean of the formulas for men and women turned SUVType {suv_type} into SUVbw.")
    return _Scaled((weight_kg / mass_kg,) * count, f"back from SUVType {suv_type}")


def _unknown_units(header: Dataset, units: str) -> UnknownUnitsError:
    hint = " (counts not calibrated to activity, as in images without attenuation correction)"
    return UnknownUnitsError(
        f"Units '{units}' cannot be turned into SUV{hint if units in ('CPS', 'PROPCNTS', 'PROPCPS') else ''}",
        series=describe(header),
        attribute=_name("Units"),
        remedy="Use the attenuation-corrected series in BQML of the same study",
    )


def _name(keyword: str) -> str:
    tag = tag_for_keyword(keyword) or 0
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
