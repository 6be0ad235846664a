"""Folders that are made once: each knows what it was made from, and what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from fdglung import __version__
from fdglung.files import written_together

RECORD = "step.json"
"""File in a step's folder: its key, and the checksum of each of its files."""


def key_of(*parts: object) -> str:
    """Return one key (SHA-256) for all that a step depends on: plain JSON values, and this program's version."""
    text = json.dumps([__version__, *parts], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def make(folder: Path, key: str, write: Callable[[Path], object]) -> bool:
    """Make a step's folder, unless it is there, whole, and was made from the same.

    Parameters
    ----------
    folder
        The folder; an earlier one of another key is replaced as a whole.
    key
        Of all that it depends on.
    write
        Fills the folder that it is given.

    Returns
    -------
    bool
        Whether it was made now.

    Raises
    ------
    OutputError
        Writing failed; nothing half-written was left.

    """
    if is_made(folder, key):
        return False
    with written_together(folder, overwrite=True) as temporary:
        write(temporary)
        files = {path.relative_to(temporary).as_posix(): file_digest(path) for path in _files(temporary)}
        document = {"key": key, "files": files}
        (temporary / RECORD).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return True


def is_made(folder: Path, key: str) -> bool:
    """Tell whether a step's folder is there with this key, and its files are as they were written."""
    try:
        document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if document["key"] != key:
            return False
        return all(file_digest(folder / name) == digest for name, digest in document["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def files_of(folder: Path) -> dict[str, str]:
    """Return the files of a step that was made, and their checksums."""
    document = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return dict(document["files"])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
