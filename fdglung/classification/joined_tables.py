"""What is joined with features at prediction: clinical columns as the training coded them, other models' decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fdglung.classification.clinical import clinical_cautions, clinical_texts, read_clinical, with_clinical
from fdglung.classification.decisions import with_decisions
from fdglung.classification.models import ClassifierModel
from fdglung.classification.parts import DECISION, part_of
from fdglung.classification.tables import Lesions
from fdglung.errors import ParameterError


def with_given(
    model: ClassifierModel, lesions: Lesions, clinical: Path | None, decisions: Mapping[str, Path]
) -> Lesions:
    """Return lesions with the clinical columns and decisions that are given.

    Parameters
    ----------
    model
        Knows which columns it was trained with.
    lesions
        Their features.
    clinical
        CSV; columns that it lacks, and patients, are missing values. None for none.
    decisions
        Name of another model to the table of its probabilities.

    Raises
    ------
    ParameterError
        The model was trained without such.
    ClinicalTableError, DecisionTableError
        A table cannot be read or matched, or holds what is no number, with rows and columns.

    """
    known = {part_of(name) for name in model.names if name.startswith(DECISION)}
    strange = sorted(set(decisions) - known)
    if strange or (clinical and not model.clinical):
        what = f"decisions of {', '.join(strange)}" if strange else "clinical columns"
        raise ParameterError(
            f"The model was trained without {what}",
            attribute="--decisions" if strange else "--clinical",
            remedy="Leave it out, or give a model that was trained with it",
        )
    found = with_decisions(lesions, decisions, model.classes, training=False)
    if clinical is None:
        return found
    path, table = read_clinical(clinical)
    here = [name for name in model.clinical if name in table.columns]
    texts = clinical_texts(found, here, [(path, table)])
    told = clinical_cautions(texts, model.clinical, found.rows)
    joined = with_clinical(found, texts, model.clinical)
    return replace(joined, cautions=(*joined.cautions, *told))
