"""The tables that name a study's examinations, the classes of their lesions, and what is known of their patients."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from fdglung.errors import DuplicateRowError, MissingValueError, StudyListError
from fdglung.evaluation.csv_rows import Rows, lines_text, read_rows, shown
from fdglung.experiment.config import DataSettings

ALIASES = {
    "case": "study",
    "name": "study",
    "patient_id": "patient",
    "split": "set",
    "lesion_class": "class",
    "label": "reference",
    "center": "centre",
}
"""Other names that columns of the table of studies may have."""

COHORT_COLUMNS = (
    *("vendor", "scanner", "reconstruction", "tracer", "dose_factor", "injected_dose_mbq", "uptake_min", "ct_mas"),
    *("ct_kernel", "ct_contrast", "ct_slice_mm", "sex", "age_years", "height_cm", "weight_kg"),
)
"""Columns of a cohort's table that describe patients and scans."""


def read_studies(data: DataSettings) -> tuple[Rows, tuple[Path, ...], Path]:
    """Return the table of studies under this program's names of columns, its files, and where paths start."""
    if data.cohort is not None:
        table = _renamed(read_rows(data.cohort / "cohort.csv", needed=("study", "patient_id", "split")), cohort=True)
        names = table.cells["study"]
        files = {key: tuple(f"{name}/{file}.nii.gz" for name in names) for key, file in _COHORT_FILES.items()}
        return (
            Rows(table.path, (*table.columns, *files), {**table.cells, **files}, table.lines),
            (table.path,),
            data.cohort,
        )
    assert data.studies is not None
    rows = _datalist(data.studies) if data.studies.suffix == ".json" else read_rows(data.studies)
    table = _renamed(rows)
    needed = ("study", "pet", "reference", "patient", "set")
    absent = [name for name in needed if name not in table.columns]
    if absent:
        raise StudyListError(
            f"the table {table.path} has no column {shown(absent)}; it has {shown(table.columns)}",
            attribute="data.studies",
            remedy=f"Give it {', '.join(needed)}, and where known ct, centre and class",
        )
    for name in needed:
        empty = [table.lines[row] for row, text in enumerate(table.cells[name]) if not text]
        if empty:
            raise MissingValueError(
                f"{lines_text(empty)} of {table.path} has no value",
                attribute=f"column {name}",
                remedy="Fill it in, or take the rows out",
            )
    return table, (table.path,), table.path.parent


_COHORT_FILES = {"pet": "pet", "ct": "ct", "reference": "lesions"}


def _renamed(rows: Rows, *, cohort: bool = False) -> Rows:
    aliases = {a: name for a, name in ALIASES.items() if name not in rows.columns and not (cohort and a == "label")}
    names = {column: aliases.get(column, column) for column in rows.columns}
    if cohort:
        # Lesions of a cohort have classes of their own.
        names["lesion_class"] = "lesion_class"
    cells = {names[column]: texts for column, texts in rows.cells.items()}
    return Rows(rows.path, tuple(names[column] for column in rows.columns), cells, rows.lines)


def _datalist(path: Path) -> Rows:
    """Return a MONAI datalist as rows: its keys are the sets, and a row's number counts entries."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        lists = {key: value for key, value in document.items() if isinstance(value, list)}
        entries = [{"set": key, **entry} for key, listed in lists.items() for entry in listed]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise StudyListError(
            f"the datalist {path} cannot be read ({error})",
            attribute="data.studies",
            remedy="Give JSON with keys such as training, each a list of entries with pet, ct and label",
        ) from error
    for entry in entries:
        entry.setdefault("name", Path(str(entry.get("pet", ""))).parent.name)
    columns = tuple(dict.fromkeys(key for entry in entries for key, value in entry.items() if not _nested(value)))
    cells = {name: tuple(str(entry.get(name, "") or "").strip() for entry in entries) for name in columns}
    return Rows(path, columns, cells, tuple(range(1, len(entries) + 1)))


def _nested(value: object) -> bool:
    return isinstance(value, (list, dict))


def read_lesion_classes(data: DataSettings, root: Path) -> tuple[dict[str, dict[int, str]], tuple[Path, ...]]:
    """Return study to value in its reference to class, and the file; nothing where no table is given."""
    path = root / "lesions.csv" if data.cohort is not None else data.lesions
    if path is None:
        return {}, ()
    rows = read_rows(path)
    aliases = {"case": "study", "label": "lesion", "lesion_class": "class"}
    named = {
        aliases.get(name, name) if aliases.get(name, name) not in rows.columns else name: name for name in rows.columns
    }
    absent = [name for name in ("study", "lesion", "class") if name not in named]
    if absent:
        raise StudyListError(
            f"the table {path} has no column {shown(absent)}; it has {shown(rows.columns)}",
            attribute="data.lesions",
            remedy="Give it study, lesion (the value in the reference) and class",
        )
    found: dict[str, dict[int, str]] = {}
    cells = (rows.cells[named[name]] for name in ("study", "lesion", "class"))
    for line, (study, lesion, name) in zip(rows.lines, zip(*cells, strict=True), strict=True):
        if not lesion.isdecimal():
            raise StudyListError(
                f"line {line} of {path} has the lesion {lesion or 'nothing'}, which is no whole number",
                attribute="column lesion",
                remedy="Give the lesion's value in the reference",
            )
        own = found.setdefault(study, {})
        if int(lesion) in own:
            raise DuplicateRowError(
                f"line {line} of {path} names the lesion {lesion} of {study} a second time",
                attribute="columns study, lesion",
                remedy="Leave one row a lesion",
            )
        own[int(lesion)] = name
    return found, (path,)


def read_clinical(data: DataSettings, table: Rows) -> tuple[list[dict[str, str]], tuple[str, ...], tuple[Path, ...]]:
    """Return what is known of each row's patient, the columns, and the file."""
    if data.cohort is not None:
        names = tuple(name for name in COHORT_COLUMNS if name in table.columns)
        return [{name: table.cells[name][row] for name in names} for row in range(len(table))], names, ()
    if data.clinical is None:
        return [{} for _ in range(len(table))], (), ()
    rows = _renamed(read_rows(data.clinical))
    if "patient" not in rows.columns:
        raise StudyListError(
            f"the table {data.clinical} has no column patient", attribute="data.clinical", remedy="Add it"
        )
    place: dict[str, int] = {}
    for row, patient in enumerate(rows.cells["patient"]):
        if place.setdefault(patient, row) != row:
            raise DuplicateRowError(
                f"{lines_text([rows.lines[place[patient]], rows.lines[row]])} of {data.clinical} are of one patient",
                attribute="column patient",
                remedy="Leave one row a patient",
            )
    names = tuple(name for name in rows.columns if name not in ("patient", "set", "class", "centre", "study"))
    lacking = [row for row, patient in enumerate(table.cells["patient"]) if patient not in place]
    if lacking:
        raise StudyListError(
            f"patients of {lines_text([table.lines[row] for row in lacking])} of {table.path} have no row in "
            f"{data.clinical}",
            attribute="data.clinical",
            remedy="Add a row a patient; cells may be empty",
        )
    return (
        [{name: rows.cells[name][place[patient]] for name in names} for patient in table.cells["patient"]],
        names,
        (data.clinical,),
    )


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV in UTF-8; a missing value is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
