"""`python -m apps.lesion_report -i STUDY -o OUT`; exit code 0 done, 2 unusable input or output."""

from __future__ import annotations

import sys

from apps.lesion_report.app import LesionReportApplication
from fdglung.cli import EXIT_BAD_INPUT
from fdglung.errors import FdglungError


def main() -> int:
    """Run the application and return the exit code."""
    try:
        LesionReportApplication().run()
    except FdglungError as error:
        print(f"lesion_report: {error.kind}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
