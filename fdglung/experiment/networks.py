"""A study's classifier that looks at the images: trained on the patches of the training set's lesions, then tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fdglung.classification import Lesions
from fdglung.classification.image.cases import ImageCase, ImageLesions, cut
from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.experiment.classifiers import test_rows, write_cautions, write_out_of_fold, write_tested
from fdglung.experiment.config import TRAINING, TrainedNetwork
from fdglung.experiment.examination import Worked
from fdglung.experiment.tables import read_dicts

Progress = Callable[[str, float], None]


def write_network(
    out: Path,
    classifier: TrainedNetwork,
    tables: Path,
    worked: Sequence[Worked],
    *,
    trained_on: str,
    progress: Progress | None = None,
) -> None:
    """Train a network on the training set by cross-validation over patients, and classify the test sets.

    Parameters
    ----------
    out
        Exists; gets ``model.pt``, the predictions, ``patients.csv`` (the test sets' patients, by attention over their
        lesions), ``training_patients.csv``, and the training's reports.
    classifier
        What to train.
    tables
        Folder of ``labels.csv``.
    worked
        The examinations: PET, CT and VOIs that patches are cut from.
    trained_on
        What is said beside each result of the model.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    InputError
        As `fdglung.classification.image.training.train` and `fdglung.classification.image.cases.cut` have them.

    """
    from fdglung.classification.image.model_file import model_bytes
    from fdglung.classification.image.prediction import classify_images
    from fdglung.classification.image.report import (
        classified_patients_csv,
        patients_csv,
        predictions_csv,
        report_json,
        report_markdown,
    )
    from fdglung.classification.image.training import train

    tell = progress or (lambda text, fraction: None)
    config = replace(classifier.config, training_sets=(TRAINING,))
    cases = {one.examination.name: _case(one) for one in worked if not one.failure}
    rows = [row for row in read_dicts(tables / "labels.csv") if row["set"] == TRAINING]
    given = _lesions(rows, cases, config, lambda text, done: tell(text, 0.1 * done))
    done = train(given, config, trained_on=trained_on, progress=lambda text, part: tell(text, 0.1 + 0.8 * part))
    write_out_of_fold(out, predictions_csv(done), done.model.classes)
    tests = test_rows(tables)
    tested = _lesions(tests, cases, config, lambda text, part: tell(text, 0.9 + 0.08 * part))
    found, patients = classify_images(done.model, tested.lesions, tested.raw)
    write_tested(out, tests, found, done.model.classes)
    made = {
        "patients.csv": classified_patients_csv(done.model, patients),
        "training_patients.csv": patients_csv(done),
        "report.json": report_json(done),
        "report.md": report_markdown(done),
    }
    for name, text in made.items():
        (out / name).write_text(text, encoding="utf-8")
    write_cautions(out, (*done.cautions, *found.cautions))
    (out / "model.pt").write_bytes(model_bytes(done.model, ".pt"))


def _case(one: Worked) -> ImageCase:
    own = one.examination
    return ImageCase(name=own.name, pet=own.pet, ct=own.ct, label=one.voi, centre=own.centre, patient_class="")


def _lesions(
    rows: Sequence[dict[str, str]], cases: dict[str, ImageCase], config: ImageClassifierConfig, progress: Progress
) -> ImageLesions:
    """Return the lesions of a table's rows, in their order, with the patches about their VOIs."""
    known = Lesions(
        names=(),
        values=np.zeros((len(rows), 0)),
        keys={name: tuple(row[name] for row in rows) for name in ("case", "lesion")},
        patients=tuple(row["patient"] for row in rows),
        centres=tuple(row["centre"] for row in rows),
        labels=tuple(row["class"] for row in rows),
        rows=tuple(range(len(rows))),
    )
    return cut(known, [(cases[row["case"]], int(row["lesion"])) for row in rows], config, progress=progress)
