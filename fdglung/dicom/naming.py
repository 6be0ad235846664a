"""How a series is called in errors, verdicts and warnings."""

from __future__ import annotations

from pydicom import Dataset


def describe(header: Dataset) -> str:
    """Name a series without telling anything about the patient.

    Parameters
    ----------
    header
        Any header of the series.

    Returns
    -------
    str
        Modality, SeriesNumber and SeriesInstanceUID, such as ``PT series 4 (SeriesInstanceUID 1.2.3)``.

    """
    modality = str(header.get("Modality", "") or "DICOM")
    number = header.get("SeriesNumber")
    uid = header.get("SeriesInstanceUID") or "missing"
    return f"{modality} series {'without number' if number is None else number} (SeriesInstanceUID {uid})"
