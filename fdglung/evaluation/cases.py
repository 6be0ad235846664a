"""Which files belong to one case, one patient and one centre."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from fdglung.errors import DuplicateCaseError, GroupTableError, MissingCounterpartError, NoLabelImagesError

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings of the files that are read; the rest of a file's name is the name of its case."""


@dataclass(frozen=True)
class Case:
    """The files of one case.

    Attributes
    ----------
    name
        File name without its ending, the same in every folder.
    reference, prediction
        Label images.
    pet
        SUVbw in g/ml, if given.
    scores
        Score of each voxel, if given.
    patient
        Whose scan it is; the case's own name where it is not known.
    centre
        Where it was scanned; empty where it is not known.

    """

    name: str
    reference: Path
    prediction: Path
    pet: Path | None = None
    scores: Path | None = None
    patient: str = ""
    centre: str = ""


def find_cases(
    predictions: Path,
    references: Path,
    *,
    pet: Path | None = None,
    scores: Path | None = None,
    groups: Path | None = None,
) -> tuple[Case, ...]:
    """Pair the files of folders by name, in the order of the names.

    Parameters
    ----------
    predictions, references
        Folders of label images: the same cases in both, in any of the formats.
    pet, scores
        Folders of SUVbw and of score maps, with a file for every case; more files are left alone.
    groups
        CSV with the columns ``case``, ``patient`` and ``centre``, a row for every case; more rows are left alone.

    Raises
    ------
    NoLabelImagesError
        A folder is missing or holds no image.
    MissingCounterpartError
        A case is missing from a folder.
    DuplicateCaseError
        Two files of a folder have the name of one case.
    GroupTableError
        The table lacks a column or a case, or names one twice.

    """
    truth, found = _images(references, "references"), _images(predictions, "predictions")
    _same(truth, found, predictions, "predictions")
    _same(found, truth, references, "references")
    more = {}
    for option, folder in (("pet", pet), ("scores", scores)):
        more[option] = {} if folder is None else _images(folder, option)
        if folder is not None:
            _same(truth, more[option], folder, option)
    people = {name: (name, "") for name in truth} if groups is None else _groups(groups, truth)
    return tuple(
        Case(name, truth[name], found[name], more["pet"].get(name), more["scores"].get(name), *people[name])
        for name in sorted(truth)
    )


def case_name(file: str) -> str:
    """Return a file's name without the ending of an image."""
    return next((file[: -len(suffix)] for suffix in SUFFIXES if file.lower().endswith(suffix)), file)


def _images(folder: Path, option: str) -> dict[str, Path]:
    """Return the images of a folder by case; hidden files (of macOS, say) are left alone."""
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise NoLabelImagesError(
            f"the folder {folder} cannot be read ({error.strerror})",
            attribute=f"--{option}",
            remedy="Name a folder that holds one image a case",
        ) from error
    images: dict[str, Path] = {}
    for path in files:
        if not path.name.lower().endswith(SUFFIXES):
            continue
        name = case_name(path.name)
        if name in images:
            raise DuplicateCaseError(
                f"{images[name].name} and {path.name} in {folder} name the same case",
                attribute=f"--{option}",
                remedy="Take one of them out of the folder",
            )
        images[name] = path
    if not images:
        raise NoLabelImagesError(
            f"the folder {folder} holds no image",
            attribute=f"--{option}",
            remedy=f"Name a folder of files that end in {', '.join(SUFFIXES)}",
        )
    return images


def _same(wanted: dict[str, Path], present: dict[str, Path], folder: Path, option: str) -> None:
    missing = sorted(set(wanted) - set(present))
    if missing:
        others = f", nor for {len(missing) - 1} more" if len(missing) > 1 else ""
        raise MissingCounterpartError(
            f"the folder {folder} holds no file for {wanted[missing[0]]}{others}",
            attribute=f"--{option}",
            remedy=f"Put {missing[0]} there, or take it out of the other folder; an empty image is written as such",
        )


def _groups(table: Path, cases: dict[str, Path]) -> dict[str, tuple[str, str]]:
    """Return patient and centre by case; a centre that is left blank is unknown."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _group_error(table, f"cannot be read ({error})", "Write it as CSV in UTF-8") from error
    absent = [name for name in ("case", "patient", "centre") if name not in columns]
    if absent:
        raise _group_error(
            table, f"has no column {', '.join(absent)}", "Give it a header with case,patient,centre and commas between"
        )
    people: dict[str, tuple[str, str]] = {}
    for row in rows:
        name, patient, centre = ((row[columns[key]] or "").strip() for key in ("case", "patient", "centre"))
        name = case_name(name)
        if name in people:
            raise _group_error(table, f"names the case {name} twice", "Leave one row a case")
        if name in cases and not patient:
            raise _group_error(table, f"names no patient for the case {name}", "Fill in the column patient")
        people[name] = (patient, centre)
    lacking = sorted(set(cases) - set(people))
    if lacking:
        raise _group_error(
            table, f"has no row for {len(lacking)} cases, {lacking[0]} first", "Add a row a case: case,patient,centre"
        )
    return people


def _group_error(table: Path, problem: str, remedy: str) -> GroupTableError:
    return GroupTableError(f"the table {table} {problem}", attribute="--groups", remedy=remedy)
