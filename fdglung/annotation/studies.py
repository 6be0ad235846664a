"""The studies of a folder: DICOM, or NIfTI pairs of a PET in SUVbw and its CT."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fdglung import nifti, study
from fdglung.errors import NoPetError, NotQuantitativePetError, ParameterError, UnknownStudyError
from fdglung.study import Study

LABELS_FOLDER = "labels"
"""Subfolder of the studies that holds labels, never images."""

OVERRIDES_FILE = "companions.json"
"""In the labels' folder: study to the PET or CT to take instead of the one found."""

PET_NAMES = ("pet", "suv", "suvbw", "pet_suvbw", "pet_suv")
"""What a NIfTI PET in SUVbw is called, alone in its folder or behind its study's name and ``_``."""

CT_NAMES = ("ct", "ct_hu", "ctres", "hu")
"""What its CT is called."""

_SUFFIX = re.compile(r"\.nii(\.gz)?$")


@dataclass(frozen=True)
class StudyEntry:
    """One study of a folder.

    Attributes
    ----------
    name
        What it is called: its folder's or zip's name, or what its NIfTI files' names begin with.
    source
        Folder or zip of DICOM; None for NIfTI.
    pet, ct
        NIfTI files; None for DICOM, and for a study without one of them.
    pet_series, ct_series
        SeriesInstanceUID to take; None leaves the choice to `fdglung.dicom.selection.choose`.

    """

    name: str
    source: Path | None = None
    pet: Path | None = None
    ct: Path | None = None
    pet_series: str | None = None
    ct_series: str | None = None

    @property
    def is_dicom(self) -> bool:
        """Whether SEG can be written for it."""
        return self.source is not None


def find_studies(folder: Path | str, *, labels: Path | str | None = None) -> tuple[StudyEntry, ...]:
    """List the studies of a folder by their files' names; nothing is opened.

    Parameters
    ----------
    folder
        Each subfolder is a study: NIfTI where it holds a file called by one of `PET_NAMES` or `CT_NAMES`, else DICOM,
        searched to its depth; so is each zip, and each pair ``NAME_pet.nii.gz`` and ``NAME_ct.nii.gz``.
    labels
        Folder of the labels, left out and read for `OVERRIDES_FILE`; None for the subfolder `LABELS_FOLDER`.

    Returns
    -------
    tuple of StudyEntry
        In the order of their names, each name once.

    Raises
    ------
    UnknownStudyError
        There is no such folder.
    ParameterError
        The overrides cannot be read.

    """
    root = Path(folder)
    if not root.is_dir():
        raise UnknownStudyError(
            "the folder of studies does not exist", attribute="STUDIES", remedy="Name a folder of PET/CT studies"
        )
    return _entries(root.iterdir(), root, Path(labels) if labels is not None else root / LABELS_FOLDER)


def find_study(folder: Path | str, name: str, *, labels: Path | str | None = None) -> StudyEntry | None:
    """Return one study as `find_studies` lists it, without a look at the others; None where there is none."""
    root = Path(folder)
    names = (root / name, root / f"{name}.zip", *root.glob(f"{glob.escape(name)}_*"))
    paths = [path for path in names if path.parent == root and path.exists()]
    entries = _entries(paths, root, Path(labels) if labels is not None else root / LABELS_FOLDER)
    return next((entry for entry in entries if entry.name == name), None)


def _entries(paths: Iterable[Path], root: Path, labels: Path) -> tuple[StudyEntry, ...]:
    found: dict[str, StudyEntry] = {}
    flat: dict[str, dict[str, Path]] = {}
    for path in sorted(paths):
        if path.name.startswith(".") or path.resolve() == labels.resolve() or not _inside(path, root):
            continue
        if path.is_dir():
            found[path.name] = _of_folder(path)
        elif path.suffix.lower() == ".zip":
            found.setdefault(path.stem, StudyEntry(path.stem, source=path))
        else:
            named = _flat_name(path)
            if named is not None:
                flat.setdefault(named[0], {}).setdefault(named[1], path)
    for name, files in flat.items():
        found.setdefault(name, StudyEntry(name, pet=files.get("pet"), ct=files.get("ct")))
    overrides = read_overrides(labels)
    return tuple(_overridden(found[name], overrides.get(name, {}), root) for name in sorted(found))


