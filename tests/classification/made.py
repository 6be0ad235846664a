"""Lesions whose truth is known, and tables of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fdglung.classification import Lesions

CLASSES = ("benign", "lung cancer", "lymphoma")


def lesions(count=150, features=12, *, told=3, gap=2.0, each=2, seed=0):
    """Return lesions of three classes, `each` a patient; the first `told` features tell classes apart by `gap` SD."""
    random = np.random.default_rng(seed)
    patients = np.arange(count) // each
    codes = random.permutation(np.arange(patients.max() + 1) % len(CLASSES))[patients]
    values = random.normal(size=(count, features))
    for column in range(told):
        values[:, column] += gap * (codes == column % len(CLASSES))
    centres = np.array(["Bonn", "Ulm"])[random.integers(2, size=patients.max() + 1)[patients]]
    return Lesions(
        names=tuple(f"PET_{column:02d}" for column in range(features)),
        values=values,
        keys={"lesion": tuple(str(row % each + 1) for row in range(count))},
        patients=tuple(f"p{one:03d}" for one in patients),
        centres=tuple(centres.tolist()),
        labels=tuple(CLASSES[code] for code in codes),
        rows=tuple(range(count)),
    )


def codes_of(given):
    """Return the place of each lesion's class."""
    return np.array([CLASSES.index(label) for label in given.labels])


def write(folder, given, *, name="features.csv"):
    """Write lesions as a table of features and one of labels; return their paths."""
    keys = pd.DataFrame({"patient": given.patients, "lesion": given.keys["lesion"]})
    table = pd.concat([keys, pd.DataFrame(given.values, columns=list(given.names))], axis=1)
    table.to_csv(folder / name, index=False)
    labels = keys.assign(**{"class": given.labels, "centre": given.centres})
    labels.to_csv(folder / "labels.csv", index=False)
    return folder / name, folder / "labels.csv"
