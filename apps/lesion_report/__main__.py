"""`python -m apps.lesion_report -i STUDY -o OUT`; exit code 0 done, 2 unusable input or output."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from fdglung.cli import EXIT_BAD_INPUT
from fdglung.errors import FdglungError


def main() -> int:
    """Run the application and return the exit code."""
    # The engine's notes on stack size, CUDA and its own graph are no news to a user; its variable still wins.
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "ERROR")
    from apps.lesion_report.app import LesionReportApplication

    made = _output_to_be_made()
    try:
        # Paths may name a patient, and at level INFO the SDK logs them; a level given by the user comes later and wins.
        LesionReportApplication([sys.executable, sys.argv[0], "--log-level", "WARN", *sys.argv[1:]]).run()
    except FdglungError as error:
        print(f"lesion_report: {error.kind}: {error}", file=sys.stderr)
        if made is not None:
            with contextlib.suppress(OSError):
                made.rmdir()
        return EXIT_BAD_INPUT
    return 0


def _output_to_be_made() -> Path | None:
    """Return the output folder if it is not there yet: the SDK makes it even where the study cannot be used."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("-o", "--output", default=os.environ.get("HOLOSCAN_OUTPUT_PATH"))
    given = parser.parse_known_args()[0].output
    return Path(given) if given and not Path(given).exists() else None


if __name__ == "__main__":
    raise SystemExit(main())
