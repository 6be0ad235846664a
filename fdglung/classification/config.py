"""One file that names everything about a classifier's training; to and from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from fdglung.errors import ParameterError
from fdglung.radiomics.checks import (
    as_floats,
    freeze,
    load_yaml,
    mapping,
    number,
    one_of,
    refuse_unknown,
    require,
    whole,
)

FORMAT = "fdglung classifier"
"""Names the YAML document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""

SCALINGS = ("standard", "robust")
SELECTIONS = ("mrmr", "lasso", "mrmr_lasso")
MODELS = ("logistic_regression", "svm", "random_forest", "gradient_boosting")
CALIBRATIONS = ("sigmoid", "isotonic", "temperature", "none")
SCORES = ("macro_auc", "balanced_accuracy")

FEATURE_PREFIXES = ("PET_", "CT_", "FUSED_", "RATIO_", "DIFFERENCE_")
"""How the names of features begin, as `fdglung radiomics` and its fusion name them."""


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


@dataclass(frozen=True)
class ClassifierConfig:
    """All that decides a training beside its tables.

    Attributes
    ----------
    classes
        In the order of the columns; None for those that the labels have, sorted.
    training_sets
        Values of the labels' column ``set`` that are trained on; the others are left out.
    features
        Beginnings of the names of features.
    scaling
        One of `SCALINGS`.
    correlation
        Highest absolute Spearman correlation between features that are kept; 1 keeps all that vary.
    selection, model, validation, undetermined
        See there.
    calibration
        One of `CALIBRATIONS`, learned from the inner folds.
    seed
        Of folds, halves and models.

    """

    classes: tuple[str, ...] | None = None
    training_sets: tuple[str, ...] = ("train", "training")
    features: tuple[str, ...] = FEATURE_PREFIXES
    scaling: str = "standard"
    correlation: float = 0.9
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    calibration: str = "sigmoid"
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    undetermined: UndeterminedSettings = field(default_factory=UndeterminedSettings)
    seed: int = 0

    def __post_init__(self) -> None:
        as_floats(self, "correlation")
        for name in ("classes", "training_sets", "features"):
            freeze(self, name, lambda values: tuple(map(str, values)))
        if self.classes is not None:
            good = len(self.classes) > 1 and len(set(self.classes)) == len(self.classes)
            require(good, "classes", "They are fewer than two, or one is named twice", "Name each class once")
        require(bool(self.features), "features", "The list is empty", "Name how features begin, such as PET_")
        one_of(self.scaling, SCALINGS, "scaling")
        good = number(self.correlation) and 0 < self.correlation <= 1
        require(good, "correlation", "The correlation is not in (0, 1]", "Give 0.9 or so")
        one_of(self.calibration, CALIBRATIONS, "calibration")
        scored = self.model.name != "svm" or self.calibration != "none"
        require(scored, "calibration", "A support vector machine gives no probabilities", "Choose sigmoid")
        good = isinstance(self.seed, int) and not isinstance(self.seed, bool) and self.seed >= 0
        require(good, "seed", "The seed is no whole number from 0 on", "Give 0 or so")


def to_mapping(config: ClassifierConfig) -> dict[str, Any]:
    """Return a configuration as plain values, every key written out; `from_mapping` gives back an equal one."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION} | _plain(asdict(config))


def from_mapping(content: object) -> ClassifierConfig:
    """Read a configuration from plain values; what is missing keeps its default.

    Raises
    ------
    ParameterError
        A key is unknown or a value cannot be; the attribute names it.

    """
    top = dict(mapping(content, "configuration"))
    require(top.pop("format", FORMAT) == FORMAT, "format", "This is no such file", f"Give `format: {FORMAT}`")
    version = top.pop("format_version", FORMAT_VERSION)
    require(version == FORMAT_VERSION, "format_version", f"The file has version {version}", f"Give {FORMAT_VERSION}")
    kinds = {
        "selection": SelectionSettings,
        "model": ModelSettings,
        "validation": ValidationSettings,
        "undetermined": UndeterminedSettings,
    }
    for name, kind in kinds.items():
        if name in top:
            part = dict(mapping(top[name], name))
            if name == "selection" and part.get("stability") is not None:
                part["stability"] = _built(StabilitySettings, part["stability"], "selection.stability.")
            top[name] = _built(kind, part, f"{name}.")
    return _built(ClassifierConfig, top, "")


def to_yaml(config: ClassifierConfig) -> str:
    """Return a configuration as a YAML document, every key written out."""
    return yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True)


def from_yaml(source: str | Path) -> ClassifierConfig:
    """Read a configuration from a file, or from the document itself where it is a str; errors as in `from_mapping`."""
    if isinstance(source, Path):
        try:
            source = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(
                f"The file {source} cannot be read", attribute="--config", remedy="Give a YAML file"
            ) from error
    return from_mapping(load_yaml(source) or {})


def _built(kind: Any, content: object, where: str) -> Any:
    given = mapping(content, where.rstrip("."))
    refuse_unknown(given, [one.name for one in fields(kind)], where)
    try:
        return kind(**given)
    except ParameterError as error:
        raise ParameterError(error.problem, attribute=f"{where}{error.attribute}", remedy=error.remedy) from error


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(map(_plain, value)) if isinstance(value, (tuple, list)) else value
