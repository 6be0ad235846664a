"""The name of a series in errors and warnings."""

from __future__ import annotations

from pydicom import Dataset


def describe(header: Dataset) -> str:
    """Name a series without saying whose it is.

    Parameters
    ----------
    header
        Header of any image of the series.

    Returns
    -------
    str
        Such as ``PT series 4 (SeriesInstanceUID 1.2.3)``; parts that the header lacks are left out.

    """
    modality = str(header.get("Modality") or "").strip()
    number = str(header.get("SeriesNumber") or "").strip()
    uid = str(header.get("SeriesInstanceUID") or "unknown").strip()
    return f"{modality} series {number}".strip().replace("  ", " ") + f" (SeriesInstanceUID {uid})"
