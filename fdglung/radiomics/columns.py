"""Columns of the table of features: what each means, and those that tell where a lesion lies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from fdglung.radiomics.codes import FEATURES, split
from fdglung.radiomics.grids import Point
from fdglung.radiomics.image_settings import SHELL

COLUMN_KEYS = ("column", "modality", "image", "feature", "ibsi_code", "unit", "description")
"""Columns of the table of columns."""

SUV_MEANINGS: Mapping[str, tuple[str, str]] = {
    "suv_max": ("g/ml", "Highest SUVbw of the PET's own voxels in the lesion"),
    "suv_mean": ("g/ml", "Mean SUVbw of the PET's own voxels in the lesion"),
    "suv_peak": ("g/ml", "Highest mean SUVbw over a sphere of 1 cm3"),
    "mtv_ml": ("ml", "Metabolic tumour volume"),
    "tlg_g": ("g", "Total lesion glycolysis: suv_mean times mtv_ml"),
}
"""Measurements of lesions on the PET's own voxels, as the report has them: unit and description."""

PLACEMENT = "PLACEMENT"
"""Stands where other features have their modality, in names of where a lesion lies in the chest."""

PLACEMENT_MEANINGS: Mapping[str, tuple[str, str]] = {
    "right": ("", "1: in or nearest to the right lung"),
    "left": ("", "1: in or nearest to the left lung"),
    "mediastinum": ("", "1: more than 15 mm away from both lungs"),
    "upper_lobe": ("", "1: most of the lesion is nearest to an upper lobe"),
    "middle_lobe": ("", "1: most of the lesion is nearest to the middle lobe"),
    "lower_lobe": ("", "1: most of the lesion is nearest to a lower lobe"),
    "lung_distance_mm": ("mm", "Distance to the visceral pleura: below 0 inside the lung, 0 across its border"),
    "hilum_distance_mm": ("mm", "Distance to the middle of the hilum of its side"),
    "mediastinum_distance_mm": ("mm", "Distance to the mediastinum"),
}
"""Where lesions lie in the chest, as `fdglung.lungs.placement` has it: unit and description."""

_SHIFT = re.compile(r"aligned_(?P<modality>[A-Z]+)_(?P<axis>[xyz])_mm")
_OUTLINED = re.compile(r"outlined_(?P<modality>[A-Z]+)")


def meaning(column: str) -> tuple[str, ...]:
    """Return what a column means: the values of `COLUMN_KEYS` after its name."""
    aligned = _SHIFT.fullmatch(column)
    if aligned:
        told = f"How far the mask was moved along {aligned['axis']} of the patient (LPS) before features were taken"
        return aligned["modality"], "", column, "", "mm", told
    outlined = _OUTLINED.fullmatch(column)
    if outlined:
        told = "1: features are of the lesion's outline on this image; 0: of the mask, as no outline could be told"
        return outlined["modality"], "", column, "", "", told
    modality, _, rest = column.partition("_")
    unit = "g/ml" if modality == "PET" else "HU"
    if rest in SUV_MEANINGS:
        return modality, "", rest, "", *SUV_MEANINGS[rest]
    if modality == PLACEMENT and rest in PLACEMENT_MEANINGS:
        return modality, "", rest, "", *PLACEMENT_MEANINGS[rest]
    image, _, tag = rest.partition("_")
    bare, _, code = tag.rpartition("_")
    known = FEATURES.get(split(bare)[0])
    if known is None or known.code != code:
        return modality, image, tag, "", "", ""
    measured = image == "original" or image.startswith(SHELL)
    scaled = known.unit.replace("intensity", unit) if measured else known.unit
    return modality, image, bare, code, scaled, known.description


def place_columns(aligned: Iterable[str], outlined: Iterable[str]) -> list[str]:
    """Return the columns of where lesions lie, for modalities that masks were aligned with and outlined on.

    They stand before the features and are none: no prefix of features may name them.
    """
    shifts = [f"aligned_{modality}_{axis}_mm" for modality in aligned for axis in "xyz"]
    return [*shifts, *(f"outlined_{modality}" for modality in outlined)]


def place_value(column: str, shifts_mm: Mapping[str, Point], outlined: Mapping[str, bool]) -> float | None:
    """Return a lesion's value of one of `place_columns`; None where it has none."""
    found = _OUTLINED.fullmatch(column)
    if found:
        value = outlined.get(found["modality"])
        return None if value is None else float(value)
    shift = _SHIFT.fullmatch(column)
    if shift is None or shift["modality"] not in shifts_mm:
        return None
    return shifts_mm[shift["modality"]]["xyz".index(shift["axis"])]


def places_of(row: Mapping[str, float]) -> tuple[dict[str, Point], dict[str, bool]]:
    """Return the shifts in mm (x, y, z; LPS) and whether there is an outline, by modality, of a row of the table."""
    shifts = dict.fromkeys(found["modality"] for name in row if (found := _SHIFT.fullmatch(name)))
    outlined = {found["modality"]: bool(value) for name, value in row.items() if (found := _OUTLINED.fullmatch(name))}
    x, y, z = ({modality: row[f"aligned_{modality}_{axis}_mm"] for modality in shifts} for axis in "xyz")
    return {modality: (x[modality], y[modality], z[modality]) for modality in shifts}, outlined


def is_place(column: str) -> bool:
    """Tell whether a column is one of `place_columns`."""
    return bool(_SHIFT.fullmatch(column) or _OUTLINED.fullmatch(column))
