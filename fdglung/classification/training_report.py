"""What a training is written as: out-of-fold predictions, what was selected in each fold, and a report of both."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdglung import RESEARCH_NOTICE
from fdglung.classification.config import to_yaml
from fdglung.classification.decisions import PROBABILITY
from fdglung.classification.joining import KEYS
from fdglung.classification.models import UNDETERMINED, undetermined
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction_sets import SEPARATOR
from fdglung.classification.tables import Lesions
from fdglung.classification.training import Training

if TYPE_CHECKING:
    from fdglung.classification.image.training import ImageTraining


def predictions_csv(training: Training) -> str:
    """Return the out-of-fold predictions, as `out_of_fold_csv` does."""
    return out_of_fold_csv(training, undetermined(training.model.config, training.as_far, training.missing))


def out_of_fold_csv(training: Training | ImageTraining, is_undetermined: NDArray[np.bool_]) -> str:
    """Return the out-of-fold predictions, a row a lesion, as `fdglung evaluate classification` reads them.

    Columns: those that name the lesion, ``centre``, ``fold``, ``truth``, ``predicted`` (the most probable class, or
    ``undetermined``), ``as_far``, ``prediction_set`` and a probability a class. Each comes from a model that had not
    seen the patient.
    """
    model = training.model
    keys, named = key_columns(training.lesions)
    most = training.probabilities.argmax(axis=1)
    header = [*keys, *("centre", "fold", "truth", "predicted", "as_far", "prediction_set")]
    header += [PROBABILITY + name for name in model.classes]
    rows = (
        [
            *named[row],
            training.lesions.centres[row],
            int(training.fold[row]),
            training.lesions.labels[row],
            UNDETERMINED if is_undetermined[row] else model.classes[most[row]],
            repr(float(training.as_far[row])),
            SEPARATOR.join(training.prediction_sets[row]),
            *(repr(float(value)) for value in training.probabilities[row]),
        ]
        for row in range(len(training.lesions))
    )
    return csv_text(header, rows)


def selected_csv(training: Training) -> str:
    """Return what was selected: a row a fold and feature, the best first; ``final`` is the model of all lesions."""
    parts = [(str(fold.number), fold.selected) for fold in training.folds] + [("final", training.model.ranked)]
    counts = Counter(name for fold in training.folds for name in fold.selected)
    rows = ([part, rank, name, counts[name]] for part, names in parts for rank, name in enumerate(names, 1))
    return csv_text(["fold", "rank", "feature", "folds_with_it"], rows)


def report_json(training: Training) -> str:
    """Return all that is known of a training but its rows."""
    return json.dumps(report_document(training), indent=2)


def report_document(training: Training) -> dict[str, Any]:
    """Return the report as plain values."""
    model = training.model
    by_class = {
        name: macro_auc((training.codes == n).astype(np.intp), training.probabilities[:, [n]])
        for n, name in enumerate(model.classes)
    }
    open_ = undetermined(model.config, training.as_far, training.missing)
    right = training.probabilities.argmax(axis=1) == training.codes
    return {
        "notice": RESEARCH_NOTICE,
        "out_of_fold": {
            "macro_auc": float(np.mean(list(by_class.values()))),
            "auc": by_class,
            "accuracy": float(right.mean()),
            "undetermined": int(open_.sum()),
            "lesions": len(right),
            "prediction_sets": prediction_sets_document(training),
        },
        "folds": [
            {
                "fold": fold.number,
                "train": {"lesions": fold.train_lesions, "patients": fold.train_patients},
                "test": {"lesions": fold.test_lesions, "patients": fold.test_patients},
                "most_features": fold.limit,
                "selected": list(fold.selected),
                "chosen": fold.chosen,
                "inner_score": fold.score,
                "inner_score_alone": fold.part_scores,
            }
            for fold in training.folds
        ],
        "final": {"selected": list(model.ranked), "chosen": model.chosen},
        "training": model.summary,
        "settings": model.settings,
        "cautions": [{"kind": one.kind.value, "text": one.text} for one in training.cautions],
        "config": to_yaml(model.config),
        "versions": model.versions,
    }


def prediction_sets_document(training: Training | ImageTraining) -> dict[str, Any]:
    """Return how often the prediction sets of lesions not seen hold their class, and their mean size; by patients."""
    model, weights = training.model, training.model.patient_weights
    sets = training.prediction_sets
    held = np.array([label in one for label, one in zip(training.lesions.labels, sets, strict=True)])
    sizes = np.array([len(one) for one in sets], dtype=np.float64)
    of_class = {name: training.codes == code for code, name in enumerate(model.classes)}
    return {
        "wanted": model.config.prediction_set_coverage,
        "coverage": {name: float(np.average(held[rows], weights=weights[rows])) for name, rows in of_class.items()},
        "mean_size": {name: float(np.average(sizes[rows], weights=weights[rows])) for name, rows in of_class.items()},
    }


def prediction_sets_lines(found: dict[str, Any]) -> list[str]:
    """Return the same as lines of Markdown."""
    rows = [[name, f"{share:.3f}", f"{found['mean_size'][name]:.2f}"] for name, share in found["coverage"].items()]
    return [
        f"Prediction sets that are to hold {found['wanted']:.0%} of each class, each patient counted once:",
        "",
        *_table(["class", "held", "classes in a set"], rows),
        "",
    ]


def report_markdown(training: Training) -> str:
    """Return the report for people."""
    found = report_document(training)
    outside, counts = found["out_of_fold"], found["training"]
    times = Counter(name for fold in training.folds for name in fold.selected)
    folds = len(training.folds)
    lines = [
        "# Training of a classifier",
        "",
        RESEARCH_NOTICE,
        "",
        f"{counts['lesions']} lesions of {counts['patients']} patients, {counts['features']} features. Classes: "
        + ", ".join(f"{name} {count}" for name, count in counts["classes"].items())
        + ". Centres: "
        + ", ".join(f"{name or 'not known'} {count}" for name, count in counts["centres"].items())
        + ".",
        "",
        "## Out of fold",
        "",
        "Every lesion was predicted by a model that had not seen its patient; features, parameters and calibration "
        "were decided without it.",
        "",
        f"Macro AUC {outside['macro_auc']:.3f}, accuracy {outside['accuracy']:.3f}, undetermined "
        f"{outside['undetermined']} of {outside['lesions']}.",
        "",
        *_table(["class", "AUC, one against the rest"], [[k, f"{v:.3f}"] for k, v in outside["auc"].items()]),
        "",
        *prediction_sets_lines(outside["prediction_sets"]),
        "## What each fold selected",
        "",
        *_table(
            ["fold", "lesions: train, test", "patients: train, test", "features of at most", "chosen", "inner score"],
            [
                [
                    fold.number,
                    f"{fold.train_lesions}, {fold.test_lesions}",
                    f"{fold.train_patients}, {fold.test_patients}",
                    f"{len(fold.selected)} of {fold.limit}",
                    ", ".join(f"{key}={value}" for key, value in fold.chosen.items()) or "-",
                    f"{fold.score:.3f}",
                ]
                for fold in training.folds
            ],
        ),
        "",
        f"## Features of the model, and in how many of the {folds} folds each was selected",
        "",
        *_table(
            ["rank", "feature", "folds"], [[n, name, times[name]] for n, name in enumerate(training.model.ranked, 1)]
        ),
        "",
        "## To know",
        "",
        *([f"- {one}" for one in training.cautions] or ["Nothing."]),
        "",
        "## Configuration",
        "",
        "```yaml",
        found["config"].rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def key_columns(lesions: Lesions) -> tuple[list[str], list[list[str]]]:
    """Return the columns that name lesions, and their texts a lesion; always ``patient`` and ``lesion``."""
    found = {name: list(lesions.keys[name]) for name in KEYS if name in lesions.keys}
    found["patient"] = list(lesions.patients)
    found.setdefault("lesion", found.get("tracking_uid", [str(row + 1) for row in lesions.rows]))
    ordered = [name for name in KEYS if name in found]
    return ordered, [list(texts) for texts in zip(*(found[name] for name in ordered), strict=True)]


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as comma-separated values."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]
