"""app.json and pkg.json as the MAP specification asks, which the packager leaves incomplete."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from apps.lesion_report.packager.build_tools import BuildError

_SEMANTIC_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_MEMORY = re.compile(r"\d+(\.\d)?(Mi|Gi)")
_SIZES = ("memory", "memoryLimit", "gpuMemory", "gpuMemoryLimit", "sharedMemory")
_COUNTS = ("cpu", "cpuLimit", "gpu", "gpuLimit")


def complete_application(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return app.json with what the specification asks and the packager leaves out.

    The specification wants ``type``, formats as objects, ``output.format`` beside the packager's ``formats``, and no
    probe where there is none.
    """
    done = {key: value for key, value in manifest.items() if value is not None}
    done["type"] = "application"
    done["input"] = {**done["input"], "formats": _objects(done["input"]["formats"])}
    formats = _objects(done["output"]["formats"])
    done["output"] = {**done["output"], "formats": formats, "format": formats[0]}
    return done


def complete_package(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return pkg.json with the models as the specification's array, paths relative to the models' root."""
    names = manifest.get("models") or {}
    return {**manifest, "models": [{"name": name, "path": name} for name in names]}


def problems_of_application(manifest: dict[str, Any]) -> list[str]:
    """Return what in app.json breaks the specification; empty where nothing does."""
    found = [f"{key} is missing" for key in ("type", "command", "input", "output") if not manifest.get(key)]
    if manifest.get("type") not in ("application", "service"):
        found.append("type is neither application nor service")
    if not _all_objects(manifest.get("input", {}).get("formats")):
        found.append("input.formats is no array of objects")
    if not isinstance(manifest.get("output", {}).get("format"), dict):
        found.append("output.format is no object")
    found += _bad_versions(manifest, ("apiVersion", "sdkVersion", "version"))
    if not str(manifest.get("workingDirectory", "/")).startswith("/"):
        found.append("workingDirectory is not absolute")
    if not isinstance(manifest.get("timeout", 0), int):
        found.append("timeout is no whole number")
    found += [
        f"{key} has no type" for key in ("readiness", "liveness") if not manifest.get(key, {"type": 1}).get("type")
    ]
    found += [
        f"environment.{key} is no text" for key, value in manifest.get("environment", {}).items() if value != f"{value}"
    ]
    return found


def problems_of_package(manifest: dict[str, Any]) -> list[str]:
    """Return what in pkg.json breaks the specification; empty where nothing does."""
    roots = {key: str(manifest.get(key, "")) for key in ("applicationRoot", "modelRoot")}
    found = [f"{key} is no absolute path" for key, value in roots.items() if not value.startswith("/")]
    found += _bad_versions(manifest, ("apiVersion", "version"))
    models = manifest.get("models")
    if models != [] and not _all_objects(models):
        found.append("models is no array of objects")
    else:
        names = [str(model.get("name", "")) for model in models or []]
        found += [
            f"models: {name!r} is no name" for name in names if not name or re.search(r"\s", name) or len(name) > 128
        ]
    resources = manifest.get("resources") or {}
    found += [f"resources.{key} is no size" for key in _SIZES if key in resources and not _is_size(resources[key])]
    found += [f"resources.{key} is no count" for key in _COUNTS if key in resources and not _is_count(resources[key])]
    return found


def complete_files(folder: Path) -> None:
    """Complete and check app.json and pkg.json of a folder in place.

    Raises
    ------
    BuildError
        They break the specification even so.

    """
    for name, complete, problems in (
        ("app.json", complete_application, problems_of_application),
        ("pkg.json", complete_package, problems_of_package),
    ):
        path = folder / name
        manifest = complete(json.loads(path.read_text(encoding="utf-8")))
        if found := problems(manifest):
            raise BuildError(
                f"{name} breaks the MAP specification: {'; '.join(found)}", attribute=name, remedy="Mend app.yaml"
            )
        path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _objects(formats: list[Any] | None) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {"type": one} for one in formats or []]


def _all_objects(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(isinstance(one, dict) for one in values)


def _bad_versions(manifest: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    values = {key: str(manifest.get(key, "0.0.0")) for key in keys}
    return [
        f"{key} {value} is no semantic version"
        for key, value in values.items()
        if not _SEMANTIC_VERSION.fullmatch(value)
    ]


def _is_size(value: object) -> bool:
    return isinstance(value, str) and bool(_MEMORY.fullmatch(value))


def _is_count(value: object) -> bool:
    return isinstance(value, (int, float)) and value >= 0 and round(value, 1) == value
