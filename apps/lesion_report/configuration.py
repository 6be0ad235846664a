"""The application's parameters: app.yaml checked as a whole before anything is read or computed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from fdglung.classification.shipped import PHANTOM, model_path
from fdglung.dicom.rules import SelectionRules
from fdglung.errors import CheckpointError, FdglungError, LungWeightsError, ModelFileError, ParameterError
from fdglung.lungs.weights import OWN_NAMES, R231_FILE
from fdglung.pipeline import Settings
from fdglung.radiomics import RadiomicsSettings
from fdglung.radiomics.settings import from_mapping
from fdglung.reporting import OUTPUTS, Output, check_outputs
from fdglung.segmentation import SegmentationSettings

CONFIGURATION = Path(__file__).with_name("app.yaml")
"""The parameters where `HOLOSCAN_CONFIG_PATH` names no others."""

LESION_MODELS = "lesions"
"""Sub-folder of the models folder with the networks of the lesions."""

CLASSIFIERS = "classifiers"
"""Sub-folder of the models folder with classifiers of lesions."""

LUNG_MODELS = "lungs"
"""Sub-folder of the models folder with lungmask's weights."""

_OF_THE_PACKAGER = ("application", "resources")

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class LungOptions:
    """How the lungs are found.

    Attributes
    ----------
    weights
        Name of a file of lungmask's network in the models folder, or ``sides`` or ``lobes`` for a narrow network that
        comes along; None for lungmask's R231 where the folder holds it, else for what `fdglung.lungs.segment` takes
        itself.
    margin_mm
        Room around the lungs' bounding box, in mm.

    """

    weights: str | None = None
    margin_mm: float = 15.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 0 <= self.margin_mm <= 200:
            raise ParameterError(
                f"{self.margin_mm} is outside 0 to 200", attribute="margin_mm", remedy="Give a margin_mm from 0 to 200"
            )


@dataclass(frozen=True)
class RadiomicsOptions:
    """Whether radiomics are computed, and how.

    Attributes
    ----------
    enabled
        Whether.
    workers
        Number of processes.
    settings
        What `fdglung.radiomics.settings.from_mapping` reads.

    """

    enabled: bool = False
    workers: int = 1
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.workers < 1:
            raise ParameterError(f"{self.workers} is no number of processes", attribute="workers", remedy="Give 1")
        _named("settings", from_mapping, self.settings)

    @property
    def read(self) -> RadiomicsSettings:
        """The settings in full."""
        return from_mapping(self.settings)


@dataclass(frozen=True)
class ClassificationOptions:
    """Whether lesions get a class.

    Attributes
    ----------
    model
        Name of a file of `fdglung train-classifier` in the models folder, or ``phantom`` for the one that comes with
        the package; None for no classes.
    workers
        Number of processes for the features.

    """

    model: str | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.workers < 1:
            raise ParameterError(f"{self.workers} is no number of processes", attribute="workers", remedy="Give 1")


@dataclass(frozen=True)
class ReportOptions:
    """What is written.

    Attributes
    ----------
    outputs
        Kinds of files.
    segmentation_type
        Kind of DICOM SEG.
    overwrite
        Whether an earlier report in the output folder may be replaced.

    """

    outputs: tuple[Output, ...] = OUTPUTS
    segmentation_type: Literal["BINARY", "LABELMAP"] = "BINARY"
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_outputs(self.outputs)


@dataclass(frozen=True)
class Configuration:
    """All parameters of the application, one attribute a section of app.yaml."""

    selection: SelectionRules = field(default_factory=SelectionRules)
    lungs: LungOptions = field(default_factory=LungOptions)
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    radiomics: RadiomicsOptions = field(default_factory=RadiomicsOptions)
    classification: ClassificationOptions = field(default_factory=ClassificationOptions)
    report: ReportOptions = field(default_factory=ReportOptions)


def configuration_path() -> Path:
    """Return the file that `HOLOSCAN_CONFIG_PATH` names, as an image sets it, or the one beside the application."""
    named = os.environ.get("HOLOSCAN_CONFIG_PATH")
    return Path(named) if named else CONFIGURATION


