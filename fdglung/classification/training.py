"""Training by nested cross-validation: out-of-fold predictions of every lesion, and a model of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, some
from fdglung.classification.centre_effects import known_centres
from fdglung.classification.config import ClassifierConfig
from fdglung.classification.data_check import check_data, classes_of
from fdglung.classification.estimators import check_model
from fdglung.classification.folds import Split, patient_folds
from fdglung.classification.likeness import share_as_far, unlikeness, usual_distance
from fdglung.classification.models import ClassifierModel, compact
from fdglung.classification.nested import Fitted, fit
from fdglung.classification.prediction_sets import class_shares, patient_weights, sets_of
from fdglung.classification.tables import Lesions
from fdglung.radiomics.naming import versions as radiomics_versions
from fdglung.settings_checks import require, whole

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class FoldRecord:
    """What one outer fold learned.

    Attributes
    ----------
    number
        From 1.
    train_lesions, train_patients, test_lesions, test_patients
        Counts.
    limit
        Most features that could be kept: a tenth of the training lesions, or what was asked.
    selected
        Names, the best first.
    chosen
        Parameters that the inner folds decided for.
    score
        Of these, in the inner folds.
    part_scores
        Where decisions are joined: the same of each model by itself.

    """

    number: int
    train_lesions: int
    train_patients: int
    test_lesions: int
    test_patients: int
    limit: int
    selected: tuple[str, ...] = field(repr=False)
    chosen: dict[str, Any]
    score: float
    part_scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """A trained model and what the outer folds say of it.

    Attributes
    ----------
    model
        Of all lesions.
    lesions
        What was trained on.
    codes
        (lesions,) place of each class in the model's.
    fold
        (lesions,) outer fold, from 1, in which each was tested.
    probabilities
        (lesions, classes) by the model that had not seen the lesion's patient.
    as_far
        (lesions,) `share_as_far` among lesions of the other folds.
    prediction_sets
        (lesions,) classes that are not ruled out, by the lesions of the other folds.
    missing
        (lesions,) share of the features of the model which tested a lesion that it lacks.
    folds
        What each outer fold learned.
    cautions
        What to know.

    """

    model: ClassifierModel
    lesions: Lesions = field(repr=False)
    codes: Indices = field(repr=False)
    fold: Indices = field(repr=False)
    probabilities: Array = field(repr=False)
    as_far: Array = field(repr=False)
    prediction_sets: tuple[tuple[str, ...], ...] = field(repr=False)
    missing: Array = field(repr=False)
    folds: tuple[FoldRecord, ...]
    cautions: tuple[Caution, ...]


def train(
    lesions: Lesions,
    config: ClassifierConfig | None = None,
    *,
    trained_on: str = "",
    workers: int = 1,
    progress: Progress | None = None,
) -> Training:
    """Train and test a classifier by nested cross-validation over patients.

    Parameters
    ----------
    lesions
        With patients and classes, as `fdglung.classification.read_labelled` gives them.
    config
        All that decides the training.
    trained_on
        What is said beside each result of the model, to follow "trained on", such as "600 synthetic lesions".
    workers
        Processes. The result is the same for any number.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    ParameterError
        The model has no parameter of that name, `workers` is below 1, or centres cannot be harmonised.
    LabelTableError
        A lesion has no class or no patient.
    UnknownLesionClassError
        A class is none of the configuration's.
    TooFewCasesError
        A class has fewer patients than folds, or there is one class only.
    UnusableFeaturesError, DuplicatedPatientError
        As `fdglung.classification.data_check.check_data` has them.
    InputError
        In some fold no feature is left.

    """
    config = config or ClassifierConfig()
    require(whole(workers), "workers", "The number is no whole number above 0", "Give 1 or more")
    check_model(config)
    classes, codes = classes_of(lesions, config.classes)
    cautions = (*check_data(lesions), *_not_harmonised(lesions, config))
    splits, more = patient_folds(
        codes,
        lesions.patients,
        lesions.centres,
        classes=classes,
        folds=config.validation.outer_folds,
        seed=config.seed,
        attribute="validation.outer_folds",
    )
    every = np.arange(len(lesions))
    parts = [*splits, (every, every[:0])]
    done: list[_Part] = []
    tell = progress or (lambda text, fraction: None)
    for part in _run(lesions, codes, classes, config, parts, workers):
        done.append(part)
        tell("training", len(done) / len(parts))
    tested, final = done[:-1], done[-1]
    fold = np.zeros(len(lesions), dtype=np.intp)
    found = np.zeros((len(lesions), len(classes)))
    unlike, missing = np.zeros(len(lesions)), np.zeros(len(lesions))
    for number, ((_, test), one) in enumerate(zip(splits, tested, strict=True), 1):
        fold[test], found[test], unlike[test] = number, one.probabilities, one.unlike
        missing[test] = np.isnan(lesions.values[test][:, list(one.fitted.columns)]).mean(axis=1)
    as_far, shares = np.zeros(len(lesions)), np.zeros_like(found)
    weights = patient_weights(codes, lesions.patients)
    for number in range(1, len(splits) + 1):
        inside, outside = fold == number, fold != number
        as_far[inside] = share_as_far(unlike[inside], unlike[outside])
        others = found[outside, codes[outside]]
        shares[inside] = class_shares(found[inside], others, codes[outside], weights[outside])
    model = ClassifierModel(
        classes=classes,
        **compact(final.fitted, lesions.names, lesions.values, _groups(lesions, config)),
        codes=codes,
        lesion_numbers=lesions.lesion_numbers,
        usual=final.usual,
        unlike=unlike,
        own_probabilities=found[every, codes],
        patient_weights=weights,
        settings=lesions.settings,
        radiomics=lesions.radiomics,
        clinical=lesions.clinical,
        config=config,
        trained_on=trained_on,
        summary=_summary(lesions),
        versions=_versions(),
    )
    records = tuple(
        _record(number, split, one, lesions) for number, (split, one) in enumerate(zip(splits, tested, strict=True), 1)
    )
    told = (*lesions.cautions, *cautions, *more)
    sets = sets_of(classes, found, shares, coverage=config.prediction_set_coverage)
    return Training(model, lesions, codes, fold, found, as_far, sets, missing, records, told)


@dataclass(frozen=True)
class _Part:
    fitted: Fitted
    usual: float
    probabilities: Array
    unlike: Array


def _run(
    lesions: Lesions,
    codes: Indices,
    classes: Sequence[str],
    config: ClassifierConfig,
    parts: Sequence[Split],
    workers: int,
) -> Iterator[_Part]:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    tasks = (delayed(_part)(lesions, codes, classes, config, split) for split in parts)
    found: Iterator[_Part] = Parallel(n_jobs=min(workers, len(parts)), return_as="generator")(tasks)
    return found


def _part(lesions: Lesions, codes: Indices, classes: Sequence[str], config: ClassifierConfig, split: Split) -> _Part:
    train, test = split
    whose, where, groups = (
        np.asarray(texts) for texts in (lesions.patients, lesions.centres, _groups(lesions, config))
    )
    fitted = fit(
        lesions.values[train],
        codes[train],
        whose[train].tolist(),
        where[train].tolist(),
        classes=classes,
        config=config,
        names=lesions.names,
        groups=groups[train].tolist(),
        lesion_numbers=lesions.lesion_numbers[train],
    )
    inside = fitted.preparation.apply(lesions.values[train], groups[train])
    neighbours = config.undetermined.neighbours
    usual = usual_distance(inside, whose[train], neighbours=neighbours)
    if not len(test):
        return _Part(fitted, usual, np.zeros((0, len(classes))), np.zeros(0))
    outside = fitted.preparation.apply(lesions.values[test], groups[test])
    unlike, _ = unlikeness(outside, inside, usual=usual, neighbours=neighbours)
    return _Part(fitted, usual, fitted.probabilities(lesions.values[test], groups[test]), unlike)


def _record(number: int, split: Split, part: _Part, lesions: Lesions) -> FoldRecord:
    numbers, whose = lesions.lesion_numbers, np.asarray(lesions.patients)
    train, test = split
    fitted = part.fitted
    return FoldRecord(
        number=number,
        train_lesions=len(np.unique(numbers[train])),
        train_patients=len(np.unique(whose[train])),
        test_lesions=len(np.unique(numbers[test])),
        test_patients=len(np.unique(whose[test])),
        limit=fitted.limit,
        selected=tuple(lesions.names[column] for column in fitted.ranked),
        chosen=fitted.chosen,
        score=max(score for _, score in fitted.scores),
        part_scores=fitted.part_scores,
    )


def _groups(lesions: Lesions, config: ClassifierConfig) -> tuple[str, ...]:
    return lesions.groups("centre" if config.harmonisation is None else config.harmonisation.by)


def _not_harmonised(lesions: Lesions, config: ClassifierConfig) -> tuple[Caution, ...]:
    if config.harmonisation is None:
        return ()
    groups, by = _groups(lesions, config), config.harmonisation.by
    small = sorted(set(groups) - set(known_centres(groups, config.harmonisation)))
    names = some(f"{name or 'not known'} ({groups.count(name)} lesions)" for name in small)
    text = (
        f"Lesions of the {by} {names} are left as they are: fewer than {config.harmonisation.least_lesions}, or not "
        "known. In a fold that may be so of others too."
    )
    return (Caution(CautionKind.NOT_HARMONISED, text),) if small else ()


def _summary(lesions: Lesions) -> dict[str, Any]:
    _, once = np.unique(lesions.lesion_numbers, return_index=True)
    return {
        "lesions": len(once),
        "patients": len(set(lesions.patients)),
        "features": len(lesions.names),
        "classes": dict(sorted(Counter(lesions.labels[row] for row in once).items())),
        "centres": dict(sorted(Counter(lesions.centres[row] for row in once).items())),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    own = {name: version(name) for name in ("scikit-learn", "skops", "scipy")}
    return radiomics_versions() | own
