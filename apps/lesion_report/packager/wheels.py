"""The wheels that no registry has: fdglung's own and what comes as source only; the same bytes each time."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from apps.lesion_report.packager.build_tools import run

SOURCE_ONLY = ("pyradiomics==3.0.1", "docopt==0.6.2")
"""What the registry has no wheel of for the image's Python: PyRadiomics (3.1.0 has metadata that pip refuses), and
docopt, which it needs by way of pykwalify."""

EPOCH = "1767225600"
"""2026-01-01: the time of every file in the wheels, so that the same sources give the same bytes."""

_SOURCES = ("fdglung", "operators", "apps", "pyproject.toml", "README.md", "LICENSE")

# versioneer of PyRadiomics' setup.py calls two names that Python 3.12 no longer has.
_ALIASES = """
import configparser
configparser.SafeConfigParser = configparser.ConfigParser
configparser.RawConfigParser.readfp = configparser.RawConfigParser.read_file
"""


def build_own(python: Path, root: Path, out: Path) -> None:
    """Build fdglung's wheel into `out`.

    Parameters
    ----------
    python
        Of `make_tools`.
    root
        The checkout; it is copied first, so that nothing is written there.
    out
        Folder that is there.

    Raises
    ------
    BuildError
        The build failed.

    """
    with tempfile.TemporaryDirectory(prefix="fdglung-wheel-") as temporary:
        source = Path(temporary) / "source"
        source.mkdir()
        for name in _SOURCES:
            if (root / name).is_dir():
                shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(root / name, source / name)
        _build(python, source, out, Path(temporary))


def build_source_only(python: Path, out: Path) -> None:
    """Build the wheels of `SOURCE_ONLY` into `out`, from the registry's source packages.

    Parameters
    ----------
    python
        Of `make_tools`; its version is that of the wheels. A C compiler must be there.
    out
        Folder that is there.

    Raises
    ------
    BuildError
        A build failed.

    """
    for requirement in SOURCE_ONLY:
        with tempfile.TemporaryDirectory(prefix="fdglung-wheel-") as temporary:
            (Path(temporary) / "sitecustomize.py").write_text(_ALIASES, encoding="utf-8")
            _build(python, requirement, out, Path(temporary))


def _build(python: Path, what: Path | str, out: Path, temporary: Path) -> None:
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--no-binary", ":all:"]
    run(
        [python, "-m", "pip", "wheel", *options, "--wheel-dir", out, what],
        cwd=temporary,
        variables={
            "SOURCE_DATE_EPOCH": EPOCH,
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": str(temporary),
            "TMPDIR": str(temporary),
            # No debug information, which would carry the name of the temporary folder.
            "CFLAGS": f"-g0 -O2 -ffile-prefix-map={temporary}=.",
        },
    )