def read_configuration(path: Path) -> Configuration:
    """Read and check app.yaml.

    Parameters
    ----------
    path
        The file; sections and keys that it leaves out keep their defaults.

    Raises
    ------
    ParameterError
        The file is missing or no YAML, a key is unknown, or a value cannot be; the attribute names the key.

    """
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(
            f"the configuration cannot be read ({error.strerror})",
            attribute=path.name,
            remedy="Name a file that is there with HOLOSCAN_CONFIG_PATH",
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise ParameterError(
            f"the configuration is no YAML{where}", attribute=path.name, remedy="Mend it there"
        ) from error
    sections = {one.name: _type(Configuration, one.name) for one in fields(Configuration)}
    given = _mapping(content, path.name)
    unknown = sorted(set(map(str, given)) - set(sections) - set(_OF_THE_PACKAGER))
    if unknown:
        raise _error(unknown[0], "there is no such section", f"Give some of {', '.join(sections)}, or leave it out")
    return Configuration(
        **{name: _section(kind, name, given[name]) for name, kind in sections.items() if given.get(name) is not None}
    )


def with_models(configuration: Configuration, models: Path) -> Settings:
    """Return the settings of an analysis, the names of models resolved in the models folder.

    Parameters
    ----------
    configuration
        As read.
    models
        The image's models folder; it need not exist where no model is asked for.

    Raises
    ------
    CheckpointError
        The method is ``network`` and a network is missing.
    LungWeightsError
        lungmask's weights are asked for and missing.
    ModelFileError
        A classifier is asked for and missing.

    """
    segmentation = configuration.segmentation
    if segmentation.method == "network":
        segmentation = replace(segmentation, checkpoints=_checkpoints(segmentation.checkpoints, models / LESION_MODELS))
    r231 = Path(R231_FILE).with_suffix(".onnx").name
    named = OWN_NAMES.get(configuration.lungs.weights or "")
    weights = named or _model_file(
        configuration.lungs.weights or (r231 if (models / LUNG_MODELS / r231).is_file() else None),
        models / LUNG_MODELS,
        LungWeightsError,
        attribute="lungs.weights",
        remedy="Put that file there, or set weights: null",
    )
    asked = configuration.classification.model
    classifier = (
        model_path(asked)
        if asked == PHANTOM
        else _model_file(
            asked,
            models / CLASSIFIERS,
            ModelFileError,
            attribute="classification.model",
            remedy="Put the file of `fdglung train-classifier` there, or set model: null for no classes",
        )
    )
    return Settings(
        segmentation=segmentation,
        lung_weights=weights,
        margin_mm=configuration.lungs.margin_mm,
        classifier=classifier,
        workers=None if classifier is None else configuration.classification.workers,
    )


def _model_file(
    name: str | None, folder: Path, error: type[FdglungError], *, attribute: str, remedy: str
) -> Path | None:
    """Return the file of that name, or None where none is asked for."""
    if name is None:
        return None
    path = folder / name
    if not path.is_file():
        raise error(f"{folder.name} of the models folder holds no {path.name}", attribute=attribute, remedy=remedy)
    return path


def _checkpoints(names: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    found = [folder / name for name in names] or sorted(folder.glob("*.onnx")) or sorted(folder.glob("*.pt"))
    missing = [path.name for path in found if not path.is_file()]
    if missing or not found:
        raise CheckpointError(
            f"{LESION_MODELS} of the models folder holds no {missing[0] if missing else 'network (.onnx or .pt)'}",
            attribute="segmentation.checkpoints",
            remedy="Put the network there, or set method: threshold",
        )
    return tuple(map(str, found))


def _section(kind: type[Kind], name: str, values: object) -> Kind:
    from pydantic import ConfigDict, ValidationError, create_model

    members: dict[str, Any] = {one.name: (_type(kind, one.name), None) for one in fields(kind)}  # type: ignore[arg-type]
    shape = create_model(kind.__name__, __config__=ConfigDict(extra="forbid", strict=True), **members)
    try:
        # By way of JSON, where a list may stand for a tuple and nothing else for anything else.
        good = shape.model_validate_json(json.dumps(_mapping(values, name), default=str))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join([name, *(str(part) for part in first["loc"])])
        if first["type"] == "extra_forbidden":
            raise _error(place, "there is no such key", f"Give some of {', '.join(members)}") from error
        raise _error(place, first["msg"], f"Mend the value {first['input']!r}") from error
    return _named(name, kind, **good.model_dump(exclude_unset=True))


def _named(place: str, make: Any, *values: Any, **named: Any) -> Any:
    """Call with the place put before the attribute of an error."""
    try:
        return make(*values, **named)
    except ParameterError as error:
        raise ParameterError(error.problem, attribute=f"{place}.{error.attribute}", remedy=error.remedy) from error


def _mapping(values: object, place: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise _error(place, f"{values!r} is no mapping of keys to values", "Give keys with their values")
    return values


def _error(place: str, problem: str, remedy: str) -> ParameterError:
    return ParameterError(problem[:1].lower() + problem[1:], attribute=place, remedy=remedy)


def _type(kind: Any, name: str) -> Any:
    return get_type_hints(kind)[name]
