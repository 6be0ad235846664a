"""Whether two studies are of one patient, as far as their headers tell."""

from __future__ import annotations

from pydicom import Dataset

from fdglung.errors import PatientMismatchError
from fdglung.study import Study

_TELLING = (
    ("PatientID", "PatientID (0010,0020)"),
    ("PatientBirthDate", "PatientBirthDate (0010,0030)"),
    ("PatientSex", "PatientSex (0010,0040)"),
)


def check_same_patient(baseline: Study, followup: Study, *, allow_mismatch: bool = False) -> tuple[str, ...]:
    """Refuse two studies whose headers name two patients.

    Parameters
    ----------
    baseline, followup
        The studies; one whose headers are missing is not compared.
    allow_mismatch
        Whether a difference is a warning in place of an error, as where a study was given another pseudonym.

    Returns
    -------
    tuple of str
        What to know, in full sentences.

    Raises
    ------
    PatientMismatchError
        PatientID, PatientBirthDate or PatientSex differ; what they are is not said.

    """
    one, other = _header(baseline), _header(followup)
    if one is None or other is None:
        return ("Headers are missing: nothing tells whether both studies are of one patient.",)
    pairs = {name: (_text(one, key), _text(other, key)) for key, name in _TELLING}
    different = [name for name, (a, b) in pairs.items() if a and b and a != b]
    warnings = []
    if different:
        if not allow_mismatch:
            raise PatientMismatchError(
                "The two studies belong to two patients",
                attribute=", ".join(different),
                remedy="Give two studies of one patient, or allow the mismatch where one has another pseudonym",
            )
        warnings.append(f"The studies differ in {', '.join(different)}, which was allowed.")
    elif not all(pairs[_TELLING[0][1]]):
        warnings.append("PatientID is missing: nothing tells for sure whether both studies are of one patient.")
    dates = _text(one, "StudyDate"), _text(other, "StudyDate")
    if all(dates) and dates[1] < dates[0]:
        warnings.append("The follow-up study is older than the baseline study.")
    models = [(_text(header, "Manufacturer"), _text(header, "ManufacturerModelName")) for header in (one, other)]
    if models[0] != models[1]:
        warnings.append("The studies come from different scanners, and part of a change may come from there.")
    return tuple(warnings)


def _header(study: Study) -> Dataset | None:
    headers = study.pet_headers or study.ct_headers
    return headers[0] if headers else None


def _text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "").strip()
