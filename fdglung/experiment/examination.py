"""The steps of one examination, each in a folder of its own: segmentation, lesions, features."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from fdglung.errors import EmptyPetError, InvalidPixelError, NoOverlapError, NoReferenceUptakeError, NoThoraxError
from fdglung.evaluation.labels import read_labels
from fdglung.experiment.config import ExperimentConfig
from fdglung.experiment.data import Examination
from fdglung.experiment.lesions import FoundLesion, FoundStatus, ReferenceLesion, ReferenceStatus, match_lesions
from fdglung.experiment.steps import file_digest, files_of, key_of, make
from fdglung.files import write_nifti_image
from fdglung.nifti import read_finite, read_study
from fdglung.pipeline import Settings, find_lesions, find_lungs
from fdglung.radiomics import extract, write_table
from fdglung.radiomics.settings import to_mapping
from fdglung.radiomics.tables import OK

if TYPE_CHECKING:
    from fdglung.network.backends import Predictor
    from fdglung.radiomics.tasks import Workers

UNUSABLE = (EmptyPetError, InvalidPixelError, NoOverlapError, NoReferenceUptakeError, NoThoraxError)
"""What is wrong with a single examination: it is left out, and counted, and the others go on."""


@dataclass(frozen=True)
class Worked:
    """What the steps made of one examination.

    Attributes
    ----------
    examination
        Which one.
    folder
        Of its steps: ``segmentation``, ``lesions``, ``features``.
    failure
        Why it could not be used; empty where it could.
    true, found
        Lesions of the reference, and lesions found.
    method
        What found them.
    warnings
        What to know, in full sentences.
    failed_features
        Lesion to what was wrong with its features.
    key
        Of the last step.
    made
        Steps that were made now; the others were there.

    """

    examination: Examination
    folder: Path
    failure: str
    true: tuple[ReferenceLesion, ...]
    found: tuple[FoundLesion, ...]
    method: str
    warnings: tuple[str, ...]
    failed_features: dict[int, str]
    key: str
    made: tuple[str, ...]

    @property
    def voi(self) -> Path:
        """Label image of the lesions' VOIs."""
        return self.folder / "lesions" / "voi.nii.gz"

    @property
    def prediction(self) -> Path:
        """Label image that is evaluated."""
        return self.folder / "lesions" / "prediction.nii.gz"

    @property
    def reference(self) -> Path:
        """Label image that it is compared with."""
        return self.folder / "lesions" / "reference.nii.gz"

    @property
    def probability(self) -> Path | None:
        """Probability image of a network."""
        path = self.folder / "segmentation" / "probability.nii.gz"
        return path if path.is_file() else None


def work(
    examination: Examination,
    config: ExperimentConfig,
    folder: Path,
    *,
    networks: Sequence[str],
    predictors: Callable[[], Sequence[Predictor] | None],
    workers: Workers,
    progress: Callable[[str, float], None],
) -> Worked:
    """Do the steps of an examination that are not done yet.

    Parameters
    ----------
    examination, config
        What to work on, and how.
    folder
        Of this examination.
    networks
        Checksums of the networks' files.
    predictors
        Opens the networks, once; called only when a segmentation is due.
    workers
        For radiomics.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    InputError
        What is wrong with the configuration or a file; `UNUSABLE` errors become `Worked.failure` instead.

    """
    made: list[str] = []
    inputs = {name: file_digest(path) for name, path in _files(examination).items()}
    segmentation = dataclasses.asdict(config.segmentation) | {"checkpoints": list(networks)}
    weights = None if config.lung_weights is None else file_digest(config.lung_weights)
    keys = {"segmentation": key_of("segmentation 1", inputs["pet"], inputs.get("ct"), segmentation, weights)}

    def step(name: str, write: Callable[[Path], None]) -> None:
        if make(folder / name, keys[name], write):
            made.append(name)

    progress("lungs, segmentation", 0.0)
    step("segmentation", lambda out: _segment(examination, config, predictors(), out))
    about = json.loads((folder / "segmentation" / "segmentation.json").read_text(encoding="utf-8"))
    keys["lesions"] = keys["features"] = key_of("failed", keys["segmentation"])
    lesions: dict[str, Any] = {"true": [], "found": []}
    failed: dict[int, str] = {}
    if not about["failure"]:
        progress("lesions and reference", 0.5)
        keys["lesions"] = key_of(
            "lesions 1",
            files_of(folder / "segmentation")["lesions.nii.gz"],
            inputs,
            {str(label): name for label, name in examination.classes.items()},
            config.voi_percent,
            dataclasses.asdict(config.reference),
        )
        step("lesions", lambda out: _match(examination, config, folder / "segmentation", out))
        lesions = json.loads((folder / "lesions" / "lesions.json").read_text(encoding="utf-8"))
        progress("radiomics", 0.6)
        matched = [one["label"] for one in lesions["found"] if one["status"] == FoundStatus.MATCHED]
        wanted = [one["label"] for one in lesions["found"]] if matched and config.in_context else matched
        voi = files_of(folder / "lesions")["voi.nii.gz"]
        keys["features"] = key_of("features 1", inputs, voi, wanted, to_mapping(config.radiomics))
        step("features", lambda out: _extract(examination, config, folder / "lesions", wanted, workers, out))
        features = json.loads((folder / "features" / "features.json").read_text(encoding="utf-8"))
        statuses = {label: features["status"][str(label)] for label in matched}
        failed = {label: status for label, status in statuses.items() if status != OK}
    return Worked(
        examination=examination,
        folder=folder,
        failure=about["failure"],
        true=tuple(ReferenceLesion(**{**one, "status": ReferenceStatus(one["status"])}) for one in lesions["true"]),
        found=tuple(FoundLesion(**{**one, "status": FoundStatus(one["status"])}) for one in lesions["found"]),
        method=about["method"],
        warnings=tuple(about["warnings"]),
        failed_features=failed,
        key=key_of(keys),
        made=tuple(made),
    )


