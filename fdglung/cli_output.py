"""The file that a command writes, and those that it writes beside it: checked before the work begins."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fdglung.errors import OutputExistsError, ParameterError


def beside(path: Path, suffix: str) -> Path:
    """Return the path of another file of the same stem, such as ``classes.about.json`` of ``classes.csv``."""
    return path.with_name(path.stem + suffix)


def check_output(path: Path, suffixes: Sequence[str], others: Sequence[str] = (), *, overwrite: bool) -> None:
    """Refuse a name that does not end as it must, and files that are there and may not be replaced.

    Parameters
    ----------
    path
        The file that `--out` names.
    suffixes
        Those that its name may end in.
    others
        Suffixes of what is written beside it.
    overwrite
        Whether files that are there may be replaced; a folder never is.

    Raises
    ------
    ParameterError
        Its name ends otherwise.
    OutputExistsError
        It, or one beside it, is there.

    """
    if path.suffix not in suffixes:
        raise ParameterError(
            f"The name of the output {path.name} does not end in {' or '.join(suffixes)}",
            attribute="--out",
            remedy=f"Name it so, such as {'classes' if '.csv' in suffixes else 'model'}{suffixes[0]}",
        )
    for each in (path, *(beside(path, other) for other in others)):
        if each.is_dir() or (each.exists() and not overwrite):
            raise OutputExistsError(
                f"The output {each} exists", attribute="--out", remedy="Name another file, or pass --overwrite"
            )
