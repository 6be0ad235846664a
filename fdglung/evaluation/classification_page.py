"""The figures of an evaluation of class probabilities as a page of Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from fdglung.evaluation.bootstrap import Estimate
from fdglung.evaluation.class_measures import ALL, MACRO
from fdglung.evaluation.class_parts import Part
from fdglung.evaluation.classification_settings import ClassificationSettings
from fdglung.evaluation.written_rows import markdown_table, p_text, plain, write_markdown

_COLUMNS = (
    ("auc", "AUC"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("specificity", "specificity"),
    ("f1", "F1"),
    ("brier", "Brier"),
    ("ece", "ECE"),
)
_COMPARED = (
    (("accuracy", ALL), "accuracy"),
    (("auc", MACRO), "AUC, macro"),
    (("f1", MACRO), "F1, macro"),
    (("recall", MACRO), "recall, macro"),
    (("brier", ALL), "Brier, all classes"),
    (("ece", ALL), "ECE, highest probability"),
)


def write_page(path: Path, parts: Sequence[Part], settings: ClassificationSettings, *, warnings: Sequence[str]) -> None:
    """Write counts, figures with intervals, confusion matrices, comparisons and warnings.

    Parameters
    ----------
    path
        The file.
    parts, settings, warnings
        Of the evaluation.

    """
    how = (
        f"In brackets: {100 * settings.confidence:g} % intervals, percentiles of {settings.resamples} bootstrap draws "
        f"of patients (seed {settings.seed}). Each class is measured against the rest; macro is the mean over the "
        "classes that the truth holds. A dash is what is not defined."
    )
    blocks = [how]
    if warnings:
        blocks += ["## Warnings", "\n".join(f"- {plain(text)}" for text in warnings)]
    for part in parts:
        blocks += [f"## {plain(part.title[0].upper() + part.title[1:])}", *_blocks(part)]
    write_markdown(path, "Classification", blocks)


def _blocks(part: Part) -> Iterator[str]:
    values, classes = part.measures, part.predictions.classes
    lines = [
        [name, str(int(part.confusion[n].sum())), *(_text(values.estimate((m, f"class {name}"))) for m, _ in _COLUMNS)]
        for n, name in enumerate(classes)
    ]
    macro = [_text(values.estimate((measure, MACRO))) for measure, _ in _COLUMNS]
    yield f"{part.measures.n} {part.level}s" + (
        f" of {part.measures.patients} patients." if part.level == "lesion" else "."
    )
    yield markdown_table(["class", "n", *(words for _, words in _COLUMNS)], [*lines, ["macro", str(values.n), *macro]])
    overall = [_text(values.estimate(key)) for key in (("accuracy", ALL), ("brier", ALL), ("ece", ALL))]
    yield (
        f"Accuracy {overall[0]}; Brier score of all classes (0 to 2) {overall[1]}; "
        f"calibration error of the highest probability {overall[2]}."
    )
    if part.predictions.prediction_sets is not None:
        held = ", ".join(f"{name} {_text(values.estimate(('coverage', f'class {name}')))}" for name in classes)
        size = _text(values.estimate(("set_size", ALL)))
        yield f"Prediction sets hold the true class: {held}; classes in a set {size}."
    yield "True class by row, predicted class by column:"
    yield markdown_table(
        ["", *classes], [[name, *map(str, row)] for name, row in zip(classes, part.confusion.tolist(), strict=True)]
    )
    if part.comparison:
        yield "Both models on the same rows and draws, first less second:"
        yield markdown_table(
            ["figure", "first", "second", "difference", "p"],
            [
                [words, _text(found.first), _text(found.second), _text(found.difference), p_text(found.p)]
                for key, words in _COMPARED
                for found in [part.comparison[key]]
            ],
        )


def _text(found: Estimate) -> str:
    if not math.isfinite(found.value):
        return "-"
    interval = f" ({found.low:.3f} to {found.high:.3f})" if math.isfinite(found.low) else ""
    return f"{found.value:.3f}{interval}"
