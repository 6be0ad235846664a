"""What a classification is written as: a row a lesion, SHAP values if asked for, and where it all comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung import RESEARCH_NOTICE
from fdglung.classification.config import to_yaml
from fdglung.classification.decisions import PROBABILITY
from fdglung.classification.models import ClassifierModel
from fdglung.classification.prediction import Classified
from fdglung.classification.prediction_sets import SEPARATOR
from fdglung.classification.training_report import csv_text, key_columns


def classified_csv(model: ClassifierModel, found: Classified) -> str:
    """Return a row a lesion.

    Columns: those that name it, ``centre``, ``class`` (or ``undetermined``), ``prediction_set`` (the classes not ruled
    out, the most probable first, ``|`` between them), a probability a class, ``as_far``, ``nearest_<class>`` (how many
    of the nearest training lesions are of it), ``imputed`` and ``trained_on``.
    """
    keys, named = key_columns(found.lesions)
    header = [
        *keys,
        *("centre", "class", "prediction_set"),
        *(PROBABILITY + name for name in model.classes),
        "as_far",
        *(f"nearest_{name}" for name in model.classes),
        *("imputed", "trained_on"),
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
            int(found.imputed[row]),
            model.trained_on,
        ]
        for row in range(len(found.lesions))
    )
    return csv_text(header, rows)


def shap_csv(model: ClassifierModel, found: Classified, values: NDArray[np.float64], base: NDArray[np.float64]) -> str:
    """Return a row a lesion, class and feature; arguments after `found` as `shap_values` gives them.

    ``shap`` is in units of probability; with ``background``, the mean of training lesions, a lesion's rows of a class
    sum to its probability. ``value`` is the feature as it was given, empty where it was imputed.
    """
    keys, named = key_columns(found.lesions)
    places = [found.lesions.names.index(name) for name in model.selected]

    def rows() -> Iterator[list[object]]:
        for row, own in enumerate(named):
            for code, name in enumerate(model.classes):
                for column, feature in enumerate(model.selected):
                    raw = float(found.lesions.values[row, places[column]])
                    shown = "" if np.isnan(raw) else repr(raw)
                    yield [*own, name, feature, shown, repr(float(values[row, column, code])), repr(float(base[code]))]

    return csv_text([*keys, "class", "feature", "value", "shap", "background"], rows())


def about_document(
    model: ClassifierModel, found: Classified, *, model_sha256: str, study_warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Return where a classification comes from, with what is to be known of the study, as plain values."""
    return {
        "notice": RESEARCH_NOTICE,
        "model_sha256": model_sha256,
        "trained_on": model.trained_on,
        "classes": list(model.classes),
        "selected": list(model.ranked),
        "training": model.summary,
        "settings": model.settings,
        "study_warnings": list(study_warnings),
        "lesions": len(found.lesions),
        "undetermined": sum(name not in model.classes for name in found.classes),
        "prediction_set_coverage": model.config.prediction_set_coverage,
        "rule": "undetermined where as_far is at most "
        f"{model.config.undetermined.share:g}, or more than {model.config.undetermined.most_missing:.0%} of the "
        "model's features are missing",
        "cautions": [{"kind": one.kind.value, "text": one.text} for one in found.cautions],
        "config": to_yaml(model.config),
        "trained_with": model.versions,
    }


def about_json(document: dict[str, Any]) -> str:
    """Return it as text."""
    return json.dumps(document, indent=2)
