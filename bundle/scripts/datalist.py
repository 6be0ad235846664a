"""The list of cases to train on, checked before any work: every message names the list's key and the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung.errors import DataListError

_SAME_MM = 1e-2


def read_cases(
    dataset_dir: str,
    datalist: str,
    key: str,
    channels: Sequence[str],
    *,
    organs: bool = False,
    label_key: str = "label",
) -> list[dict[str, str]]:
    """Read one list of cases and check it.

    Parameters
    ----------
    dataset_dir
        Folder that the paths in the list start from.
    datalist
        JSON file, itself relative to `dataset_dir` or absolute: keys such as ``training`` to lists of entries with
        ``pet`` (SUVbw), ``ct`` (HU), ``label`` (0 background, lesions from 1, on the PET's grid) and perhaps
        ``organs`` on the PET's grid.
    key
        Which list.
    channels
        Images that are needed: ``PET``, ``CT``.
    organs
        Whether the entries must have ``organs``.
    label_key
        Which of an entry's masks is the target.

    Returns
    -------
    list of dict
        ``name`` and the absolute paths ``pet``, ``ct`` (empty where not listed), ``label``, ``organs``.

    Raises
    ------
    DataListError
        The list or a file is missing, or images of an entry lie on different grids.

    """
    return _checked(dataset_dir, datalist, key, channels, [label_key, *(["organs"] if organs else [])])


def read_files(dataset_dir: str, datalist: str, key: str, channels: Sequence[str]) -> list[dict[str, str]]:
    """Read one list of cases without labels and check it; see `read_cases`."""
    return _checked(dataset_dir, datalist, key, channels, [])


def _checked(
    dataset_dir: str, datalist: str, key: str, channels: Sequence[str], masks: Sequence[str]
) -> list[dict[str, str]]:
    root = Path(dataset_dir)
    entries = _entries(root / datalist, key)
    needed = ["pet", *(["ct"] if "CT" in channels else []), *masks]
    cases = []
    for index, entry in enumerate(entries):
        where = f"{key}[{index}]"
        for name in needed:
            if not isinstance(entry, dict) or not isinstance(entry.get(name), str):
                raise _wrong(f"{where} names no {name}", where, f"Add the path of its {name} to the list")
        paths = {name: root / entry[name] for name in ("pet", "ct", *masks) if entry.get(name)}
        for name, path in paths.items():
            if not path.is_file():
                raise _wrong(f"the {name} of {where}, {path}, is not there", f"{where}.{name}", "Correct the path")
        _check_grids(where, paths, ["pet", *masks])
        cases.append(
            {
                "name": str(entry.get("name") or Path(entry["pet"]).parent.name or index),
                "pet": str(paths["pet"]),
                "ct": str(paths.get("ct", "")),
                **({"label": str(paths[masks[0]])} if masks else {}),
                **({"organs": str(paths["organs"])} if "organs" in masks else {}),
            }
        )
    return cases


def _entries(path: Path, key: str) -> list[Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(f"the list {path} cannot be read", "datalist", "Name a JSON file with --datalist") from error
    except ValueError as error:
        raise _wrong(f"the list {path} is no JSON ({error})", "datalist", "Correct the file") from error
    if not isinstance(document, dict) or not isinstance(document.get(key), list):
        raise _wrong(f"the list {path} has no key {key!r}", key, "Add a list of entries under this key")
    if not document[key]:
        raise _wrong(f"the list {key!r} of {path} is empty", key, "Add entries, or name another key")
    return document[key]


def _check_grids(where: str, paths: dict[str, Path], names: Sequence[str]) -> None:
    first, grid = names[0], _grid(where, names[0], paths[names[0]])
    for name in names[1:]:
        other = _grid(where, name, paths[name])
        if grid[0] != other[0] or np.abs(grid[1] - other[1]).max() > _SAME_MM:
            raise _wrong(
                f"{paths[name]} does not lie on the grid of {paths[first]} "
                f"({other[0]} against {grid[0]} voxels, or another spacing, origin or direction)",
                f"{where}.{name}",
                f"Resample the {name} onto the {first}'s grid",
            )


def _grid(where: str, name: str, path: Path) -> tuple[tuple[int, ...], np.ndarray[Any, Any]]:
    """Return size, and the corners in mm."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _wrong(f"{path} cannot be read as an image", f"{where}.{name}", "Write the file anew") from error
    size = np.array(reader.GetSize()[:3])
    axes = np.array(reader.GetDirection()).reshape(reader.GetDimension(), -1)[:3, :3] * np.array(
        reader.GetSpacing()[:3]
    )
    corners = np.array([axes @ (size * end) for end in np.ndindex(2, 2, 2)]) + np.array(reader.GetOrigin()[:3])
    return tuple(int(n) for n in size), corners


def _wrong(problem: str, where: str, remedy: str) -> DataListError:
    return DataListError(problem, attribute=where, remedy=remedy)
