"""How well the phantom classifier does on sets of lesions, beside the best possible reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.phantom_limit import described_in_context, limits, studies
from fdglung.classification import read_labelled
from fdglung.classification.model_file import load_model
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import classify
from fdglung.phantom.study import LesionClass

Sets = Sequence[tuple[str, Path, Path]]
"""Name of a set, folder of its tables, and the cohort."""

SEEN = {"study": True, "lesion": False}
"""What the best possible reader sees: the whole study, or the lesion alone."""


def write_predictions(model: Path, sets: Sets, path: Path) -> Path:
    """Classify the lesions of each set and write what was said of them."""
    loaded = load_model(model)
    tables = []
    for name, tables_of, _ in sets:
        config = replace(loaded.config, training_sets=(name,))
        lesions = read_labelled([tables_of / "features.csv"], tables_of / "drawn.csv", config)
        found = classify(loaded, lesions)
        table = pd.DataFrame({"patient": lesions.patients, "set": name, "truth": lesions.labels})
        for key in ("case", "lesion"):
            table[key] = lesions.keys[key]
        for code, one in enumerate(loaded.classes):
            table[f"probability_{one}"] = found.probabilities[:, code]
        table["undetermined"] = [one not in loaded.classes for one in found.classes]
        tables.append(table)
    pd.concat(tables).to_csv(path, index=False)
    return path


def write_limits(predictions: Path, sets: Sets, path: Path, *, seen: str) -> Path:
    """Write the true posterior of the same lesions, given the plans of all their study or their own alone."""
    tables = []
    for name, _, cohort in sets:
        table = _of(predictions, name)
        counted = table.drop_duplicates("patient") if SEEN[seen] else table
        shares = counted["truth"].value_counts(normalize=True)
        keys = list(zip(table["case"], table["lesion"], strict=True))
        priors = {one: float(shares.get(one.value, 0.0)) for one in LesionClass}
        found = limits(cohort, keys, priors=priors, whole=SEEN[seen])
        for code, one in enumerate(LesionClass):
            table[f"probability_{one.value}"] = found[:, code]
        tables.append(table)
    pd.concat(tables).to_csv(path, index=False)
    return path


def write_informed(predictions: Path, sets: Sets, path: Path, *, trained: tuple[Path, Path, Sequence[str]]) -> Path:
    """Write what a random forest says that learned from the plans of the training lesions in place of their images.

    `trained` are the folder of the training's tables, its cohort and its sets.

    What it lacks to the best reader, so many lesions do not teach; what the model lacks to it, features do not tell.
    """
    from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

    tables_of, cohort, names = trained
    labels = pd.read_csv(tables_of / "drawn.csv")
    labels = labels[labels["set"].isin(names)]

    def plans(of: Path, lesions: pd.DataFrame) -> NDArray[np.float64]:
        keys = list(zip(lesions["case"], lesions["lesion"], strict=True))
        return np.asarray(described_in_context(studies(of, keys)), dtype=np.float64)

    forest = RandomForestClassifier(500, min_samples_leaf=3, random_state=0)
    forest.fit(plans(cohort, labels), labels["class"])
    tables = []
    for name, _, own in sets:
        table = _of(predictions, name)
        table[[f"probability_{one}" for one in forest.classes_]] = forest.predict_proba(plans(own, table))
        tables.append(table)
    pd.concat(tables).to_csv(path, index=False)
    return path


def print_areas(tables: Mapping[str, Path], *, draws: int = 300) -> None:
    """Print the macro AUC of the model and of the limits on each set, how far apart they are, and the drop.

    Intervals are of patients drawn with replacement, the same for the model and the limits.
    """
    names = list(dict.fromkeys(pd.read_csv(tables["model"])["set"]))
    found = {(kind, name): _draws(_of(path, name), draws) for kind, path in tables.items() for name in names}
    header = ["set", "lesions", "patients", *tables, "study - model", "lesion - model", "drop"]
    print("\n" + _line(header), _line(["---"] * len(header)), sep="\n")
    for name in names:
        table = _of(tables["model"], name)
        cells = [_interval(*found[kind, name]) for kind in tables]
        apart = [_interval(*(found[kind, name][n] - found["model", name][n] for n in (0, 1))) for kind in SEEN]
        drop = [found["model", names[0]][n] - found["model", name][n] for n in (0, 1)]
        fell = "" if name == names[0] else _interval(*drop)
        print(_line([name, len(table), table["patient"].nunique(), *cells, *apart, fell]))


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _interval(value: Any, drawn: Any) -> str:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _draws(table: pd.DataFrame, draws: int) -> tuple[float, NDArray[np.float64]]:
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


def _of(predictions: Path, name: str) -> pd.DataFrame:
    table = pd.read_csv(predictions)
    return table[table["set"] == name].reset_index(drop=True)
