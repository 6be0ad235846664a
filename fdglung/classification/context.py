"""What else lies in a lesion's study, as columns beside its own features: how many lesions, and what they are like."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fdglung.classification.cautions import Caution, CautionKind, rows_text
from fdglung.classification.config_parts import ContextSettings
from fdglung.classification.parts import CONTEXT, CONTEXT_LESIONS, is_own
from fdglung.errors import FeatureTableError

if TYPE_CHECKING:
    from fdglung.classification.tables import Lesions


_STATISTICS: Mapping[str, Callable[..., Any]] = {"median": np.nanmedian, "min": np.nanmin, "max": np.nanmax}


def with_context(lesions: Lesions, settings: ContextSettings | None) -> Lesions:
    """Return lesions with columns of their study behind their own.

    A reader who sees eight nodules thinks of metastases, whichever of them is asked for; a lesion alone does not show
    that. No class is looked at, and no other study: a fold that holds a patient out holds out the context too.

    Parameters
    ----------
    lesions
        All of each study, those of no class too. A study is what shares ``patient`` and ``case``; with neither column
        all lesions are one study's.
    settings
        None for none. Lesions that have the columns already are returned as they are.

    Returns
    -------
    Lesions
        With ``STUDY_log_lesions``, the natural logarithm of the number of lesions, and for each radiomics feature and
        statistic one such as ``STUDY_median_PET_suv_max``: over the lesions that have it, the lesion itself among them;
        NaN where none has.

    Raises
    ------
    FeatureTableError
        Some lesions name no study though others do, or ``tracking_uid`` alone names lesions of unknown studies.

    """
    if settings is None:
        return lesions
    own = np.flatnonzero(is_own(lesions.names))
    names = [CONTEXT_LESIONS] if settings.number else []
    names += [f"{CONTEXT}{statistic}_{lesions.names[column]}" for statistic in settings.statistics for column in own]
    if set(names) <= set(lesions.names):
        return lesions
    _, owner, counts = np.unique(_studies(lesions), return_inverse=True, return_counts=True)
    columns = [np.log(counts[owner])[:, None]] if settings.number else []
    values = lesions.values[:, own]
    for statistic in settings.statistics:
        found = np.empty_like(values)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            for study in range(len(counts)):
                found[owner == study] = _STATISTICS[statistic](values[owner == study], axis=0)
        columns.append(found)
    return replace(lesions, names=(*lesions.names, *names), values=np.column_stack([lesions.values, *columns]))


def context_caution(lesions: Lesions, settings: ContextSettings | None) -> tuple[Caution, ...]:
    """Return what to know of classes that rest on a study's other lesions too."""
    if settings is None:
        return ()
    text = (
        "The class of a lesion rests on all lesions of its study, on their number and what they look like: a finding "
        "that is no lesion, or a lesion that was missed, may change the classes of all."
    )
    return (Caution(CautionKind.CONTEXT, text),)


def _studies(lesions: Lesions) -> list[int]:
    """Return a number a lesion, the same for those of one study."""
    named = [lesions.keys[name] for name in ("patient", "case") if name in lesions.keys]
    if not named:
        numbers = lesions.keys.get("lesion", ())
        if len(set(numbers)) < len(lesions):
            raise _unknown("No column tells which lesions are of one study")
        return [0] * len(lesions)
    keys: Sequence[tuple[str, ...]] = list(zip(*named, strict=True))
    bare = [row for row, key in zip(lesions.rows, keys, strict=True) if not any(key)]
    if bare:
        raise _unknown(f"{rows_text(bare)} name no study")
    first = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    return [first[key] for key in keys]


def _unknown(what: str) -> FeatureTableError:
    return FeatureTableError(
        f"{what}, and the model looks at the lesions of a study together",
        attribute="case, patient",
        remedy="Give the column case or patient, or write CASE=TABLE",
    )
