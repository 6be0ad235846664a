"""The examinations of a study: from a synthetic cohort, a table or a MONAI datalist, checked before any work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from fdglung.errors import (
    DuplicateRowError,
    EmptySetError,
    MissingLesionClassError,
    PatientInTwoSetsError,
    StudyInTwoSetsError,
    StudyListError,
)
from fdglung.evaluation.csv_rows import Rows, lines_text, shown
from fdglung.evaluation.labels import read_labels
from fdglung.experiment.config import DataSettings, ExperimentConfig
from fdglung.experiment.study_tables import read_clinical, read_lesion_classes, read_studies

EVERY = 0
"""In place of a lesion's value: every lesion of the study."""

PROTOCOL_COLUMNS = frozenset({"scanner", "reconstruction", "injected_dose_mbq", "uptake_min", "ct_mas", "ct_slice_mm"})
"""Columns that, together, tell how images were acquired."""


@dataclass(frozen=True)
class Examination:
    """One PET/CT with its reference.

    Attributes
    ----------
    name
        Of the study, one of its own.
    patient, centre
        Whose it is and where it was scanned; the centre may be empty.
    set_name
        Set of the report.
    pet, ct, reference
        SUVbw, HU (None for a PET alone), and the label image of the true lesions.
    classes
        Value of a lesion in the reference to its class.
    clinical
        Column to value, empty where missing.
    phantom
        Whether `fdglung phantom` made it.
    synthetic
        Whether no person was scanned.

    """

    name: str
    patient: str
    centre: str
    set_name: str
    pet: Path
    ct: Path | None
    reference: Path
    classes: Mapping[int, str] = field(repr=False)
    clinical: Mapping[str, str] = field(repr=False)
    phantom: bool = False
    synthetic: bool = False


