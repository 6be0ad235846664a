"""Licences of the components of a bill of materials, which pins alone do not tell."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import fdglung

_CLASSIFIER = "License :: "
_LONGEST_NAME = 80
_OWN = "Apache-2.0"


def add_licences(path: Path) -> tuple[str, ...]:
    """Write the licence of each component into a CycloneDX file, as the installed packages of its version state it.

    Parameters
    ----------
    path
        JSON of CycloneDX 1.4 or later; it is written anew.

    Returns
    -------
    tuple of str
        ``name==version`` of each component whose licence is not known here, in their order.

    """
    document = json.loads(path.read_text(encoding="utf-8"))
    unknown = []
    for component in document["components"]:
        if licences := licences_of(component["name"], component["version"]):
            component["licenses"] = licences
        else:
            unknown.append(f"{component['name']}=={component['version']}")
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)
    return tuple(unknown)


def licences_of(name: str, version: str) -> list[dict[str, Any]]:
    """Return the licences of an installed package in CycloneDX's form; empty where that version is not installed.

    Parameters
    ----------
    name, version
        As the package's metadata have them.

    Returns
    -------
    list of dict
        One SPDX expression where the package states one; else its classifiers; else the name, or the first line of the
        text, that it gives; else the first line of its licence file, where that is a name.

    """
    if name == "fdglung":
        return [{"expression": _OWN}] if version == fdglung.__version__ else []
    try:
        package = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return []
    found = package.metadata
    if found["Version"] != version:
        return []
    if expressions := found.get_all("License-Expression"):
        return [{"expression": expressions[0]}]
    classifiers = [one.rsplit(" :: ", 1)[-1] for one in found.get_all("Classifier", []) if one.startswith(_CLASSIFIER)]
    # "OSI Approved" alone names none.
    names = sorted({one for one in classifiers if one != "OSI Approved"})
    if not names and (stated := _first_line("".join(found.get_all("License", [])))) != "UNKNOWN":
        names = [stated] if stated else []
    if not names:
        files = [package.read_text(f"licenses/{file}") for file in found.get_all("License-File", [])]
        names = [line for line in map(_first_line, files) if "license" in line.lower()]
    return [{"license": {"name": one}} for one in names]


def _first_line(text: str | None) -> str:
    """Return the first line of a text, which is the name in most texts of licences; empty where it is too long."""
    line = (text or "").strip().partition("\n")[0].strip()
    return line if len(line) <= _LONGEST_NAME else ""
