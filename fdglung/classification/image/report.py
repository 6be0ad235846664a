"""What a training and a classification of images are written as: tables of lesions and patients, and a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung import RESEARCH_NOTICE
from fdglung.classification.decisions import PROBABILITY
from fdglung.classification.image.config import to_yaml
from fdglung.classification.image.model import ImageClassifierModel
from fdglung.classification.image.model_file import model_bytes
from fdglung.classification.image.prediction import ClassifiedPatients
from fdglung.classification.image.training import ImageTraining
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import Classified
from fdglung.classification.prediction_sets import SEPARATOR
from fdglung.classification.training_report import (
    csv_text,
    key_columns,
    out_of_fold_csv,
    prediction_sets_document,
    prediction_sets_lines,
)

Array = NDArray[np.float64]


TRAINING_SUFFIXES = (".predictions.csv", ".patients.csv", ".report.json", ".report.md")
"""Of the files beside a model."""

CLASSES_SUFFIXES = (".patients.csv", ".about.json")
"""Of the files beside a table of classes."""


def training_files(training: ImageTraining, out: Path) -> dict[Path, bytes]:
    """Return what a training is written as, by path; the model is last: where it is, all is whole."""
    made = (predictions_csv, patients_csv, report_json, report_markdown)
    found = {
        out.with_name(out.stem + suffix): write(training).encode()
        for suffix, write in zip(TRAINING_SUFFIXES, made, strict=True)
    }
    return found | {out: model_bytes(training.model, out.suffix)}


def classes_files(
    model: ImageClassifierModel, found: Classified, patients: ClassifiedPatients, about: dict[str, Any], out: Path
) -> dict[Path, bytes]:
    """Return what a classification is written as, by path; the table of lesions is last."""
    made = (classified_patients_csv(model, patients), json.dumps(about, indent=2))
    beside = {out.with_name(out.stem + suffix): text for suffix, text in zip(CLASSES_SUFFIXES, made, strict=True)}
    return {path: text.encode() for path, text in (beside | {out: classes_csv(model, found, patients)}).items()}


def predictions_csv(training: ImageTraining) -> str:
    """Return the out-of-fold predictions of lesions, as `out_of_fold_csv` does."""
    return out_of_fold_csv(training, training.as_far <= training.model.config.undetermined.share)


def patients_csv(training: ImageTraining) -> str:
    """Return the out-of-fold predictions, a row a patient; ``truth`` is empty where a patient's class is not known."""
    model = training.model
    most = training.patient_probabilities.argmax(axis=1)
    rows = (
        [
            name,
            int(training.patient_fold[row]),
            "" if training.patient_codes[row] < 0 else model.classes[training.patient_codes[row]],
            model.classes[most[row]],
            *(repr(float(value)) for value in training.patient_probabilities[row]),
        ]
        for row, name in enumerate(training.patients)
    )
    return csv_text(["patient", "fold", "truth", "predicted", *(PROBABILITY + name for name in model.classes)], rows)


def report_document(training: ImageTraining) -> dict[str, Any]:
    """Return all that is known of a training but its rows, as plain values."""
    model = training.model
    known = training.patient_codes >= 0
    return {
        "notice": RESEARCH_NOTICE,
        "out_of_fold": {
            "lesions": _figures(training.codes, training.probabilities, model.classes)
            | {"undetermined": int((training.as_far <= model.config.undetermined.share).sum())}
            | {"prediction_sets": prediction_sets_document(training)},
            "patients": _figures(training.patient_codes[known], training.patient_probabilities[known], model.classes),
        },
        "training": model.summary,
        "trained_on": model.trained_on,
        "temperatures": {"lesions": model.lesion_temperature, "patients": model.patient_temperature},
        "cautions": [{"kind": one.kind.value, "text": one.text} for one in training.cautions],
        "config": to_yaml(model.config),
        "versions": model.versions,
    }


def report_json(training: ImageTraining) -> str:
    """Return the report as text for machines."""
    return json.dumps(report_document(training), indent=2)