@dataclass(frozen=True)
class StudyData:
    """What a study works on.

    Attributes
    ----------
    examinations
        In the order of the table.
    left_out
        Name to the reason why an examination of the table is not used.
    clinical
        Columns.
    files
        Tables that were read.

    """

    examinations: tuple[Examination, ...]
    left_out: Mapping[str, str]
    clinical: tuple[str, ...]
    files: tuple[Path, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any examination is synthetic."""
        return any(one.synthetic for one in self.examinations)

    def of(self, set_name: str) -> tuple[Examination, ...]:
        """Return the examinations of a set."""
        return tuple(one for one in self.examinations if one.set_name == set_name)


def read_data(config: ExperimentConfig, *, progress: Callable[[str, float], None] | None = None) -> StudyData:
    """Read the tables and check them, and the values of the references.

    The table of studies has the columns ``study``, ``pet``, ``reference``, ``patient``, ``set``, and where known
    ``ct``, the centre's column, and ``class`` for all lesions of a study; paths start from the table's folder. The
    table of lesions has ``study``, ``lesion`` and ``class``; the clinical table ``patient`` and any columns.

    Raises
    ------
    UnreadableTableError, MissingColumnError, MissingValueError, StudyListError
        A table cannot be used, or a file is not there; names rows and files.
    DuplicateRowError, StudyInTwoSetsError, PatientInTwoSetsError
        A study or patient stands twice, or in two sets.
    MissingLesionClassError
        A lesion of a reference has no class.
    EmptySetError
        A set has no study.

    """
    table, files, root = read_studies(config.data)
    _check_names(table)
    _check_patients(table, config)
    used, left_out = _used(table, config)
    for set_name, values in config.sets.items():
        if not any(name == set_name for name in used.values()):
            raise EmptySetError(
                f"the set {set_name} has no study: no row has {' or '.join(values)}; there are "
                f"{shown(sorted(set(table.cells['set'])))}",
                attribute=f"sets.{set_name}",
                remedy="Correct the column set, or the values that the configuration names",
            )
    lesions, more = read_lesion_classes(config.data, root)
    clinical, names, others = read_clinical(config.data, table)
    found, blank = [], ("",) * len(table)
    for row in used:
        study = table.cells["study"][row]
        paths = _paths(table, row, root)
        made = config.data.cohort is not None or _is_phantom(paths["pet"])
        found.append(
            Examination(
                name=study,
                patient=table.cells["patient"][row],
                centre=_centre(config.data, table, row),
                set_name=used[row],
                pet=paths["pet"],
                ct=paths.get("ct"),
                reference=paths["reference"],
                classes=lesions.get(study, {}) if more else {EVERY: table.cells.get("class", blank)[row]},
                clinical=clinical[row],
                phantom=made,
                synthetic=made or config.data.synthetic,
            )
        )
    data = StudyData(tuple(found), left_out, names, (*files, *more, *others))
    return _with_classes(data, given=bool(more), progress=progress)


def _check_names(table: Rows) -> None:
    first: dict[str, int] = {}
    for row, name in enumerate(table.cells["study"]):
        other = first.setdefault(name, row)
        if other == row:
            if Path(name).name != name or name.startswith("."):
                raise StudyListError(
                    f"{lines_text([table.lines[row]])} of {table.path} names a study {name}",
                    attribute="column study",
                    remedy="Give names without slashes that do not begin with a point: folders are named so",
                )
            continue
        where = f"{lines_text([table.lines[other], table.lines[row]])} of {table.path}"
        sets = table.cells["set"][other], table.cells["set"][row]
        if sets[0] != sets[1]:
            raise StudyInTwoSetsError(
                f"the study {name} is in the sets {sets[0]} and {sets[1]}: {where}",
                attribute="columns study, set",
                remedy="Leave one of the rows: otherwise the sets do not test each other",
            )
        raise DuplicateRowError(
            f"the study {name} stands twice: {where}", attribute="column study", remedy="Leave one of the rows"
        )


def _check_patients(table: Rows, config: ExperimentConfig) -> None:
    """Refuse a patient in two sets of the report: values of one set may share patients."""
    by_value = {value: name for name, values in config.sets.items() for value in values}
    first: dict[str, int] = {}
    for row, patient in enumerate(table.cells["patient"]):
        own = by_value.get(table.cells["set"][row])
        if own is None:
            continue
        other = first.setdefault(patient, row)
        theirs = by_value[table.cells["set"][other]]
        if own != theirs:
            raise PatientInTwoSetsError(
                f"a patient is in the sets {theirs} and {own}: "
                f"{lines_text([table.lines[other], table.lines[row]])} of {table.path}",
                attribute="columns patient, set",
                remedy="Put all studies of a patient into one set: otherwise the sets do not test each other",
            )


def _used(table: Rows, config: ExperimentConfig) -> tuple[dict[int, str], dict[str, str]]:
    """Return row to set of the report, and study to the reason why it is left out."""
    by_value = {value: name for name, values in config.sets.items() for value in values}
    used: dict[int, str] = {}
    left_out: dict[str, str] = {}
    for row, (study, value) in enumerate(zip(table.cells["study"], table.cells["set"], strict=True)):
        name = by_value.get(value)
        most = config.data.at_most.get(name or "")
        if name is None:
            left_out[study] = f"the set {value} is not part of the study"
        elif most is not None and sum(one == name for one in used.values()) >= most:
            left_out[study] = f"beyond the first {most} of {name}"
        else:
            used[row] = name
    return used, left_out


def _paths(table: Rows, row: int, root: Path) -> dict[str, Path]:
    found = {}
    for name in ("pet", "ct", "reference"):
        text = table.cells.get(name, ("",) * len(table))[row]
        if not text:
            continue
        path = root / text
        if not path.is_file():
            raise StudyListError(
                f"the {name} of {table.cells['study'][row]} ({lines_text([table.lines[row]])} of {table.path}) is not "
                f"there: {path}",
                attribute=f"column {name}",
                remedy="Correct the path; paths start from the table's folder",
            )
        found[name] = path
    return found


def _centre(data: DataSettings, table: Rows, row: int) -> str:
    column = "scanner" if data.cohort is not None and data.centre == "centre" else data.centre
    if column not in table.columns:
        if column == "centre":
            return ""
        raise StudyListError(
            f"the table {table.path} has no column {column}; it has {shown(table.columns)}",
            attribute="data.centre",
            remedy="Name the column of the centre",
        )
    return table.cells[column][row]


def _with_classes(data: StudyData, *, given: bool, progress: Callable[[str, float], None] | None) -> StudyData:
    """Return the same with a class for each lesion that the references hold."""
    tell = progress or (lambda text, fraction: None)
    found, lacking = [], []
    for done, one in enumerate(data.examinations):
        tell(f"checking {one.name}", done / len(data.examinations))
        array = sitk.GetArrayFromImage(read_labels(one.reference))
        values = [int(value) for value in np.unique(array[array > 0])]
        classes = {value: one.classes.get(value) or one.classes.get(EVERY, "") for value in values}
        lacking += [f"{value} of {one.name}" for value, name in classes.items() if not name]
        found.append(replace(one, classes=classes))
    if lacking:
        raise MissingLesionClassError(
            f"{len(lacking)} lesions of the references have no class: {shown(lacking)}",
            attribute="data.lesions" if given else "column class",
            remedy="Give each value above 0 of each reference a row of study, lesion and class, or each study a class",
        )
    return replace(data, examinations=tuple(found))


def _is_phantom(pet: Path) -> bool:
    """Tell whether a file lies in a folder that `fdglung phantom` made."""
    try:
        notice = json.loads((pet.parent / "study.json").read_text(encoding="utf-8"))["notice"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return str(notice).startswith("Synthetic")
