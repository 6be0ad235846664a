"""How well the phantom classifier does on sets of lesions, beside the best possible reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.phantom_limit import Key, described_in_context, limits, studies
from benchmarks.phantom_tables import ALL, AVID, DRAWN, FEATURES
from fdglung.classification import read_labelled
from fdglung.classification.model_file import load_model
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import classify
from fdglung.classification.prediction_sets import SEPARATOR, patient_weights
from fdglung.phantom.study import LesionClass

Sets = Sequence[tuple[str, Path]]
"""Name of a set, and folder of its tables."""

OF_DRAWING = ("study", "reading", "drawn")
"""Columns of a table of drawn lesions: where each lies, how it is read, and which was drawn first, second …"""

Drawn = tuple[float, NDArray[np.float64]]
"""A value, and those of patients drawn with replacement."""

SEEN = {"study": True, "lesion": False}
"""What the best possible reader sees: the whole study, or the lesion alone."""


def write_predictions(model: Path, sets: Sets, path: Path) -> Path:
    """Classify the lesions of each set and write what was said of them."""
    loaded = load_model(model)
    tables = []
    for name, tables_of in sets:
        config = replace(loaded.config, training_sets=(name,))
        lesions = read_labelled([tables_of / FEATURES], tables_of / DRAWN, config)
        found = classify(loaded, lesions)
        table = pd.DataFrame({"patient": lesions.patients, "set": name, "truth": lesions.labels})
        for key in ("case", "lesion"):
            table[key] = lesions.keys[key]
        drawn = pd.read_csv(tables_of / DRAWN, dtype={"lesion": str})
        table = table.merge(drawn[["case", "lesion", *OF_DRAWING]], on=["case", "lesion"], validate="one_to_one")
        for code, one in enumerate(loaded.classes):
            table[f"probability_{one}"] = found.probabilities[:, code]
        table["prediction_set"] = [SEPARATOR.join(one) for one in found.prediction_sets]
        table["undetermined"] = [one not in loaded.classes for one in found.classes]
        tables.append(table)
    pd.concat(tables).to_csv(path, index=False)
    return path


def write_unseen(model: Path, said: Path, tables_of: Path, path: Path) -> Path:
    """Write what the training's folds said (`said`, its ``.predictions.csv``) of the lesions of `tables_of`, as a set.

    Each was predicted by a model that had not seen its patient; the set is called ``out of fold``.
    """
    classes = load_model(model).classes
    drawn = pd.read_csv(tables_of / DRAWN)
    table = pd.read_csv(said).merge(
        drawn[["case", "lesion", *OF_DRAWING]], on=["case", "lesion"], validate="one_to_one"
    )
    kept = ["patient", "truth", "case", "lesion", *OF_DRAWING, *(f"probability_{one}" for one in classes)]
    table[kept].assign(set="out of fold").to_csv(path, index=False)
    return path


def write_limits(predictions: Path, path: Path, *, seen: str) -> Path:
    """Write the true posterior of the same lesions, given the plans of all their study or their own alone.

    Shares of the classes are those of each set and reading.
    """
    tables = []
    for _, table in pd.read_csv(predictions).groupby(["set", "reading"], sort=False):
        counted = table.drop_duplicates("patient") if SEEN[seen] else table
        shares = counted["truth"].value_counts(normalize=True)
        priors = {one: float(shares.get(one.value, 0.0)) for one in LesionClass}
        found = limits(_keys(table), priors=priors, whole=SEEN[seen])
        tables.append(table.assign(**{f"probability_{one.value}": found[:, n] for n, one in enumerate(LesionClass)}))
    pd.concat(tables).to_csv(path, index=False)
    return path


def write_informed(predictions: Path, path: Path, *, trained: Path, sets: Sequence[str]) -> Path:
    """Write what a random forest says that learned from the plans of the training lesions in place of their images.

    `trained` is the folder of the training's tables, `sets` those of them that were trained on. What it lacks to the
    best reader, so many lesions do not teach; what the model lacks to it, features do not tell.
    """
    from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

    labels = pd.read_csv(trained / DRAWN)
    labels = labels[labels["set"].isin(sets) & (labels["reading"] == ALL)]

    def plans(lesions: pd.DataFrame) -> NDArray[np.float64]:
        return np.asarray(described_in_context(studies(_keys(lesions))), dtype=np.float64)

    forest = RandomForestClassifier(500, min_samples_leaf=3, random_state=0)
    forest.fit(plans(labels), labels["class"])
    table = pd.read_csv(predictions)
    table[[f"probability_{one}" for one in forest.classes_]] = forest.predict_proba(plans(table))
    table.to_csv(path, index=False)
    return path


def print_areas(tables: Mapping[str, Path], *, most: int | None = None, draws: int = 300) -> None:
    """Print the macro AUC of the model and of the limits, how far apart they are, and the drop from the first set.

    Every set has a row for all its lesions, and one for the avid ones in a context of such alone; with `most` of the
    first so many that were drawn of each patient. Intervals are of patients drawn with replacement, the same for the
    model and the limits.
    """
    read = {kind: pd.read_csv(path) for kind, path in tables.items()}
    if most is not None:
        read = {kind: table[table["drawn"] <= most] for kind, table in read.items()}
    rows = list(dict.fromkeys(zip(read["model"]["reading"], read["model"]["set"], strict=True)))
    rows.sort(key=lambda row: (ALL, AVID).index(row[0]))
    header = ["lesions of each patient", "set", "lesions, patients", *tables]
    header += [f"{kind} - model" for kind in tables if kind in SEEN] + ["drop"]
    print("\n" + _line(header), _line(["---"] * len(header)), sep="\n")
    first: dict[str, Drawn] = {}
    for reading, name in rows:
        parts = {
            kind: table[(table["reading"] == reading) & (table["set"] == name)].reset_index(drop=True)
            for kind, table in read.items()
        }
        found = {kind: _draws(part, draws) for kind, part in parts.items()}
        cells = [_interval(*found[kind]) for kind in tables]
        apart = [_interval(*_less(found[kind], found["model"])) for kind in tables if kind in SEEN]
        fell = _interval(*_less(first[reading], found["model"])) if reading in first else ""
        first.setdefault(reading, found["model"])
        counts = f"{len(parts['model'])}, {parts['model']['patient'].nunique()}"
        print(_line([f"{reading}, up to {most}" if most else reading, name, counts, *cells, *apart, fell]))


def print_coverage(predictions: Path) -> None:
    """Print how often prediction sets hold the class, each patient counted once, and how many classes they have."""
    said = pd.read_csv(predictions, keep_default_na=False)
    classes = sorted(said["truth"].unique())
    print("\n" + _line(["lesions", "set", *classes, "classes in a set"]), _line(["---"] * (3 + len(classes))), sep="\n")
    for (reading, name), part in said.groupby(["reading", "set"], sort=False):
        codes = part["truth"].map(classes.index).to_numpy()
        weights = patient_weights(codes, part["patient"].tolist())
        sets = [set(text.split(SEPARATOR)) - {""} for text in part["prediction_set"]]
        held = np.array([label in one for label, one in zip(part["truth"], sets, strict=True)])
        shares = [np.average(held[codes == code], weights=weights[codes == code]) for code in range(len(classes))]
        size = np.average([len(one) for one in sets], weights=weights)
        print(_line([reading, name, *(f"{share:.3f}" for share in shares), f"{size:.2f}"]))


def _less(one: Drawn, other: Drawn) -> Drawn:
    return one[0] - other[0], one[1] - other[1]


def _keys(table: pd.DataFrame) -> list[Key]:
    return list(zip(table["study"], table["lesion"], strict=True))


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _interval(value: Any, drawn: Any) -> str:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _draws(table: pd.DataFrame, draws: int) -> Drawn:
    classes = [one for one in table.columns if one.startswith("probability_")]
    codes = np.array([classes.index(f"probability_{one}") for one in table["truth"]])
    found = table[classes].to_numpy()
    _, owner = np.unique(table["patient"], return_inverse=True)
    rows = [np.flatnonzero(owner == n) for n in range(owner.max() + 1)]
    random = np.random.default_rng(0)
    values = []
    for _ in range(draws):
        taken = np.concatenate([rows[n] for n in random.integers(len(rows), size=len(rows))])
        values.append(macro_auc(codes[taken], found[taken]))
    return macro_auc(codes, found), np.array(values)
