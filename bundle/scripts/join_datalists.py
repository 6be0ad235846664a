"""One data list of several, with absolute paths, so that a network is trained on data of several folders."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fdglung.errors import DataListError

_FILES = ("pet", "ct", "label", "organs")


def join(sources: Mapping[str, Sequence[tuple[Path, Path, str]]]) -> dict[str, list[dict[str, Any]]]:
    """Join lists.

    Parameters
    ----------
    sources
        For each list of the result the lists that it is made of: a folder, a JSON file whose paths start from it, and
        a key of that file.

    Raises
    ------
    DataListError
        A file cannot be read, or has no such key.

    """
    return {
        name: [_absolute(entry, folder) for folder, path, key in parts for entry in _entries(path, key)]
        for name, parts in sources.items()
    }


def _entries(path: Path, key: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataListError(
            f"the list {path} cannot be read or has no key {key!r}",
            attribute=key,
            remedy="Name a JSON file, and a key of it that holds a list of entries",
        ) from error


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    named = {"name": Path(entry["pet"]).parent.name, **entry}
    return named | {name: str((folder / entry[name]).resolve()) for name in _FILES if entry.get(name)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="JSON file to write")
    parser.add_argument(
        "--add",
        nargs=4,
        action="append",
        required=True,
        metavar=("LIST", "FOLDER", "FILE", "KEY"),
        help="append the entries KEY of FILE, whose paths start from FOLDER, to LIST",
    )
    options = parser.parse_args()
    sources: dict[str, list[tuple[Path, Path, str]]] = {}
    for name, folder, path, key in options.add:
        sources.setdefault(name, []).append((Path(folder), Path(path), key))
    options.out.write_text(json.dumps(join(sources), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
