"""Where a study's results come from: configuration, checksums, seeds, versions."""

from __future__ import annotations

import dataclasses
import enum
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.classification.config import ClassifierConfig
from fdglung.classification.config import to_mapping as classifier_mapping
from fdglung.experiment.config import FORMAT, FORMAT_VERSION, ExperimentConfig, GivenClassifier
from fdglung.experiment.data import StudyData
from fdglung.experiment.examination import Worked
from fdglung.experiment.steps import file_digest
from fdglung.radiomics.settings import RadiomicsSettings
from fdglung.radiomics.settings import to_mapping as radiomics_mapping

PACKAGES = (
    *("SimpleITK", "joblib", "matplotlib", "monai", "numpy", "onnxruntime", "openvino", "pandas", "pyradiomics"),
    *("PyWavelets", "reportlab", "scikit-image", "scikit-learn", "scipy", "skops", "torch"),
)
"""Whose versions may matter."""


def provenance(
    config: ExperimentConfig, data: StudyData, worked: Sequence[Worked], networks: Mapping[str, str]
) -> dict[str, Any]:
    """Return a study's origin as plain JSON values; the same study gives the same, whenever it is run."""
    inputs = {}
    for scan in data.examinations:
        paths = {"pet": scan.pet, "ct": scan.ct, "reference": scan.reference}
        inputs[scan.name] = {name: file_digest(path) for name, path in paths.items() if path is not None}
    seeds = {"bootstrap": config.evaluation.seed, "statistics": config.statistics.settings.seed}
    for name, one in config.classifiers.items():
        if not isinstance(one, GivenClassifier):
            seeds[f"classifier {name}"] = one.config.seed
    return {
        "format": FORMAT,
        "notice": RESEARCH_NOTICE,
        "synthetic": data.synthetic,
        "title": config.title,
        "software": {"fdglung": __version__, "python": platform.python_version(), **_versions()},
        "seeds": seeds,
        "tables": {path.name: file_digest(path) for path in data.files},
        "networks": dict(networks),
        "inputs": inputs,
        "methods": sorted({one.method for one in worked if one.method}),
        "configuration": plain(config),
    }


def plain(value: Any) -> Any:
    """Return a configuration, or a part of one, as JSON values."""
    if isinstance(value, ExperimentConfig):
        fields = {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **fields}
    if isinstance(value, ClassifierConfig):
        return classifier_mapping(value)
    if isinstance(value, RadiomicsSettings):
        return radiomics_mapping(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(plain, value))
    if isinstance(value, Path):
        return str(value)
    return value.value if isinstance(value, enum.Enum) else value


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
