"""The command `fdglung train-image-classifier`, and `fdglung classify` with a model of it."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_output import check_output
from fdglung.cli_progress import Progress, ProgressBar, part
from fdglung.cli_radiomics import load_with_lesions, print_warnings
from fdglung.errors import ParameterError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fdglung.classification import Lesions
    from fdglung.classification.image.model import ImageClassifierModel
    from fdglung.classification.image.training import ImageTraining

IMAGE_SUFFIXES = (".pt", ".onnx")
"""How the names of image classifiers end."""

_BESIDE = (".predictions.csv", ".patients.csv", ".report.json", ".report.md")


def add_train_image_classifier(commands: Any) -> None:
    """Add the command `train-image-classifier` to a parser's commands."""
    command = commands.add_parser(
        "train-image-classifier",
        help="train a network that classifies lesions and patients from PET and CT patches",
        description="Train and test a residual network with attention over a patient's lesions by cross-validation "
        f"over patients, and write the model, the out-of-fold predictions and a report. {RESEARCH_NOTICE}",
    )
    command.add_argument(
        "source",
        type=Path,
        metavar="DATALIST|COHORT",
        help="JSON list of cases with pet (SUVbw), ct (HU) and label, or the folder of a cohort of `fdglung phantom`",
    )
    command.add_argument(
        "--labels",
        type=Path,
        metavar="LABELS.csv",
        help="columns class, patient, case, lesion (value in the label image), and where known centre and set "
        "(default: the cohort's lesions.csv)",
    )
    command.add_argument("--config", type=Path, metavar="YAML", help="all that decides the training")
    command.add_argument(
        "--out", type=Path, required=True, metavar="MODEL", help="model.pt or model.onnx; reports lie beside it"
    )
    command.add_argument(
        "--trained-on",
        default="",
        metavar="TEXT",
        help="said beside each result of the model, to follow 'trained on', such as '600 synthetic lesions'",
    )
    command.add_argument("--cache", type=Path, metavar="DIR", help="keeps patches for the next training")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier output")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.set_defaults(run=_train)


def classify_images(options: argparse.Namespace) -> dict[str, object]:
    """Classify a study, or the lesions of a list, as `fdglung classify` was asked to."""
    if options.shap:
        raise ParameterError(
            "SHAP values are of features, and this model looks at images",
            attribute="--shap",
            remedy="Leave it out; `fdglung analyze --classifier` shows where the network looks",
        )
    if len(options.source) > 1:
        raise ParameterError(
            "There is more than one source", attribute="STUDY", remedy="Give one study, or one list of cases"
        )
    check_output(options.out, (".csv",), (".patients.csv", ".about.json"), overwrite=options.overwrite)
    with ProgressBar() as tell:
        tell("reading", 0.0)
        from fdglung.classification.image.model_file import load_image_model
        from fdglung.classification.image.prediction import classify_images as classify
        from fdglung.classification.image.report import about_document, classes_files
        from fdglung.files import write_files

        model = load_image_model(options.model)
        lesions, raw, warnings = _lesions(Path(options.source[0]), model, part(tell, 0.0, 0.8))
        tell("classifying", 0.8)
        found, patients = classify(model, lesions, raw)
        digest = hashlib.sha256(options.model.read_bytes()).hexdigest()
        about = about_document(model, found, model_sha256=digest, study_warnings=warnings)
        contents = classes_files(model, found, patients, about, options.out)
        write_files(contents)
    if not options.json:
        from collections import Counter

        print_warnings(warnings)
        for name, count in Counter(found.classes).most_common():
            print(f"{count} {name}")
        print(f"by a model of {model.summary['lesions']} lesions of {model.summary['patients']} patients")
        for caution in found.cautions:
            print(f"warning: {caution}")
        print(f"written to {options.out}. {RESEARCH_NOTICE}")
    return {"notice": RESEARCH_NOTICE, "files": {path.name: str(path) for path in contents}, "about": about}


def _train(options: argparse.Namespace) -> dict[str, object]:
    check_output(options.out, IMAGE_SUFFIXES, _BESIDE, overwrite=options.overwrite)
    with ProgressBar() as tell:
        tell("reading", 0.0)
        from fdglung.classification.image.cases import LESIONS, read_images
        from fdglung.classification.image.config import ImageClassifierConfig, from_yaml
        from fdglung.classification.image.report import report_document, training_files
        from fdglung.classification.image.training import train
        from fdglung.files import write_files

        config = from_yaml(options.config) if options.config else ImageClassifierConfig()
        labels = options.labels or options.source / LESIONS
        if options.labels is None and not options.source.is_dir():
            raise ParameterError(
                "There is no table of classes",
                attribute="--labels",
                remedy="Give a CSV with class, patient, case, lesion",
            )
        given = read_images(options.source, config, labels=labels, cache=options.cache, progress=part(tell, 0.0, 0.2))
        done = train(given, config, trained_on=options.trained_on, progress=part(tell, 0.2, 0.99))
        contents = training_files(done, options.out)
        write_files(contents)
    document = report_document(done)
    if not options.json:
        _print_training(done, document, options.out)
    return {"notice": RESEARCH_NOTICE, "files": {path.name: str(path) for path in contents}, "report": document}


def _print_training(done: ImageTraining, document: dict[str, Any], out: Path) -> None:
    print(f"{len(done.lesions)} lesions of {len(done.patients)} patients, {done.model.config.folds} folds")
    for kind, found in document["out_of_fold"].items():
        if found["macro_auc"] is not None:
            print(f"out of fold, by {kind}: macro AUC {found['macro_auc']:.3f}, accuracy {found['accuracy']:.3f}")
    print(f"undetermined: {document['out_of_fold']['lesions']['undetermined']} of {len(done.lesions)}")
    for caution in done.cautions:
        print(f"warning: {caution}")
    print(f"written to {out}. {RESEARCH_NOTICE}")


def _lesions(
    source: Path, model: ImageClassifierModel, tell: Progress
) -> tuple[Lesions, NDArray[np.float32], tuple[str, ...]]:
    """Return the lesions of a list of cases, or those found in a study; their patches; and warnings."""
    from fdglung.classification.image.cases import DATALIST, read_images

    if source.suffix == ".json" or (source / DATALIST).is_file():
        given = read_images(source, model.config, progress=tell)
        return given.lesions, given.raw, ()
    from fdglung.classification.image.patches import patches
    from fdglung.classification.image.study import study_lesions
    from fdglung.study import Study

    found = load_with_lesions(source, None, part(tell, 0.0, 0.9))
    study, wanted = found.images, tuple(sorted(found.tracking_uids))
    assert isinstance(study, Study)
    cut = patches({"PET": study.pet, "CT": study.ct}, found.lesions, model.config, only=wanted)
    return study_lesions(cut.labels), cut.raw, found.warnings
