"""Weight, height and sex of the patient, as SUV needs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import Dataset

from fdglung.dicom.naming import describe
from fdglung.dicom.suv_notes import Notes
from fdglung.dicom.values import number, text
from fdglung.errors import SuvError


@dataclass(frozen=True)
class Patient:
    """What SUV is normalised by.

    Attributes
    ----------
    weight_kg, height_m
        None where unknown.
    sex
        M, F or O; None where unknown.

    """

    weight_kg: float | None
    height_m: float | None
    sex: str | None


def read_patient(headers: Sequence[Dataset], notes: Notes) -> Patient:
    """Read PatientWeight, PatientSize and PatientSex, mending units with a warning.

    Above 1000 a weight is taken as grams, above 3 a size as centimetres (above 300 as millimetres); the two are
    exchanged where a weight of at most 3 stands beside a size of at least 20.
    """
    header = headers[0]
    weight, size = number(header.get("PatientWeight")), number(header.get("PatientSize"))
    if weight is not None and size is not None and 0 < weight <= 3 and size >= 20:
        notes.warn(
            f"PatientWeight {weight:g} and PatientSize {size:g} seem to be exchanged: {size:g} was taken as the weight "
            f"in kg and {weight:g} as the height in m."
        )
        weight, size = size, weight
    if weight is not None and weight > 1000:
        notes.warn(f"PatientWeight {weight:g} was taken as grams, not kilograms.")
        weight /= 1000
    if size is not None and size > 3:
        per_metre, unit = (1000, "millimetres") if size > 300 else (100, "centimetres")
        notes.warn(f"PatientSize {size:g} was taken as {unit}, not metres.")
        size /= per_metre
    sex = text(header.get("PatientSex")).upper()
    notes.use(headers, "PatientWeight", "body weight")
    notes.use(headers, "PatientSize", "height")
    notes.use(headers, "PatientSex", "formula of lean and ideal body weight")
    return Patient(
        weight if weight is not None and weight > 0 else None,
        size if size is not None and size > 0 else None,
        sex if sex in ("M", "F", "O") else None,
    )


def require_weight(header: Dataset, patient: Patient) -> float:
    """Return the weight in kg, or raise `SuvError`."""
    if patient.weight_kg is None:
        found = number(header.get("PatientWeight"))
        problem = "the weight is missing" if found is None else f"a weight of {found:g} kg is impossible"
        if found is None and (number(header.get("PatientSize")) or 0) > 3:
            problem += "; it may stand in PatientSize (0010,1020), which holds no height in metres"
        raise _refuse(header, problem, "PatientWeight (0010,1030)")
    return patient.weight_kg


def require_height(header: Dataset, patient: Patient) -> float:
    """Return the height in m, or raise `SuvError`."""
    if patient.height_m is None:
        problem = "the image is normalised by a body measure that needs the height, which is missing or not positive"
        raise _refuse(header, problem, "PatientSize (0010,1020)")
    return patient.height_m


def require_sex(header: Dataset, patient: Patient) -> str:
    """Return the sex, or raise `SuvError`."""
    if patient.sex is None:
        problem = "the image is normalised by a body measure that needs the sex, which is not M, F or O"
        raise _refuse(header, problem, "PatientSex (0010,0040)")
    return patient.sex


def _refuse(header: Dataset, problem: str, attribute: str) -> SuvError:
    return SuvError(
        problem,
        series=describe(header),
        attribute=attribute,
        remedy="Enter the measured value in the header and load the series again",
    )
