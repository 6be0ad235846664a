"""Tables of a synthetic cohort for a classifier: features of its lesions by their VOIs, and their classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import SimpleITK as sitk
from scipy import ndimage
from tqdm import tqdm

from fdglung.phantom.writer.truth import Truth, read_truth
from fdglung.radiomics import extract, from_yaml, write_table
from fdglung.radiomics.settings import RadiomicsSettings
from fdglung.radiomics.tables import KEYS, SETTINGS_SUFFIX
from fdglung.radiomics.tasks import Workers

FEATURES, LABELS, DRAWN = "features.csv", "labels.csv", "drawn.csv"

MOST = 10
"""Lesions of a patient: one with 40 metastases would otherwise count 40 times."""

AVID_SUV, FRACTION = 2.5, 0.4
"""SUVbw (g/ml) from which the product reports a lesion, and the share of its SUVmax that bounds its VOI."""

REACH_MM = 6.0
"""About a true mask, how far a VOI may reach: the PET's blur."""


def write_features(
    cohort: Path,
    out: Path,
    settings: Path,
    *,
    set_names: Mapping[str, str] | None = None,
    most: int = MOST,
    partial: bool = False,
) -> bool:
    """Compute the features of all lesions of the studies that are there and not yet done; put them together.

    Parameters
    ----------
    cohort
        Folder of `fdglung phantom --format nifti`, which may still be growing.
    out
        ``studies/`` with a table a study; at the end ``features.csv`` with its settings, ``labels.csv`` with the
        classes of all lesions, and ``drawn.csv`` with those of the lesions drawn (`drawn_lesions`).
    settings
        YAML of `fdglung radiomics`.
    set_names
        Split of the cohort to another name of its set.
    most
        Lesions that are drawn of a patient.
    partial
        Whether the tables are put together of the studies that are done, without all of them.

    Returns
    -------
    bool
        Whether all studies are done.

    """
    chosen = from_yaml(settings)
    (out / "studies").mkdir(parents=True, exist_ok=True)
    recipes = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))["studies"]
    there = [one for one in recipes if (cohort / one["name"] / "study.json").is_file()]
    done = [one for one in there if (out / "studies" / f"{one['name']}.csv").exists()]
    if not partial:
        with Workers() as workers:
            for recipe in tqdm([one for one in there if one not in done], desc="features"):
                _extract(cohort / recipe["name"], out / "studies" / f"{recipe['name']}.csv", chosen, workers)
        done = there
    if partial or len(done) == len(recipes):
        _put_together(cohort, out, done, set_names or {}, most)
    return len(done) == len(recipes)


def drawn_lesions(truth: Truth, most: int = MOST) -> list[int]:
    """Return the labels of up to `most` lesions in the lungs, drawn at random, the same whenever a study is asked for.

    Avid nodes are left out: the best possible reader of the limit reads lesions of the lungs.
    """
    labels = [lesion.label for lesion in truth.lesions if lesion.kind == "lung"]
    random = np.random.default_rng([int(str(truth.parameters["seed"])), 10])
    return sorted(random.permutation(labels)[:most].tolist())


def read_pair(folder: Path) -> dict[str, sitk.Image]:
    """Read the PET and the CT of a study."""
    return {"PET": sitk.ReadImage(str(folder / "pet.nii.gz")), "CT": sitk.ReadImage(str(folder / "ct.nii.gz"))}


def vois(pet: sitk.Image, lesions: sitk.Image) -> sitk.Image:
    """Return the VOI of each true lesion as a physician would take it: at 40 % of its SUVmax, or its outline.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    lesions
        True label image on the PET's grid.

    Returns
    -------
    SimpleITK.Image
        Labels as given. A lesion whose SUVmax reaches `AVID_SUV` is what, around its hottest voxel, has `FRACTION` of
        it, within `REACH_MM` of its true mask and nearer to it than to any other. A cooler one, which the PET does not
        outline, keeps its true mask.

    """
    suv, true = sitk.GetArrayFromImage(pet), sitk.GetArrayFromImage(lesions)
    spacing = pet.GetSpacing()[::-1]
    distance, nearest = ndimage.distance_transform_edt(true == 0, sampling=spacing, return_indices=True)
    owner = np.where(distance <= REACH_MM, true[tuple(nearest)], 0)
    found = np.zeros_like(true)
    for label, box in enumerate(ndimage.find_objects(owner), 1):
        if box is None:
            continue
        own, values = true[box] == label, suv[box]
        hottest = values[own].max()
        if hottest < AVID_SUV:
            found[box][own] = label
            continue
        parts, _ = ndimage.label((owner[box] == label) & (values >= FRACTION * hottest))
        peak = np.unravel_index(np.where(own, values, -np.inf).argmax(), own.shape)
        found[box][parts == parts[peak]] = label
    image = sitk.GetImageFromArray(found)
    image.CopyInformation(lesions)
    return image


def _extract(folder: Path, table: Path, settings: RadiomicsSettings, workers: Workers) -> None:
    images, truth = read_pair(folder), read_truth(folder)
    masks = vois(images["PET"], sitk.ReadImage(str(folder / "lesions.nii.gz")))
    uids = {lesion.label: lesion.tracking_uid for lesion in truth.lesions}
    write_table(extract(images, masks, settings, labels=sorted(uids), tracking_uids=uids, workers=workers), table)


def _put_together(
    cohort: Path, out: Path, recipes: list[dict[str, Any]], set_names: Mapping[str, str], most: int
) -> None:
    tables, labels, drawn = [], [], []
    for recipe in recipes:
        path = out / "studies" / f"{recipe['name']}.csv"
        table = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str), float_precision="round_trip")
        tables.append(pd.concat([pd.DataFrame({"case": [recipe["name"]] * len(table)}), table], axis=1))
        patient = json.loads((cohort / recipe["name"] / "study.json").read_text(encoding="utf-8"))["patient_id"]
        truth = read_truth(cohort / recipe["name"])
        rows = list(_labels(recipe, patient, truth, set_names))
        labels += rows
        chosen = drawn_lesions(truth, most)
        drawn += [row for row in rows if row["lesion"] in chosen]
    settings = (out / "studies" / f"{recipes[0]['name']}{SETTINGS_SUFFIX}").read_text(encoding="utf-8")
    (out / FEATURES).with_suffix(SETTINGS_SUFFIX).write_text(settings, encoding="utf-8")
    pd.concat(tables, ignore_index=True).to_csv(out / FEATURES, index=False)
    pd.DataFrame(labels).to_csv(out / LABELS, index=False)
    pd.DataFrame(drawn).to_csv(out / DRAWN, index=False)


def _labels(
    recipe: dict[str, Any], patient: str, truth: Truth, set_names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    for lesion in truth.lesions:
        yield {
            "case": recipe["name"],
            "lesion": lesion.label,
            "patient": patient,
            "class": lesion.lesion_class.value,
            "centre": recipe["scanner"],
            "set": set_names.get(recipe["split"], recipe["split"]),
            "kind": lesion.kind,
            "subtype": lesion.subtype,
            "volume_ml": lesion.volume_ml,
            "age_years": truth.subject.age_years,
            "sex": truth.subject.sex,
        }
