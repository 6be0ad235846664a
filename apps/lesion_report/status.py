"""status.json: what became of a run, for the machine that started it."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from pathlib import Path

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.errors import FdglungError, OutputError, OutputExistsError
from fdglung.files import write_files

STATUS_FILE = "status.json"
"""Lies in the output folder after every run that may write there."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""


_UNFINISHED = re.compile(r"\..*\.[0-9a-f]{32}\.partial")


def clear_status(folder: Path) -> None:
    """Remove what an earlier run left that wrote no report, so that the folder counts as empty.

    That is a status with nothing beside it, and the unfinished files of a run that was killed while it wrote.
    """
    names = _names(folder)
    unfinished = [name for name in names if _UNFINISHED.fullmatch(name)]
    if set(names) - {STATUS_FILE, *unfinished}:
        return
    for name in unfinished:
        shutil.rmtree(folder / name)
    (folder / STATUS_FILE).unlink(missing_ok=True)


def write_done(folder: Path) -> None:
    """Say that the run went well and which files it wrote."""
    _write(
        folder, {"status": "done", "exit_code": 0, "files": [name for name in _names(folder) if name != STATUS_FILE]}
    )


def write_failed(folder: Path, error: BaseException, *, exit_code: int) -> None:
    """Say why the run failed, where the folder is empty or was written by an earlier run.

    Parameters
    ----------
    folder
        Made if it is missing. A folder of other things, one that was refused because it is in use, or one that cannot
        be written to is left alone: the exit code and the log say the same.
    error
        An `FdglungError` is told in full, of any other only its kind, since its text may name a patient.
    exit_code
        Of the process.

    """
    names = _names(folder)
    if isinstance(error, OutputExistsError) or (names and STATUS_FILE not in names):
        return
    reason: dict[str, object] = {"kind": type(error).__name__, "message": "a fault of this software", "remedy": None}
    if isinstance(error, FdglungError):
        reason = {
            "kind": error.kind,
            "message": error.problem,
            "series": error.series,
            "attribute": error.attribute,
            "remedy": error.remedy,
        }
    with suppress(OutputError):
        _write(folder, {"status": "failed", "exit_code": exit_code, "error": reason, "files": []})


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def _write(folder: Path, content: dict[str, object]) -> None:
    document = {
        "format": "fdglung status",
        "format_version": FORMAT_VERSION,
        "software": f"fdglung {__version__}",
        "notice": RESEARCH_NOTICE,
        **content,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_files({folder / STATUS_FILE: text.encode()})
