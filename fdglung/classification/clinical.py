"""Clinical columns joined with features: numbers as they are, categories as columns of 0 and 1, gaps marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.config_parts import ClinicalSettings
from fdglung.classification.keyed import matched, read_keyed
from fdglung.classification.parts import CLINICAL
from fdglung.errors import ClinicalTableError

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

    from fdglung.classification.tables import Lesions

MOST_LEVELS = 20
"""Most levels of a category: with more it is no category but a name, a date or a number."""

MISSING = "missing"
"""Ends the name of the column that marks gaps."""


class ColumnCoding(TypedDict):
    """How a clinical column becomes numbers.

    ``levels``: None for a number. ``gaps``: whether the training lesions had gaps, which a column of their own marks.
    """

    levels: list[str] | None
    gaps: bool


Coding = dict[str, ColumnCoding]
"""Column to its coding."""


def clinical_texts(
    lesions: Lesions, columns: Sequence[str], tables: Sequence[tuple[str, pd.DataFrame]]
) -> dict[str, tuple[str, ...]]:
    """Return the texts of clinical columns, a text a lesion, empty where there is none.

    Parameters
    ----------
    lesions
        Whose patients and keys the tables name.
    columns
        Which.
    tables
        Name and content of each, as `fdglung.classification.keyed.read_keyed` gives it; the first with a column has it.

    Raises
    ------
    ClinicalTableError
        No table has a column, or one names lesions in a way that cannot be matched.

    """
    found: dict[str, tuple[str, ...]] = {}
    for path, table in tables:
        here = [name for name in columns if name in table.columns and name not in found]
        if here:
            places = matched(lesions, table, path, ClinicalTableError)
            for name in here:
                texts = table[name].tolist()
                found[name] = tuple(texts[place] if place >= 0 else "" for place in places)
    lacking = [name for name in columns if name not in found]
    if lacking:
        raise ClinicalTableError(
            f"There is no column {some(lacking)} in {some(path for path, _ in tables) or 'any table'}",
            attribute="clinical",
            remedy="Give a table with it by --clinical, or take it out of the configuration",
        )
    return found


def coding_of(
    texts: Mapping[str, Sequence[str]], settings: ClinicalSettings, rows: Sequence[int]
) -> tuple[Coding, tuple[Caution, ...]]:
    """Return how columns are coded, from the training lesions: their levels and gaps. No class is looked at.

    Raises
    ------
    ClinicalTableError
        A number is none, with its rows, or a category has more than `MOST_LEVELS` levels.

    """
    coding: Coding = {}
    for name in settings.numbers:
        _numbers(name, texts[name], rows)
        coding[name] = {"levels": None, "gaps": not all(texts[name])}
    for name in settings.categories:
        levels = sorted({text for text in texts[name] if text})
        if len(levels) > MOST_LEVELS:
            raise ClinicalTableError(
                f"The column {name} has {len(levels)} different texts: {some(levels, 3)}",
                attribute="clinical.categories",
                remedy=f"Give {MOST_LEVELS} levels or fewer, or name it under numbers",
            )
        coding[name] = {"levels": levels, "gaps": not all(texts[name])}
    gaps = [
        f"{name} ({sum(not text for text in texts[name])} of {len(rows)})" for name in coding if coding[name]["gaps"]
    ]
    text = f"Clinical values are missing, and a column marks where: {some(gaps)}."
    return coding, (Caution(CautionKind.MISSING_CLINICAL, text),) if gaps else ()


def names_of(coding: Coding) -> tuple[str, ...]:
    """Return the names of the columns that a coding makes."""
    return tuple(
        f"{CLINICAL}{name}{end}"
        for name, one in coding.items()
        for end in (
            *([""] if one["levels"] is None else [f"={level}" for level in one["levels"]]),
            *([f":{MISSING}"] if one["gaps"] else []),
        )
    )


def with_clinical(lesions: Lesions, texts: Mapping[str, Sequence[str]], coding: Coding) -> Lesions:
    """Return lesions with their clinical columns before their features.

    Parameters
    ----------
    lesions
        Without them.
    texts
        Column to a text a lesion; a column that is not there is missing in all.
    coding
        From the training lesions.

    Raises
    ------
    ClinicalTableError
        A number is none, with its rows.

    """
    blank = ("",) * len(lesions)
    columns = [_coded(name, texts.get(name, blank), one, lesions.rows) for name, one in coding.items()]
    return replace(
        lesions,
        names=(*names_of(coding), *lesions.names),
        values=np.column_stack([*columns, lesions.values]),
    )


def clinical_cautions(texts: Mapping[str, Sequence[str]], coding: Coding, rows: Sequence[int]) -> tuple[Caution, ...]:
    """Return what to know of clinical values at prediction: gaps, and levels that were not trained on."""
    found = []
    for name, one in coding.items():
        given = texts.get(name, ("",) * len(rows))
        bare = [row for row, text in zip(rows, given, strict=True) if not text]
        if bare:
            instead = "the training's median stands in for it" if one["levels"] is None else "it is none of the levels"
            text = f"{rows_text(bare)} have no clinical value {name}; {instead}."
            found.append(Caution(CautionKind.MISSING_CLINICAL, text))
        if one["levels"] is not None:
            new = [row for row, text in zip(rows, given, strict=True) if text and text not in one["levels"]]
            names = some(sorted({text for text in given if text and text not in one["levels"]}))
            text = f"{rows_text(new)}: {name} is {names}, and no training lesion's was (known: {some(one['levels'])})."
            found += [Caution(CautionKind.UNKNOWN_LEVEL, text)] if new else []
    return tuple(found)


def read_clinical(path: str | Path) -> tuple[str, pd.DataFrame]:
    """Read a table of clinical columns; ClinicalTableError where it cannot be read."""
    return str(path), read_keyed(Path(path), ClinicalTableError, "--clinical")


def _coded(name: str, texts: Sequence[str], one: ColumnCoding, rows: Sequence[int]) -> NDArray[np.float64]:
    gaps = [np.array([float(not text) for text in texts])] if one["gaps"] else []
    if one["levels"] is None:
        return np.column_stack([_numbers(name, texts, rows), *gaps])
    levels = [np.array([float(text == level) for text in texts]) for level in one["levels"]]
    return np.column_stack([*levels, *gaps]) if levels or gaps else np.zeros((len(texts), 0))


def _numbers(name: str, texts: Sequence[str], rows: Sequence[int]) -> NDArray[np.float64]:
    values = np.full(len(texts), np.nan)
    bad = []
    for place, text in enumerate(texts):
        try:
            values[place] = float(text) if text else np.nan
        except ValueError:
            bad.append(place)
        if text and not np.isfinite(values[place]) and place not in bad:
            bad.append(place)
    if bad:
        raise ClinicalTableError(
            f"{rows_text([rows[place] for place in bad])} of the features have a {name} that is no number: "
            f"{some(sorted({texts[place] for place in bad}), 3)}",
            attribute=name,
            remedy="Write a number, leave the cell empty where it is not known, or name the column under categories",
        )
    return values
