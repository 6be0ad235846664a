"""The file that names everything about a study: its data, sets, methods, evaluation and output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fdglung.classification.config import ClassifierConfig
from fdglung.classification.config import from_mapping as classifier_from
from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.classification.image.config import from_mapping as image_classifier_from
from fdglung.errors import ParameterError
from fdglung.evaluation.classification_settings import ClassificationSettings
from fdglung.evaluation.settings import EvaluationSettings
from fdglung.evaluation.statistics_settings import StatisticsSettings
from fdglung.lungs.weights import OWN_NAMES
from fdglung.radiomics.settings import RadiomicsSettings
from fdglung.radiomics.settings import from_mapping as radiomics_from
from fdglung.segmentation import SegmentationSettings
from fdglung.settings_checks import (
    as_floats,
    freeze,
    load_yaml,
    mapping,
    number,
    of_format,
    refuse_unknown,
    require,
    whole,
)

FORMAT = "fdglung study"
"""Names the YAML document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""

TRAINING = "training"
"""The set that classifiers are trained on; the others are tests."""


@dataclass(frozen=True)
class DataSettings:
    """Where studies, references, classes and clinical values are.

    Attributes
    ----------
    cohort
        Folder of `fdglung phantom --format nifti`; then the tables are its own.
    studies, lesions, clinical
        Tables: see `fdglung.experiment.data.read_data`.
    centre
        Column of the centre in the table of studies.
    synthetic
        Whether no person was scanned; a cohort is synthetic whatever stands here.
    at_most
        Set to the number of its first studies that are used.

    """

    cohort: Path | None = None
    studies: Path | None = None
    lesions: Path | None = None
    clinical: Path | None = None
    centre: str = "centre"
    synthetic: bool = False
    at_most: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one = (self.cohort is None) != (self.studies is None)
        require(one, "cohort, studies", "Not exactly one of them is given", "Name a cohort's folder or a table")
        require(isinstance(self.synthetic, bool), "synthetic", "The value is not true or false", "Give one of these")
        for name, count in mapping(self.at_most, "at_most").items():
            require(whole(count), f"at_most.{name}", "The number is no whole number above 0", "Give 60 or so")


@dataclass(frozen=True)
class ReferenceSettings:
    """Which lesions of the references the study is about; others are neither right nor false where they are found.

    Attributes
    ----------
    min_suv_max
        Least SUVmax in the image, in g/ml.
    min_volume_ml
        Least volume of the reference's outline, in ml.

    """

    min_suv_max: float = 0.0
    min_volume_ml: float = 0.0

    def __post_init__(self) -> None:
        as_floats(self, "min_suv_max", "min_volume_ml")
        for name in ("min_suv_max", "min_volume_ml"):
            value = getattr(self, name)
            require(number(value) and value >= 0, name, "The value is no number from 0 on", "Give 2.5 g/ml, or 0.3 ml")


@dataclass(frozen=True)
class TrainedClassifier:
    """A classifier of radiomics that is trained on the training set, by `fdglung.classification.training.train`."""

    config: ClassifierConfig = field(default_factory=ClassifierConfig)


@dataclass(frozen=True)
class TrainedNetwork:
    """A network of PET and CT patches, trained on the training set by `fdglung.classification.image.training.train`."""

    config: ImageClassifierConfig = field(default_factory=ImageClassifierConfig)


@dataclass(frozen=True)
class GivenClassifier:
    """A classifier that ran elsewhere, such as another network: its probabilities are given.

    Attributes
    ----------
    predictions
        CSV with ``case``, ``lesion`` and ``probability_CLASS`` of every lesion of the test sets.
    about
        What it is, in words, for the report.

    """

    predictions: Path
    about: str = ""


Classifier = TrainedClassifier | TrainedNetwork | GivenClassifier