def open_study(entry: StudyEntry) -> Study:
    """Read a study's PET in SUVbw and its CT.

    Raises
    ------
    NotQuantitativePetError, NoPetError
        The study holds no PET in SUV.
    InputError
        What `fdglung.study.load` or `fdglung.nifti.read_study` refuses: a PET without attenuation correction, say.

    """
    if entry.source is not None:
        loaded = study.load(entry.source, pet_series_uid=entry.pet_series, ct_series_uid=entry.ct_series)
        if loaded.pet is None:
            raise NoPetError(
                "the study holds a CT and no PET, and labels lie on a PET",
                remedy="Add the attenuation-corrected PET of the same examination",
            )
        return loaded
    if entry.pet is None:
        raise NotQuantitativePetError(
            "the study holds a CT and no PET in SUV, and labels lie on a PET",
            attribute="image",
            remedy=f"Add the PET in SUVbw (g/ml), called {' or '.join(PET_NAMES[:3])}",
        )
    return nifti.read_study(entry.pet, entry.ct)


def read_overrides(labels: Path | str) -> dict[str, dict[str, str]]:
    """Return what `OVERRIDES_FILE` in a folder of labels says: study to the series or files to take.

    Raises
    ------
    ParameterError
        It cannot be read.

    """
    path = Path(labels) / OVERRIDES_FILE
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        ok = isinstance(document, dict) and all(isinstance(entry, dict) for entry in document.values())
    except (OSError, ValueError):
        ok = False
    if not ok:
        raise ParameterError(
            f"{OVERRIDES_FILE} is no JSON object of studies",
            attribute=OVERRIDES_FILE,
            remedy='Write {"study": {"ct_series": "SeriesInstanceUID"}}, or "ct": "file" for NIfTI',
        )
    return document


def _inside(path: Path, root: Path) -> bool:
    """Refuse links that lead out of the folder."""
    return path.resolve().is_relative_to(root.resolve())


def _of_folder(path: Path) -> StudyEntry:
    files = {_SUFFIX.sub("", file.name).lower(): file for file in _nifti_files(path)}
    pet = next((files[name] for name in PET_NAMES if name in files), None)
    ct = next((files[name] for name in CT_NAMES if name in files), None)
    if pet is None and ct is None:
        return StudyEntry(path.name, source=path)
    return StudyEntry(path.name, pet=pet, ct=ct)


def _nifti_files(path: Path) -> Iterator[Path]:
    return (file for file in sorted(path.iterdir()) if _SUFFIX.search(file.name) and file.is_file())


def _flat_name(path: Path) -> tuple[str, str] | None:
    if not _SUFFIX.search(path.name):
        return None
    stem = _SUFFIX.sub("", path.name)
    for kind, names in (("pet", PET_NAMES), ("ct", CT_NAMES)):
        for name in sorted(names, key=len, reverse=True):
            if stem.lower().endswith(f"_{name}") and len(stem) > len(name) + 1:
                return stem[: -len(name) - 1], kind
    return None


def _overridden(entry: StudyEntry, changes: dict[str, str], root: Path) -> StudyEntry:
    unknown = set(changes) - ({"pet_series", "ct_series"} if entry.is_dicom else {"pet", "ct"})
    if unknown:
        raise ParameterError(
            f"{OVERRIDES_FILE} names {', '.join(sorted(unknown))}, which a study of this kind does not have",
            attribute=OVERRIDES_FILE,
            remedy="Use pet_series and ct_series for DICOM, pet and ct for NIfTI",
        )
    paths = {key: root / value for key, value in changes.items() if key in ("pet", "ct")}
    for key, path in paths.items():
        if not path.is_file() or not _inside(path, root):
            raise ParameterError(
                f"the {key} that {OVERRIDES_FILE} names is not in the folder of studies",
                attribute=OVERRIDES_FILE,
                remedy="Give its path from the folder of studies",
            )
    return StudyEntry(
        entry.name,
        source=entry.source,
        pet=paths.get("pet", entry.pet),
        ct=paths.get("ct", entry.ct),
        pet_series=changes.get("pet_series"),
        ct_series=changes.get("ct_series"),
    )
