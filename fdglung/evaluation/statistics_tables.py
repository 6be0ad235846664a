"""The statistics of a table as files: CSV and Markdown for people, JSON for machines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.evaluation.response import CATEGORIES, Rate
from fdglung.evaluation.statistics_settings import StatisticsSettings
from fdglung.evaluation.table_one import Counts, Numbers, Row
from fdglung.evaluation.written_rows import (
    finite_or_none,
    markdown_table,
    p_text,
    plain,
    software,
    write_csv,
    write_json,
    write_markdown,
)

if TYPE_CHECKING:
    from fdglung.evaluation.statistics import Statistics

_VALUES = ("mean", "sd", "median", "first_quartile", "third_quartile", "minimum", "maximum")
_TEST = ("test", "statistic_name", "statistic", "degrees", "p", "p_holm", "p_bh", "n", "reason")


def write_tables(folder: Path, found: Statistics, settings: StatisticsSettings, *, source: str) -> None:
    """Write the statistics.

    ``table_one.csv`` as a paper prints it, ``values.csv`` with every figure of it, ``tests.csv``, where they are there
    ``spearman.csv`` and ``response.csv``; all of them in ``statistics.md`` and ``statistics.json``.

    Parameters
    ----------
    folder
        Exists.
    found, settings
        Of the table.
    source
        The table, for the record.

    """
    printed = [line for row in found.rows for line in _printed(row)]
    columns = ["column", "category", *(f"{name} (n={len(rows)})" for name, rows in _groups(found)), "all", "missing"]
    header = [*columns, "standardised difference", "p", "test"]
    write_csv(folder / "table_one.csv", header, (dict(zip(header, line, strict=True)) for line in printed))
    values = [line for row in found.rows for line in _values(row, found)]
    write_csv(
        folder / "values.csv", ["column", "group", "category", "n", "missing", "count", "share", *_VALUES], values
    )
    tests = [_test_row(row) for row in found.rows]
    write_csv(folder / "tests.csv", ["column", *_TEST, "standardised_difference"], tests)
    correlations = [
        {"first": one.first, "second": one.second, **asdict(one.found), "p_holm": one.p_holm, "p_bh": one.p_bh}
        for one in found.correlations
    ]
    if correlations:
        write_csv(folder / "spearman.csv", list(correlations[0]), correlations)
    responses = list(_response_rows(found))
    if responses:
        write_csv(folder / "response.csv", list(responses[0]), responses)
    write_markdown(folder / "statistics.md", "Statistics", _blocks(found, settings, header, printed))
    document = {
        "notice": RESEARCH_NOTICE,
        "software": software("numpy", "scipy"),
        "inputs": {"table": source, "by": found.table.by},
        "settings": asdict(settings),
        "groups": {name: len(rows) for name, rows in _groups(found)},
        "values": [_json_row(row) for row in values],
        "tests": [_json_row(row) for row in tests],
        "correlations": [_json_row(row) for row in correlations],
        "response": [_json_row(row) for row in responses],
        "response_tests": _response_tests(found),
        "absent": found.absent,
        "warnings": list(found.table.warnings),
    }
    write_json(folder / "statistics.json", document)


def _groups(found: Statistics) -> Iterator[tuple[str, Any]]:
    return zip(found.table.groups, found.table.rows, strict=True)


def _printed(row: Row) -> Iterator[list[str]]:
    """Give the lines of a column as a paper prints them."""
    sides = [*row.groups, row.total]
    missing = " / ".join(str(side.missing) for side in row.groups)
    ends = [missing, _figure(row.difference, 3), p_text(row.test.p), row.test.name]
    if row.variable.numbers is not None:
        words = "mean (SD)" if row.normal else "median (Q1 to Q3)"
        yield [row.variable.name, words, *(_number_cell(side, mean=row.normal) for side in sides), *ends]
        return
    for place, category in enumerate(row.variable.categories):
        cells = [_count_cell(side, place) for side in sides]
        yield [row.variable.name if not place else "", category, *cells, *(ends if not place else [""] * 4)]


def _number_cell(side: Numbers | Counts, *, mean: bool) -> str:
    if not isinstance(side, Numbers) or not side.n:
        return "-"
    if mean:
        return f"{_figure(side.mean)} ({_figure(side.sd)})"
    return f"{_figure(side.median)} ({_figure(side.first_quartile)} to {_figure(side.third_quartile)})"


def _count_cell(side: Numbers | Counts, place: int) -> str:
    if not isinstance(side, Counts) or not side.n:
        return "-"
    return f"{side.counts[place]} ({100 * side.counts[place] / side.n:.1f} %)"


def _values(row: Row, found: Statistics) -> Iterator[dict[str, Any]]:
    for group, side in zip([*found.table.groups, "all"], [*row.groups, row.total], strict=True):
        known: dict[str, Any] = {"column": row.variable.name, "group": group, "n": side.n, "missing": side.missing}
        blank: dict[str, Any] = {"category": "", "count": None, "share": None, **dict.fromkeys(_VALUES)}
        if isinstance(side, Numbers):
            yield {**known, **blank, **{name: getattr(side, name) for name in _VALUES}}
            continue
        for category, count in zip(row.variable.categories, side.counts, strict=True):
            share = count / side.n if side.n else math.nan
            yield {**known, **blank, "category": category, "count": count, "share": share}


def _test_row(row: Row) -> dict[str, Any]:
    test = asdict(row.test)
    degrees = " and ".join(f"{value:.6g}" for value in row.test.degrees)
    return {
        "column": row.variable.name,
        **{name: test[name] for name in ("statistic_name", "statistic", "p", "n", "reason")},
        "test": row.test.name,
        "degrees": degrees,
        "p_holm": row.p_holm,
        "p_bh": row.p_bh,
        "standardised_difference": row.difference,
    }


def _response_rows(found: Statistics) -> Iterator[dict[str, Any]]:
    for name, group in found.response.groups.items() if found.response else ():
        rates: dict[str, Any] = {}
        for words, rate in (("objective_response", group.objective), ("disease_control", group.control)):
            rates |= {
                words: rate.count,
                f"{words}_rate": rate.value,
                f"{words}_low": rate.low,
                f"{words}_high": rate.high,
            }
        yield {"group": name, **group.counts, "n": group.objective.n, "missing": group.missing, **rates}


def _response_tests(found: Statistics) -> dict[str, Any]:
    if found.response is None:
        return {}
    return {what: _json_row(asdict(test)) for what, test in found.response.tests.items()}


def _blocks(
    found: Statistics, settings: StatisticsSettings, header: list[str], printed: list[list[str]]
) -> Iterator[str]:
    yield (
        f"By {plain(found.table.by)}. Missing values are counted by group and left out of a column's figures. p values "
        "are two-sided. The standardised difference is the largest between two groups; more than 0.1 is often called "
        "an imbalance. A dash is what is not defined."
    )
    if found.table.warnings:
        yield "## Warnings"
        yield "\n".join(f"- {plain(text)}" for text in found.table.warnings)
    yield "## Table 1"
    yield markdown_table(header, printed)
    yield "## Tests"
    yield "p as it is, by Holm for all columns together, and by Benjamini and Hochberg."
    yield markdown_table(
        ["column", "test", "statistic", "p", "p, Holm", "p, Benjamini-Hochberg", "why this test"],
        [
            [
                row.variable.name,
                row.test.name,
                _statistic(row),
                p_text(row.test.p),
                p_text(row.p_holm),
                p_text(row.p_bh),
                row.test.reason,
            ]
            for row in found.rows
        ],
    )
    yield from _correlation_blocks(found, settings)
    yield from _response_blocks(found, settings)
    if found.absent:
        yield "## Not there"
        yield "\n".join(f"- {plain(f'{part}: {reason}')}" for part, reason in found.absent.items())


def _statistic(row: Row) -> str:
    if not math.isfinite(row.test.statistic):
        return "-"
    degrees = f" ({', '.join(_figure(value) for value in row.test.degrees)})" if row.test.degrees else ""
    return f"{row.test.statistic_name}{degrees} = {_figure(row.test.statistic)}"


def _correlation_blocks(found: Statistics, settings: StatisticsSettings) -> Iterator[str]:
    if not found.correlations:
        return
    yield "## Spearman's correlation"
    yield markdown_table(
        ["columns", "rho", f"{100 * settings.confidence:g} % interval", "n", "p", "p, Holm", "p, Benjamini-Hochberg"],
        [
            [
                f"{one.first}, {one.second}",
                _figure(one.found.rho, 3),
                _interval(one.found.low, one.found.high),
                str(one.found.n),
                p_text(one.found.p),
                p_text(one.p_holm),
                p_text(one.p_bh),
            ]
            for one in found.correlations
        ],
    )


def _response_blocks(found: Statistics, settings: StatisticsSettings) -> Iterator[str]:
    if found.response is None:
        return
    yield "## Treatment response"
    yield (
        f"Rates of all with a category, in brackets exact {100 * settings.confidence:g} % intervals (Clopper and "
        "Pearson). Those not evaluable (NE) count as not responding."
    )
    yield markdown_table(
        ["group", *CATEGORIES, "missing", "objective response", "disease control"],
        [
            [
                name,
                *(str(group.counts[one]) for one in CATEGORIES),
                str(group.missing),
                _rate(group.objective),
                _rate(group.control),
            ]
            for name, group in found.response.groups.items()
        ],
    )
    tests: Mapping[str, str] = {"objective": "Objective response", "control": "Disease control"}
    yield "\n".join(
        f"- {words} between the groups: {plain(test.name)}, p {_p_relation(test.p)}"
        for what, words in tests.items()
        for test in [found.response.tests[what]]
    )


def _p_relation(p: float) -> str:
    text = plain(p_text(p))
    return text if text.startswith("&lt;") else f"= {text}"


def _rate(rate: Rate) -> str:
    if not rate.n:
        return "-"
    return f"{rate.count} of {rate.n}, {100 * rate.value:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f})"


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if math.isfinite(low) else "-"


def _figure(value: float, digits: int | None = None) -> str:
    """Return four significant digits, or so many after the point."""
    if not math.isfinite(value):
        return "-"
    return f"{value:.4g}" if digits is None else f"{value:.{digits}f}"


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: finite_or_none(value) if isinstance(value, float) else value for name, value in row.items()}