@dataclass(frozen=True)
class EvaluationPart:
    """What the evaluation is told; see `EvaluationSettings` and `ClassificationSettings`."""

    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95
    bins: int = 10
    tolerance_mm: float = 2.0

    def __post_init__(self) -> None:
        self.segmentation()
        self.classification()

    def segmentation(self) -> EvaluationSettings:
        """Return the settings for masks; labels are lesions as they are."""
        return EvaluationSettings(
            tolerance_mm=self.tolerance_mm,
            keep_labels=True,
            resamples=self.resamples,
            seed=self.seed,
            confidence=self.confidence,
        )

    def classification(self) -> ClassificationSettings:
        """Return the settings for class probabilities."""
        return ClassificationSettings(self.bins, self.resamples, self.seed, self.confidence)


@dataclass(frozen=True)
class StatisticsPart:
    """Statistics of a table of patients.

    Attributes
    ----------
    table
        CSV; None for the table that the study makes: a row a patient, with clinical values and PET measures.
    groups
        Columns to group by, one analysis each.
    settings
        All else.

    """

    table: Path | None = None
    groups: tuple[str, ...] = ("class", "set")
    settings: StatisticsSettings = field(default_factory=StatisticsSettings)


@dataclass(frozen=True)
class ExperimentConfig:
    """All that decides a study.

    Attributes
    ----------
    title
        Of the report.
    out
        Output folder.
    data, reference, radiomics, evaluation, statistics
        See there.
    sets
        Set of the report to the values of the column ``set`` that belong to it; has `TRAINING`.
    segmentation, lung_weights
        As `fdglung analyze` has them; `voi_percent` is its fraction.
    voi_percent
        Share of a lesion's SUVmax that bounds its VOI, in percent.
    classifiers
        Name to classifier; the first is the main one, with which the others are compared.
    answers
        Checklist (``metrics``, ``claim``) to the number of an item to the authors' answer and evidence.
    workers
        Processes of radiomics and training; the result is the same for any number.

    """

    title: str
    out: Path
    data: DataSettings
    sets: Mapping[str, tuple[str, ...]]
    reference: ReferenceSettings = field(default_factory=ReferenceSettings)
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    lung_weights: Path | None = None
    voi_percent: float = 40.0
    radiomics: RadiomicsSettings = field(default_factory=RadiomicsSettings)
    classifiers: Mapping[str, Classifier] = field(default_factory=lambda: {"radiomics": TrainedClassifier()})
    evaluation: EvaluationPart = field(default_factory=EvaluationPart)
    statistics: StatisticsPart = field(default_factory=StatisticsPart)
    answers: Mapping[str, Mapping[int, tuple[str, str]]] = field(default_factory=dict)
    workers: int = 1

    @property
    def tests(self) -> tuple[str, ...]:
        """Names of the sets that are tested on."""
        return tuple(name for name in self.sets if name != TRAINING)

    @property
    def in_context(self) -> bool:
        """Whether some classifier looks at all lesions of a study, those of no class too."""
        return any(isinstance(one, TrainedClassifier) and one.config.context for one in self.classifiers.values())


