"""The parts of a classifier's configuration, each checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fdglung.settings_checks import as_floats, freeze, mapping, number, one_of, require, whole

SELECTIONS = ("mrmr", "lasso", "mrmr_lasso", "importance")
MODELS = ("logistic_regression", "svm", "random_forest", "extra_trees", "gradient_boosting")
SCORES = ("macro_auc", "balanced_accuracy")
JOINS = ("features", "decisions")
GROUPS = ("centre", "scanner")
STATISTICS = ("median", "min", "max")


@dataclass(frozen=True)
class StabilitySettings:
    """Selection repeated in random halves of the patients.

    Attributes
    ----------
    resamples
        How many halves.
    threshold
        Least share of the halves in which a feature is found.

    """

    resamples: int = 50
    threshold: float = 0.6

    def __post_init__(self) -> None:
        as_floats(self, "threshold")
        require(whole(self.resamples), "resamples", "The number is no whole number above 0", "Give 50 or more")
        good = number(self.threshold) and 0 < self.threshold <= 1
        require(good, "threshold", "The share is not in (0, 1]", "Give 0.6 or so")


@dataclass(frozen=True)
class SelectionSettings:
    """How features are selected.

    Attributes
    ----------
    method
        One of `SELECTIONS`.
    n_features
        Most features; None for as many as may be. A tenth of the training lesions is never exceeded.
    candidates
        With ``mrmr_lasso``: features that mRMR leaves for each that may be kept.
    stability
        None for one selection from all training lesions.

    """

    method: str = "mrmr"
    n_features: int | None = None
    candidates: int = 3
    stability: StabilitySettings | None = None

    def __post_init__(self) -> None:
        one_of(self.method, SELECTIONS, "method")
        good = self.n_features is None or whole(self.n_features)
        require(good, "n_features", "The number of features is no whole number above 0", "Give 10 or so, or null")
        require(whole(self.candidates), "candidates", "The number is no whole number above 0", "Give 3 or so")


@dataclass(frozen=True)
class ModelSettings:
    """Which model, and what is chosen in the inner folds.

    Attributes
    ----------
    name
        One of `MODELS`.
    parameters
        scikit-learn's parameter to its value.
    grid
        scikit-learn's parameter to the values to choose from; None for a small grid of the model's own.

    """

    name: str = "logistic_regression"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, list[Any]] | None = None

    def __post_init__(self) -> None:
        one_of(self.name, MODELS, "name")
        mapping(self.parameters, "parameters")
        if self.grid is not None:
            for key, values in mapping(self.grid, "grid").items():
                good = isinstance(values, list) and bool(values)
                require(good, f"grid.{key}", "The values are no list", "Write them in brackets: [0.1, 1, 10]")
            both = [key for key in self.grid if key in self.parameters]
            require(not both, ", ".join(both), "It stands in parameters and in the grid", "Leave it in one of them")


@dataclass(frozen=True)
class ValidationSettings:
    """Nested cross-validation by patients.

    Attributes
    ----------
    outer_folds
        Folds whose predictions are reported.
    inner_folds
        Folds of each training part, by which the grid is decided and probabilities are calibrated.
    score
        What decides: one of `SCORES`, the mean over inner folds.

    """

    outer_folds: int = 5
    inner_folds: int = 5
    score: str = "macro_auc"

    def __post_init__(self) -> None:
        for name in ("outer_folds", "inner_folds"):
            value = getattr(self, name)
            require(whole(value) and value > 1, name, "The number of folds is no whole number above 1", "Give 5 or so")
        one_of(self.score, SCORES, "score")


@dataclass(frozen=True)
class UndeterminedSettings:
    """When a case is left undetermined because it is unlike the training cases.

    Attributes
    ----------
    share
        Share of cases like the training's that may be left undetermined by mistake; 0 for never.
    neighbours
        Nearest training lesions that distance and class mix are taken of.
    most_missing
        Share of the model's features that may be missing and imputed.

    """

    share: float = 0.05
    neighbours: int = 10
    most_missing: float = 0.2

    def __post_init__(self) -> None:
        as_floats(self, "share", "most_missing")
        for name, most in (("share", 0.5), ("most_missing", 1.0)):
            value = getattr(self, name)
            require(number(value) and 0 <= value <= most, name, f"The share is not in 0 to {most:g}", "Give 0.05 or so")
        require(whole(self.neighbours), "neighbours", "The number is no whole number above 0", "Give 10 or so")


def check_coverage(value: object) -> None:
    """Refuse a share of lesions whose prediction set is to hold their class that cannot be."""
    good = number(value) and isinstance(value, float) and 0.5 <= value < 1
    require(good, "prediction_set_coverage", "The share is not in 0.5 to 1, less than 1", "Give 0.9 or so")


@dataclass(frozen=True)
class HarmonisationSettings:
    """ComBat of the radiomics features, learned from the training lesions of each fold.

    Attributes
    ----------
    by
        Column whose effects are removed: one of `GROUPS`.
    least_lesions
        Fewest training lesions of a centre whose effects are learned; those of others are left as they are.
    mean_only
        Whether only the location is harmonised.

    """

    by: str = "centre"
    least_lesions: int = 10
    mean_only: bool = False

    def __post_init__(self) -> None:
        one_of(self.by, GROUPS, "by")
        good = whole(self.least_lesions) and self.least_lesions > 1
        require(good, "least_lesions", "The number is no whole number above 1", "Give 10 or so")
        require(isinstance(self.mean_only, bool), "mean_only", "It is neither true nor false", "Give true or false")


@dataclass(frozen=True)
class ContextSettings:
    """Columns about all lesions of a study, beside each lesion's own features.

    Attributes
    ----------
    number
        Whether their number is one.
    statistics
        Of each feature over them: some of `STATISTICS`.

    """

    number: bool = True
    statistics: tuple[str, ...] = ("median", "max")

    def __post_init__(self) -> None:
        require(isinstance(self.number, bool), "number", "It is neither true nor false", "Give true or false")
        freeze(self, "statistics", lambda values: tuple(map(str, values)))
        for name in self.statistics:
            one_of(name, STATISTICS, "statistics")
        once = len(set(self.statistics)) == len(self.statistics)
        require(once, "statistics", "One is named twice", "Name each once")
        some = self.number or bool(self.statistics)
        require(some, "number, statistics", "Neither is asked for", "Ask for one, or give null")


@dataclass(frozen=True)
class ClinicalSettings:
    """Clinical columns of the labels, or of a table of their own, that are joined with the features.

    Attributes
    ----------
    numbers
        Columns that count linearly, such as age or LDH.
    categories
        Columns of texts, such as sex or history: a column of 0 and 1 is made of each level.

    """

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("numbers", "categories"):
            freeze(self, name, lambda values: tuple(map(str, values)))
        both = [*self.numbers, *self.categories]
        require(bool(both), "numbers", "No column is named", "Name columns under numbers or categories, or give null")
        twice = sorted({name for name in both if both.count(name) > 1})
        require(not twice, ", ".join(twice), "A column is named twice", "Name it once, as a number or a category")


@dataclass(frozen=True)
class FusionSettings:
    """How radiomics, clinical columns and other models' probabilities become one.

    Attributes
    ----------
    join
        ``features``: all columns together, before selection. ``decisions``: a model each, and a logistic regression
        of what these say of lesions that they were not fitted on.
    model
        With ``decisions``: that of the clinical columns, and of each other model's probabilities.
    strength
        With ``decisions``: inverse of the penalty of the logistic regression that joins (scikit-learn's ``C``).

    """

    join: str = "features"
    model: ModelSettings = field(default_factory=ModelSettings)
    strength: float = 1.0

    def __post_init__(self) -> None:
        as_floats(self, "strength")
        one_of(self.join, JOINS, "join")
        require(number(self.strength) and self.strength > 0, "strength", "It is not above 0", "Give 1 or so")
