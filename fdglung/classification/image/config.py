"""One file that names everything about the training of a network that classifies lesions; to and from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from fdglung.classification.config_parts import UndeterminedSettings, check_coverage
from fdglung.network.normalisation import Table, check_table
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
    positive,
    require,
    whole,
)

FORMAT = "fdglung image classifier"
"""Names the YAML document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""

CHANNELS = ("PET", "CT", "MASK")
"""What a network can look at: SUVbw in g/ml, HU, and the share of a voxel that is the lesion."""

CALIBRATIONS = ("temperature", "none")

STEPS = 16
"""Sides of a patch are at least so many voxels: the network halves its grid four times."""

PET_TABLE: Table = ((0.0, 0.0), (2.5, 1.0), (10.0, 2.0), (40.0, 3.0))
CT_TABLE: Table = ((-1000.0, -1.0), (-150.0, -0.5), (250.0, 0.5), (1000.0, 1.0))
"""As the lesion network's: g/ml and HU to what a network sees."""


@dataclass(frozen=True)
class AugmentationSettings:
    """How patches are changed in training; one draw for the lesions of a patient.

    Attributes
    ----------
    flip
        Probability that left and right change places.
    rotate_degrees
        Largest rotation about each axis.
    scale
        Largest share by which lengths grow or shrink.
    shift_mm
        Largest shift along each axis: a lesion's centre is never sure.
    suv_scale
        SUV are multiplied by a factor between this and its inverse: dose, weight and time are never exact.
    suv_noise
        Standard deviation of noise, as a share of the root of the SUV.
    hu_shift
        Largest shift of HU.
    hu_noise
        Standard deviation of noise in HU.

    """

    flip: float = 0.5
    rotate_degrees: float = 15.0
    scale: float = 0.1
    shift_mm: float = 6.0
    suv_scale: float = 1.15
    suv_noise: float = 0.1
    hu_shift: float = 20.0
    hu_noise: float = 20.0

    def __post_init__(self) -> None:
        names = [one.name for one in fields(self)]
        as_floats(self, *names)
        for name in names:
            value = getattr(self, name)
            require(number(value) and value >= 0, name, "The value is below 0", "Give 0 for none")
        require(self.flip <= 1, "flip", "The probability is above 1", "Give 0.5 or so")
        require(self.scale < 1, "scale", "The share is not below 1", "Give 0.1 or so")
        require(self.suv_scale >= 1, "suv_scale", "The factor is below 1", "Give 1 for none")


