"""PET radionuclides: which one a header names, and its half-life."""

from __future__ import annotations

import re

from pydicom import Dataset

from fdglung.dicom.values import text

HALF_LIVES = {
    "C-11": 1221.8,
    "N-13": 597.9,
    "O-15": 122.24,
    "F-18": 6586.2,
    "Cu-64": 45721.0,
    "Ga-68": 4062.6,
    "Rb-82": 75.4,
    "Y-86": 53064.0,
    "Zr-89": 282280.0,
    "I-124": 360806.0,
}
"""Half-lives in seconds (Decay Data Evaluation Project, rounded; F-18 as scanners write it)."""

# SRT and SCT codes of DICOM PS3.16 CID 4020; C-131A1 stands in the SUV reference objects
_CODES = {
    "C-105A1": "C-11",
    "C-107A1": "N-13",
    "C-B1038": "O-15",
    "C-111A1": "F-18",
    "C-127A2": "Cu-64",
    "C-131A1": "Ga-68",
    "C-159A2": "Rb-82",
    "C-168A4": "Zr-89",
    "C-114A5": "I-124",
    "C-131A3": "Ga-68",
    "C-162A3": "Y-86",
    "40565003": "C-11",
    "21576001": "N-13",
    "129504001": "O-15",
    "77004003": "F-18",
    "3932008": "Cu-64",
    "35337001": "Ga-68",
    "79197006": "Rb-82",
    "10738001": "Y-86",
    "63360001": "Zr-89",
    "40937006": "I-124",
}
_ELEMENTS = {
    "carbon": "C",
    "nitrogen": "N",
    "oxygen": "O",
    "fluorine": "F",
    "fluor": "F",
    "copper": "Cu",
    "gallium": "Ga",
    "rubidium": "Rb",
    "yttrium": "Y",
    "zirconium": "Zr",
    "iodine": "I",
}
_TRACERS = ("fdg", "fluorodeoxyglucose", "fludeoxyglucose")


def named_radionuclide(item: Dataset) -> tuple[str | None, str]:
    """Say which radionuclide an item of RadiopharmaceuticalInformationSequence names.

    Parameters
    ----------
    item
        The item. Its RadionuclideCodeSequence is asked first (code, then meaning), then Radiopharmaceutical.

    Returns
    -------
    tuple
        Name such as ``F-18`` (a key of `HALF_LIVES`), or None, and the value that named it.

    """
    for code in item.get("RadionuclideCodeSequence") or ():
        value, meaning = text(code.get("CodeValue")), text(code.get("CodeMeaning"))
        name = _CODES.get(value) or _parse(meaning)
        if name:
            return name, f"{value} {meaning}".strip()
    tracer = text(item.get("Radiopharmaceutical"))
    name = _parse(tracer)
    if name is None and any(word in tracer.lower() for word in _TRACERS):
        name = "F-18"
    return name, tracer


def _parse(meaning: str) -> str | None:
    plain = meaning.replace("^", " ").replace("-", " ").replace("[", " ").replace("]", " ").lower()
    for word, symbol in _ELEMENTS.items():
        plain = re.sub(rf"\b{word}\b", symbol.lower(), plain)
    for name in HALF_LIVES:
        symbol, mass = name.lower().split("-")
        if re.search(rf"(?<![a-z0-9])(?:{symbol} ?{mass}|{mass} ?{symbol})(?![a-z0-9])", plain):
            return name
    return None
