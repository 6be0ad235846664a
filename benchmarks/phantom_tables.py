"""Tables of a synthetic cohort for a classifier: features of its lesions by their true masks, and their classes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import SimpleITK as sitk
from tqdm import tqdm

from fdglung.phantom.writer.truth import Truth, read_truth
from fdglung.radiomics import extract, from_yaml, write_table
from fdglung.radiomics.settings import RadiomicsSettings
from fdglung.radiomics.tables import KEYS, SETTINGS_SUFFIX

FEATURES, LABELS = "features.csv", "labels.csv"


def write_features(
    cohort: Path, out: Path, settings: Path, *, set_names: Mapping[str, str] | None = None, partial: bool = False
) -> bool:
    """Compute the features of all studies that are there and not yet done, and put them together once all are.

    Parameters
    ----------
    cohort
        Folder of `fdglung phantom --format nifti`, which may still be growing.
    out
        ``studies/`` with a table a study; at the end ``features.csv`` with its settings, and ``labels.csv``.
    settings
        YAML of `fdglung radiomics`.
    set_names
        Split of the cohort to another name of its set.
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
        for recipe in tqdm([one for one in there if one not in done], desc="features"):
            _extract(cohort / recipe["name"], out / "studies" / f"{recipe['name']}.csv", chosen)
        done = there
    if partial or len(done) == len(recipes):
        _put_together(cohort, out, done, set_names or {})
    return len(done) == len(recipes)


def lung_lesions(labels: pd.DataFrame, *, most: int, seed: int = 0) -> pd.DataFrame:
    """Return up to `most` lesions in the lungs of each patient, drawn at random.

    A patient with 40 metastases would otherwise count 40 times. Avid nodes are left out: the best possible reader of
    the limit reads lesions of the lungs.
    """
    drawn = labels[labels["kind"] == "lung"].sample(frac=1, random_state=seed)
    return drawn.groupby("patient").head(most).sort_index()


def read_pair(folder: Path) -> dict[str, sitk.Image]:
    """Read the PET and the CT of a study."""
    return {"PET": sitk.ReadImage(str(folder / "pet.nii.gz")), "CT": sitk.ReadImage(str(folder / "ct.nii.gz"))}


def _extract(folder: Path, table: Path, settings: RadiomicsSettings) -> None:
    mask = sitk.ReadImage(str(folder / "lesions.nii.gz"))
    uids = {lesion.label: lesion.tracking_uid for lesion in read_truth(folder).lesions}
    write_table(extract(read_pair(folder), mask, settings, tracking_uids=uids, workers=1), table)


def _put_together(cohort: Path, out: Path, recipes: list[dict[str, Any]], set_names: Mapping[str, str]) -> None:
    tables, labels = [], []
    for recipe in recipes:
        path = out / "studies" / f"{recipe['name']}.csv"
        table = pd.read_csv(path, dtype=dict.fromkeys(KEYS, str), float_precision="round_trip")
        tables.append(pd.concat([pd.DataFrame({"case": [recipe["name"]] * len(table)}), table], axis=1))
        patient = json.loads((cohort / recipe["name"] / "study.json").read_text(encoding="utf-8"))["patient_id"]
        labels += list(_labels(recipe, patient, read_truth(cohort / recipe["name"]), set_names))
    settings = (out / "studies" / f"{recipes[0]['name']}{SETTINGS_SUFFIX}").read_text(encoding="utf-8")
    (out / FEATURES).with_suffix(SETTINGS_SUFFIX).write_text(settings, encoding="utf-8")
    pd.concat(tables, ignore_index=True).to_csv(out / FEATURES, index=False)
    pd.DataFrame(labels).to_csv(out / LABELS, index=False)


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
