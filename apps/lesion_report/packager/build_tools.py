"""An environment of the image's Python with pinned build tools, and the only place that runs other programs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fdglung.errors import FdglungError

IMAGE_PYTHON = (3, 12)
"""Of the packager's base image (Ubuntu 24.04)."""

PYTHON_VARIABLE = "MAP_PYTHON"
"""Environment variable that names an interpreter of that version."""

TOOLS = ("pip==26.3", "setuptools==80.9.0", "wheel==0.45.1", "numpy==1.26.4", "cyclonedx-bom==7.5.0")
"""PyRadiomics' build needs a setuptools before 81 and numpy; cyclonedx-bom writes the SBOM."""


class BuildError(FdglungError):
    """The package cannot be built on this machine."""


def find_python() -> Path:
    """Return an interpreter of the image's version: the one that `MAP_PYTHON` names, python3.12, or one of pyenv.

    Raises
    ------
    BuildError
        There is none.

    """
    for path in _candidates():
        code = "import sys; print(sys.version_info[:2] == (%d, %d))" % IMAGE_PYTHON  # noqa: UP031
        try:
            said = subprocess.run([str(path), "-c", code], capture_output=True, text=True, check=False).stdout
        except OSError:
            continue
        if said.strip() == "True":
            return path
    version = ".".join(map(str, IMAGE_PYTHON))
    raise BuildError(
        f"there is no Python {version}, which the image has",
        attribute=PYTHON_VARIABLE,
        remedy=f"Install Python {version} with its headers, or name it: make map-context MAP_PYTHON=/path/to/python",
    )


def make_tools(folder: Path) -> Path:
    """Make an environment with `TOOLS`, or take the one that an earlier call made; return its interpreter."""
    folder = folder.resolve()
    python, marker = folder / "bin" / "python", folder / "tools.txt"
    if not marker.is_file() or marker.read_text(encoding="utf-8") != "\n".join(TOOLS):
        shutil.rmtree(folder, ignore_errors=True)
        run([find_python(), "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS])
        marker.write_text("\n".join(TOOLS), encoding="utf-8")
    return python


def run(command: Sequence[Path | str], *, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
    """Run a program to its end.

    Raises
    ------
    BuildError
        It failed; the last lines that it said are told.

    """
    ended = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | dict(variables or {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        said = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-8:])
        raise BuildError(
            f"{Path(command[0]).name} {' '.join(map(str, command[1:4]))} failed:\n{said}\n",
            remedy="Mend what it says and run again",
        )


def _candidates() -> Iterator[Path]:
    if named := os.environ.get(PYTHON_VARIABLE):
        yield Path(named)
        return
    name = f"python{IMAGE_PYTHON[0]}.{IMAGE_PYTHON[1]}"
    if found := shutil.which(name):
        yield Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/{IMAGE_PYTHON[0]}.{IMAGE_PYTHON[1]}*/bin/{name}"))
