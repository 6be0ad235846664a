"""Which columns a model is trained on: all together, or radiomics, clinical columns and other models by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.config import ClassifierConfig
from fdglung.classification.config_parts import SelectionSettings
from fdglung.radiomics.columns import PLACEMENT

Indices = NDArray[np.intp]

CLINICAL = "CLINICAL_"
"""How the names of clinical columns begin."""

DECISION = "DECISION_"
"""How the names of other models' probabilities begin; the model's name and ``_`` and the class follow."""

RADIOMICS_PART, CLINICAL_PART = "radiomics", "clinical"

CONTEXT = "STUDY_"
"""How the names of columns about all lesions of a study begin."""

CONTEXT_LESIONS = f"{CONTEXT}log_lesions"


@dataclass(frozen=True)
class Part:
    """Columns that a model is trained on.

    Attributes
    ----------
    name
        `RADIOMICS_PART`, `CLINICAL_PART` or that of another model; empty for all columns together.
    columns
        Of the table.
    config
        What its model is trained with.

    """

    name: str
    columns: Indices
    config: ClassifierConfig


def parts(names: Sequence[str], config: ClassifierConfig) -> tuple[Part, ...]:
    """Return the parts of a table whose columns have these names; one where all are joined before selection."""
    if config.fusion.join == "features":
        return (Part("", np.arange(len(names)), config),)
    whose = np.array([part_of(name) for name in names])
    # Few columns, each with a meaning of its own: all that tell something are kept.
    others = replace(config, model=config.fusion.model, selection=SelectionSettings(), harmonisation=None)
    return tuple(
        Part(one, np.flatnonzero(whose == one), config if one == RADIOMICS_PART else others)
        for one in dict.fromkeys(whose.tolist())
    )


def part_of(name: str) -> str:
    """Return the part that a column belongs to, by its name."""
    if name.startswith(DECISION):
        return name.removeprefix(DECISION).partition("_")[0]
    return CLINICAL_PART if name.startswith(CLINICAL) else RADIOMICS_PART


def is_radiomics(names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which columns are radiomics, of a lesion or of its study, the only ones that centres have effects on."""

    def is_one(name: str) -> bool:
        counted = name == CONTEXT_LESIONS or measured(name).startswith(f"{PLACEMENT}_")
        return part_of(name) == RADIOMICS_PART and not counted

    return np.array([is_one(name) for name in names], dtype=bool)


def measured(name: str) -> str:
    """Return the feature of the lesion that a column is made of: itself, or what a study's statistic is of."""
    return name.removeprefix(CONTEXT).partition("_")[2] if name.startswith(CONTEXT) else name


def is_own(names: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which columns are radiomics of the lesion itself."""
    return np.array([part_of(name) == RADIOMICS_PART and not name.startswith(CONTEXT) for name in names], dtype=bool)
