"""The commands `fdglung train-classifier` and `fdglung classify`: classes of lesions from their features."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_image_classifier import IMAGE_SUFFIXES, classify_images
from fdglung.cli_output import beside, check_output
from fdglung.cli_progress import Progress, ProgressBar, part
from fdglung.cli_radiomics import load_with_lesions, print_warnings
from fdglung.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fdglung.classification import Lesions
    from fdglung.classification.models import ClassifierModel
    from fdglung.classification.prediction import Classified
    from fdglung.classification.training import Training

_FEATURES = (
    "features.csv or .parquet, a row a lesion, its settings beside it; NAME=TABLE names the case of all its rows"
)


def add_train_classifier(commands: Any) -> None:
    """Add the command `train-classifier` to a parser's commands."""
    command = commands.add_parser(
        "train-classifier",
        help="train a classifier of lesions from their features, by nested cross-validation",
        description="Train and test by nested cross-validation over patients, and write the model, the out-of-fold "
        f"predictions, what was selected in each fold, and a report. {RESEARCH_NOTICE}",
    )
    command.add_argument("features", nargs="+", metavar="[CASE=]FEATURES", help=_FEATURES)
    command.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="LABELS.csv",
        help="columns class, patient, lesion or tracking_uid, and where known centre and set",
    )
    command.add_argument("--config", type=Path, metavar="YAML", help="all that decides the training")
    _add_joined(command, "its .predictions.csv")
    command.add_argument("--out", type=Path, required=True, metavar="MODEL", help="model.skops; reports lie beside it")
    command.add_argument(
        "--trained-on",
        default="",
        metavar="TEXT",
        help="said beside each result of the model, to follow 'trained on', such as '600 synthetic lesions'",
    )
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    _add_common(command)
    command.set_defaults(run=_train)


def add_classify(commands: Any) -> None:
    """Add the command `classify` to a parser's commands."""
    command = commands.add_parser(
        "classify",
        help="classify the lesions of a study, or lesions by their features, with a trained model",
        description="Find the lesions of a study and their features, or take a table of features, and write class, "
        "probabilities, likeness to the training cases and the classes of the nearest of them for each lesion. A "
        f"lesion unlike the training cases is left undetermined. {RESEARCH_NOTICE}",
    )
    command.add_argument(
        "source",
        nargs="+",
        metavar="STUDY|[CASE=]FEATURES",
        help=f"folder or zip of a DICOM study; or {_FEATURES}; or, for an image classifier, its list of cases",
    )
    command.add_argument(
        "--model",
        type=Path,
        required=True,
        metavar="MODEL",
        help="model.skops of train-classifier; or phantom for the one that comes along, trained on synthetic lesions; "
        "or model.pt or .onnx of train-image-classifier",
    )
    _add_joined(command, "its classes.csv")
    command.add_argument("--centre", metavar="NAME", help="of STUDY, where the model was harmonised by centre")
    command.add_argument("--scanner", metavar="NAME", help="of STUDY, where the model was harmonised by scanner")
    command.add_argument("--out", type=Path, required=True, metavar="OUT.csv", help="a row a lesion")
    command.add_argument("--shap", action="store_true", help="write how each feature moved the probabilities")
    _add_common(command)
    command.set_defaults(run=_classify)


def _add_joined(command: argparse.ArgumentParser, table: str) -> None:
    command.add_argument(
        "--clinical",
        type=Path,
        metavar="TABLE.csv",
        help="clinical columns that the configuration names, with the column patient, or patient and lesion",
    )
    command.add_argument(
        "--decisions",
        action="append",
        default=[],
        metavar="NAME=TABLE.csv",
        help=f"another model's probabilities of the same lesions, {table}; may be given several times",
    )


def _add_common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--overwrite", action="store_true", help="replace an earlier output")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _train(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.classification import ClassifierConfig, from_yaml, read_labelled
    from fdglung.classification.decisions import named_tables
    from fdglung.files import write_files

    suffixes = (".predictions.csv", ".selected.csv", ".report.json", ".report.md")
    check_output(options.out, (".skops",), suffixes, overwrite=options.overwrite)
    config = from_yaml(options.config) if options.config else ClassifierConfig()
    with ProgressBar() as tell:
        tell("reading", 0.0)
        lesions = read_labelled(
            options.features,
            options.labels,
            config,
            clinical=options.clinical,
            decisions=named_tables(options.decisions),
        )
        from fdglung.classification.model_file import model_bytes
        from fdglung.classification.training import train
        from fdglung.classification.training_report import (
            predictions_csv,
            report_document,
            report_json,
            report_markdown,
            selected_csv,
        )

        done = train(lesions, config, trained_on=options.trained_on, workers=options.workers, progress=tell)
        made = (predictions_csv, selected_csv, report_json, report_markdown)
        contents = {
            beside(options.out, suffix): write(done).encode() for suffix, write in zip(suffixes, made, strict=True)
        }
        # The model last: where it is, all is whole.
        contents[options.out] = model_bytes(done.model)
        write_files(contents)
    if not options.json:
        _print_training(done, options.out)
    return {
        "notice": RESEARCH_NOTICE,
        "files": {path.name: str(path) for path in contents},
        "report": report_document(done),
    }


