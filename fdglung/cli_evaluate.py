"""The command `fdglung evaluate`: results measured against references."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar

if TYPE_CHECKING:
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
    import json

    found = json.loads(done.files["summary.json"].read_text(encoding="utf-8"))
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in done.files.items()},
        "summary": found,
    }
