"""The results in a report: segmentation, classification and statistics, each from the files of its evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdglung.evaluation.written_rows import p_text
from fdglung.experiment.classifiers import OUT_OF_FOLD
from fdglung.experiment.config import Classifier, ExperimentConfig, GivenClassifier, TrainedNetwork
from fdglung.experiment.document import Block, Bullets, Grid, Pictures, Section, Subheading, Text
from fdglung.experiment.results import (
    DASH,
    Figures,
    estimate_text,
    number_text,
    read_figures,
    read_json,
    turned,
    words,
)
from fdglung.experiment.tables import read_dicts

MOST_PAIRS = 15
"""Correlations that are shown, the strongest first; spearman.csv holds all."""

_MASKS = (
    ("detection_any_overlap", "lesions found, any overlap", 3),
    ("detection_iou_01", "lesions found, IoU 0.1", 3),
    ("detection_iou_05", "lesions found, IoU 0.5", 3),
    ("lesion_precision_any_overlap", "findings that are lesions", 3),
    ("false_positives_per_scan", "false findings a study", 2),
    ("dice_mean", "Dice, mean", 3),
    ("dice_median", "Dice, median", 3),
    ("lesion_dice_matched_mean", "Dice of matched lesions, mean", 3),
    ("surface_dice_mean", "surface Dice, mean", 3),
    ("hd95_median_mm", "HD95, median (mm)", 1),
    ("scan_sensitivity", "studies with lesions called so", 3),
    ("scan_specificity", "studies without lesions called so", 3),
    ("volume_bias_ml", "volume, bias (ml)", 2),
    ("volume_concordance", "volume, Lin's concordance", 3),
)
_MASK_PICTURES = (
    ("dice_by_size.png", "Dice of matched lesions by size"),
    ("volumes.png", "predicted and reference volume"),
    ("bland_altman.png", "agreement of volume"),
    ("froc.png", "FROC"),
)
_CLASSES = (
    ("auc", "AUC"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("specificity", "specificity"),
    ("f1", "F1"),
    ("brier", "Brier"),
)
_OVERALL = (("accuracy", "all", "accuracy"), ("auc", "macro", "AUC, macro"), ("f1", "macro", "F1, macro"))
_CALIBRATION = (("brier", "all", "Brier, all classes"), ("ece", "all", "calibration error"))
_CLASS_PICTURES = (
    ("roc", "ROC of each class against the rest"),
    ("confusion", "confusion matrices"),
    ("calibration", "calibration"),
    ("decision_curve", "decision curves"),
)


def segmentation_section(config: ExperimentConfig, origin: Mapping[str, Any]) -> Section:
    """Return how lesions were found, and how well in each set."""
    return Section("Segmentation", tuple(_segmentation(config, origin)))


def _segmentation(config: ExperimentConfig, origin: Mapping[str, Any]) -> Iterator[Block]:
    chosen = config.segmentation
    networks = ", ".join(f"{name} (SHA-256 {digest[:12]})" for name, digest in origin["networks"].items())
    yield Text(
        f"Method: {'; '.join(origin['methods']) or chosen.method}{f', networks {networks}' if networks else ''}; "
        f"region {chosen.region}; least volume {chosen.min_volume_ml:g} ml. Each outline is measured against the "
        "reference's lesions of the study. All parameters are in study.json, all figures in "
        "segmentation/SET/summary.csv."
    )
    found = {name: read_figures(config.out / "segmentation" / name / "summary.json") for name in config.sets}
    overall = {"group": "overall", "level": "all"}
    columns = [
        [one.text(digits, measure=measure, **overall) for measure, _, digits in _MASKS] for one in found.values()
    ]
    numeric = tuple(range(1, len(found) + 1))
    header = ("", *map(words, found))
    yield Grid(header, turned([label for _, label, _ in _MASKS], columns), numeric)
    yield Subheading("Lesions found, by size (equivalent diameter of the reference)")
    sizes = config.evaluation.segmentation().size_classes
    by_size = [
        [
            f"{one.text(measure='detection_any_overlap', group='size', level=size)}, "
            f"n {one.count(measure='detection_any_overlap', group='size', level=size)}"
            for size in sizes
        ]
        for one in found.values()
    ]
    yield Grid(header, turned(sizes, by_size), numeric)
    for name in config.tests:
        folder = config.out / "segmentation" / name
        shown = [(folder / file, caption) for file, caption in _MASK_PICTURES if (folder / file).is_file()]
        if shown:
            yield Subheading(f"Set {words(name)}")
            yield Pictures(tuple(path for path, _ in shown), tuple(f"{words(name)}: {text}" for _, text in shown))


def classification_section(config: ExperimentConfig) -> Section:
    """Return what each classifier is, and how well it tells classes apart in each set."""
    blocks = [block for name, one in config.classifiers.items() for block in _classifier(config, name, one)]
    lead = (
        "Each set is measured by itself. Every lesion counts, undetermined ones too, by the class of highest "
        "probability. All figures are in classification/NAME/measures.csv, all predictions in classifiers/NAME."
    )
    return Section("Classification", (Text(lead), *blocks))


def _classifier(config: ExperimentConfig, name: str, one: Classifier) -> Iterator[Block]:
    yield Subheading(f"Classifier {name}")
    yield from _about(config, name, one)
    main = next(iter(config.classifiers))
    results = read_json(config.out / "classification" / name / "classification.json")
    tests = Figures(tuple(results["figures"]))
    folder = config.out / "classification" / f"{name}_training"
    training = read_figures(folder / "classification.json") if folder.is_dir() else Figures(())
    every = Figures((*training.rows, *tests.rows))
    sets = [*([OUT_OF_FOLD] if training.rows else []), *config.tests]
    numbers = [*_OVERALL, *_CALIBRATION]
    for level in ("lesion", "patient"):
        columns = [
            [
                every.count(level=level, set=set_name, centre="", measure="accuracy"),
                *(every.text(level=level, set=set_name, centre="", measure=m, over=over) for m, over, _ in numbers),
            ]
            for set_name in sets
        ]
        yield Grid(
            (f"by {level}", *map(words, sets)),
            turned([f"{level}s", *(label for _, _, label in numbers)], columns),
            tuple(range(1, len(sets) + 1)),
            "Of a patient's lesions the mean of the probabilities counts; patients with lesions of several classes are "
            "left out."
            if level == "patient"
            else "",
        )
    for set_name in sets:
        yield _by_class(every, set_name, results["classes"])
    centres = _by_centre(tests)
    if centres is not None:
        yield centres
    if name != main:
        yield _compared(results["comparison"], name, main, config.tests)
    pictures = config.out / "classification" / name
    for kind, caption in _CLASS_PICTURES:
        if (pictures / f"lesion_{kind}.png").is_file():
            yield Pictures((pictures / f"lesion_{kind}.png",), (f"{name}: {caption}, by lesion",))
    warnings = [*dict.fromkeys([*results["warnings"], *_training_warnings(folder)])]
    whole = tuple(f"{level}s, {name}:" for level in ("lesion", "patient") for name in sets)
    shown = [text for text in warnings if text.removeprefix("Training: ").startswith(whole)]
    if shown:
        yield Bullets(tuple(shown))
    if len(shown) < len(warnings):
        yield Text(f"{len(warnings) - len(shown)} more, most about single centres, are in classification/NAME.")


def _about(config: ExperimentConfig, name: str, one: Classifier) -> Iterator[Block]:
    if isinstance(one, GivenClassifier):
        yield Text(f"{one.about or 'A classifier that ran elsewhere'}; its probabilities were given.")
        return
    folder = config.out / "classifiers" / name
    report = read_json(folder / "report.json")
    counts = report["training"]
    classes = ", ".join(f"{words(key)} {count}" for key, count in counts["classes"].items())
    trained = f"trained on {counts['lesions']} lesions of {counts['patients']} patients ({classes})"
    if isinstance(one, TrainedNetwork):
        network = one.config
        yield Text(
            f"Residual 3D network of {', '.join(network.channels)} in cubes of {network.size_mm:g} mm at "
            f"{network.spacing_mm:g} mm about each VOI, with attention over a patient's lesions, {trained}: "
            f"cross-validation by patients, {network.folds} folds, {network.epochs} epochs each, probabilities "
            f"calibrated ({network.calibration}), seed {network.seed}. Patients' classes by attention are in "
            f"classifiers/{name}/patients.csv."
        )
    else:
        chosen = one.config
        yield Text(
            f"{words(chosen.model.name)} of features chosen by {words(chosen.selection.method)}, {trained} with "
            f"{counts['features']} features: nested cross-validation by patients, {chosen.validation.outer_folds} "
            f"outer and {chosen.validation.inner_folds} inner folds, probabilities calibrated "
            f"({chosen.calibration}), seed {chosen.seed}. The final model has {len(report['final']['selected'])} "
            f"features: {', '.join(report['final']['selected'])}."
        )
    tests = read_dicts(folder / "predictions.csv")
    unlike = [
        f"{sum(row['predicted'] == 'undetermined' for row in tests if row['set'] == set_name)} of "
        f"{sum(row['set'] == set_name for row in tests)} in {words(set_name)}"
        for set_name in config.tests
    ]
    yield Text(f"Undetermined, because unlike the training lesions: {', '.join(unlike)}.")


def _by_class(figures: Figures, set_name: str, classes: Sequence[str]) -> Grid:
    where = {"level": "lesion", "set": set_name, "centre": ""}
    rows = [
        (words(name), *(figures.text(measure=m, over="class", **{"class": name}, **where) for m, _ in _CLASSES))
        for name in classes
    ]
    rows.append(("macro", *(figures.text(measure=m, over="macro", **where) for m, _ in _CLASSES)))
    numeric = tuple(range(1, len(_CLASSES) + 1))
    return Grid((words(set_name), *(label for _, label in _CLASSES)), tuple(rows), numeric)


def _by_centre(figures: Figures) -> Grid | None:
    places = dict.fromkeys((row["set"], row["centre"]) for row in figures.rows if row["centre"])
    if not places:
        return None
    rows = tuple(
        (
            words(set_name),
            centre,
            figures.count(level="lesion", set=set_name, centre=centre, measure="accuracy"),
            *(
                figures.text(level="lesion", set=set_name, centre=centre, measure=m, over=over)
                for m, over, _ in _OVERALL
            ),
        )
        for set_name, centre in places
    )
    return Grid(("set", "centre", "lesions", *(label for _, _, label in _OVERALL)), rows, (2, 3, 4, 5))


def _compared(rows: Sequence[Mapping[str, Any]], name: str, main: str, sets: Sequence[str]) -> Grid:
    lines = []
    for set_name in sets:
        for measure, over, label in _OVERALL:
            wanted = {"level": "lesion", "set": set_name, "centre": "", "measure": measure, "over": over}
            row = next((one for one in rows if all(one[key] == value for key, value in wanted.items())), None)
            if row is not None:
                gap = {"value": row["difference"], "low": row["difference_low"], "high": row["difference_high"]}
                p = row["p"]
                sides = [number_text(row[side]) for side in ("first", "second")]
                lines.append((words(set_name), label, *sides, estimate_text(gap), DASH if p is None else p_text(p)))
    header = ("set", "figure", name, main, "difference", "p")
    note = (
        "On the same lesions and the same draws of patients; p of each figure as it is, not corrected for their number."
    )
    return Grid(header, tuple(lines), (2, 3, 4, 5), note)


def _training_warnings(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return [f"Training: {text}" for text in read_json(folder / "classification.json")["warnings"]]


def statistics_section(config: ExperimentConfig) -> Section:
    """Return table 1, tests and correlations, group by group."""
    source = "the given table" if config.statistics.table else "a row a patient, PET measures of the matched lesions"
    blocks: list[Block] = [
        Text(
            f"Of {source}. Chi-square, or Fisher's exact test where fewer than 40 rows or more than 20 % of the cells "
            "expect fewer than 5; t or analysis of variance where every group looks normal, else Mann-Whitney or "
            "Kruskal-Wallis; Spearman's correlation. p values are two-sided; all figures are in statistics/GROUP."
        )
    ]
    for number, group in enumerate(config.statistics.groups):
        blocks += _group(config.out / "statistics" / group, group, with_correlations=number == 0)
    return Section("Statistics", tuple(blocks))


def _group(folder: Path, group: str, *, with_correlations: bool) -> Iterator[Block]:
    yield Subheading(f"By {words(group)}")
    if (folder / "absent.txt").is_file():
        yield Text(f"Not done: {(folder / 'absent.txt').read_text(encoding='utf-8').strip()}")
        return
    rows = read_dicts(folder / "table_one.csv")
    columns = [name for name in rows[0] if name != "test"] if rows else []
    numeric = tuple(n for n, name in enumerate(columns) if name not in ("column", "category"))
    yield Grid(tuple(map(words, columns)), tuple(tuple(words(row[name]) for name in columns) for row in rows), numeric)
    tests = read_dicts(folder / "tests.csv")
    yield Grid(
        ("column", "test", "p", "p, Holm", "p, Benjamini-Hochberg"),
        tuple((words(row["column"]), row["test"], *(_p(row[key]) for key in ("p", "p_holm", "p_bh"))) for row in tests),
        (2, 3, 4),
    )
    found = read_json(folder / "statistics.json")
    if with_correlations and found["correlations"]:
        pairs = sorted(found["correlations"], key=lambda row: -abs(row["rho"] or 0.0))[:MOST_PAIRS]
        yield Grid(
            ("Spearman", "with", "rho", "n", "p, Holm"),
            tuple(
                (
                    words(row["first"]),
                    words(row["second"]),
                    estimate_text({"value": row["rho"], "low": row["low"], "high": row["high"]}, 2),
                    str(row["n"]),
                    DASH if row["p_holm"] is None else p_text(row["p_holm"]),
                )
                for row in pairs
            ),
            (2, 3, 4),
            f"The {len(pairs)} strongest of {len(found['correlations'])} pairs.",
        )
    if found["warnings"]:
        yield Bullets(tuple(found["warnings"]))


def _p(text: str) -> str:
    return p_text(float(text)) if text else DASH
