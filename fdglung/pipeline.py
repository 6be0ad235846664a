"""The steps in a row: Study -> Analysis. Every face of the software calls these functions."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, __version__, lesions, lungs, segmentation
from fdglung.errors import NoPetError, NoThoraxError, UnknownRadiomicsError
from fdglung.findings import Findings
from fdglung.lesion_classes import Classification, LesionClass
from fdglung.lesions import Lesion
from fdglung.lungs import LungRegion
from fdglung.segmentation import LesionSegmentation, SegmentationSettings
from fdglung.study import Study

if TYPE_CHECKING:
    from fdglung.classification.image.model import ImageClassifierModel
    from fdglung.classification.models import ClassifierModel
    from fdglung.network.backends import Predictor
    from fdglung.radiomics import FeatureTable

Progress = Callable[[str, float], None]

_PACKAGES = (
    "SimpleITK",
    "numpy",
    "scipy",
    "scikit-image",
    "pydicom",
    "highdicom",
    "lungmask",
    "torch",
    "onnxruntime",
    "openvino",
)


MOST_EXPLAINED = 12
"""Lesions that get a map of where an image classifier looks: the largest."""


@dataclass(frozen=True)
class Settings:
    """What a user may choose for a whole analysis.

    Attributes
    ----------
    segmentation
        Method, region and thresholds.
    lung_weights
        Weights for lungmask; None takes them from lungmask's cache, or the classical method where there are none.
    margin_mm
        Room around the lungs' bounding box, in mm.
    classifier
        Model file of `fdglung train-classifier` or `fdglung train-image-classifier`, or ``phantom`` for the one that
        comes with the package; None for no classes.
    workers
        Processes for the classifier's radiomics; None as in `fdglung.radiomics.extract`.

    """

    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    lung_weights: Path | None = None
    margin_mm: float = 15.0
    classifier: Path | None = None
    workers: int | None = None


@dataclass(frozen=True)
class Analysis:
    """A study with all that was found in it.

    Attributes
    ----------
    study
        What was analysed.
    lungs
        The lung region; None when the whole PET was analysed without a CT.
    lesions
        uint16 label image on the PET grid: a lesion's VOI carries its `Lesion.label`.
    findings
        Measurements, provenance and warnings.
    class_maps
        A lesion's label to where an image classifier looks: by how much the probability of the lesion's most probable
        class falls when a place is covered. Empty for other classifiers; of many lesions the `MOST_EXPLAINED` largest.

    """

    study: Study
    lungs: LungRegion | None
    lesions: sitk.Image
    findings: Findings
    class_maps: Mapping[int, sitk.Image] = field(default_factory=dict, repr=False)


def analyze(study: Study, settings: Settings | None = None, *, progress: Progress | None = None) -> Analysis:
    """Find, measure and, where a classifier is named, classify the avid lung lesions of a study.

    Parameters
    ----------
    study
        As `fdglung.study.load` gives it.
    settings
        Methods and thresholds.
    progress
        Called with a text and the fraction done, from 0 to 1 over all steps.

    Returns
    -------
    Analysis

    Raises
    ------
    fdglung.errors.InputError
        If a step cannot use the study.

    """
    settings = settings or Settings()
    tell = progress or (lambda text, fraction: None)
    model = None if settings.classifier is None else load_classifier(settings.classifier)
    share = 1.0 if model is None else 0.5
    region = find_lungs(study, settings, progress=lambda text, done: tell(text, share * 0.6 * done))
    found = find_lesions(study, region, settings, progress=lambda text, done: tell(text, share * (0.6 + 0.3 * done)))
    analysis = measure(
        study, region, found, settings, progress=lambda text, done: tell(text, share * (0.9 + 0.1 * done))
    )
    if model is None:
        return analysis
    return classify(
        analysis, model, workers=settings.workers, progress=lambda text, done: tell(text, share + (1 - share) * done)
    )


def find_lungs(study: Study, settings: Settings, *, progress: Progress | None = None) -> LungRegion | None:
    """Find the lungs of the study's CT, in a box that holds avid tissue at them; None where no region is asked for.

    Raises
    ------
    NoPetError
        If there is no PET to find lesions in, which is said before the work on the CT.
    NoThoraxError
        If the CT shows no lungs and the method cannot do without them; a network then searches the whole PET.

    """
    pet = _require_pet(study)
    if settings.segmentation.region == "all" or study.ct is None:
        return None
    try:
        region = lungs.segment(study.ct, weights=settings.lung_weights, margin_mm=settings.margin_mm, progress=progress)
    except NoThoraxError:
        if settings.segmentation.method == "network":
            return None
        raise
    return lungs.holding_avid_tissue(region, pet, avid_suv=min(lungs.AVID_SUV, settings.segmentation.seed_suv))


def find_lesions(
    study: Study,
    region: LungRegion | None,
    settings: Settings,
    *,
    predictors: Sequence[Predictor] | None = None,
    progress: Progress | None = None,
) -> LesionSegmentation:
    """Find the lesions; see `fdglung.segmentation.segment`."""
    return segmentation.segment(study, region, settings.segmentation, predictors=predictors, progress=progress)


def measure(
    study: Study,
    region: LungRegion | None,
    found: LesionSegmentation,
    settings: Settings,
    *,
    progress: Progress | None = None,
) -> Analysis:
    """Measure the lesions that were found, and put everything known together.

    Raises
    ------
    NoPetError
        If the study has no PET.

    """
    pet = _require_pet(study)
    header = study.pet_headers[0]
    ct_header = study.ct_headers[0] if study.ct_headers else None
    measured = lesions.measure(
        pet, found.labels, found.lesions, lungs=region, seed=str(header.SeriesInstanceUID), progress=progress
    )
    findings = Findings(
        study_instance_uid=str(header.StudyInstanceUID),
        pet_series_uid=str(header.SeriesInstanceUID),
        ct_series_uid=None if ct_header is None else str(ct_header.SeriesInstanceUID),
        frame_of_reference_uid=str(header.FrameOfReferenceUID),
        lesions=measured,
        excluded=found.excluded,
        total_mtv_ml=lesions.total_mtv_ml(measured),
        total_tlg_g=lesions.total_tlg_g(measured),
        dmax_mm=lesions.dmax_mm(measured),
        reference_uptake=dict(found.reference_uptake),
        provenance=_provenance(study, region, found, settings),
        warnings=_all_warnings(study, region, found, measured),
    )
    return Analysis(study, region, found.labels, findings)


@dataclass(frozen=True)
class Classifier:
    """A classifier with the file that it comes from.

    Attributes
    ----------
    model
        What was trained, on features or on images.
    name, sha256
        Of its file.

    """

    model: ClassifierModel | ImageClassifierModel
    name: str
    sha256: str


def load_classifier(path: Path | str) -> Classifier:
    """Read a classifier, before the work on a study: an image classifier where the name ends in .pt or .onnx.

    Raises
    ------
    fdglung.errors.ModelFileError, fdglung.errors.UntrustedModelError, fdglung.errors.ModelMismatchError
        As `fdglung.classification.model_file.load_model` and
        `fdglung.classification.image.model_file.load_image_model` have them.
    UnknownRadiomicsError
        It does not say how its features are computed.

    """
    path = Path(path)
    if path.suffix in (".pt", ".onnx"):
        from fdglung.classification.image.model_file import load_image_model

        network = load_image_model(path)
        return Classifier(network, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    from fdglung.classification.model_file import load_model
    from fdglung.classification.shipped import model_path

    path = model_path(path)
    model = load_model(path)
    if model.radiomics is None:
        raise UnknownRadiomicsError(
            f"The classifier {path.name} does not hold the settings of its features",
            attribute="classifier",
            remedy="Train it from a table whose features.settings.yaml lies beside it",
        )
    return Classifier(model, path.name, hashlib.sha256(path.read_bytes()).hexdigest())


def classify(
    analysis: Analysis,
    classifier: Classifier,
    *,
    features: FeatureTable | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Add the classes of its lesions to an analysis.

    Parameters
    ----------
    analysis
        As `measure` gives it.
    classifier
        From `load_classifier`.
    features
        Of the analysis' lesions; None computes them by the classifier's own settings. An image classifier needs none.
    workers
        Processes for that; None as in `fdglung.radiomics.extract`.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    Analysis
        The same with `Findings.classification` and, from an image classifier, `Analysis.class_maps`; what to know of
        the classes is among its warnings.

    Raises
    ------
    fdglung.errors.SettingsMismatchError, fdglung.errors.MissingFeaturesError
        The features are not those that the classifier was trained on.
    fdglung.errors.InputError
        The features cannot be computed, or the network looks at a CT and there is none.

    """
    from fdglung.classification.models import ClassifierModel
    from fdglung.classification.study import classified
    from fdglung.radiomics import extract, from_yaml

    tell = progress or (lambda text, fraction: None)
    findings = analysis.findings
    model = classifier.model
    if not isinstance(model, ClassifierModel):
        return _classify_images(analysis, classifier, model, tell)
    said: tuple[LesionClass, ...] = ()
    warnings: tuple[str, ...] = ()
    if findings.lesions:
        if features is None:
            assert model.radiomics is not None
            features = extract(
                analysis.study,
                analysis.lesions,
                from_yaml(model.radiomics),
                tracking_uids={lesion.label: lesion.tracking_uid for lesion in findings.lesions},
                workers=workers,
                progress=lambda text, done: tell(text, 0.9 * done),
            )
        said, warnings = classified(model, features)
    tell("lesions classified", 1.0)
    result = _classification(said, classifier)
    return _with_classes(analysis, result, warnings if said else ())