@dataclass(frozen=True)
class ImageClassifierConfig:
    """All that decides a training beside its images and labels.

    Attributes
    ----------
    classes
        In the order of the columns; None for those that the labels have, sorted.
    training_sets
        Values of the labels' column ``set`` that are trained on; the others are left out.
    channels
        Some of `CHANNELS`, in their order in the patch.
    spacing_mm
        Of a patch's isotropic grid.
    size_mm
        Side of a patch.
    normalisation
        For PET and CT the points between which raw values map linearly onto what the network sees.
    features
        Channels of the four levels of MONAI's ResNet; the last is the length of the embedding.
    blocks
        Residual blocks of each level.
    attention
        Length of the hidden layer of the attention.
    dropout
        Of the embedding, in training.
    epochs
        Passes over the patients. There is no early end: nothing is chosen, so nothing needs a second validation.
    lesions_per_step
        Patients are taken together until they have so many lesions.
    most_lesions
        Lesions of a patient in one step, drawn anew each time.
    learning_rate, weight_decay
        Of AdamW; the rate rises and falls once (one cycle).
    ema_decay
        Share of the old average in each step of the averaged weights, which are the result.
    patient_weight
        Of the patient's loss beside the lesions'; 0 trains lesions alone.
    augmentation
        See there.
    folds
        By patients; each lesion is predicted by a network that did not see its patient.
    calibration
        One of `CALIBRATIONS`, learned from the folds' predictions.
    undetermined
        See `fdglung.classification.config.UndeterminedSettings`; nothing is imputed here.
    prediction_set_coverage
        As in `fdglung.classification.config.ClassifierConfig`.
    seed
        Of folds, weights and draws.

    """

    classes: tuple[str, ...] | None = None
    training_sets: tuple[str, ...] = ("train", "training")
    channels: tuple[str, ...] = CHANNELS
    spacing_mm: float = 4.0
    size_mm: float = 96.0
    normalisation: Mapping[str, Table] = field(default_factory=lambda: {"PET": PET_TABLE, "CT": CT_TABLE})
    features: tuple[int, ...] = (16, 32, 64, 128)
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    attention: int = 32
    dropout: float = 0.3
    epochs: int = 40
    lesions_per_step: int = 16
    most_lesions: int = 6
    learning_rate: float = 0.002
    weight_decay: float = 0.02
    ema_decay: float = 0.98
    patient_weight: float = 0.5
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    folds: int = 5
    calibration: str = "temperature"
    undetermined: UndeterminedSettings = field(default_factory=UndeterminedSettings)
    prediction_set_coverage: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        as_floats(self, "spacing_mm", "size_mm", "dropout", "learning_rate", "weight_decay", "ema_decay")
        as_floats(self, "patient_weight", "prediction_set_coverage")
        for name in ("classes", "training_sets", "channels"):
            freeze(self, name, lambda values: tuple(map(str, values)))
        for name in ("features", "blocks"):
            freeze(self, name, tuple)
        self._check_input()
        for name in ("features", "blocks"):
            good = len(getattr(self, name)) == 4 and all(map(whole, getattr(self, name)))
            require(good, name, "They are not four whole numbers above 0", "Give one for each level")
        for name in ("attention", "epochs", "lesions_per_step", "most_lesions"):
            require(whole(getattr(self, name)), name, "The number is no whole number above 0", "Give a whole number")
        good = whole(self.folds) and self.folds > 1
        require(good, "folds", "The number of folds is no whole number above 1", "Give 5 or so")
        for name, most in (("dropout", 0.9), ("ema_decay", 0.9999)):
            value = getattr(self, name)
            require(number(value) and 0 <= value <= most, name, f"The value is not in 0 to {most:g}", "Give less")
        require(positive(self.learning_rate), "learning_rate", "The rate is not above 0", "Give 0.002 or so")
        for name in ("weight_decay", "patient_weight"):
            value = getattr(self, name)
            require(number(value) and value >= 0, name, "The value is below 0", "Give 0 for none")
        one_of(self.calibration, CALIBRATIONS, "calibration")
        check_coverage(self.prediction_set_coverage)
        good = isinstance(self.seed, int) and not isinstance(self.seed, bool) and self.seed >= 0
        require(good, "seed", "The seed is no whole number from 0 on", "Give 0 or so")

    def _check_input(self) -> None:
        if self.classes is not None:
            good = len(self.classes) > 1 and len(set(self.classes)) == len(self.classes)
            require(good, "classes", "They are fewer than two, or one is named twice", "Name each class once")
        good = bool(set(self.channels) - {"MASK"}) and len(set(self.channels)) == len(self.channels)
        good = good and set(self.channels) <= set(CHANNELS)
        require(good, "channels", "They hold no image, or one twice", f"Give some of {', '.join(CHANNELS)}")
        require(positive(self.spacing_mm), "spacing_mm", "The spacing is not above 0", "Give 4 or so, in mm")
        good = positive(self.size_mm) and STEPS <= self.voxels <= 128
        require(good, "size_mm", f"A patch has not {STEPS} to 128 voxels a side", "Give 96 or so, in mm")
        tables = {
            str(name): tuple((float(x), float(y)) for x, y in points)
            for name, points in mapping(self.normalisation, "normalisation").items()
        }
        object.__setattr__(self, "normalisation", tables)
        for channel in set(self.channels) - {"MASK"}:
            require(channel in tables, f"normalisation.{channel}", "There is no table", "Give [[raw, seen], …]")
            check_table(channel, tables[channel])

    @property
    def voxels(self) -> int:
        """Voxels along each side of a patch."""
        return round(self.size_mm / self.spacing_mm)


def to_mapping(config: ImageClassifierConfig) -> dict[str, Any]:
    """Return a configuration as plain values, every key written out; `from_mapping` gives back an equal one."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION} | plain(asdict(config))


def from_mapping(content: object) -> ImageClassifierConfig:
    """Read a configuration from plain values; what is missing keeps its default.

    Raises
    ------
    ParameterError
        A key is unknown or a value cannot be; the attribute names it.

    """
    top = of_format(content, FORMAT, FORMAT_VERSION)
    for name, kind in (("augmentation", AugmentationSettings), ("undetermined", UndeterminedSettings)):
        if name in top:
            top[name] = built(kind, top[name], f"{name}.")
    return built(ImageClassifierConfig, top, "")


def to_yaml(config: ImageClassifierConfig) -> str:
    """Return a configuration as a YAML document, every key written out."""
    return yaml.safe_dump(to_mapping(config), sort_keys=False, allow_unicode=True)


def from_yaml(source: str | Path) -> ImageClassifierConfig:
    """Read a configuration from a file, or from the document itself where it is a str; errors as in `from_mapping`."""
    return from_mapping(document(source, "--config") or {})
