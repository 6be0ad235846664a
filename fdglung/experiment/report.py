"""The report of a study: what was found set by set, how it came about, and the checklists, as HTML and PDF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.experiment.config import TRAINING, ExperimentConfig
from fdglung.experiment.data import StudyData
from fdglung.experiment.document import Block, Bullets, Document, Grid, Section, Subheading, Text
from fdglung.experiment.facts import Facts
from fdglung.experiment.report_checklists import checklist_sections, write_checklists
from fdglung.experiment.report_html import to_html
from fdglung.experiment.report_results import classification_section, segmentation_section, statistics_section
from fdglung.experiment.results import Figures, read_figures, turned, words
from fdglung.experiment.tables import NO_SET, read_dicts

SYNTHETIC_NOTICE = "Synthetic data: no person was scanned. No figure here says anything about patients."
"""Stands on top of a report of synthetic studies, and on each of its pages."""


def write_report(
    out: Path,
    config: ExperimentConfig,
    data: StudyData,
    facts: Facts,
    origin: Mapping[str, Any],
    warnings: Sequence[str],
) -> None:
    """Write ``report.html``, ``report.pdf``, and both checklists as CSV and Markdown.

    Parameters
    ----------
    out
        Exists.
    config, data, facts
        Of the study, whose other steps are done.
    origin
        Of `fdglung.experiment.provenance.provenance`.
    warnings
        What to know, in full sentences.

    """
    from fdglung.experiment.report_pdf import to_pdf

    lists = write_checklists(out, facts, config.answers, synthetic=data.synthetic)
    banners = (RESEARCH_NOTICE, *((SYNTHETIC_NOTICE,) if data.synthetic else ()))
    sections = (
        _glance(config),
        _flow(config, data),
        segmentation_section(config, origin),
        classification_section(config),
        statistics_section(config),
        *checklist_sections(lists),
        Section("Warnings", (Bullets(tuple(warnings)) if warnings else Text("None."),)),
        _origin(origin),
    )
    document = Document(config.title, banners, sections)
    (out / "report.html").write_text(to_html(document), encoding="utf-8")
    (out / "report.pdf").write_bytes(to_pdf(document))


def _glance(config: ExperimentConfig) -> Section:
    main = next(iter(config.classifiers))
    names = [
        "studies",
        "reference lesions of the study",
        "found: detection rate, any overlap",
        "false findings a study",
    ]
    names += [
        "Dice, mean over studies",
        "lesions classified",
        "patients of these",
        "accuracy",
        "AUC, macro",
        "F1, macro",
    ]
    columns = [_glance_column(config, main, set_name) for set_name in config.sets]
    level = f"{100 * config.evaluation.confidence:g} %"
    training = " Training lesions were classified out of fold: by models that had not seen their patient."
    shown = training if (config.out / "classification" / f"{main}_training").is_dir() else ""
    return Section(
        "At a glance",
        (
            Text(
                f"Lesions were found by {config.segmentation.method}, measured on their {config.voi_percent:g} % VOI "
                f"and classified by {main}. In brackets: {level} intervals by {config.evaluation.resamples} bootstrap "
                f"draws of patients (seed {config.evaluation.seed})."
            ),
            Grid(
                ("", *map(words, config.sets)),
                turned(names, columns),
                tuple(range(1, len(config.sets) + 1)),
                f"Classes by lesion; macro is the mean over classes, each against the rest.{shown}",
            ),
        ),
    )


def _glance_column(config: ExperimentConfig, main: str, set_name: str) -> list[str]:
    masks = read_figures(config.out / "segmentation" / set_name / "summary.json")
    overall = {"group": "overall", "level": "all"}
    where = {"level": "lesion", "centre": ""}
    folder = config.out / "classification" / (f"{main}_training" if set_name == TRAINING else main)
    classes = Figures(())
    if folder.is_dir():
        classes = read_figures(folder / "classification.json")
        where["set"] = "training, out of fold" if set_name == TRAINING else set_name
    accuracy = classes.find(measure="accuracy", **where)
    return [
        masks.count(measure="false_positives_per_scan", **overall),
        masks.count(measure="detection_any_overlap", **overall),
        masks.text(measure="detection_any_overlap", **overall),
        masks.text(2, measure="false_positives_per_scan", **overall),
        masks.text(measure="dice_mean", **overall),
        "-" if accuracy is None else str(accuracy["n"]),
        "-" if accuracy is None else str(accuracy["patients"]),
        classes.text(measure="accuracy", **where),
        classes.text(measure="auc", over="macro", **where),
        classes.text(measure="f1", over="macro", **where),
    ]


def _flow(config: ExperimentConfig, data: StudyData) -> Section:
    rows = read_dicts(config.out / "tables" / "flow.csv")
    inside = [row for row in rows if row["set"] != NO_SET]
    steps = list(dict.fromkeys((row["level"], row["what"]) for row in inside))
    counts = {(row["set"], row["level"], row["what"]): row["count"] for row in inside}
    table = tuple((level, what, *(counts[name, level, what] for name in config.sets)) for level, what in steps)
    centres = tuple(
        (words(name), ", ".join(f"{centre or 'not named'} {count}" for centre, count in sorted(found.items())))
        for name in config.sets
        for found in [Counter(one.centre for one in data.of(name))]
    )
    return Section("Flow", tuple(_flow_blocks(config, table, centres, rows)))


def _flow_blocks(
    config: ExperimentConfig,
    table: tuple[tuple[str, ...], ...],
    centres: tuple[tuple[str, str], ...],
    rows: Sequence[Mapping[str, str]],
) -> Iterator[Block]:
    rules = config.reference
    yield Text(
        "Studies, patients and lesions from the tables to the classifier. The study is about lesions of the references "
        f"with an SUVmax of at least {rules.min_suv_max:g} g/ml in the image and at least {rules.min_volume_ml:g} ml; "
        "what was found on others is neither right nor false. A found lesion is classified where it is matched one to "
        "one with a lesion of the reference, whose class it has. Names and reasons are in tables/exclusions.csv."
    )
    numeric = tuple(range(2, 2 + len(config.sets)))
    yield Grid(("of", "which", *map(words, config.sets)), table, numeric)
    left = tuple((row["what"], row["count"]) for row in rows if row["set"] == NO_SET)
    if left:
        yield Subheading("Studies of the tables that are in no set")
        yield Grid(("reason", "studies"), left, (1,))
    yield Subheading("Centres")
    yield Grid(("set", "studies by centre"), centres)


def _origin(origin: Mapping[str, Any]) -> Section:
    facts = [(name, text) for name, text in origin["software"].items()]
    facts += [(f"seed, {name}", str(seed)) for name, seed in origin["seeds"].items()]
    facts += [(f"SHA-256 of {name}", digest) for name, digest in (origin["tables"] | origin["networks"]).items()]
    text = (
        f"study.json holds the configuration, the checksums of the images of {len(origin['inputs'])} studies and of "
        "every file that was made, with the key of the step that made it."
    )
    return Section("Provenance", (Text(text), Grid(("what", "which"), tuple(facts))))
