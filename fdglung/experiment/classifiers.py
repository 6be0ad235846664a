"""The classifiers of a study: what each says of every lesion of the test sets, as one kind of table.

A classifier, whatever it is, ends as ``predictions.csv``: ``set``, ``case``, ``patient``, ``centre``, ``lesion``,
``truth`` and ``probability_CLASS`` of each class, a row a lesion of the test sets. One of radiomics is trained here, a
network of patches by `fdglung.experiment.networks`; for any other the probabilities are given.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fdglung.classification import Lesions, read_labelled, read_lesions
from fdglung.classification.cautions import Caution
from fdglung.classification.context import with_context
from fdglung.classification.prediction_sets import SEPARATOR
from fdglung.errors import MissingColumnError, UnpairedRowsError
from fdglung.evaluation.csv_rows import read_rows, shown
from fdglung.experiment.config import TRAINING, GivenClassifier, TrainedClassifier
from fdglung.experiment.study_tables import write_rows
from fdglung.experiment.tables import read_dicts

if TYPE_CHECKING:
    from fdglung.classification.prediction import Classified

PREDICTIONS = "predictions.csv"
"""Of the lesions of the test sets."""

TRAINING_PREDICTIONS = "training_predictions.csv"
"""Of the training lesions, each by a model that had not seen its patient."""

OUT_OF_FOLD = "training, out of fold"
"""Set of the training lesions' predictions."""

_KEYS = ("set", "case", "patient", "centre", "lesion", "truth")
_PROBABILITY = "probability_"


def write_trained(
    out: Path,
    classifier: TrainedClassifier,
    tables: Path,
    *,
    trained_on: str,
    workers: int = 1,
    progress: Callable[[str, float], None] | None = None,
) -> None:
    """Train a classifier on the training set by nested cross-validation, and classify the test sets.

    Parameters
    ----------
    out
        Exists; gets ``model.skops``, the predictions, and the training's reports.
    classifier
        What to train.
    tables
        Folder of ``features.csv`` and ``labels.csv``.
    trained_on
        What is said beside each result of the model.
    workers, progress
        See `fdglung.classification.training.train`.

    Raises
    ------
    InputError
        As `fdglung.classification.training.train` and `fdglung.classification.prediction.classify` have them.

    """
    from fdglung.classification.model_file import model_bytes
    from fdglung.classification.prediction import classify
    from fdglung.classification.training import train
    from fdglung.classification.training_report import predictions_csv, report_json, report_markdown, selected_csv

    config = replace(classifier.config, training_sets=(TRAINING,))
    features = tables / "features.csv"
    labelled = read_labelled([features], tables / "labels.csv", config)
    done = train(labelled, config, trained_on=trained_on, workers=workers, progress=progress)
    write_out_of_fold(out, predictions_csv(done), done.model.classes)
    tests = test_rows(tables)
    whole = with_context(read_lesions([features], prefixes=config.features), config.context)
    found = classify(done.model, _taken(whole, tests))
    write_tested(out, tests, found, done.model.classes)
    made = {"selected.csv": selected_csv(done), "report.json": report_json(done), "report.md": report_markdown(done)}
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    write_cautions(out, (*done.cautions, *found.cautions))
    (out / "model.skops").write_bytes(model_bytes(done.model))


