"""The tables about a cohort: a row a study, a row a lesion, and the lists that MONAI reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fdglung.errors import OutputWriteError
from fdglung.phantom.cohort_plan import StudyRecipe
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.study import SyntheticStudy
from fdglung.phantom.writer.image import patient_id
from fdglung.phantom.writer.truth import NOTICE, Truth, made_by, read_truth

RECORD = "study.json"
"""File in a study's folder that holds its recipe; it is written last, with the rest of the folder."""

LISTS = {"training": "train", "validation": "validation", "test": "internal_test", "external": "external"}
"""Keys of the MONAI data list, and the splits behind them."""


def record(recipe: StudyRecipe, study: SyntheticStudy) -> dict[str, Any]:
    """Return what stands in a study's folder beside its images and truth."""
    return {
        "made_by": made_by(),
        "notice": NOTICE,
        "recipe": asdict(recipe),
        "sha256": recipe.sha256,
        "patient_id": patient_id(study.subject),
    }


def write_tables(folder: Path, recipes: Sequence[StudyRecipe]) -> None:
    """Write ``cohort.csv``, ``lesions.csv`` and, for NIfTI, ``datalist.json`` about studies that are all there.

    Raises
    ------
    OutputWriteError
        Writing failed.
    ParameterError
        A study's truth cannot be read.

    """
    truths = [read_truth(folder / recipe.name) for recipe in recipes]
    studies = [_study_row(recipe, truth) for recipe, truth in zip(recipes, truths, strict=True)]
    lesions = [row for recipe, truth in zip(recipes, truths, strict=True) for row in _lesion_rows(recipe, truth)]
    texts = {"cohort.csv": _csv(studies), "lesions.csv": _csv(lesions, columns=_LESION_COLUMNS)}
    if recipes[0].format == "nifti":
        document = _datalist(recipes, truths)
        texts["datalist.json"] = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        for name, text in texts.items():
            partial = folder / f".{name}.partial"
            partial.write_text(text, encoding="utf-8")
            partial.replace(folder / name)
    except OSError as error:
        raise OutputWriteError(
            f"the tables in {folder} could not be written ({error.strerror or type(error).__name__})",
            attribute="out",
            remedy="Free space and run the same command again: what is made stays",
        ) from error


def _study_row(recipe: StudyRecipe, truth: Truth) -> dict[str, object]:
    subject, acquisition = truth.subject, truth.acquisition
    scanner = SCANNERS[acquisition.scanner]
    return {
        "study": recipe.name,
        "patient_id": patient_id(subject),
        "split": recipe.split,
        "lesion_class": recipe.lesion_class.value,
        "lesions": len(truth.lesions),
        "seed": recipe.seed,
        "vendor": scanner.vendor,
        "scanner": scanner.key,
        "reconstruction": acquisition.reconstruction,
        "tracer": acquisition.tracer,
        "dose_factor": acquisition.dose_factor,
        "injected_dose_mbq": round(acquisition.injected_dose_bq / 1e6, 3),
        "uptake_min": round((acquisition.started - acquisition.injected).total_seconds() / 60, 2),
        "ct_mas": acquisition.ct_mas,
        "ct_kernel": acquisition.ct_kernel,
        "ct_contrast": acquisition.ct_contrast,
        "ct_slice_mm": acquisition.ct_slice_mm,
        "sex": subject.sex,
        "age_years": subject.age_years,
        "height_cm": subject.height_cm,
        "weight_kg": subject.weight_kg,
        "finds": ";".join(sorted(subject.finds)),
        "quirks": ";".join(recipe.quirks),
        "sha256": recipe.sha256,
    }


_LESION_COLUMNS = (
    *("study", "patient_id", "split", "label", "lesion_class", "subtype", "kind", "place", "x_mm", "y_mm", "z_mm"),
    *("volume_ml", "suv_max", "suv_mean", "hu", "signs", "tracking_uid"),
)


def _lesion_rows(recipe: StudyRecipe, truth: Truth) -> list[dict[str, object]]:
    rows = []
    for lesion in truth.lesions:
        values = asdict(lesion)
        x, y, z = values.pop("centre_mm")
        changed = {"lesion_class": lesion.lesion_class.value, "signs": ";".join(lesion.signs)}
        place = {"x_mm": x, "y_mm": y, "z_mm": z}
        known = {"study": recipe.name, "patient_id": patient_id(truth.subject), "split": recipe.split}
        rows.append(known | values | changed | place)
    return rows


def _csv(rows: Sequence[dict[str, object]], *, columns: Sequence[str] = ()) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _datalist(recipes: Sequence[StudyRecipe], truths: Sequence[Truth]) -> dict[str, Any]:
    lists: dict[str, list[dict[str, object]]] = {key: [] for key in LISTS}
    by_split = {split: key for key, split in LISTS.items()}
    for recipe, truth in zip(recipes, truths, strict=True):
        lists[by_split[recipe.split]].append(_entry(recipe, truth))
    return {
        "name": "fdglung synthetic PET/CT",
        "description": NOTICE,
        "release": made_by(),
        "modality": {"0": "CT", "1": "PT"},
        "numTraining": len(lists["training"]),
        "numTest": len(lists["test"]),
        **lists,
    }


def _entry(recipe: StudyRecipe, truth: Truth) -> dict[str, object]:
    """One entry; ``label`` numbers the lesions from 1 on the PET grid, ``image`` needs one grid for CT and PET."""
    paths = {key: f"{recipe.name}/{name}.nii.gz" for key, name in _FILES.items()}
    if recipe.with_nac:
        paths["pet_nac"] = f"{recipe.name}/pet_nac.nii.gz"
    stacked = {"image": [paths["ct"], paths["pet"]]} if recipe.grid_mm is not None else {}
    scanner = SCANNERS[truth.acquisition.scanner]
    return {
        **stacked,
        **paths,
        "class": recipe.lesion_class.value,
        "patient_id": patient_id(truth.subject),
        "scanner": scanner.key,
        "vendor": scanner.vendor,
        "dose_factor": recipe.dose_factor,
    }


_FILES = {
    "ct": "ct",
    "pet": "pet",
    "label": "lesions",
    "organs": "organs",
    "ct_label": "ct_lesions",
    "ct_organs": "ct_organs",
}
