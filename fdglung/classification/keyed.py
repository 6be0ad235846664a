"""Further tables about lesions or patients, matched by the columns that name them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung.classification.cautions import rows_text, some
from fdglung.classification.joining import KEYS, places

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

    from fdglung.classification.tables import Lesions

ALIASES = {"patient_id": "patient", "lesion_class": "class", "center": "centre", "split": "set", "study": "case"}
"""Other names that columns may have, as the synthetic cohorts' tables do."""


def read_keyed(path: Path, error: Any, attribute: str) -> pd.DataFrame:
    """Read a CSV as texts, empty where there is none, with the usual names of columns.

    Parameters
    ----------
    path
        CSV with some of `KEYS`.
    error
        Class of what is raised where the file cannot be read.
    attribute
        Which file it is.

    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=True)
    except (OSError, ValueError) as problem:
        raise error(
            f"The table {path} cannot be read ({problem})",
            attribute=attribute,
            remedy="Give a CSV with the columns patient, or patient and lesion, and a header",
        ) from problem
    table = table.fillna("").apply(lambda column: column.str.strip())
    return table.rename(columns={a: name for a, name in ALIASES.items() if name not in table.columns})


def matched(lesions: Lesions, table: pd.DataFrame, path: str, error: Any) -> list[int]:
    """Return the row of each lesion in a table, -1 where it has none.

    Lesions are matched by the columns of `KEYS` that both have, or by ``tracking_uid`` alone; so a table with the
    column ``patient`` alone gives all lesions of a patient the same. A table of one row without any of these is of
    all lesions.

    Raises
    ------
    InputError
        Of the class `error`: no column is shared, or two rows name the same.

    """
    own = {name: texts for name, texts in lesions.keys.items() if all(texts)}
    if all(lesions.patients):
        own["patient"] = lesions.patients
    uid = "tracking_uid"
    shared = [name for name in KEYS if name in own and name in table.columns]
    if uid in shared and all(table[uid]):
        shared = [uid]
    elif uid in shared:
        shared.remove(uid)
    if not shared and len(table) == 1:
        return [0] * len(lesions)
    if not shared:
        raise error(
            f"The table {path} shares no column with the features that names lesions: it has {some(table.columns)}",
            attribute=", ".join(KEYS),
            remedy="Give it the column patient, or patient and lesion, as the features or labels have them",
        )
    place, twice = places(list(zip(*(table[name] for name in shared), strict=True)))
    if twice:
        raise error(
            f"{rows_text(twice)} of {path} name what a row before names",
            attribute=", ".join(shared),
            remedy="Give each patient one row, or add the column lesion",
        )
    return [place.get(key, -1) for key in zip(*(own[name] for name in shared), strict=True)]