def write_given(out: Path, classifier: GivenClassifier, tables: Path) -> None:
    """Bring given probabilities into the order of the study's test lesions.

    Raises
    ------
    UnreadableTableError, MissingColumnError
        The table cannot be read, or has no probabilities.
    UnpairedRowsError
        A lesion of the test sets has none; names the lesions.

    """
    rows = read_rows(classifier.predictions, needed=("case", "lesion"))
    columns = [name for name in rows.columns if name.startswith(_PROBABILITY)]
    if len(columns) < 2:
        raise MissingColumnError(
            f"the table {classifier.predictions} has probabilities of {len(columns)} classes",
            attribute=f"columns {shown(rows.columns)}",
            remedy=f"Give a column {_PROBABILITY}CLASS a class",
        )
    place = {key: row for row, key in enumerate(zip(rows.cells["case"], rows.cells["lesion"], strict=True))}
    tests = test_rows(tables)
    lacking = [f"{row['lesion']} of {row['case']}" for row in tests if (row["case"], row["lesion"]) not in place]
    if lacking:
        raise UnpairedRowsError(
            f"{len(lacking)} lesions of the test sets have no row in {classifier.predictions}: {shown(lacking)}",
            attribute="columns case, lesion",
            remedy="Predict every lesion of tables/labels.csv that is not of the training set; its VOI has the "
            "lesion's number in studies/CASE/lesions/voi.nii.gz",
        )
    predicted = []
    for row in tests:
        own = place[row["case"], row["lesion"]]
        known = {name: row[name] for name in ("set", "case", "patient", "centre", "lesion")}
        values = {name: rows.cells[name][own] for name in columns}
        predicted.append({**known, "truth": row["class"], **values})
    write_rows(out / PREDICTIONS, [*_KEYS, *columns], predicted)


def test_rows(tables: Path) -> list[dict[str, str]]:
    """Return the lesions of the test sets, a row each, in the order of ``labels.csv``."""
    return [row for row in read_dicts(tables / "labels.csv") if row["set"] != TRAINING]


def write_out_of_fold(out: Path, predictions: str, classes: Sequence[str]) -> None:
    """Write a training's out-of-fold predictions (CSV as a text) as those of the set `OUT_OF_FOLD`."""
    rows = [{**row, "set": OUT_OF_FOLD} for row in csv.DictReader(io.StringIO(predictions))]
    columns = [*_KEYS, "fold", "predicted", "as_far", "prediction_set", *_columns(classes)]
    write_rows(out / TRAINING_PREDICTIONS, columns, rows)


def write_tested(out: Path, tests: Sequence[dict[str, str]], found: Classified, classes: Sequence[str]) -> None:
    """Write what a classifier says of the lesions of the test sets, given in the same order."""
    predicted = [
        {
            **{name: row[name] for name in ("set", "case", "patient", "centre", "lesion")},
            "truth": row["class"],
            "predicted": found.classes[n],
            "as_far": repr(float(found.as_far[n])),
            "prediction_set": SEPARATOR.join(found.prediction_sets[n]),
            **{_PROBABILITY + name: repr(float(found.probabilities[n, c])) for c, name in enumerate(classes)},
        }
        for n, row in enumerate(tests)
    ]
    write_rows(out / PREDICTIONS, [*_KEYS, "predicted", "as_far", "prediction_set", *_columns(classes)], predicted)


def write_cautions(out: Path, cautions: Sequence[Caution]) -> None:
    """Write what to know of a classifier, a line each, once."""
    text = "".join(f"{one}\n" for one in dict.fromkeys(map(str, cautions)))
    (out / "cautions.txt").write_text(text, encoding="utf-8")


def _columns(classes: Sequence[str]) -> list[str]:
    return [_PROBABILITY + name for name in classes]


def _taken(lesions: Lesions, rows: Sequence[dict[str, str]]) -> Lesions:
    """Return the lesions of some rows, in their order."""
    own = {key: n for n, key in enumerate(zip(lesions.keys["case"], lesions.keys["lesion"], strict=True))}
    taken = np.array([own[row["case"], row["lesion"]] for row in rows], dtype=np.intp)

    def picked(texts: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(texts[n] for n in taken)

    return replace(
        lesions,
        values=lesions.values[taken],
        keys={name: picked(texts) for name, texts in lesions.keys.items()},
        patients=picked(lesions.patients),
        centres=picked(lesions.centres),
        labels=picked(lesions.labels),
        rows=picked(lesions.rows),
    )
