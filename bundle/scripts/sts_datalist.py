"""A data list of the soft-tissue sarcoma crops: folds by patient, so that no patient is trained and tested on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from fdglung.errors import DataListError


def make_datalist(folder: Path, folds: int = 4, seed: int = 0) -> dict[str, Any]:
    """List the crops in lists ``train_K``, ``validation_K`` and ``test_K`` for each fold K, and ``all``.

    Each case is tested once. The next fold's tests validate, and train no network of this fold.

    Parameters
    ----------
    folder
        Holds ``STS_NNN`` with ``PET_image.nii.gz`` (SUVbw), ``CT_image.nii.gz`` (HU) and ``PET_mask.nii.gz``.
    folds
        How many.
    seed
        Of the order.

    Raises
    ------
    DataListError
        There are fewer cases than folds.

    """
    names = sorted(path.name for path in folder.iterdir() if (path / "PET_image.nii.gz").is_file())
    if len(names) < max(3, folds):
        raise DataListError(
            f"{folder} holds {len(names)} cases", attribute="folder", remedy="Name the folder that holds STS_001 and on"
        )
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    parts = [sorted(order[fold::folds]) for fold in range(folds)]
    lists: dict[str, Any] = {"name": "Soft-tissue sarcoma PET/CT crops", "all": [_entry(name) for name in names]}
    for fold in range(folds):
        test, validation = parts[fold], parts[(fold + 1) % folds]
        lists[f"train_{fold}"] = [_entry(name) for name in names if name not in test and name not in validation]
        lists[f"validation_{fold}"] = [_entry(name) for name in validation]
        lists[f"test_{fold}"] = [_entry(name) for name in test]
        lists[f"train_all_{fold}"] = [_entry(name) for name in names if name not in test]
    return lists


def _entry(name: str) -> dict[str, str]:
    files = {"pet": "PET_image", "ct": "CT_image", "label": "PET_mask"}
    return {"name": name, "patient_id": name, **{key: f"{name}/{file}.nii.gz" for key, file in files.items()}}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the crops, which becomes --dataset_dir")
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    lists = make_datalist(options.folder, options.folds, options.seed)
    options.out.write_text(json.dumps(lists, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
