"""Lesions and their classes put together by what names them in both tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.config import ClassifierConfig
from fdglung.errors import FeatureTableError, LabelTableError, PatientInTwoSetsError, UnknownLesionClassError

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

    from fdglung.classification.tables import Lesions

Indices = NDArray[np.intp]

KEYS = ("patient", "case", "lesion", "tracking_uid")
"""Columns that tell which lesion a row is about; those of both tables are compared, or ``tracking_uid`` alone."""


def join(lesions: Lesions, labels: pd.DataFrame, config: ClassifierConfig) -> Lesions:
    """Return the lesions of the training set with their classes.

    Parameters
    ----------
    lesions
        Of the tables of features.
    labels
        A row a lesion, texts: ``class``, some columns of the lesions' keys, and where known ``patient``, ``centre``,
        ``set``, ``counted_as``.
    config
        Names classes and training sets.

    Raises
    ------
    LabelTableError, UnknownLesionClassError, PatientInTwoSetsError, FeatureTableError
        As `fdglung.classification.tables.read_labelled` has them.

    """
    _check_classes(labels, config)
    named = _shared_keys(lesions, labels)
    keys = list(zip(*(labels[name] for name in named), strict=True))
    place, twice = places(keys)
    if twice:
        raise LabelTableError(
            f"{rows_text(twice)} name a lesion that has a class before",
            attribute=", ".join(named),
            remedy="Give each lesion one class; add the columns patient, case or lesion where they tell lesions apart",
        )
    own = list(zip(*(lesions.keys[name] for name in named), strict=True))
    found = np.array([place.get(key, -1) for key in own])
    if (found < 0).all():
        raise LabelTableError(
            "No row names a lesion of the features",
            attribute=", ".join(named),
            remedy=f"Write these columns alike in both tables; features have {some(map(' '.join, own), 3)}",
        )
    labelled = np.flatnonzero(found >= 0).tolist()
    names = _column(labels, "patient", found[labelled]) or _at(lesions.patients, labelled)
    whose = dict(zip(labelled, names, strict=True))
    taken, cautions = _training(labels, found, whose, lesions, config)
    cautions = [*_unmatched(found, keys), *cautions]
    patients = [whose[row] for row in taken]
    nameless = [lesions.rows[row] for row, patient in zip(taken, patients, strict=True) if not patient]
    if nameless:
        raise LabelTableError(
            f"{rows_text(nameless)} of the features have no patient",
            attribute="patient",
            remedy="Give a column patient: folds are made of patients, so that none is in training and test",
        )
    centres = _column(labels, "centre", found[taken]) or _at(lesions.centres, taken)
    scanners = _column(labels, "scanner", found[taken]) or _at(lesions.groups("scanner"), taken)
    joined = replace(
        lesions,
        values=lesions.values[taken],
        keys={name: tuple(texts[row] for row in taken) for name, texts in lesions.keys.items()},
        patients=tuple(patients),
        centres=tuple(centres),
        scanners=tuple(scanners),
        labels=tuple(labels["class"].iloc[found[row]] for row in taken),
        rows=tuple(lesions.rows[row] for row in taken),
        cautions=(*lesions.cautions, *cautions),
        counted_as=tuple(_column(labels, "counted_as", found[taken])),
    )
    _check_counted(joined)
    return joined


def places(keys: Sequence[tuple[str, ...]]) -> tuple[dict[tuple[str, ...], int], list[int]]:
    """Return the first row of each key, and the rows whose key was there before."""
    first: dict[tuple[str, ...], int] = {}
    return first, [row for row, key in enumerate(keys) if first.setdefault(key, row) != row]


def _check_counted(lesions: Lesions) -> None:
    """Refuse one lesion of two patients or two classes."""
    first: dict[str, tuple[str, str]] = {}
    about = zip(lesions.counted_as, lesions.patients, lesions.labels, lesions.rows, strict=False)
    bad = [
        row
        for text, patient, label, row in about
        if text and first.setdefault(text, (patient, label)) != (patient, label)
    ]
    if bad:
        raise LabelTableError(
            f"{rows_text(bad)} of the features: counted as a lesion of another patient or class",
            attribute="counted_as",
            remedy="Give one text to rows of one lesion alone; leave it empty where each row is a lesion of its own",
        )


def _check_classes(labels: pd.DataFrame, config: ClassifierConfig) -> None:
    given = labels["class"].tolist()
    missing = [row for row, name in enumerate(given) if not name]
    if missing:
        raise LabelTableError(
            f"{rows_text(missing)} have no class", attribute="class", remedy="Fill them in, or leave the rows out"
        )
    unknown = [row for row, name in enumerate(given) if config.classes is not None and name not in config.classes]
    if unknown:
        names = sorted({given[row] for row in unknown})
        raise UnknownLesionClassError(
            f"{rows_text(unknown)} have the class {some(names)}",
            attribute="class",
            remedy=f"Write one of {', '.join(config.classes or ())}, or name it under `classes` in the configuration",
        )


def _shared_keys(lesions: Lesions, labels: pd.DataFrame) -> list[str]:
    uid = "tracking_uid"
    if uid in labels.columns and all(labels[uid]) and all(lesions.keys.get(uid, ("",))):
        return [uid]
    shared = [name for name in KEYS if name != uid and name in labels.columns and name in lesions.keys]
    if not shared:
        raise LabelTableError(
            f"It shares no column with the features that names lesions: it has {some(labels.columns)}",
            attribute=", ".join(KEYS),
            remedy="Give both tables the columns patient and lesion, or tracking_uid",
        )
    _, twice = places(list(zip(*(lesions.keys[name] for name in shared), strict=True)))
    if twice:
        raise FeatureTableError(
            f"By the columns that the labels have too, {rows_text([lesions.rows[row] for row in twice])} name a lesion "
            "that is there before",
            attribute=", ".join(shared),
            remedy="Give the labels the other columns that tell lesions apart (case, lesion, tracking_uid)",
        )
    return shared


def _training(
    labels: pd.DataFrame, found: Indices, whose: dict[int, str], lesions: Lesions, config: ClassifierConfig
) -> tuple[list[int], list[Caution]]:
    if "set" not in labels.columns:
        return list(whose), []
    sets = labels["set"].tolist()
    trained = [name in config.training_sets for name in sets]
    inside = {patient for row, patient in whose.items() if trained[found[row]]}
    outside = {patient for row, patient in whose.items() if not trained[found[row]]}
    shared = [lesions.rows[row] for row, patient in whose.items() if patient in inside & outside]
    if shared:
        raise PatientInTwoSetsError(
            f"{rows_text(shared)} of the features are of patients who are in training and in another set",
            attribute="patient, set",
            remedy="Give all lesions of a patient the same set",
        )
    taken = [row for row in whose if trained[found[row]]]
    if not taken:
        raise LabelTableError(
            f"No lesion is of the set {some(config.training_sets)}; there are {some(sorted(set(sets)))}",
            attribute="set",
            remedy="Name the sets to train on under `training_sets` in the configuration",
        )
    text = f"{len(whose) - len(taken)} lesions of other sets than {some(config.training_sets)} are left out."
    return taken, [Caution(CautionKind.OTHER_SET, text)] if len(taken) < len(whose) else []


def _unmatched(found: Indices, keys: Sequence[object]) -> list[Caution]:
    cautions = []
    bare = np.flatnonzero(found < 0).tolist()
    if bare:
        text = f"{rows_text(bare)} of the features have no class and are left out; give them one to train on them."
        cautions.append(Caution(CautionKind.UNLABELLED_LESIONS, text))
    alone = sorted(set(range(len(keys))) - set(found.tolist()))
    if alone:
        text = f"{rows_text(alone)} of the labels have no features and are left out; compute them to train on them."
        cautions.append(Caution(CautionKind.LABELS_WITHOUT_LESION, text))
    return cautions


def _column(labels: pd.DataFrame, name: str, rows: Indices) -> list[str]:
    return labels[name].iloc[rows].tolist() if name in labels.columns else []


def _at(texts: Sequence[str], rows: Sequence[int]) -> list[str]:
    return [texts[row] for row in rows]
