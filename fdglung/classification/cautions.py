"""What to know about data that can be used all the same: each of a kind, with rows, columns and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

ROWS = re.compile(r"\brow(s?)\b")
"""How texts name lesions; of a study's table the rows are its lesions."""


class CautionKind(StrEnum):
    """Kinds, as tables and JSON write them."""

    CONSTANT_FEATURES = "constant features"
    EMPTY_FEATURES = "empty features"
    FAILED_LESIONS = "failed lesions"
    UNLABELLED_LESIONS = "unlabelled lesions"
    LABELS_WITHOUT_LESION = "labels without a lesion"
    OTHER_SET = "other set"
    RARE_STRATUM = "rare class and centre"
    UNKNOWN_SETTINGS = "unknown settings"
    UNSEEN_CENTRE = "unseen centre"
    SEEN_LESION = "seen lesion"
    IMPUTED_VALUES = "imputed values"
    MISSING_CLINICAL = "missing clinical values"
    UNKNOWN_LEVEL = "unknown level"
    MISSING_DECISIONS = "missing decisions"
    UNKNOWN_FOLDS = "unknown folds"
    NOT_HARMONISED = "not harmonised"
    CONTEXT = "other lesions of the study"


@dataclass(frozen=True)
class Caution:
    """One warning.

    Attributes
    ----------
    kind
        What it is about.
    text
        Rows, columns and remedy, in full sentences.

    """

    kind: CautionKind
    text: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.text}"


def some(values: Iterable[object], most: int = 8) -> str:
    """Return the first of some values, and how many more there are."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def rows_text(rows: Sequence[int]) -> str:
    """Return rows of a table (from 0) as a reader counts them: the first below the header is row 1."""
    return f"row{'' if len(rows) == 1 else 's'} {some(row + 1 for row in rows)}"