def _print_training(done: Training, out: Path) -> None:
    from fdglung.classification.training_report import report_document

    found = report_document(done)
    outside = found["out_of_fold"]
    counts, rows = done.model.summary, len(done.lesions)
    more = f", measured {rows} times" if rows > counts["lesions"] else ""
    print(f"{counts['lesions']} lesions{more}, of {counts['patients']} patients, {len(done.folds)} outer folds")
    print(f"out of fold: macro AUC {outside['macro_auc']:.3f}, accuracy {outside['accuracy']:.3f}")
    for name, area in outside["auc"].items():
        print(f"  {name}: AUC {area:.3f} against the rest")
    print(f"undetermined: {outside['undetermined']} of {outside['lesions']}")
    print(f"features of the model: {len(done.model.selected)}")
    for caution in done.cautions:
        print(f"warning: {caution}")
    print(f"written to {out}. {RESEARCH_NOTICE}")


def _classify(options: argparse.Namespace) -> dict[str, object]:
    if options.model.suffix in IMAGE_SUFFIXES:
        return classify_images(options)
    import hashlib

    from fdglung.classification.decisions import named_tables
    from fdglung.classification.shipped import model_path

    suffixes = (".about.json", *([".shap.csv"] if options.shap else []))
    check_output(options.out, (".csv",), suffixes, overwrite=options.overwrite)
    with ProgressBar() as tell:
        tell("reading", 0.0)
        from fdglung.classification.joined_tables import with_given
        from fdglung.classification.prediction import classify
        from fdglung.classification.prediction_report import about_document, about_json, classified_csv, shap_csv
        from fdglung.files import write_files

        model, lesions, warnings = _lesions(options, tell)
        tell("classifying", 0.7)
        found = classify(model, with_given(model, lesions, options.clinical, named_tables(options.decisions)))
        digest = hashlib.sha256(model_path(options.model).read_bytes()).hexdigest()
        about = about_document(model, found, model_sha256=digest, study_warnings=warnings)
        contents = {beside(options.out, ".about.json"): about_json(about).encode()}
        if options.shap:
            tell("explaining", 0.8)
            from fdglung.classification.explanation import shap_values

            values, base = shap_values(model, found.prepared)
            contents[beside(options.out, ".shap.csv")] = shap_csv(model, found, values, base).encode()
        contents[options.out] = classified_csv(model, found).encode()
        write_files(contents)
    if not options.json:
        print_warnings(warnings)
        _print_classified(model, found, options.out)
    return {"notice": RESEARCH_NOTICE, "files": {path.name: str(path) for path in contents}, "about": about}


def _lesions(options: argparse.Namespace, tell: Progress) -> tuple[ClassifierModel, Lesions, tuple[str, ...]]:
    """Return the model, the lesions to classify (of tables, or of a study, by the model's settings), and warnings."""
    from fdglung.classification import read_lesions
    from fdglung.classification.model_file import load_model
    from fdglung.classification.shipped import model_path

    if not _is_study(options.source):
        model = load_model(model_path(options.model))
        return model, read_lesions(options.source, prefixes=model.config.features), ()
    from fdglung.classification.models import ClassifierModel
    from fdglung.classification.tables import lesions_of_table
    from fdglung.pipeline import load_classifier
    from fdglung.radiomics import extract, from_yaml

    loaded = load_classifier(options.model).model
    assert isinstance(loaded, ClassifierModel)
    model = loaded
    study, labels, uids, warnings = load_with_lesions(Path(options.source[0]), None, part(tell, 0.0, 0.4))
    settings = from_yaml(model.radiomics or "")
    table = extract(study, labels, settings, tracking_uids=uids, progress=part(tell, 0.4, 0.7))
    return model, lesions_of_table(table, centre=options.centre or "", scanner=options.scanner or ""), warnings


def _is_study(sources: Sequence[str]) -> bool:
    """Tell a study from tables of features."""
    if not any(Path(one).is_dir() or one.lower().endswith((".zip", ".dcm")) for one in sources):
        return False
    if len(sources) > 1:
        raise ParameterError(
            "There is more than one source, and one of them is a study",
            attribute="STUDY",
            remedy="Classify one study at a time, or give tables of features alone",
        )
    return True


def _print_classified(model: ClassifierModel, found: Classified, out: Path) -> None:
    from collections import Counter

    for name, count in Counter(found.classes).most_common():
        print(f"{count} {name}")
    print(f"by a model of {model.summary['lesions']} lesions of {model.summary['patients']} patients")
    print(f"trained on {model.trained_on}" if model.trained_on else "its maker does not say what it was trained on")
    for caution in found.cautions:
        print(f"warning: {caution}")
    print(f"written to {out}. {RESEARCH_NOTICE}")