def _files(examination: Examination) -> dict[str, Path]:
    found = {"pet": examination.pet, "ct": examination.ct, "reference": examination.reference}
    return {name: path for name, path in found.items() if path is not None}


def _segment(
    examination: Examination, config: ExperimentConfig, predictors: Sequence[Predictor] | None, out: Path
) -> None:
    settings = Settings(config.segmentation, lung_weights=config.lung_weights)
    about: dict[str, Any] = {"failure": "", "method": "", "warnings": [], "networks": [], "lungs": None, "excluded": []}
    try:
        study = read_study(examination.pet, examination.ct)
        region = find_lungs(study, settings)
        found = find_lesions(study, region, settings, predictors=predictors)
    except UNUSABLE as error:
        about["failure"] = f"{error.kind}: {error.problem}"
    else:
        warnings = (*study.warnings, *(region.warnings if region else ()), *found.warnings)
        about |= {
            "method": found.method,
            "warnings": list(dict.fromkeys(warnings)),
            "networks": list(found.networks),
            "lungs": region and {"method": region.method, "box_mm_lps": region.box_mm},
            "excluded": [dataclasses.asdict(uptake) for uptake in found.excluded],
        }
        write_nifti_image(found.labels, out / "lesions.nii.gz")
        if found.probability is not None:
            write_nifti_image(found.probability, out / "probability.nii.gz")
    _write_json(out / "segmentation.json", about)


def _match(examination: Examination, config: ExperimentConfig, segmentation: Path, out: Path) -> None:
    found = match_lesions(
        read_finite(examination.pet),
        sitk.ReadImage(str(segmentation / "lesions.nii.gz")),
        read_labels(examination.reference),
        examination.classes,
        fraction=config.voi_percent / 100,
        rules=config.reference,
    )
    for name in ("voi", "prediction", "reference"):
        write_nifti_image(getattr(found, name), out / f"{name}.nii.gz")
    content = {name: [dataclasses.asdict(one) for one in getattr(found, name)] for name in ("found", "true")}
    _write_json(out / "lesions.json", content)


def _extract(
    examination: Examination,
    config: ExperimentConfig,
    lesions: Path,
    wanted: Sequence[int],
    workers: Workers,
    out: Path,
) -> None:
    status: dict[int, str] = {}
    if wanted:
        study = read_study(examination.pet, examination.ct)
        voi = sitk.ReadImage(str(lesions / "voi.nii.gz"))
        table = extract(study, voi, config.radiomics, labels=wanted, workers=workers)
        write_table(table, out / "features.csv")
        status = {lesion.label: lesion.status for lesion in table.lesions}
    _write_json(out / "features.json", {"status": status})


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
