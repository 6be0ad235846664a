"""Class probabilities with known truth, as arrays and as tables."""

from __future__ import annotations

import numpy as np

from fdglung.evaluation.predictions import Predictions

CLASSES = ("benign", "lung cancer", "lymphoma", "metastasis")


def made(*, patients=80, seed=0, skill=1.5, noise=0, classes=CLASSES):
    """Return predictions of one to three lesions a patient; `noise` changes the model and not the lesions."""
    random = np.random.default_rng(seed)
    own = np.random.default_rng([seed, noise])
    counts = random.integers(1, 4, patients)
    truth = np.repeat(random.integers(0, len(classes), patients), counts)
    owners = np.repeat(np.arange(patients), counts)
    logits = np.repeat(random.normal(0, 0.6, (patients, len(classes))), counts, axis=0)
    logits += random.normal(0, 0.8, logits.shape) + own.normal(0, 0.4, logits.shape)
    logits[np.arange(len(truth)), truth] += skill
    chances = np.exp(logits)
    rows = len(truth)
    return Predictions(
        classes,
        tuple(f"p{n}" for n in owners),
        tuple(str(n) for n in range(rows)),
        ("",) * rows,
        ("",) * rows,
        truth.astype(np.int64),
        chances / chances.sum(axis=1, keepdims=True),
    )


def write_table(path, predictions, *, sets=None, centres=None, prefix="probability_", shuffle=None):
    """Write predictions as the command reads them, in another order if a seed is given."""
    header = ["patient", "lesion", "truth", *(["set"] if sets else []), *(["centre"] if centres else [])]
    lines = []
    for row, patient in enumerate(predictions.patients):
        cells = [patient, predictions.lesions[row], predictions.classes[predictions.truth[row]]]
        cells += [sets[patient]] if sets else []
        cells += [centres[patient]] if centres else []
        lines.append(",".join([*cells, *(repr(float(p)) for p in predictions.probabilities[row])]))
    if shuffle is not None:
        np.random.default_rng(shuffle).shuffle(lines)
    path.write_text("\n".join([",".join([*header, *(prefix + name for name in predictions.classes)]), *lines]) + "\n")
    return path
