"""The table of features: as CSV or Parquet with its settings beside it, and back."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import InputError, OutputExistsError, ParameterError
from fdglung.files import write_files
from fdglung.radiomics.codes import FEATURES, split
from fdglung.radiomics.image_settings import SHELL
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
    shifts_mm: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
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
    def aligned(self) -> tuple[str, ...]:
        """Modalities that masks were aligned with."""
        return tuple(dict.fromkeys(modality for lesion in self.lesions for modality in lesion.shifts_mm))

    @property
    def outlined(self) -> tuple[str, ...]:
        """Modalities that lesions were outlined on."""
        return tuple(dict.fromkeys(modality for lesion in self.lesions for modality in lesion.outlined))

    @property
    def values(self) -> NDArray[np.float64]:
        """Values, a row a lesion and a column a name; NaN where a lesion has none."""
        rows = [[lesion.features.get(name, np.nan) for name in self.names] for lesion in self.lesions]
        return np.array(rows, dtype=np.float64).reshape(len(self.lesions), len(self.names))


KEYS = ("lesion", "tracking_uid", "status", "warnings")
"""Columns before the features."""

_SHIFT = re.compile(r"aligned_(?P<modality>[A-Z]+)_(?P<axis>[xyz])_mm")
"""Columns between `KEYS` and the features, where masks were aligned: no features, which no prefix of them may name."""

_OUTLINED = re.compile(r"outlined_(?P<modality>[A-Z]+)")
"""Columns after these, where lesions were outlined: no features either."""

COLUMN_KEYS = ("column", "modality", "image", "feature", "ibsi_code", "unit", "description")
"""Columns of the table of columns."""

SUV_MEANINGS: Mapping[str, tuple[str, str]] = {
    "suv_max": ("g/ml", "Highest SUVbw of the PET's own voxels in the lesion"),
    "suv_mean": ("g/ml", "Mean SUVbw of the PET's own voxels in the lesion"),
    "suv_peak": ("g/ml", "Highest mean SUVbw over a sphere of 1 cm3"),
    "mtv_ml": ("ml", "Metabolic tumour volume"),
    "tlg_g": ("g", "Total lesion glycolysis: suv_mean times mtv_ml"),
}
"""Measurements of lesions on the PET's own voxels, as the report has them: unit and description."""

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
        columns: columns_csv([*place_columns(table), *table.names]).encode(),
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
    names, places = table.names, place_columns(table)
    rows = (
        [
            str(lesion.label),
            lesion.tracking_uid or "",
            lesion.status,
            " ".join(lesion.warnings),
            *(_cell(_place(lesion, name)) for name in places),
            *(_cell(lesion.features.get(name)) for name in names),
        ]
        for lesion in table.lesions
    )
    return _csv([*KEYS, *places, *names], rows)


def place_columns(table: FeatureTable) -> list[str]:
    """Return the names of the columns that tell where lesions lie: how masks were moved, and what was outlined."""
    shifts = [f"aligned_{modality}_{axis}_mm" for modality in table.aligned for axis in "xyz"]
    return [*shifts, *(f"outlined_{modality}" for modality in table.outlined)]


def columns_csv(names: Iterable[str]) -> str:
    """Return what columns mean: modality, image, IBSI's feature and code where it has them, unit and description."""
    return _csv(COLUMN_KEYS, ([name, *_meaning(name)] for name in names))


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
    for name in place_columns(table):
        columns[name] = pyarrow.array([_place(lesion, name) for lesion in table.lesions], pyarrow.float64())
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


def _place(lesion: LesionFeatures, column: str) -> float | None:
    outlined = _OUTLINED.fullmatch(column)
    if outlined:
        return lesion.outlined.get(outlined["modality"])
    _, modality, axis, _ = column.split("_")
    shift = lesion.shifts_mm.get(modality)
    return None if shift is None else shift["xyz".index(axis)]


def _meaning(column: str) -> tuple[str, ...]:
    aligned = _SHIFT.fullmatch(column)
    if aligned:
        told = f"How far the mask was moved along {aligned['axis']} of the patient (LPS) before features were taken"
        return aligned["modality"], "", column, "", "mm", told
    outlined = _OUTLINED.fullmatch(column)
    if outlined:
        told = "1: features are of the lesion's outline on this image; 0: of the mask, as no outline could be told"
        return outlined["modality"], "", column, "", "", told
    modality, _, rest = column.partition("_")
    unit = "g/ml" if modality == "PET" else "HU"
    if rest in SUV_MEANINGS:
        return modality, "", rest, "", *SUV_MEANINGS[rest]
    image, _, tag = rest.partition("_")
    bare, _, code = tag.rpartition("_")
    known = FEATURES.get(split(bare)[0])
    if known is None or known.code != code:
        return modality, image, tag, "", "", ""
    measured = image == "original" or image.startswith(SHELL)
    scaled = known.unit.replace("intensity", unit) if measured else known.unit
    return modality, image, bare, code, scaled, known.description


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
    aligned = dict.fromkeys(found["modality"] for name in numbers if (found := _SHIFT.fullmatch(name)))
    return LesionFeatures(
        label=int(str(row["lesion"])),
        tracking_uid=str(uid) if uid else None,
        status=str(row["status"]),
        warnings=(warnings,) if warnings else (),
        features={
            name: value for name, value in numbers.items() if not (_SHIFT.fullmatch(name) or _OUTLINED.fullmatch(name))
        },
        shifts_mm={
            modality: (
                numbers[f"aligned_{modality}_x_mm"],
                numbers[f"aligned_{modality}_y_mm"],
                numbers[f"aligned_{modality}_z_mm"],
            )
            for modality in aligned
        },
        outlined={
            found["modality"]: bool(value) for name, value in numbers.items() if (found := _OUTLINED.fullmatch(name))
        },
    )
