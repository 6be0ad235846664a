"""Tables of features and of classes, checked and put together: a row a lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.cautions import Caution, CautionKind, rows_text, some
from fdglung.classification.clinical import Coding, clinical_texts, coding_of, read_clinical, with_clinical
from fdglung.classification.config import FEATURE_PREFIXES, ClassifierConfig
from fdglung.classification.context import with_context
from fdglung.classification.decisions import with_decisions
from fdglung.classification.joining import KEYS, join
from fdglung.classification.keyed import ALIASES
from fdglung.errors import FeatureTableError, LabelTableError, SettingsMismatchError
from fdglung.radiomics.settings import RadiomicsSettings, from_yaml, to_yaml
from fdglung.radiomics.tables import COLUMNS_SUFFIX, OK, SETTINGS_SUFFIX, FeatureTable

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

_TEXTS = ("class", "centre", "scanner", "set", "counted_as", "status", "warnings")


@dataclass(frozen=True)
class Lesions:
    """Features of lesions, and what is known of each.

    Attributes
    ----------
    names
        Of the features.
    values
        (lesions, features); NaN where there is none.
    keys
        Column of `KEYS` to its text a lesion; only those that the tables have.
    patients, centres, scanners
        (lesions,) texts; empty centres and scanners are not known.
    labels
        (lesions,) class of each; empty where there are no labels.
    rows
        (lesions,) row in the table of features, from 0.
    settings
        `RadiomicsSettings.digest` of the features; None where no settings lie beside the table.
    radiomics
        These settings as YAML.
    cautions
        What to know.
    clinical
        How the clinical columns among the features are coded.
    counted_as
        (lesions,) rows of one text are one lesion that was measured more than once; empty texts, or none at all, are
        lesions of their own.

    """

    names: tuple[str, ...]
    values: NDArray[np.float64] = field(repr=False)
    keys: dict[str, tuple[str, ...]] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    centres: tuple[str, ...] = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    rows: tuple[int, ...] = field(repr=False)
    settings: str | None = None
    radiomics: str | None = None
    cautions: tuple[Caution, ...] = ()
    scanners: tuple[str, ...] = ()
    clinical: Coding = field(default_factory=dict, repr=False)
    counted_as: tuple[str, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def groups(self, by: str) -> tuple[str, ...]:
        """Return the centres or the scanners (lesions,), whichever `by` names; empty where not known."""
        return (self.scanners or ("",) * len(self)) if by == "scanner" else self.centres

    @property
    def lesion_numbers(self) -> NDArray[np.intp]:
        """Return the number of the lesion that each row measures, (rows,), from 0 in the order of their first rows."""
        first: dict[tuple[str, int], int] = {}
        texts = self.counted_as or ("",) * len(self)
        keys = [(text, -1 if text else row) for row, text in enumerate(texts)]
        return np.array([first.setdefault(key, len(first)) for key in keys], dtype=np.intp)


def read_lesions(paths: Sequence[str | Path], *, prefixes: Sequence[str] = FEATURE_PREFIXES) -> Lesions:
    """Read one or several tables of features.

    Parameters
    ----------
    paths
        CSV or Parquet of `fdglung radiomics`, with its settings beside it where there are some. ``NAME=PATH`` names
        the case of all rows (column ``case``). Further columns of `KEYS` and ``centre`` are taken over.
    prefixes
        How the names of features begin; other columns are no features.

    Raises
    ------
    FeatureTableError
        A table cannot be read, has no feature, names a lesion twice, or holds values that are no numbers.
    SettingsMismatchError
        The tables were computed with different settings.

    """
    import pandas as pd

    tables = [_read_features(str(one)) for one in paths]
    settings, cautions = _one_settings([(path, found) for path, _, found in tables])
    table = pd.concat([found for _, found, _ in tables], ignore_index=True)
    names = [str(name) for name in table.columns if str(name).startswith(tuple(prefixes))]
    if not names:
        raise FeatureTableError(
            f"No column begins with {some(prefixes)}; the columns are {some(table.columns)}",
            attribute="FEATURES",
            remedy="Give a table of `fdglung radiomics`, or name the beginnings under `features` in the configuration",
        )
    keys = {name: _texts(table[name]) for name in KEYS if name in table.columns}
    _check_keys(keys, len(table))
    values = np.column_stack([_numbers(table[name], name) for name in names])
    statuses = _texts(table["status"]) if "status" in table.columns else ()
    bad = [row for row, status in enumerate(statuses) if status != OK]
    if bad:
        cautions.append(
            Caution(
                CautionKind.FAILED_LESIONS,
                f"{rows_text(bad)}: the status is not {OK}, and some features may be missing. Missing values are "
                "imputed from the training lesions; leave the rows out if most are missing.",
            )
        )
    blank = ("",) * len(table)
    centres, scanners = (_texts(table[name]) if name in table.columns else blank for name in ("centre", "scanner"))
    return Lesions(
        names=tuple(names),
        values=values,
        keys=keys,
        patients=keys.get("patient", blank),
        centres=centres,
        labels=blank,
        rows=tuple(range(len(table))),
        settings=settings.digest if settings else None,
        radiomics=to_yaml(settings) if settings else None,
        cautions=tuple(cautions),
        scanners=scanners,
    )


def lesions_of_table(table: FeatureTable, *, centre: str = "", scanner: str = "") -> Lesions:
    """Return the features of one study, as `fdglung.radiomics.extract` gives them; the patient is not known.

    A row's number is its lesion's label, counted from 0, so that warnings name lesions.
    """
    labels = tuple(str(lesion.label) for lesion in table.lesions)
    blank = ("",) * len(labels)
    return Lesions(
        names=table.names,
        values=table.values,
        keys={"lesion": labels},
        patients=blank,
        centres=(centre,) * len(labels),
        scanners=(scanner,) * len(labels),
        labels=blank,
        rows=tuple(lesion.label - 1 for lesion in table.lesions),
        settings=table.settings.digest,
        radiomics=to_yaml(table.settings),
    )


def read_labelled(
    paths: Sequence[str | Path],
    labels: str | Path,
    config: ClassifierConfig,
    *,
    clinical: str | Path | None = None,
    decisions: Mapping[str, Path] | None = None,
) -> Lesions:
    """Read tables of features and the classes of their lesions, with all that is joined with them.

    Parameters
    ----------
    paths
        As in `read_lesions`.
    labels
        CSV with the columns ``class``, ``patient`` (unless the features have it), some of `KEYS`, and where known
        ``centre``, ``scanner``, ``set`` and ``counted_as``; `ALIASES` are understood.
    config
        Names the classes, the sets that are trained on, the beginnings of features, and the clinical columns.
    clinical
        CSV with clinical columns and some of `KEYS`; columns that it lacks are looked for in the labels.
    decisions
        Name of another model to the table of its probabilities: see `fdglung.classification.decisions`.

    Returns
    -------
    Lesions
        Those with a class, of the training set.

    Raises
    ------
    LabelTableError
        The table cannot be read, lacks a column or a value, names a lesion twice, or none of the lesions.
    UnknownLesionClassError
        A class is none of the configuration's.
    PatientInTwoSetsError
        A patient is in the training set and in another.
    ClinicalTableError, DecisionTableError
        A table cannot be read or matched, lacks a column, or holds what is no number, with rows and columns.
    FeatureTableError, SettingsMismatchError
        As in `read_lesions`.

    """
    table = read_label_table(Path(labels))
    # Before the join, which leaves out lesions without a class: they are of the study all the same.
    found = join(with_context(read_lesions(paths, prefixes=config.features), config.context), table, config)
    if decisions:
        classes = config.classes or tuple(sorted(set(found.labels)))
        found = with_decisions(found, decisions, classes, training=True)
    if config.clinical is None:
        return found
    columns = (*config.clinical.numbers, *config.clinical.categories)
    tables = [*([read_clinical(clinical)] if clinical else []), (str(labels), table)]
    texts = clinical_texts(found, columns, tables)
    coding, cautions = coding_of(texts, config.clinical, found.rows)
    joined = with_clinical(found, texts, coding)
    return replace(joined, clinical=coding, cautions=(*joined.cautions, *cautions))


def read_label_table(path: Path) -> pd.DataFrame:
    """Read a table of classes as texts, its columns by their first names where `ALIASES` has others.

    Raises
    ------
    LabelTableError
        It cannot be read, or has no column ``class``.

    """
    table = _read(path, LabelTableError, "--labels", "Give a CSV with the columns patient, lesion, class")
    if "class" not in table.columns:
        raise LabelTableError(
            f"The table {path} has no column class; it has {some(table.columns)}",
            attribute="--labels",
            remedy="Name the column of the classes `class`",
        )
    return table.apply(lambda column: list(_texts(column)))


def _read_features(given: str) -> tuple[str, pd.DataFrame, RadiomicsSettings | None]:
    name, found, path = given.partition("=")
    path = path if found and not Path(given).exists() else given
    table = _read(Path(path), FeatureTableError, "FEATURES", "Give a table of `fdglung radiomics`")
    if path != given:
        table["case"] = name
    if path.endswith(COLUMNS_SUFFIX) or table.empty:
        raise FeatureTableError(
            f"The table {path} has no lesion", attribute="FEATURES", remedy="Give a table with a row a lesion"
        )
    settings = Path(path).with_name(Path(path).stem + SETTINGS_SUFFIX)
    return path, table, from_yaml(settings) if settings.is_file() else None


def _read(path: Path, error: Any, attribute: str, remedy: str) -> pd.DataFrame:
    import pandas as pd

    # Keys are compared as they are written: 007 is not 7.
    texts = dict.fromkeys((*KEYS, *ALIASES, *_TEXTS), str)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=texts, keep_default_na=True, float_precision="round_trip")
    except (OSError, ValueError, ImportError) as problem:
        raise error(f"The table {path} cannot be read ({problem})", attribute=attribute, remedy=remedy) from problem
    return table.rename(columns={a: name for a, name in ALIASES.items() if name not in table.columns})


def _one_settings(
    found: Sequence[tuple[str, RadiomicsSettings | None]],
) -> tuple[RadiomicsSettings | None, list[Caution]]:
    digests = {settings.digest: settings for _, settings in found if settings}
    if len(digests) > 1:
        one, other = (
            next(path for path, settings in found if settings and settings.digest == wanted)
            for wanted in list(digests)[:2]
        )
        raise SettingsMismatchError(
            f"The tables {one} and {other} were computed with different settings",
            attribute="FEATURES",
            remedy="Compute all with one file: `fdglung radiomics --settings`",
        )
    common = next(iter(digests.values()), None)
    unknown = [path for path, settings in found if settings is None]
    if not unknown:
        return common, []
    text = f"No settings lie beside {some(unknown)} (*{SETTINGS_SUFFIX}): nobody can check that features fit the model."
    return common, [Caution(CautionKind.UNKNOWN_SETTINGS, text)]


def _texts(column: pd.Series) -> tuple[str, ...]:
    return tuple("" if value is None or value != value else str(value).strip() for value in column.tolist())


def _numbers(column: pd.Series, name: str) -> NDArray[np.float64]:
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    bad = np.flatnonzero((numbers.isna() & column.notna()) | np.isinf(numbers.astype(float)))
    if len(bad) or pd.api.types.is_bool_dtype(column):
        raise FeatureTableError(
            f"{rows_text(bad.tolist())} of column {name} hold no finite number",
            attribute=name,
            remedy="Leave the cells empty where a feature is not defined, or leave the column out",
        )
    return np.asarray(numbers, dtype=np.float64)


def _check_keys(keys: dict[str, tuple[str, ...]], count: int) -> None:
    uid = keys.get("tracking_uid", ())
    rows = uid if uid and all(uid) else list(zip(*keys.values(), strict=True))
    first: dict[Any, int] = {}
    twice = [row for row, key in enumerate(rows) if first.setdefault(key, row) != row]
    if twice or not rows:
        what = f"{rows_text(twice)} name a lesion that is there before" if twice else f"{count} rows name no lesion"
        raise FeatureTableError(
            what,
            attribute=", ".join(keys) or "FEATURES",
            remedy="Tell lesions apart by the columns patient, case and lesion, or by tracking_uid",
        )
