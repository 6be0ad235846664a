"""One file that names everything about a classifier's training; to and from YAML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from fdglung.classification.config_parts import (
    ClinicalSettings,
    ContextSettings,
    FusionSettings,
    HarmonisationSettings,
    ModelSettings,
    SelectionSettings,
    StabilitySettings,
    UndeterminedSettings,
    ValidationSettings,
    check_coverage,
)
from fdglung.settings_checks import (
    as_floats,
    built,
    document,
    freeze,
    mapping,
    number,
    of_format,
    one_of,
    plain,
    require,
)

FORMAT = "fdglung classifier"
"""Names the YAML document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""

SCALINGS = ("standard", "robust")
CALIBRATIONS = ("sigmoid", "isotonic", "temperature", "none")

FEATURE_PREFIXES = ("PET_", "CT_", "FUSED_", "RATIO_", "DIFFERENCE_", "PLACEMENT_")
"""How the names of features begin, as `fdglung radiomics` and its fusion name them."""


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
    harmonisation
        None for none.
    clinical
        None for none.
    context
        None for features of each lesion by itself.
    correlation
        Highest absolute Spearman correlation between features that are kept; 1 keeps all that vary.
    selection, model, fusion, validation, undetermined
        See there.
    calibration
        One of `CALIBRATIONS`, learned from the inner folds.
    prediction_set_coverage
        Share of each class's lesions whose prediction set (`fdglung.classification.prediction_sets`) holds it.
    seed
        Of folds, halves and models.

    """

    classes: tuple[str, ...] | None = None
    training_sets: tuple[str, ...] = ("train", "training")
    features: tuple[str, ...] = FEATURE_PREFIXES
    scaling: str = "standard"
    harmonisation: HarmonisationSettings | None = None
    clinical: ClinicalSettings | None = None
    context: ContextSettings | None = None
    correlation: float = 0.9
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    fusion: FusionSettings = field(default_factory=FusionSettings)
    calibration: str = "sigmoid"
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    undetermined: UndeterminedSettings = field(default_factory=UndeterminedSettings)
    prediction_set_coverage: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        as_floats(self, "correlation", "prediction_set_coverage")
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
        check_coverage(self.prediction_set_coverage)
        good = isinstance(self.seed, int) and not isinstance(self.seed, bool) and self.seed >= 0
        require(good, "seed", "The seed is no whole number from 0 on", "Give 0 or so")


def to_mapping(config: ClassifierConfig) -> dict[str, Any]:
    """Return a configuration as plain values, every key written out; `from_mapping` gives back an equal one."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION} | plain(asdict(config))


def from_mapping(content: object) -> ClassifierConfig:
    """Read a configuration from plain values; what is missing keeps its default.

    Raises
    ------
    ParameterError
        A key is unknown or a value cannot be; the attribute names it.

    """
    top = of_format(content, FORMAT, FORMAT_VERSION)
    kinds = {
        "harmonisation": HarmonisationSettings,
        "clinical": ClinicalSettings,
        "context": ContextSettings,
        "selection": SelectionSettings,
        "model": ModelSettings,
        "fusion": FusionSettings,
        "validation": ValidationSettings,
        "undetermined": UndeterminedSettings,
    }
    for name, kind in kinds.items():
        if name in top and not (top[name] is None and name in ("harmonisation", "clinical", "context")):
            part = dict(mapping(top[name], name))
            if name == "selection" and part.get("stability") is not None:
                part["stability"] = built(StabilitySettings, part["stability"], "selection.stability.")
            if name == "fusion" and "model" in part:
                part["model"] = built(ModelSettings, part["model"], "fusion.model.")
            top[name] = built(kind, part, f"{name}.")
    return built(ClassifierConfig, top, "")


def to_yaml(config: ClassifierConfig) -> str:
    """Return a configuration as a YAML document, every key written out."""
    return yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True)


def from_yaml(source: str | Path) -> ClassifierConfig:
    """Read a configuration from a file, or from the document itself where it is a str; errors as in `from_mapping`."""
    return from_mapping(document(source, "--config") or {})
