"""`python -m apps.lesion_report -i STUDY -o OUT`; exit code 0 done, 2 unusable input or output, 1 any other failure."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from apps.lesion_report.configuration import configuration_path, read_configuration
from apps.lesion_report.status import clear_status, write_done, write_failed
from fdglung.cli import EXIT_BAD_INPUT
from fdglung.errors import FdglungError, InputError
from fdglung.files import check_free

EXIT_FAULT = 1
"""Exit code of a failure that no user can mend."""


def main() -> int:
    """Run the application, write ``status.json`` beside the report, and return the exit code."""
    # The engine's notes on stack size, CUDA and its own graph are no news to a user; its variable still wins.
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "ERROR")
    if {"-h", "--help"} & set(sys.argv[1:]):
        _run()
    paths = _paths()
    output = Path(paths.output)
    try:
        if not Path(paths.input).exists():
            raise InputError(
                "the input is not there", attribute="input", remedy="Name it with -i or HOLOSCAN_INPUT_PATH"
            )
        clear_status(output)
        # Before the seconds that the engine needs to start.
        check_free(output, overwrite=read_configuration(configuration_path()).report.overwrite)
        _run()
        write_done(output)
    except FdglungError as error:
        print(f"lesion_report: {error.kind}: {error}", file=sys.stderr)
        write_failed(output, error, exit_code=EXIT_BAD_INPUT)
        return EXIT_BAD_INPUT
    except Exception as error:
        write_failed(output, error, exit_code=EXIT_FAULT)
        raise
    return 0


def _run() -> None:
    from apps.lesion_report.app import LesionReportApplication

    # Paths may name a patient, and at level INFO the SDK logs them; a level given by the user comes later and wins.
    LesionReportApplication([sys.executable, sys.argv[0], "--log-level", "WARN", *sys.argv[1:]]).run()


def _paths() -> argparse.Namespace:
    """Read the paths as the SDK does; the other options are its own."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-i", "--input", default=os.environ.get("HOLOSCAN_INPUT_PATH", "input"))
    parser.add_argument("-o", "--output", default=os.environ.get("HOLOSCAN_OUTPUT_PATH", "output"))
    return parser.parse_known_args()[0]


if __name__ == "__main__":
    raise SystemExit(main())
