"""Lesions whose class a planted sign tells, networks of seconds, and a network that was never trained."""

from __future__ import annotations

import json

import numpy as np
import SimpleITK as sitk

from fdglung.classification import Lesions
from fdglung.classification.image.architecture import build, weights_of
from fdglung.classification.image.cases import ImageLesions
from fdglung.classification.image.config import from_mapping
from fdglung.classification.image.model import ImageClassifierModel

CLASSES = ("bright", "dense")
SIDE = 16
TINY = {
    "classes": list(CLASSES),
    "spacing_mm": 4.0,
    "size_mm": 4.0 * SIDE,
    "features": [4, 8, 8, 16],
    "attention": 8,
    "dropout": 0.1,
    "epochs": 8,
    "lesions_per_step": 12,
    "learning_rate": 0.01,
    "ema_decay": 0.9,
    "folds": 3,
    "augmentation": {"rotate_degrees": 0.0, "shift_mm": 0.0, "scale": 0.0, "flip": 0.0},
}
CONFIG = from_mapping(TINY)

SIGN = (8, 8, 12)
"""Where the sign lies (z, y, x): beside the lesion, which is in the middle."""


def ball(centre, radius, side=SIDE):
    """Return 1 in a ball, 0 outside."""
    grid = np.moveaxis(np.mgrid[:side, :side, :side], 0, -1)
    return (((grid - np.array(centre)) ** 2).sum(axis=-1) <= radius**2).astype(np.float32)


def patch(code, random):
    """Return a lesion in lung with a sign beside it: hot (0), dense (1), or none (None)."""
    lesion, sign = ball((7.5, 7.5, 7.5), 2.5), ball(SIGN, 2.0)
    pet = 0.5 + 0.1 * random.standard_normal(lesion.shape) + 3 * lesion + 8 * sign * (code == 0)
    ct = -800 + 30 * random.standard_normal(lesion.shape) + 850 * lesion + 850 * sign * (code == 1)
    return np.stack([pet.clip(0), ct, lesion]).astype(np.float32)


def lesions(patients=24, each=2, *, told=None, seed=0):
    """Return lesions of two classes; the first `told` of each patient have the sign of the patient's class."""
    random = np.random.default_rng(seed)
    whose = np.arange(patients * each) // each
    codes = random.permutation(np.arange(patients) % 2)[whose]
    telling = np.arange(patients * each) % each < (each if told is None else told)
    raw = np.stack([patch(code if tells else None, random) for code, tells in zip(codes, telling, strict=True)])
    names = tuple(f"p{one:03d}" for one in whose)
    labels = tuple(CLASSES[code] for code in codes)
    return ImageLesions(known(names, labels, each), raw, dict(zip(names, labels, strict=True)))


def known(patients, labels, each):
    count = len(patients)
    return Lesions(
        names=(),
        values=np.zeros((count, 0)),
        keys={"case": patients, "lesion": tuple(str(row % each + 1) for row in range(count))},
        patients=patients,
        centres=("",) * count,
        labels=labels,
        rows=tuple(range(count)),
    )


def codes_of(given):
    """Return the place of each lesion's class."""
    return np.array([CLASSES.index(label) for label in given.lesions.labels])


def untrained(*, trained_on="nothing at all", **changes):
    """Return a model of random weights, whose training lesions are points around the origin."""
    config = from_mapping(TINY | changes)
    random = np.random.default_rng(0)
    classes = config.classes
    return ImageClassifierModel(
        classes=classes,
        config=config,
        weights=weights_of(build(config, len(classes), seed=3).eval()),
        lesion_temperature=1.5,
        patient_temperature=2.0,
        centre=np.zeros(config.features[-1]),
        scale=np.ones(config.features[-1]),
        training=random.normal(size=(30, config.features[-1])),
        codes=np.arange(30) % len(classes),
        usual=1.0,
        unlike=np.full(30, 1e9),
        own_probabilities=np.full(30, 0.5),
        patient_weights=np.ones(30),
        trained_on=trained_on,
        summary={"lesions": 30, "patients": 30, "classes": {}, "centres": {"": 30}},
        versions={},
    )


def write_cohort(folder, given):
    """Write each patient as a study of one PET, CT and label image side by side, with list and labels."""
    entries, rows = [], ["patient,case,lesion,class,set"]
    for patient in sorted(set(given.lesions.patients)):
        own = [row for row, name in enumerate(given.lesions.patients) if name == patient]
        target = folder / patient
        target.mkdir(parents=True)
        parts = [np.concatenate([given.raw[row, channel] for row in own], axis=2) for channel in range(3)]
        numbers = np.concatenate([(n + 1) * given.raw[row, 2] for n, row in enumerate(own)], axis=2)
        for name, array in (("pet", parts[0]), ("ct", parts[1]), ("label", numbers.astype(np.uint8))):
            image = sitk.GetImageFromArray(array)
            image.SetSpacing((4.0, 4.0, 4.0))
            sitk.WriteImage(image, str(target / f"{name}.nii.gz"))
        entries.append({name: f"{patient}/{name}.nii.gz" for name in ("pet", "ct", "label")})
        rows += [f"{patient},{patient},{n + 1},{given.lesions.labels[row]},train" for n, row in enumerate(own)]
    (folder / "datalist.json").write_text(json.dumps({"training": entries}))
    (folder / "lesions.csv").write_text("\n".join(rows) + "\n")
    return folder
