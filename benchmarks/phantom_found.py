"""The phantom classifier on lesions as the product finds them, in place of VOIs of all true lesions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import SimpleITK as sitk
from tqdm import tqdm

from benchmarks.phantom_tables import vois
from fdglung.classification.model_file import load_model
from fdglung.classification.models import ClassifierModel
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import classify
from fdglung.classification.tables import lesions_of_table
from fdglung.evaluation.bootstrap import Bootstrap
from fdglung.nifti import read_study
from fdglung.pipeline import Settings, find_lesions, find_lungs
from fdglung.radiomics import extract, from_yaml
from fdglung.segmentation import SegmentationSettings


def print_found(
    model: Path, labels: Path, *, studies: int, method: Literal["threshold", "network"] = "threshold"
) -> None:
    """Print the macro AUC of findings that overlap a true lesion, and of the same lesions by VOIs of all true ones.

    Lesions of the lungs alone, with nodes, and those of the lungs by whether their study has false findings. What a
    network finds is measured on its outline, as `fdglung analyze` does.
    """
    loaded = load_model(model)
    known = pd.read_csv(labels)
    folders = list(dict.fromkeys(known[known["set"] == "internal_test"]["study"]))[:studies]
    settings = Settings(SegmentationSettings(method=method))
    rows: list[dict[str, Any]] = []
    for folder in tqdm(folders, desc="studies"):
        rows += _rows(Path(folder), loaded, known[known["study"] == folder], settings)
    table = pd.DataFrame(rows)
    table.to_csv(model.with_name(f"found_{method}.csv"), index=False)
    hits = table[table["truth"] != ""]
    print(f"{len(folders)} internal studies, {len(table)} findings, {len(table) - len(hits)} of them no lesion")
    lungs, noisy = hits["kind"] == "lung", hits["case"].isin(table[table["truth"] == ""]["case"])
    parts = {"lung": hits[lungs], "lung and node": hits}
    parts |= {"lung, no false finding": hits[lungs & ~noisy], "lung, false findings": hits[lungs & noisy]}
    for title, part in parts.items():
        codes = np.array([loaded.classes.index(one) for one in part["truth"]])
        for name in ("found", "drawn"):
            chances = part[[f"{name}_{one}" for one in loaded.classes]].to_numpy()
            area = Bootstrap(1000).statistic(
                lambda taken, codes=codes, chances=chances: macro_auc(codes[taken], chances[taken]),  # type: ignore[misc]
                part["case"].tolist(),
            )
            right = (chances.argmax(axis=1) == codes).mean()
            print(
                f"{title}, {name}: {len(part)} lesions of {part['case'].nunique()} studies, macro AUC {area.value:.3f} "
                f"({area.low:.3f} to {area.high:.3f}), accuracy {right:.3f}"
            )
    print(f"undetermined: {int(hits['undetermined'].sum())} of {len(hits)} found")


def _rows(folder: Path, model: ClassifierModel, known: pd.DataFrame, asked: Settings) -> list[dict[str, Any]]:
    """Return a row a finding: the true lesion that it overlaps most, and what is said of both VOIs in their studies."""
    study = read_study(folder / "pet.nii.gz", folder / "ct.nii.gz")
    found = find_lesions(study, find_lungs(study, asked), asked)
    if not found.lesions:
        return []
    settings = from_yaml(model.radiomics or "")
    truth = sitk.ReadImage(str(folder / "lesions.nii.gz"))
    own, other = sitk.GetArrayViewFromImage(found.labels), sitk.GetArrayViewFromImage(truth)
    matches = {lesion.label: _most(other[own == lesion.label]) for lesion in found.lesions}
    said = classify(model, lesions_of_table(extract(study, found.labels, settings, workers=1)))
    best = None
    if any(matches.values()):
        assert study.pet is not None
        best = classify(model, lesions_of_table(extract(study, vois(study.pet, truth), settings, workers=1)))
    about = known.set_index("lesion")
    rows = []
    for place, lesion in enumerate(said.lesions.keys["lesion"]):
        label = matches[int(lesion)]
        row = {"case": folder.name, "finding": lesion, "lesion": label, "truth": "", "kind": ""}
        row |= {f"found_{one}": said.probabilities[place, code] for code, one in enumerate(model.classes)}
        row["undetermined"] = said.classes[place] not in model.classes
        if label and best is not None:
            row |= {"truth": about.loc[label, "class"], "kind": about.loc[label, "kind"]}
            at = best.lesions.keys["lesion"].index(str(label))
            row |= {f"drawn_{one}": best.probabilities[at, code] for code, one in enumerate(model.classes)}
        rows.append(row)
    return rows


def _most(labels: np.ndarray) -> int:
    """Return the label above 0 that is the commonest; 0 where there is none."""
    counts = np.bincount(labels[labels > 0].astype(np.int64)) if (labels > 0).any() else np.zeros(1)
    return int(counts.argmax())