def report_markdown(training: ImageTraining) -> str:
    """Return the report for people."""
    found = report_document(training)
    counts, model = found["training"], training.model
    lesions, patients = found["out_of_fold"]["lesions"], found["out_of_fold"]["patients"]
    lines = [
        "# Training of an image classifier",
        "",
        RESEARCH_NOTICE,
        "",
        f"{counts['lesions']} lesions of {counts['patients']} patients. Classes: "
        + ", ".join(f"{name} {count}" for name, count in counts["classes"].items())
        + ". Centres: "
        + ", ".join(f"{name or 'not known'} {count}" for name, count in counts["centres"].items())
        + ".",
        "",
        f"## Out of fold, {model.config.folds} folds by patients",
        "",
        "Every lesion and patient was predicted by a network that had not seen the patient, and calibrated on the "
        "other folds.",
        "",
        "| class | AUC by lesion, one against the rest | AUC by patient |",
        "| --- | --- | --- |",
        *(f"| {name} | {_shown(lesions['auc'][name])} | {_shown(patients['auc'][name])} |" for name in model.classes),
        f"| mean | {_shown(lesions['macro_auc'])} | {_shown(patients['macro_auc'])} |",
        "",
        f"Accuracy by lesion {_shown(lesions['accuracy'])}, by patient {_shown(patients['accuracy'])}. Undetermined "
        f"{lesions['undetermined']} of {lesions['count']} lesions.",
        "",
        *prediction_sets_lines(lesions["prediction_sets"]),
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


def classes_csv(model: ImageClassifierModel, found: Classified, patients: ClassifiedPatients) -> str:
    """Return a row a lesion, as `fdglung.classification.prediction_report.classified_csv` with ``attention`` last."""
    keys, named = key_columns(found.lesions)
    header = [
        *keys,
        *("centre", "class", "prediction_set"),
        *(PROBABILITY + name for name in model.classes),
        "as_far",
        *(f"nearest_{name}" for name in model.classes),
        "attention",
    ]
    rows = (
        [
            *named[row],
            found.lesions.centres[row],
            found.classes[row],
            SEPARATOR.join(found.prediction_sets[row]),
            *(repr(float(value)) for value in found.probabilities[row]),
            repr(float(found.as_far[row])),
            *(int(count) for count in found.nearest[row]),
            repr(float(patients.attention[row])),
        ]
        for row in range(len(found.lesions))
    )
    return csv_text(header, rows)


def classified_patients_csv(model: ImageClassifierModel, patients: ClassifiedPatients) -> str:
    """Return a row a patient: name, class or undetermined, a probability a class."""
    rows = (
        [name, patients.classes[row], *(repr(float(value)) for value in patients.probabilities[row])]
        for row, name in enumerate(patients.names)
    )
    return csv_text(["patient", "class", *(PROBABILITY + name for name in model.classes)], rows)


def about_document(
    model: ImageClassifierModel, found: Classified, *, model_sha256: str, study_warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return where a classification comes from, with what is to be known of the study, as plain values."""
    return {
        "notice": RESEARCH_NOTICE,
        "model_sha256": model_sha256,
        "classes": list(model.classes),
        "trained_on": model.trained_on,
        "training": model.summary,
        "study_warnings": list(study_warnings),
        "lesions": len(found.lesions),
        "undetermined": sum(name not in model.classes for name in found.classes),
        "prediction_set_coverage": model.config.prediction_set_coverage,
        "rule": f"undetermined where as_far is at most {model.config.undetermined.share:g}",
        "cautions": [{"kind": one.kind.value, "text": one.text} for one in found.cautions],
        "config": to_yaml(model.config),
        "trained_with": model.versions,
    }


def _figures(codes: NDArray[np.intp], found: Array, classes: tuple[str, ...]) -> dict[str, Any]:
    areas = {name: macro_auc((codes == n).astype(np.intp), found[:, [n]]) for n, name in enumerate(classes)}
    # A class that no patient has as their own has no area, and JSON has no NaN.
    known = {name: area if np.isfinite(area) else None for name, area in areas.items()}
    there = [area for area in known.values() if area is not None]
    return {
        "macro_auc": float(np.mean(there)) if there else None,
        "auc": known,
        "accuracy": float((found.argmax(axis=1) == codes).mean()) if len(codes) else None,
        "count": len(codes),
    }


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