def _classify_images(
    analysis: Analysis, classifier: Classifier, model: ImageClassifierModel, tell: Progress
) -> Analysis:
    from fdglung.classification.image.study import classified_images

    lesions = analysis.findings.lesions
    result = _classification((), classifier)
    if not lesions:
        return _with_classes(analysis, result, ())
    largest = sorted(lesions, key=lambda lesion: (-lesion.mtv_ml, lesion.label))[:MOST_EXPLAINED]
    said = classified_images(
        model,
        {"PET": analysis.study.pet, "CT": analysis.study.ct},
        analysis.lesions,
        tuple(lesion.label for lesion in lesions),
        explained=tuple(lesion.label for lesion in largest),
        progress=tell,
    )
    result = dataclasses.replace(result, lesions=said.lesions, patient=said.patient)
    return dataclasses.replace(_with_classes(analysis, result, said.warnings), class_maps=said.maps)


def _classification(lesions: tuple[LesionClass, ...], classifier: Classifier) -> Classification:
    model = classifier.model
    return Classification(
        lesions=lesions,
        classes=model.classes,
        model=classifier.name,
        model_sha256=classifier.sha256,
        trained_on=model.trained_on,
        prediction_set_coverage=model.config.prediction_set_coverage,
    )


def _with_classes(analysis: Analysis, result: Classification, warnings: Sequence[str]) -> Analysis:
    told = tuple(dict.fromkeys((*analysis.findings.warnings, *warnings)))
    found = dataclasses.replace(analysis.findings, classification=result, warnings=told)
    return dataclasses.replace(analysis, findings=found)


