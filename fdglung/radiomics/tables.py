"""The table of features: as CSV or Parquet with its settings beside it, and back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import InputError, OutputExistsError, ParameterError
from fdglung.files import write_files
from fdglung.radiomics.columns import COLUMN_KEYS, is_place, meaning, place_columns, place_value, places_of
from fdglung.radiomics.grids import Point
from fdglung.radiomics.settings import RadiomicsSettings, from_yaml, to_yaml

Features = dict[str, float]

OK = "ok"
"""Status of a lesion with all its features."""


@dataclass(frozen=True)
class LesionFeatures:
    """One lesion.

    Attributes
    ----------
    label
        In the mask.
    tracking_uid
        The same as in SEG and SR; None where it was not given.
    status
        ``ok``, or what was wrong: the modality and the reason, several joined by ``; ``.
    warnings
        What to know about the values, in full sentences.
    features
        Name to value; NaN where a feature is not defined for this lesion. Those of a modality that failed are missing,
        but for its SUV measurements.
    shifts_mm
        Modality to how its mask was moved there, along x, y and z of the patient (LPS); those without alignment are
        missing.
    outlined
        Modality to whether the lesion has an outline of its own there; those where none was looked for are missing.

    """

    label: int
    tracking_uid: str | None
    status: str
    warnings: tuple[str, ...]
    features: Features = field(repr=False)
    shifts_mm: Mapping[str, Point] = field(default_factory=dict)
    outlined: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class FeatureTable:
    """The features of a study's lesions, and what they were computed with.

    Attributes
    ----------
    lesions
        A row each, by label.
    settings
        All that decides the values.
    versions
        Package to version.

    """

    lesions: tuple[LesionFeatures, ...]
    settings: RadiomicsSettings
    versions: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features that at least one lesion has, in the order of computation."""
        return tuple(dict.fromkeys(name for lesion in self.lesions for name in lesion.features))

    @property
    def place_names(self) -> tuple[str, ...]:
        """Names of the columns that tell where lesions lie; none where no modality was aligned or outlined on."""
        aligned = dict.fromkeys(modality for lesion in self.lesions for modality in lesion.shifts_mm)
        outlined = dict.fromkeys(modality for lesion in self.lesions for modality in lesion.outlined)
        return tuple(place_columns(aligned, outlined))

    @property
    def values(self) -> NDArray[np.float64]:
        """Values, a row a lesion and a column a name; NaN where a lesion has none."""
        rows = [[lesion.features.get(name, np.nan) for name in self.names] for lesion in self.lesions]
        return np.array(rows, dtype=np.float64).reshape(len(self.lesions), len(self.names))


KEYS = ("lesion", "tracking_uid", "status", "warnings")
"""Columns before the features."""

SETTINGS_SUFFIX = ".settings.yaml"
COLUMNS_SUFFIX = ".columns.csv"


def write_table(table: FeatureTable, path: Path | str, *, overwrite: bool = False) -> dict[str, Path]:
    """Write a table, its settings and what its columns mean.

    Each file is written beside its place and renamed, the table last: where a table is, it is whole and its settings
    are there.

    Parameters
    ----------
    table
        As `fdglung.radiomics.extract` gives it.
    path
        ``features.csv`` or ``features.parquet``; the other files are ``features.settings.yaml``, which
        `fdglung.radiomics.settings.from_yaml` reads, and ``features.columns.csv``.
    overwrite
        Whether earlier files may be replaced.

    Returns
    -------
    dict
        File names to the paths written.

    Raises
    ------
    ParameterError
        The name ends in neither ``.csv`` nor ``.parquet``, or the latter's package is missing.
    OutputExistsError
        A file is there and may not be replaced.
    OutputWriteError
        Writing failed; nothing half-written was left.

    """
    path = Path(path)
    check_table_path(path, overwrite=overwrite)
    settings = path.with_name(path.stem + SETTINGS_SUFFIX)
    columns = path.with_name(path.stem + COLUMNS_SUFFIX)
    made_by = ", ".join(f"{name} {number}" for name, number in table.versions.items())
    contents = {
        settings: f"# Made by {made_by}\n{to_yaml(table.settings)}".encode(),
        columns: columns_csv([*table.place_names, *table.names]).encode(),
        path: to_parquet(table) if path.suffix == ".parquet" else to_csv(table).encode(),
    }
    write_files(contents)
    return {target.name: target for target in (path, settings, columns)}


