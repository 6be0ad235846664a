"""Lesions and their patches from lists of PET, CT and label images, put together with a table of classes."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.classification.config import ClassifierConfig
from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.classification.image.patches import patches
from fdglung.classification.joining import join
from fdglung.classification.tables import Lesions, read_label_table
from fdglung.errors import DataListError, FdglungError
from fdglung.image_files import read_image
from fdglung.nifti import read_finite

Floats = NDArray[np.float32]
Progress = Callable[[str, float], None]

DATALIST, LESIONS = "datalist.json", "lesions.csv"
"""What a cohort of `fdglung phantom --format nifti` has beside its studies."""

_VERSION = 1


@dataclass(frozen=True)
class ImageCase:
    """One study of a list.

    Attributes
    ----------
    name
        Its name, else that of the PET's folder.
    pet, ct, label
        Files; the CT's is None where none is listed.
    centre
        ``centre``, else ``scanner`` of the entry; empty where not known.
    patient_class
        Class of the patient, where it is not that of all its lesions; else empty.

    """

    name: str
    pet: Path
    ct: Path | None
    label: Path
    centre: str
    patient_class: str


@dataclass(frozen=True)
class ImageLesions:
    """Lesions with their patches.

    Attributes
    ----------
    lesions
        What is known of each, without features; `Lesions.rows` counts the lesions of the list.
    raw
        float32 (lesions, channels, z, y, x) as `fdglung.classification.image.patches.Patches` has them.
    patient_classes
        Patient to class; a patient whose lesions are of several classes, and whose own is not known, is not there.

    """

    lesions: Lesions
    raw: Floats = field(repr=False)
    patient_classes: dict[str, str] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.lesions)


def read_images(
    source: str | Path,
    config: ImageClassifierConfig,
    *,
    labels: str | Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ImageLesions:
    """Read the lesions of a list, with their classes where a table of them is given.

    Parameters
    ----------
    source
        A MONAI data list (JSON: keys such as ``training`` to entries with ``pet`` in SUVbw, ``ct`` in HU, ``label``
        with lesions from 1, and perhaps ``name``, ``centre``, ``patient_class``; paths from the list's folder), or a
        folder that holds ``datalist.json``.
    config
        What patches look like; with `labels` the classes and the sets that are taken.
    labels
        CSV as for `fdglung.classification.read_labelled`: ``class``, ``patient``, ``case`` and ``lesion`` (the value in
        the label image), and where known ``centre`` and ``set``. None for lesions whose class is not known.
    cache
        Folder that keeps patches from one call to the next.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    DataListError
        The list or an image of it cannot be read; names the entry.
    LabelTableError, UnknownLesionClassError, PatientInTwoSetsError
        As `fdglung.classification.read_labelled` has them.

    """
    tell = progress or (lambda text, fraction: None)
    cases = read_datalist(source, config)
    found: list[tuple[int, int]] = []
    for place, case in enumerate(cases):
        found += [(place, label) for label in _labels(case)]
        tell("reading labels", 0.3 * (place + 1) / len(cases))
    known = _known(cases, found)
    if labels is not None:
        table = read_label_table(Path(labels)).rename(columns={"label": "lesion"})
        wanted = ClassifierConfig(classes=config.classes, training_sets=config.training_sets)
        known = join(known, table, wanted)
    taken = [(cases[found[row][0]], found[row][1]) for row in known.rows]
    return cut(known, taken, config, cache=cache, progress=lambda text, done: tell(text, 0.3 + 0.7 * done))


def cut(
    known: Lesions,
    places: Sequence[tuple[ImageCase, int]],
    config: ImageClassifierConfig,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> ImageLesions:
    """Cut the patches of lesions.

    Parameters
    ----------
    known
        What is known of each lesion.
    places
        The case of each, and its value in the case's label image; lesions of a case follow each other.
    config, cache, progress
        See `read_images`.

    Raises
    ------
    DataListError
        An image cannot be read; names the case.

    """
    side = config.voxels
    raw = np.zeros((len(places), len(config.channels), side, side, side), np.float32)
    rows: dict[ImageCase, list[int]] = {}
    for row, (case, _) in enumerate(places):
        rows.setdefault(case, []).append(row)
    for case, own in rows.items():
        raw[own] = _patches(case, tuple(places[row][1] for row in own), config, cache)
        if progress is not None:
            progress("cutting patches", (own[-1] + 1) / len(places))
    return ImageLesions(known, raw, _patient_classes(known, [case.patient_class for case, _ in places]))


def read_datalist(source: str | Path, config: ImageClassifierConfig) -> list[ImageCase]:
    """Read a list and check that its files are there; see `read_images`."""
    path = Path(source) / DATALIST if Path(source).is_dir() else Path(source)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataListError(
            f"the list {path} cannot be read ({type(error).__name__})",
            attribute="DATALIST",
            remedy=f"Give a JSON list of cases, or a folder that holds {DATALIST}",
        ) from error
    lists = document.items() if isinstance(document, dict) else ()
    entries = [
        (f"{key}[{place}]", entry)
        for key, listed in lists
        if isinstance(listed, list)
        for place, entry in enumerate(listed)
    ]
    if not entries:
        raise DataListError(
            f"the list {path} holds no entries", attribute="DATALIST", remedy='Give {"training": [{"pet": …}]}'
        )
    cases = [_case(path.parent, where, entry, config) for where, entry in entries]
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataListError(
            f"entries of {path} share the name {', '.join(twice[:5])}", attribute="name", remedy="Give each a name"
        )
    return cases


def _case(root: Path, where: str, entry: Any, config: ImageClassifierConfig) -> ImageCase:
    needed = ["pet", "label", *(["ct"] if "CT" in config.channels else [])]
    for name in needed:
        if not isinstance(entry, dict) or not isinstance(entry.get(name), str):
            raise DataListError(
                f"{where} names no {name}", attribute=where, remedy=f"Add the path of its {name} to the list"
            )
    paths = {name: root / entry[name] for name in ("pet", "ct", "label") if isinstance(entry.get(name), str)}
    for name in needed:
        if not paths[name].is_file():
            raise DataListError(
                f"the {name} of {where}, {paths[name]}, is not there",
                attribute=f"{where}.{name}",
                remedy="Correct the path",
            )
    return ImageCase(
        name=str(entry.get("name") or Path(entry["pet"]).parent.name or where),
        pet=paths["pet"],
        ct=paths.get("ct"),
        label=paths["label"],
        centre=str(entry.get("centre") or entry.get("scanner") or ""),
        patient_class=str(entry.get("patient_class") or ""),
    )


def _labels(case: ImageCase) -> list[int]:
    image = _mended(case, lambda: read_image(case.label))
    values = np.unique(sitk.GetArrayViewFromImage(image))
    if not np.array_equal(values, np.round(values)) or values[0] < 0:
        raise DataListError(
            f"the label image {case.label} holds values that are no whole numbers from 0",
            attribute=case.name,
            remedy="Give 0 for background and lesions from 1",
        )
    return [int(value) for value in values if value > 0]


def _known(cases: Sequence[ImageCase], found: Sequence[tuple[int, int]]) -> Lesions:
    blank = ("",) * len(found)
    return Lesions(
        names=(),
        values=np.zeros((len(found), 0)),
        keys={
            "case": tuple(cases[place].name for place, _ in found),
            "lesion": tuple(str(label) for _, label in found),
        },
        patients=blank,
        centres=tuple(cases[place].centre for place, _ in found),
        labels=blank,
        rows=tuple(range(len(found))),
    )


def _patches(case: ImageCase, labels: tuple[int, ...], config: ImageClassifierConfig, cache: Path | None) -> Floats:
    """Return (lesions, channels, z, y, x) from the cache, or make and keep them; nothing half-written is ever read."""
    path = None if cache is None else cache / f"{_key(case, labels, config)}.npz"
    if path is not None and path.is_file():
        try:
            with np.load(path) as stored:
                return np.asarray(stored["raw"], dtype=np.float32)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            path.unlink(missing_ok=True)
    raw = _mended(case, lambda: _cut(case, labels, config))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.npz")
        try:
            np.savez(partial, raw=raw)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return raw


def _cut(case: ImageCase, labels: tuple[int, ...], config: ImageClassifierConfig) -> Floats:
    images = {
        "PET": read_finite(case.pet) if "PET" in config.channels else None,
        "CT": read_finite(case.ct) if "CT" in config.channels and case.ct else None,
    }
    return patches(images, read_image(case.label), config, only=labels).raw


def _mended(case: ImageCase, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except DataListError:
        raise
    except FdglungError as error:
        raise DataListError(f"{case.name}: {error.problem}", attribute="DATALIST", remedy=error.remedy) from error


def _key(case: ImageCase, labels: tuple[int, ...], config: ImageClassifierConfig) -> str:
    stats = [(str(path), *_stamp(path)) for path in (case.pet, case.ct, case.label) if path is not None]
    text = json.dumps([_VERSION, stats, labels, config.channels, config.spacing_mm, config.voxels])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _patient_classes(known: Lesions, given: Sequence[str]) -> dict[str, str]:
    classes: dict[str, set[str]] = {}
    for patient, label, own in zip(known.patients, known.labels, given, strict=True):
        classes.setdefault(patient, set()).add(own or label)
    return {patient: next(iter(named)) for patient, named in classes.items() if len(named) == 1 and "" not in named}
