"""The phantom classifier on lesions as the product finds them, in place of VOIs of all true lesions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import SimpleITK as sitk
from tqdm import tqdm

from benchmarks.phantom_tables import ALL, FEATURES, LABELS
from fdglung.classification import read_lesions
from fdglung.classification.model_file import load_model
from fdglung.classification.models import ClassifierModel
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import classify
from fdglung.classification.prediction_sets import SEPARATOR
from fdglung.evaluation.bootstrap import Bootstrap
from fdglung.experiment.lesions import voi_of
from fdglung.nifti import read_study
from fdglung.pipeline import Settings, find_lesions, find_lungs
from fdglung.radiomics import extract, from_yaml, write_table
from fdglung.segmentation import SegmentationSettings

MATCHES = ".matches.csv"
"""Beside the features of a study's findings: the true lesion of each, 0 for none."""

METHODS = {
    "threshold": (SegmentationSettings(), None),
    "network": (SegmentationSettings(method="network"), None),
    "network_40": (SegmentationSettings(method="network"), 0.4),
}
"""How lesions are found, and the share of SUVmax that bounds the VOI within an outline: `fdglung analyze` measures a
network's whole outline, `fdglung study` what of it has 40 % of its SUVmax."""


def write_found(tests: Path, settings: Path, *, studies: int, method: str) -> Path:
    """Find and measure the lesions of internal studies that are not yet done; return the folder of their tables.

    Parameters
    ----------
    tests
        Tables of `benchmarks.phantom_tables.write_features`.
    settings
        YAML of `fdglung radiomics`.
    studies
        How many of the internal test, the first of them.
    method
        One of `METHODS`.

    """
    out = tests / f"found_{method}"
    out.mkdir(exist_ok=True)
    chosen, (asked, fraction) = from_yaml(settings), METHODS[method]
    for folder in tqdm(_internal(tests, studies), desc="studies"):
        if (out / f"{folder.name}{MATCHES}").exists():
            continue
        study = read_study(folder / "pet.nii.gz", folder / "ct.nii.gz")
        found = find_lesions(study, find_lungs(study, Settings(asked)), Settings(asked)).labels
        if fraction is not None:
            assert study.pet is not None
            labels = sitk.GetArrayFromImage(found)
            inside = sitk.GetImageFromArray(voi_of(sitk.GetArrayFromImage(study.pet), labels, fraction))
            inside.CopyInformation(found)
            found = inside
        own = sitk.GetArrayFromImage(found)
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lesions.nii.gz")))
        matches = [{"lesion": int(label), "true": _most(truth[own == label])} for label in np.unique(own[own > 0])]
        if matches:
            write_table(extract(study, found, chosen, workers=1), out / f"{folder.name}.csv")
        pd.DataFrame(matches, columns=["lesion", "true"]).to_csv(out / f"{folder.name}{MATCHES}", index=False)
    return out


def print_found(model: Path, tests: Path, found: Path, *, studies: int) -> None:
    """Print the macro AUC of findings that overlap a true lesion, and of the same lesions by VOIs of all true ones.

    Lesions of the lungs alone, with nodes, and those of the lungs by whether their study has false findings.
    """
    loaded = load_model(model)
    table = pd.DataFrame(_rows(loaded, tests, found, _internal(tests, studies)))
    table.to_csv(model.with_name(f"{found.name}.csv"), index=False)
    hits = table[table["truth"] != ""]
    print(
        f"{found.name}: {studies} internal studies, {len(table)} findings, {len(table) - len(hits)} of them no lesion"
    )
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
    held = [label in one.split(SEPARATOR) for label, one in zip(hits["truth"], hits["prediction_set"], strict=True)]
    print(f"undetermined: {int(hits['undetermined'].sum())} of {len(hits)}; in the prediction set: {np.mean(held):.3f}")


def _internal(tests: Path, studies: int) -> list[Path]:
    known = pd.read_csv(tests / LABELS)
    return [Path(one) for one in dict.fromkeys(known[known["set"] == "internal_test"]["study"])][:studies]


def _rows(model: ClassifierModel, tests: Path, found: Path, folders: list[Path]) -> Iterator[dict[str, Any]]:
    """Return a row a finding: the true lesion that it overlaps most, and what is said of both VOIs in their studies."""
    of_study = [folder for folder in folders if (found / f"{folder.name}.csv").exists()]
    said = classify(model, read_lesions([f"{folder.name}={found / folder.name}.csv" for folder in of_study]))
    best = classify(model, read_lesions([tests / FEATURES]))
    places = {key: n for n, key in enumerate(zip(best.lesions.keys["case"], best.lesions.keys["lesion"], strict=True))}
    labels = pd.read_csv(tests / LABELS).set_index(["study", "lesion"])
    matches = {
        folder.name: pd.read_csv(found / f"{folder.name}{MATCHES}").set_index("lesion")["true"] for folder in of_study
    }
    where = {folder.name: folder for folder in of_study}
    for n, (case, lesion) in enumerate(zip(said.lesions.keys["case"], said.lesions.keys["lesion"], strict=True)):
        true = int(matches[case][int(lesion)])
        row = {"case": case, "finding": lesion, "lesion": true, "truth": "", "kind": ""}
        row |= {f"found_{one}": said.probabilities[n, code] for code, one in enumerate(model.classes)}
        row |= {
            "undetermined": said.classes[n] not in model.classes,
            "prediction_set": SEPARATOR.join(said.prediction_sets[n]),
        }
        if true:
            about = labels.loc[(str(where[case]), true)]
            at = places[f"{where[case].parent.name}/{case} {ALL}", str(true)]
            row |= {"truth": about["class"], "kind": about["kind"]}
            row |= {f"drawn_{one}": best.probabilities[at, code] for code, one in enumerate(model.classes)}
        yield row


def _most(labels: np.ndarray) -> int:
    """Return the label above 0 that is the commonest; 0 where there is none."""
    counts = np.bincount(labels[labels > 0].astype(np.int64)) if (labels > 0).any() else np.zeros(1)
    return int(counts.argmax())
