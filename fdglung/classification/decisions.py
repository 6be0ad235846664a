"""Other models' probabilities of the same lesions as columns, so that they can be joined with the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.keyed import matched, read_keyed
from fdglung.classification.parts import CLINICAL_PART, DECISION, RADIOMICS_PART
from fdglung.errors import DecisionTableError, ParameterError

if TYPE_CHECKING:
    from fdglung.classification.tables import Lesions

PROBABILITY = "probability_"
"""Before the class in names of columns."""

LEAST = 1e-6
"""Probability that a lower one counts as, before the logarithm."""


def named_tables(given: Sequence[str]) -> dict[str, Path]:
    """Return the tables of ``NAME=TABLE`` by name.

    Raises
    ------
    ParameterError
        There is no name, or it cannot be.

    """
    found: dict[str, Path] = {}
    for one in given:
        name, _, path = one.partition("=")
        bad = not path or not name or "_" in name or name in (RADIOMICS_PART, CLINICAL_PART) or name in found
        if bad:
            raise ParameterError(
                f"{one} names no table of another model",
                attribute="--decisions",
                remedy="Write NAME=TABLE.csv, each name once, without _, and neither radiomics nor clinical",
            )
        found[name] = Path(path)
    return found


def with_decisions(lesions: Lesions, tables: Mapping[str, Path], classes: Sequence[str], *, training: bool) -> Lesions:
    """Return lesions with what other models say of them.

    The columns are logarithms of probabilities less their mean over the classes (centred log ratios: Aitchison, J R
    Stat Soc B 1982;44:139). Probabilities of 0 count as `LEAST`.

    Parameters
    ----------
    lesions
        Of the features.
    tables
        Name of the model to its table, with ``probability_<class>`` and columns that name lesions. At training that is
        its ``.predictions.csv``, where each lesion was predicted by a model that had not seen its patient.
    classes
        Whose probabilities are taken.
    training
        Whether a model is trained on them.

    Raises
    ------
    DecisionTableError
        A table lacks a class, names a lesion twice, or holds what is no probability, with its rows.

    """
    names, columns, cautions = list(lesions.names), [lesions.values], list(lesions.cautions)
    for model, path in tables.items():
        table = read_keyed(path, DecisionTableError, "--decisions")
        lacking = [PROBABILITY + name for name in classes if PROBABILITY + name not in table.columns]
        if lacking:
            raise DecisionTableError(
                f"The table {path} has no column {some(lacking)}; it has {some(table.columns)}",
                attribute="--decisions",
                remedy="Give probabilities of the same classes, as `train-classifier` and `classify` write them",
            )
        places = np.array(matched(lesions, table, str(path), DecisionTableError), dtype=np.intp)
        texts = table[[PROBABILITY + name for name in classes]].to_numpy(dtype=str)
        logs = np.log(np.maximum(_probabilities(path, texts), LEAST))
        found = np.full((len(lesions), len(classes)), np.nan)
        found[places >= 0] = (logs - logs.mean(axis=1, keepdims=True))[places[places >= 0]]
        names += [f"{DECISION}{model}_{name}" for name in classes]
        columns.append(found)
        bare = [row for row, place in zip(lesions.rows, places, strict=True) if place < 0]
        if bare:
            text = f"{rows_text(bare)} have no probabilities of {model}; those of a middling lesion stand in for them."
            cautions.append(Caution(CautionKind.MISSING_DECISIONS, text))
        if training and "fold" not in table.columns:
            text = (
                f"The table {path} has no column fold: nobody can check that {model} had not seen the lesions that it "
                "predicts. If it had, it is trusted too much."
            )
            cautions.append(Caution(CautionKind.UNKNOWN_FOLDS, text))
    return replace(lesions, names=tuple(names), values=np.column_stack(columns), cautions=tuple(cautions))


def _probabilities(path: Path, texts: NDArray[np.str_]) -> NDArray[np.float64]:
    values = np.full(texts.shape, np.nan)
    for place, text in np.ndenumerate(texts):
        try:
            values[place] = float(text)
        except ValueError:
            continue
    bad = np.flatnonzero(~((values >= 0) & (values <= 1)).all(axis=1))
    if len(bad):
        raise DecisionTableError(
            f"{rows_text(bad.tolist())} of {path} hold what is no number from 0 to 1",
            attribute="--decisions",
            remedy="Give a probability of each class in each row, or leave the row out",
        )
    return values
