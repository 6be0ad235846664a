"""The command `fdglung statistics`: table 1, tests, correlations and treatment response of a table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar

if TYPE_CHECKING:
    from fdglung.evaluation.statistics import Statistics


def add_statistics(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "statistics",
        help="table 1, tests, correlations and treatment response of a table",
        description="Describe and compare the columns of a table of patients or lesions by group, and write CSV, "
        f"Markdown and JSON. {RESEARCH_NOTICE}",
    )
    command.add_argument("table", type=Path, metavar="TABLE.csv", help="a row a patient or lesion, with a header")
    command.add_argument("--by", required=True, metavar="COLUMN", help="names the groups")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder; new or empty")
    command.add_argument("--response", metavar="COLUMN", help="treatment response: CR, PR, SD, PD, NE")
    command.add_argument(
        "--categorical", nargs="+", default=[], metavar="COLUMN", help="numbers that are codes, such as stages"
    )
    command.add_argument("--ignore", nargs="+", default=[], metavar="COLUMN", help="columns to be left out")
    command.add_argument(
        "--correlate",
        nargs="+",
        metavar="COLUMN",
        help="columns of numbers for Spearman's correlation (default: all, if they are at most 20)",
    )
    command.add_argument(
        "--variances",
        choices=("unequal", "equal", "levene"),
        default="unequal",
        help="for t and analysis of variance: Welch's (default), Student's and Fisher's, or by Levene's test",
    )
    command.add_argument(
        "--normality-alpha", type=float, default=0.05, metavar="A", help="of the check of normality (default: 0.05)"
    )
    command.add_argument("--confidence", type=float, default=0.95, metavar="C", help="of the intervals (default: 0.95)")
    command.add_argument(
        "--random-tables", type=int, default=100_000, metavar="N", help="of Fisher's test (default: 100000)"
    )
    command.add_argument("--seed", type=int, default=0, metavar="S", help="of the random tables (default: 0)")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier output")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.set_defaults(run=_statistics)


def _statistics(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.evaluation.statistics import analyse_table
        from fdglung.evaluation.statistics_settings import StatisticsSettings

        settings = StatisticsSettings(
            categorical=tuple(options.categorical),
            ignore=tuple(options.ignore),
            correlate=None if options.correlate is None else tuple(options.correlate),
            response=options.response,
            variances=options.variances,
            alpha=options.normality_alpha,
            confidence=options.confidence,
            resamples=options.random_tables,
            seed=options.seed,
        )
        done = analyse_table(
            options.table, options.out, by=options.by, settings=settings, overwrite=options.overwrite, progress=tell
        )
    if not options.json:
        _print(done, options.out)
    found = json.loads(done.files["statistics.json"].read_text(encoding="utf-8"))
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in done.files.items()},
        "summary": found,
    }


def _print(done: Statistics, out: Path) -> None:
    from fdglung.evaluation.written_rows import p_text

    groups = ", ".join(f"{name} (n={len(rows)})" for name, rows in zip(done.table.groups, done.table.rows, strict=True))
    print(f"{len(done.rows)} columns by {done.table.by}: {groups}")
    for row in done.rows:
        print(f"  {row.variable.name:<28} p {p_text(row.test.p):>6}  Holm {p_text(row.p_holm):>6}  {row.test.name}")
    for warning in done.table.warnings:
        print(f"warning: {warning}")
    for part, reason in done.absent.items():
        print(f"not there: {part}: {reason}")
    print(f"written to {out}. {RESEARCH_NOTICE}")