def read_config(path: Path) -> ExperimentConfig:
    """Read a configuration; paths in it start from its own folder.

    Raises
    ------
    ParameterError
        It cannot be read, a key is unknown or missing, or a value cannot be; the attribute names it.

    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"The file {path} cannot be read", attribute="CONFIG", remedy="Give a YAML file: see --example-config"
        ) from error
    return from_mapping(load_yaml(text) or {}, root=path.resolve().parent)


def from_mapping(content: object, *, root: Path) -> ExperimentConfig:
    """Read a configuration from plain values; `root` is where relative paths start; errors as `read_config`."""
    top = of_format(content, FORMAT, FORMAT_VERSION)
    refuse_unknown(top, [one.name for one in fields(ExperimentConfig)], "")
    for key in ("title", "out", "data", "sets"):
        require(key in top, key, "The key is missing", "Add it: see --example-config")
    given: dict[str, Any] = {"title": str(top["title"]), "out": _path(top["out"], root, "out")}
    given["data"] = _built(DataSettings, top["data"], "data.", root)
    given["sets"] = _sets(top["sets"])
    unknown = [f"data.at_most.{name}" for name in given["data"].at_most if name not in given["sets"]]
    require(not unknown, ", ".join(unknown), "There is no such set", f"Name one of {', '.join(given['sets'])}")
    given["reference"] = _built(ReferenceSettings, top.get("reference") or {}, "reference.", root)
    given["evaluation"] = _built(EvaluationPart, top.get("evaluation") or {}, "evaluation.", root)
    given["voi_percent"] = _percent(top.get("voi_percent", 40))
    given["segmentation"] = _segmentation(top.get("segmentation") or {}, given["voi_percent"], root)
    named = OWN_NAMES.get(str(top.get("lung_weights")))
    given["lung_weights"] = named or _path(top.get("lung_weights"), root, "lung_weights")
    given["radiomics"] = _radiomics(top.get("radiomics") or {}, root)
    given["classifiers"] = _classifiers(top.get("classifiers", {"radiomics": {}}), root)
    given["statistics"] = _statistics(top.get("statistics") or {}, root)
    given["answers"] = _answers(top.get("answers") or {})
    given["workers"] = top.get("workers", 1)
    require(whole(given["workers"]), "workers", "The number is no whole number above 0", "Give 1 or 2")
    return ExperimentConfig(**given)


def _path(value: object, root: Path, attribute: str) -> Path | None:
    if value is None:
        return None
    require(isinstance(value, str) and bool(value), attribute, "The value is no path", "Write a path as text")
    return root / Path(str(value)).expanduser()


def _built(kind: Any, content: object, where: str, root: Path) -> Any:
    given = dict(mapping(content, where.rstrip(".")))
    refuse_unknown(given, [one.name for one in fields(kind)], where)
    paths = [one.name for one in fields(kind) if str(one.type).startswith("Path")]
    given |= {name: _path(given[name], root, where + name) for name in paths if name in given}
    return _named(lambda: kind(**given), where)


_OPTIONS = {
    "bootstrap": "resamples",
    "normality-alpha": "alpha",
    "random-tables": "resamples",
    "tolerance-mm": "tolerance_mm",
}
"""Keys that settings name by the option of another command."""


def _named(build: Any, where: str) -> Any:
    """Build a part, and name it in what is wrong with it."""
    try:
        return build()
    except ParameterError as error:
        name = (error.attribute or "").lstrip("-")
        name = _OPTIONS.get(name, name)
        raise ParameterError(error.problem, attribute=f"{where}{name}", remedy=error.remedy) from error
    except TypeError as error:
        raise ParameterError(
            f"A value is of another kind than it should be ({error})", attribute=where.rstrip("."), remedy="Mend it"
        ) from error


def _sets(content: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, values in mapping(content, "sets").items():
        listed = [values] if isinstance(values, str) else values
        good = isinstance(listed, list) and bool(listed)
        require(good, f"sets.{name}", "The set names no value of the column set", "Write [train], say")
        found[str(name)] = tuple(map(str, listed))
    require(TRAINING in found, "sets", f"There is no set {TRAINING}", "Name the values that are trained on")
    require(len(found) > 1, "sets", "There is no set to test on", "Name one, such as internal_test: [test]")
    listed = [value for values in found.values() for value in values]
    twice = sorted({value for value in listed if listed.count(value) > 1})
    require(not twice, "sets", f"{', '.join(twice)} belongs to two sets", "Name it under one of them")
    return found


def _percent(value: object) -> float:
    good = isinstance(value, (int, float)) and number(value) and 5 <= value <= 95
    require(good, "voi_percent", "The percentage is not in 5 to 95", "Give 40 or so")
    return float(value)  # type: ignore[arg-type]


def _segmentation(content: object, percent: float, root: Path) -> SegmentationSettings:
    given = dict(mapping(content, "segmentation"))
    known = [one.name for one in fields(SegmentationSettings) if one.name != "voi_fraction"]
    refuse_unknown(given, known, "segmentation.")
    holder = _Checkpoints(given.get("checkpoints") or ())
    given["checkpoints"] = tuple(str(root / Path(one).expanduser()) for one in holder.checkpoints)
    return _named(lambda: SegmentationSettings(**given, voi_fraction=percent / 100), "segmentation.")


@dataclass(frozen=True)
class _Checkpoints:
    checkpoints: tuple[str, ...]

    def __post_init__(self) -> None:
        freeze(self, "checkpoints", lambda values: tuple(map(str, values)))


def _radiomics(content: object, root: Path) -> RadiomicsSettings:
    if isinstance(content, str):
        path = root / Path(content).expanduser()
        try:
            content = load_yaml(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(
                f"The settings {path} cannot be read", attribute="radiomics", remedy="Name a YAML file, or write keys"
            ) from error
    return _named(lambda: radiomics_from(content), "radiomics.")


def _classifiers(content: object, root: Path) -> dict[str, Classifier]:
    found: dict[str, Classifier] = {}
    for name, given in mapping(content, "classifiers").items():
        where = f"classifiers.{name}."
        plain = str(name).replace("_", "").replace("-", "").isalnum()
        require(plain, where.rstrip("."), "The name holds more than letters, digits, - and _", "Give a plain name")
        part = mapping(given or {}, where.rstrip("."))
        if "predictions" in part:
            found[str(name)] = _built(GivenClassifier, part, where, root)
        else:
            refuse_unknown(part, ["config", "network", "predictions", "about"], where)
            both = "config" in part and "network" in part
            require(not both, f"{where}network", "There is a config too", "Leave config to classifiers of radiomics")
            key, read = ("network", image_classifier_from) if "network" in part else ("config", classifier_from)
            content = part.get(key) or {}
            made = _named(lambda read=read, content=content: read(content), f"{where}{key}.")
            sets = made.training_sets in (type(made)().training_sets, (TRAINING,))
            require(sets, f"{where}{key}.training_sets", "Sets are named twice", "Name them under sets alone")
            found[str(name)] = TrainedNetwork(made) if key == "network" else TrainedClassifier(made)
    require(bool(found), "classifiers", "There is none", "Write `radiomics: {}`, say")
    return found


def _statistics(content: object, root: Path) -> StatisticsPart:
    given = dict(mapping(content, "statistics"))
    known = [one.name for one in fields(StatisticsSettings)]
    refuse_unknown(given, ["table", "groups", *known], "statistics.")
    chosen: dict[str, Any] = {name: given[name] for name in known if name in given}
    for name in ("categorical", "ignore", "correlate"):
        if chosen.get(name) is not None:
            chosen[name] = _texts(chosen[name], f"statistics.{name}")
    groups = _texts(given.get("groups", ["class", "set"]), "statistics.groups")
    settings = _named(lambda: StatisticsSettings(**chosen), "statistics.")
    return StatisticsPart(_path(given.get("table"), root, "statistics.table"), groups, settings)


def _texts(value: object, attribute: str) -> tuple[str, ...]:
    require(isinstance(value, list), attribute, "The value is no list", "Write it in brackets: [age, sex]")
    return tuple(map(str, value))  # type: ignore[call-overload]


_YES_NO = {"True": "yes", "False": "no"}


def _answers(content: object) -> dict[str, dict[int, tuple[str, str]]]:
    found: dict[str, dict[int, tuple[str, str]]] = {}
    given = mapping(content, "answers")
    refuse_unknown(given, ["metrics", "claim"], "answers.")
    for name, items in given.items():
        found[name] = {}
        for item, said in mapping(items or {}, f"answers.{name}").items():
            where = f"answers.{name}.{item}"
            part = mapping(said, where)
            refuse_unknown(part, ["answer", "evidence"], where + ".")
            # YAML reads yes and no as true and false.
            answer = _YES_NO.get(str(part.get("answer")), part.get("answer"))
            good = answer in ("yes", "no", "not applicable")
            require(good, f"{where}.answer", f"{answer!r} is no answer", "Give yes, no or not applicable")
            evidence = str(part.get("evidence") or "").strip()
            require(bool(evidence), f"{where}.evidence", "There is no evidence", "Say in a sentence what shows it")
            require(str(item).isdecimal(), where, "The item is no number", "Name items by their numbers")
            found[name][int(item)] = (str(answer), evidence)
    return found
