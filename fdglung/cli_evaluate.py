"""The command `fdglung evaluate`: results measured against references."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar

if TYPE_CHECKING:
    from fdglung.evaluation.bootstrap import Estimate
    from fdglung.evaluation.classification import ClassificationEvaluation
    from fdglung.evaluation.segmentation import Evaluation


def add_evaluate(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "evaluate",
        help="measure results against references",
        description=f"Measure results against references. {RESEARCH_NOTICE}",
    )
    kinds = command.add_subparsers(title="what", required=True, metavar="WHAT")
    segmentation = kinds.add_parser(
        "segmentation",
        help="label images against label images",
        description="Measure predicted lesion masks against references, a label image a case with one name in both "
        "folders (NIfTI, NRRD, MetaImage), and write tables, a summary with intervals over patients, and plots. "
        f"{RESEARCH_NOTICE}",
    )
    _add_segmentation(segmentation)
    segmentation.set_defaults(run=_segmentation)
    classification = kinds.add_parser(
        "classification",
        help="class probabilities against the true classes",
        description="Measure predicted class probabilities of lesions or patients against the truth, set by set, and "
        "write tables, a page and plots with intervals over patients; compare two models by the same draws. "
        f"{RESEARCH_NOTICE}",
    )
    _add_classification(classification)
    classification.set_defaults(run=_classification)


def _add_segmentation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--predictions", type=Path, required=True, metavar="DIR", help="predicted label images")
    command.add_argument("--references", type=Path, required=True, metavar="DIR", help="true label images")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder; new or empty")
    command.add_argument("--pet", type=Path, metavar="DIR", help="SUVbw images (g/ml), for SUV and TLG")
    command.add_argument("--scores", type=Path, metavar="DIR", help="score maps (probabilities, say), for FROC")
    command.add_argument(
        "--groups",
        type=Path,
        metavar="CSV",
        help="table with the columns case, patient, centre (default: each case a patient of its own)",
    )
    command.add_argument(
        "--tolerance-mm",
        type=float,
        default=2.0,
        metavar="MM",
        help="distance within which surfaces count as one, for surface Dice (default: 2 mm)",
    )
    command.add_argument(
        "--components",
        action="store_true",
        help="part every image into 18-connected components; without it that is done with binary masks only, and "
        "several labels are lesions as given",
    )
    command.add_argument(
        "--labels",
        type=int,
        nargs="+",
        metavar="N",
        help="values that lesions may have; others are an error (default: every positive whole number)",
    )
    command.add_argument(
        "--size-edges-mm",
        type=float,
        nargs="+",
        default=[10.0, 20.0, 30.0],
        metavar="MM",
        help="upper edges of the classes of equivalent diameter (default: 10 20 30)",
    )
    command.add_argument(
        "--score", choices=("max", "mean"), default="max", help="of the map within a predicted lesion (default: max)"
    )
    _add_bootstrap(command)


def _add_classification(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="CSV",
        help="columns patient, truth, probability_CLASS of every class; where known case, lesion, centre and set",
    )
    command.add_argument("--compare", type=Path, metavar="CSV", help="the same of a second model, on the same rows")
    command.add_argument(
        "--features",
        type=Path,
        metavar="CSV",
        help="columns patient, set and features, training rows too: refused if a patient lies in two sets or under "
        "two ids",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder; new or empty")
    command.add_argument("--bins", type=int, default=10, metavar="N", help="of the calibration (default: 10)")
    _add_bootstrap(command)


def _add_bootstrap(command: argparse.ArgumentParser) -> None:
    command.add_argument("--bootstrap", type=int, default=2000, metavar="N", help="resamples (default: 2000)")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="of the bootstrap (default: 0)")
    command.add_argument("--confidence", type=float, default=0.95, metavar="C", help="of the intervals (default: 0.95)")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier output")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _segmentation(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.evaluation.segmentation import evaluate_segmentation
        from fdglung.evaluation.settings import EvaluationSettings

        settings = EvaluationSettings(
            tolerance_mm=options.tolerance_mm,
            split=options.components,
            labels=None if options.labels is None else tuple(options.labels),
            size_edges_mm=tuple(options.size_edges_mm),
            score=options.score,
            resamples=options.bootstrap,
            seed=options.seed,
            confidence=options.confidence,
        )
        done = evaluate_segmentation(
            options.predictions,
            options.references,
            options.out,
            pet=options.pet,
            scores=options.scores,
            groups=options.groups,
            settings=settings,
            overwrite=options.overwrite,
            progress=tell,
        )
    if not options.json:
        _print(done, options.out)
    return _document(done)


def _classification(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.evaluation.classification import evaluate_classification
        from fdglung.evaluation.classification_settings import ClassificationSettings

        settings = ClassificationSettings(
            bins=options.bins, resamples=options.bootstrap, seed=options.seed, confidence=options.confidence
        )
        done = evaluate_classification(
            options.predictions,
            options.out,
            compare=options.compare,
            features=options.features,
            settings=settings,
            overwrite=options.overwrite,
            progress=tell,
        )
    if not options.json:
        _print_classification(done, options.out)
    found = json.loads(done.files["classification.json"].read_text(encoding="utf-8"))
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in done.files.items()},
        "summary": found,
    }


_SHOWN_CLASSES = (
    (("accuracy", "all"), "accuracy"),
    (("auc", "macro"), "AUC, macro"),
    (("f1", "macro"), "F1, macro"),
    (("ece", "all"), "calibration error"),
)


def _print_classification(done: ClassificationEvaluation, out: Path) -> None:
    for part in done.parts:
        print(f"{part.title}: {part.measures.n} rows of {part.measures.patients} patients; intervals over patients")
        for key, words in _SHOWN_CLASSES:
            print(f"  {words:<34} {_figure(part.measures.estimate(key))}")
            if part.comparison:
                compared = part.comparison[key]
                print(f"  {'first less second model':>34} {_figure(compared.difference)}  p = {compared.p:.3g}")
    for warning in done.warnings:
        print(f"warning: {warning}")
    for name, reason in done.absent.items():
        print(f"not there: {name}: {reason}")
    print(f"written to {out}. {RESEARCH_NOTICE}")


def _figure(found: Estimate) -> str:
    value, low, high = ("-" if x != x else f"{x:.3f}" for x in (found.value, found.low, found.high))
    return f"{value:>8}  ({low} to {high})"


_SHOWN = (
    ("dice_mean", "Dice, mean"),
    ("surface_dice_mean", "surface Dice, mean"),
    ("hd95_median_mm", "HD95, median (mm)"),
    ("detection_any_overlap", "lesions detected, any overlap"),
    ("detection_iou_01", "lesions detected, IoU 0.1"),
    ("detection_iou_05", "lesions detected, IoU 0.5"),
    ("false_positives_per_scan", "false positives a scan"),
    ("false_positive_volume_mean_ml", "false positive volume, mean (ml)"),
    ("false_negative_volume_mean_ml", "false negative volume, mean (ml)"),
    ("pq_mean", "panoptic quality, mean"),
    ("scan_sensitivity", "scans with lesions called so"),
    ("scan_specificity", "scans without lesions called so"),
    ("volume_bias_ml", "volume, bias (ml)"),
)


def _print(done: Evaluation, out: Path) -> None:
    patients = len({result.row.patient for result in done.results})
    lesions = sum(len(result.lesions) for result in done.results)
    print(f"{len(done.results)} cases of {patients} patients, {lesions} lesions; intervals over patients")
    for measure, words in _SHOWN:
        found = done.summary.find(measure)
        value, low, high = ("-" if x != x else f"{x:.3f}" for x in (found.value, found.low, found.high))
        print(f"  {words:<34} {value:>8}  ({low} to {high}; n = {found.n})")
    for result in done.results:
        if result.row.warnings:
            print(f"warning: {result.row.case}: {result.row.warnings}")
    for part, reason in done.summary.absent.items():
        print(f"not there: {part}: {reason}")
    print(f"written to {out}. {RESEARCH_NOTICE}")


def _document(done: Evaluation) -> dict[str, object]:
    found = json.loads(done.files["summary.json"].read_text(encoding="utf-8"))
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in done.files.items()},
        "summary": found,
    }