def check_table_path(path: Path | str, *, overwrite: bool = False) -> None:
    """Refuse an output file that cannot be written, before any work is done; errors as `write_table` has them."""
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise ParameterError(
            f"The name of the output {path.name} ends in neither .csv nor .parquet",
            attribute="output file",
            remedy="Name it features.csv or features.parquet",
        )
    if path.suffix == ".parquet":
        try:
            import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore] # noqa: F401
        except ImportError as error:
            raise ParameterError(
                "Parquet needs the package pyarrow", attribute="output file", remedy="Install it, or write a .csv"
            ) from error
    for target in (path, path.with_name(path.stem + SETTINGS_SUFFIX), path.with_name(path.stem + COLUMNS_SUFFIX)):
        if target.is_dir() or (target.exists() and not overwrite):
            raise OutputExistsError(
                f"The output {target} exists", attribute="output file", remedy="Name another file, or pass --overwrite"
            )


def to_csv(table: FeatureTable) -> str:
    """Return a table as comma-separated values: a row a lesion, all digits of each value, empty where there is none."""
    names, places = table.names, table.place_names
    rows = (
        [
            str(lesion.label),
            lesion.tracking_uid or "",
            lesion.status,
            " ".join(lesion.warnings),
            *(_cell(place_value(name, lesion.shifts_mm, lesion.outlined)) for name in places),
            *(_cell(lesion.features.get(name)) for name in names),
        ]
        for lesion in table.lesions
    )
    return _csv([*KEYS, *places, *names], rows)


def columns_csv(names: Iterable[str]) -> str:
    """Return what columns mean: modality, image, IBSI's feature and code where it has them, unit and description."""
    return _csv(COLUMN_KEYS, ([name, *meaning(name)] for name in names))


def to_parquet(table: FeatureTable) -> bytes:
    """Return a table as a Parquet file, with settings and versions in its metadata."""
    import pyarrow
    import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    columns: dict[str, object] = {
        "lesion": pyarrow.array([lesion.label for lesion in table.lesions], pyarrow.int64()),
        "tracking_uid": pyarrow.array([lesion.tracking_uid for lesion in table.lesions], pyarrow.string()),
        "status": pyarrow.array([lesion.status for lesion in table.lesions], pyarrow.string()),
        "warnings": pyarrow.array([" ".join(lesion.warnings) for lesion in table.lesions], pyarrow.string()),
    }
    for name in table.place_names:
        values = [place_value(name, lesion.shifts_mm, lesion.outlined) for lesion in table.lesions]
        columns[name] = pyarrow.array(values, pyarrow.float64())
    for name in table.names:
        columns[name] = pyarrow.array([lesion.features.get(name) for lesion in table.lesions], pyarrow.float64())
    metadata = {"fdglung_settings": to_yaml(table.settings), "fdglung_versions": json.dumps(table.versions)}
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), sink)
    return bytes(sink.getvalue())


def read_table(path: Path | str) -> FeatureTable:
    """Read a table that `write_table` wrote, with the settings beside it.

    Raises
    ------
    InputError
        The file or its settings are missing or are no such table.

    """
    path = Path(path)
    settings = path.with_name(path.stem + SETTINGS_SUFFIX)
    try:
        rows = _parquet_rows(path) if path.suffix == ".parquet" else _csv_rows(path)
        text = settings.read_text(encoding="utf-8")
        lesions = tuple(_lesion(row) for row in rows)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"The table {path.name} cannot be read ({error})",
            attribute="table",
            remedy="Give a table of `fdglung radiomics` with its settings beside it",
        ) from error
    made_by = text.splitlines()[0].removeprefix("# Made by ").split(", ") if text.startswith("# Made by ") else []
    numbers = dict(part.rsplit(" ", 1) for part in made_by)
    return FeatureTable(lesions, from_yaml(text), numbers)


def _cell(value: float | None) -> str:
    return "" if value is None else repr(float(value))


def _csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _csv_rows(path: Path) -> list[dict[str, object]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return [dict(row) for row in csv.DictReader(stream)]


def _parquet_rows(path: Path) -> list[dict[str, object]]:
    import pyarrow.parquet

    rows: list[dict[str, object]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


def _lesion(row: Mapping[str, object]) -> LesionFeatures:
    numbers = {
        name: float(str(value)) for name, value in row.items() if name not in KEYS and value is not None and value != ""
    }
    warnings = str(row["warnings"] or "")
    uid = row["tracking_uid"]
    shifts, outlined = places_of(numbers)
    return LesionFeatures(
        label=int(str(row["lesion"])),
        tracking_uid=str(uid) if uid else None,
        status=str(row["status"]),
        warnings=(warnings,) if warnings else (),
        features={name: value for name, value in numbers.items() if not is_place(name)},
        shifts_mm=shifts,
        outlined=outlined,
    )
