"""The statistics of a table of patients or lesions: table 1, tests, correlations and treatment response."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fdglung.evaluation.corrections import benjamini_hochberg, holm
from fdglung.evaluation.data_table import DataTable, read_table
from fdglung.evaluation.rank_correlation import RankCorrelation, rank_correlation
from fdglung.evaluation.response import Response, treatment_response
from fdglung.evaluation.statistics_settings import StatisticsSettings
from fdglung.evaluation.table_one import Row, table_one
from fdglung.files import check_free, written_together

MOST_CORRELATED = 20
"""Columns of numbers that are correlated unasked."""


@dataclass(frozen=True)
class Correlation:
    """Spearman's correlation of two columns.

    Attributes
    ----------
    first, second
        Names of the columns.
    found
        The correlation.
    p_holm, p_bh
        p corrected for the number of pairs.

    """

    first: str
    second: str
    found: RankCorrelation
    p_holm: float
    p_bh: float


@dataclass(frozen=True)
class Statistics:
    """What was found and where it lies.

    Attributes
    ----------
    table
        As it was read.
    rows
        Of table 1.
    correlations
        Of all pairs.
    response
        If the table has such a column.
    absent
        Why a part is missing.
    files
        What was written, by file name.

    """

    table: DataTable
    rows: tuple[Row, ...]
    correlations: tuple[Correlation, ...]
    response: Response | None
    absent: dict[str, str]
    files: dict[str, Path]

    def find(self, column: str) -> Row:
        """Return a column's row of table 1; KeyError where there is none."""
        for row in self.rows:
            if row.variable.name == column:
                return row
        raise KeyError(column)


def analyse_table(
    path: Path,
    out: Path,
    *,
    by: str,
    settings: StatisticsSettings | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Statistics:
    """Work out the statistics of a table and write them, together or not at all.

    Parameters
    ----------
    path
        CSV, a row a patient or lesion.
    out
        Output folder; new or empty.
    by
        Column of the groups.
    settings
        Parameters; None takes the defaults.
    overwrite
        Whether an earlier output in `out` may be replaced.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    InputError
        The table cannot be used, a class a kind: see `read_table` and `treatment_response`.
    OutputError
        The output cannot be written.

    """
    from fdglung.evaluation.statistics_tables import write_tables

    chosen = settings or StatisticsSettings()
    tell = progress or (lambda text, fraction: None)
    check_free(out, overwrite=overwrite)
    table = read_table(path, by=by, settings=chosen)
    tell("table 1", 0.1)
    rows = table_one(table, chosen)
    tell("correlations", 0.5)
    absent: dict[str, str] = {}
    correlations = _correlations(table, chosen, absent)
    response = None
    if chosen.response is None:
        absent["response"] = "no column was named: --response names it"
    else:
        texts = next(one.texts for one in table.variables if one.name == chosen.response)
        named = {name: [texts[n] for n in places] for name, places in zip(table.groups, table.rows, strict=True)}
        response = treatment_response(named, confidence=chosen.confidence, resamples=chosen.resamples, seed=chosen.seed)
    with written_together(out, overwrite=overwrite) as folder:
        tell("writing", 0.9)
        found = Statistics(table, rows, correlations, response, absent, {})
        write_tables(folder, found, chosen, source=str(path))
        names = sorted(one.name for one in folder.iterdir())
    tell("done", 1.0)
    return Statistics(table, rows, correlations, response, absent, {name: out / name for name in names})


def _correlations(table: DataTable, settings: StatisticsSettings, absent: dict[str, str]) -> tuple[Correlation, ...]:
    numbers = {one.name: one.numbers for one in table.variables if one.numbers is not None}
    names = list(numbers if settings.correlate is None else dict.fromkeys(settings.correlate))
    if len(names) < 2:
        absent["correlations"] = "there are fewer than two columns of numbers"
        return ()
    if settings.correlate is None and len(names) > MOST_CORRELATED:
        absent["correlations"] = f"{len(names)} columns of numbers are many: --correlate names those that are meant"
        return ()
    pairs = list(itertools.combinations(names, 2))
    kept = sorted(row for rows in table.rows for row in rows.tolist())
    found = [rank_correlation(numbers[a][kept], numbers[b][kept], confidence=settings.confidence) for a, b in pairs]
    p_values = [one.p for one in found]
    corrected = zip(pairs, found, holm(p_values).tolist(), benjamini_hochberg(p_values).tolist(), strict=True)
    return tuple(Correlation(*pair, one, p_holm, p_bh) for pair, one, p_holm, p_bh in corrected)