def _require_pet(study: Study) -> sitk.Image:
    if study.pet is None:
        raise NoPetError(
            "the study holds no PET, and lesions are found in PET",
            remedy="Give the folder that holds the attenuation-corrected PET too; `fdglung convert` reads CT alone",
        )
    return study.pet


def _provenance(
    study: Study, region: LungRegion | None, found: LesionSegmentation, settings: Settings
) -> dict[str, object]:
    parameters = dataclasses.asdict(settings.segmentation) | {"margin_mm": settings.margin_mm}
    provenance = {
        "software": "fdglung",
        "version": __version__,
        "notice": RESEARCH_NOTICE,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "lesions": {"method": found.method, "seed_suv_g_per_ml": found.seed_suv, "networks": found.networks},
        "lungs": None
        if region is None
        else {"method": region.method, "weights_sha256": region.weights_sha256, "box_mm_lps": region.box_mm},
        "parameters": parameters,
        "suv": None if study.suv is None else dataclasses.asdict(study.suv),
        "series": [dataclasses.asdict(verdict) for verdict in study.series],
    }
    # Plain JSON values, so that findings read back equal the findings written.
    plain: dict[str, object] = json.loads(json.dumps(provenance))
    return plain


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _all_warnings(
    study: Study, region: LungRegion | None, found: LesionSegmentation, measured: tuple[Lesion, ...]
) -> tuple[str, ...]:
    gathered = [*study.warnings]
    gathered += study.suv.warnings if study.suv is not None else ()
    gathered += region.warnings if region is not None else ()
    gathered += found.warnings
    gathered += [f"Lesion {lesion.label}: {warning}" for lesion in measured for warning in lesion.warnings]
    return tuple(dict.fromkeys(gathered))
