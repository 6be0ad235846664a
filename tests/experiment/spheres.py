"""A tiny cohort whose truth is planted: balls of uptake in a uniform PET, whose class follows from their SUV."""

from __future__ import annotations

import csv

import numpy as np
import SimpleITK as sitk
import yaml

SHAPE, SPACING = (30, 34, 38), (4.0, 4.0, 4.0)
PLACES = ((7, 8, 9), (22, 25, 28), (7, 25, 9), (22, 8, 28), (7, 8, 28))
BALLS = 4
"""Of each study; one more is fainter than what the study is about."""
CLASSES = {"cool": 5.0, "hot": 11.0}
FAINT = 1.5
"""SUV of a ball below the study's least, in the reference of every study."""

CONFIG = {
    "title": "Balls of uptake",
    "out": "out",
    "data": {"studies": "studies.csv", "lesions": "lesions.csv", "clinical": "clinical.csv", "synthetic": True},
    "sets": {"training": ["train"], "internal_test": ["test"], "external": ["other"]},
    "reference": {"min_suv_max": 2.5},
    "segmentation": {"method": "threshold", "region": "all", "reference_factor": 0},
    "radiomics": {"families": ["stat"], "modalities": {"PET": {"filters": {}}}},
    "classifiers": {
        "radiomics": {"config": {"validation": {"outer_folds": 2, "inner_folds": 2}, "model": {"grid": {"C": [1.0]}}}},
        "conventional": {
            "config": {
                "features": ["PET_suv_", "PET_mtv_ml", "PET_tlg_g"],
                "validation": {"outer_folds": 2, "inner_folds": 2},
                "model": {"grid": {"C": [1.0]}},
            }
        },
    },
    "evaluation": {"resamples": 100},
    "statistics": {"resamples": 1000},
}


def write_cohort(folder, *, training=12, tests=6, overlap=3.0, seed=0):
    """Write studies of `BALLS` balls each, tables and a configuration; return the configuration's path.

    Parameters
    ----------
    overlap
        Standard deviation of a ball's SUV about its class's, so that classes cannot be told apart wholly.

    """
    random = np.random.default_rng(seed)
    rows, lesions, clinical = [], [], []
    sets = ["train"] * training + ["test"] * tests + ["other"] * tests
    for number, name in enumerate(sets):
        study = f"s{number:02d}"
        label = list(CLASSES)[number % 2]
        suv = [max(3.5, random.normal(CLASSES[label], overlap)) for _ in range(BALLS)]
        _write_study(folder / study, [*suv, FAINT], random)
        centre = "far" if name == "other" else "near"
        rows.append(
            {
                "study": study,
                "pet": f"{study}/pet.nii.gz",
                "reference": f"{study}/label.nii.gz",
                "patient": f"p{number:02d}",
                "centre": centre,
                "set": name,
            }
        )
        lesions += [{"study": study, "lesion": n, "class": label} for n in range(1, BALLS + 2)]
        clinical.append({"patient": f"p{number:02d}", "age": round(random.normal(62, 9)), "sex": "fm"[number // 2 % 2]})
    for table, content in (("studies", rows), ("lesions", lesions), ("clinical", clinical)):
        write_table(folder / f"{table}.csv", content)
    return write_config(folder, CONFIG)


def write_config(folder, content):
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def write_table(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _write_study(folder, suv, random):
    folder.mkdir(parents=True)
    pet = random.normal(0.5, 0.02, SHAPE)
    label = np.zeros(SHAPE, np.uint8)
    for number, (value, centre) in enumerate(zip(suv, PLACES, strict=True), start=1):
        squares = sum(
            (axis - place) ** 2
            for axis, place in zip(np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]], centre, strict=True)
        )
        ball = squares <= random.uniform(3.0, 4.5) ** 2
        pet[ball] = value * random.normal(1, 0.03, int(ball.sum()))
        label[ball] = number
    for name, array in (("pet", pet.astype(np.float32)), ("label", label)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(SPACING)
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
