"""Tables of a synthetic cohort for a classifier: features of its lesions by their VOIs, and their classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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

ALL, AVID = "all", "avid"
"""Readings of a study: all its lesions, by which each has its context, or those alone that reach `AVID_SUV`."""


def write_features(
    cohorts: Sequence[Path],
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
    cohorts
        Folders of `fdglung phantom --format nifti`, each of its own name, which may still be growing.
    out
        ``studies/`` with a table a study; at the end ``features.csv`` with its settings, which has each study as a case
        of its own for either reading (`ALL`, `AVID`); ``drawn.csv`` with the classes of the lesions drawn
        (`drawn_lesions`), as often as they are read, and which was drawn first, second …; ``labels.csv`` with those of
        all lesions.
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
    studies = [one for cohort in cohorts for one in _studies(cohort, out)]
    for _, table in studies:
        table.parent.mkdir(parents=True, exist_ok=True)
    there = [one for one in studies if (one[0] / "study.json").is_file()]
    done = [one for one in there if one[1].exists()]
    if not partial:
        with Workers() as workers:
            for folder, table in tqdm([one for one in there if one not in done], desc="features"):
                _extract(folder, table, chosen, workers)
        done = there
    if partial or len(done) == len(studies):
        _put_together(done, out, set_names or {}, most)
    return len(done) == len(studies)


def _studies(cohort: Path, out: Path) -> list[tuple[Path, Path]]:
    """Return the folder of each study of a cohort, and the table of its features."""
    names = [one["name"] for one in _recipes(cohort)]
    return [(cohort / name, out / "studies" / cohort.name / f"{name}.csv") for name in names]


def _recipes(cohort: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))["studies"]
    return found


def drawn_lesions(truth: Truth, most: int = MOST) -> list[int]:
    """Return the labels of up to `most` lesions in the lungs in the order in which they are drawn.

    They are the same whenever a study is asked for, and with fewer the first of them. Avid nodes are left out: the best
    possible reader of the limit reads lesions of the lungs.
    """
    labels = [lesion.label for lesion in truth.lesions if lesion.kind == "lung"]
    random = np.random.default_rng([int(str(truth.parameters["seed"])), 10])
    drawn: list[int] = random.permutation(labels)[:most].tolist()
    return drawn


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


def _put_together(studies: list[tuple[Path, Path]], out: Path, set_names: Mapping[str, str], most: int) -> None:
    tables, labels, drawn = [], [], []
    cohorts = {folder.parent for folder, _ in studies}
    recipes = {(cohort, one["name"]): one for cohort in cohorts for one in _recipes(cohort)}
    for folder, path in studies:
        table = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str), float_precision="round_trip")
        # It would name two rows: case and lesion tell the readings apart.
        table = table.drop(columns="tracking_uid")
        truth = read_truth(folder)
        rows = pd.DataFrame(_labels(folder, recipes[folder.parent, folder.name], truth, set_names))
        labels.append(rows)
        order = {label: place for place, label in enumerate(drawn_lesions(truth, most), 1)}
        chosen = rows[rows["lesion"].isin(order)]
        for reading, seen in ((ALL, table), (AVID, table[table["PET_suv_max"] >= AVID_SUV])):
            case = f"{folder.parent.name}/{folder.name} {reading}"
            tables.append(pd.concat([pd.Series(case, index=seen.index, name="case"), seen], axis=1))
            read = chosen[chosen["lesion"].isin(seen["lesion"].astype(int))]
            own = {"drawn": read["lesion"].map(order), "case": case, "reading": reading}
            same = f"{folder.parent.name}/{folder.name} " + read["lesion"].astype(str)
            drawn.append(read.assign(**own, counted_as=same))
    settings = studies[0][1].with_suffix(SETTINGS_SUFFIX).read_text(encoding="utf-8")
    (out / FEATURES).with_suffix(SETTINGS_SUFFIX).write_text(settings, encoding="utf-8")
    pd.concat(tables, ignore_index=True).to_csv(out / FEATURES, index=False)
    pd.concat(labels, ignore_index=True).to_csv(out / LABELS, index=False)
    pd.concat(drawn, ignore_index=True).to_csv(out / DRAWN, index=False)


def _labels(
    folder: Path, recipe: Mapping[str, Any], truth: Truth, set_names: Mapping[str, str]
) -> Iterator[dict[str, Any]]:
    patient = json.loads((folder / "study.json").read_text(encoding="utf-8"))["patient_id"]
    for lesion in truth.lesions:
        yield {
            "study": str(folder),
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
