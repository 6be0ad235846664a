"""The command `fdglung study`: a whole study from a configuration, and its report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar


def add_study(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "study",
        help="run a whole study and write its report",
        description="Run segmentation, radiomics, classifiers, evaluation and statistics of a study as its "
        "configuration says, and write one report as HTML and PDF with filled METRICS and CLAIM checklists. The same "
        f"command takes up a run that was interrupted, and does anew only what has changed. {RESEARCH_NOTICE}",
    )
    command.add_argument("config", type=Path, metavar="CONFIG.yaml", help="names data, methods and the output folder")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.add_argument("--example-config", action=_ExampleConfig, help="print a commented CONFIG.yaml and end")
    command.set_defaults(run=_study)


class _ExampleConfig(argparse.Action):
    """Prints the example and ends, as --version does."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *values: object) -> None:
        from fdglung.experiment.example import EXAMPLE

        print(EXAMPLE, end="")
        parser.exit()


def _study(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.experiment.config import read_config
        from fdglung.experiment.run import run_experiment

        done = run_experiment(read_config(options.config), progress=tell)
    if not options.json:
        print(f"{len(done.made)} steps were made, the others were there")
        for warning in done.warnings:
            print(f"warning: {warning}")
        print(f"report: {done.html} and {done.pdf.name}. {RESEARCH_NOTICE}")
    return {
        "notice": RESEARCH_NOTICE,
        "out": str(done.out),
        "html": str(done.html),
        "pdf": str(done.pdf),
        "made": list(done.made),
        "warnings": list(done.warnings),
    }
