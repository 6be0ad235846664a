"""Checks of settings: each names the setting and what to give instead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from fdglung.errors import ParameterError


def freeze(instance: object, name: str, convert: Any) -> None:
    """Make a field that YAML gives as a list the tuple that it is declared as, its numbers floats."""
    value = getattr(instance, name)
    if value is None:
        return
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ParameterError("The value is no list", attribute=name, remedy="Write it in brackets: [1, 2, 3]")
    object.__setattr__(instance, name, convert(value))


def as_floats(instance: object, *names: str) -> None:
    """Make numbers of a frozen instance floats, so that 1 and 1.0 are written the same."""
    for name in names:
        value = getattr(instance, name)
        if number(value):
            object.__setattr__(instance, name, float(value))


def floats(values: Iterable[Any]) -> tuple[Any, ...]:
    """Return values as floats, what is no number as it is."""
    return tuple(float(value) if number(value) else value for value in values)


def check_bins(width: float | None, count: int | None) -> None:
    """Refuse bins that are not given by exactly one of width and number."""
    given = [one for one in (width, count) if one is not None]
    require(len(given) == 1, "bin_width, bin_count", "Not exactly one of them is given", "Give one, null the other")
    require(width is None or positive(width), "bin_width", "The width is not above 0", "Give it in the image's unit")
    require(count is None or whole(count), "bin_count", "The number is no whole number above 0", "Give 32 or 64")


def one_of(value: object, known: tuple[str, ...], attribute: str) -> None:
    """Refuse a value that is not among the known ones."""
    require(value in known, attribute, f"{value!r} is not known", f"Use one of {', '.join(known)}")


def require(condition: bool, attribute: str, problem: str, remedy: str) -> None:
    """Raise ParameterError where a condition does not hold."""
    if not condition:
        raise ParameterError(problem, attribute=attribute, remedy=remedy)


def number(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def positive(value: object) -> bool:
    """Whether a value is a finite number above 0."""
    return isinstance(value, (int, float)) and number(value) and value > 0


def whole(value: object) -> bool:
    """Whether a value is a whole number above 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def load_yaml(text: str) -> Any:
    """Return what a YAML document holds; ParameterError where it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParameterError(
            f"The document is no YAML ({' '.join(str(error).split())})", attribute="settings", remedy="Mend the line"
        ) from error


def document(source: str | Path, attribute: str) -> Any:
    """Return what a YAML file holds, or the document itself where `source` is a str.

    Raises
    ------
    ParameterError
        The file cannot be read, or is no YAML; the first names `attribute`.

    """
    if isinstance(source, Path):
        try:
            source = source.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ParameterError(
                f"The file {source} cannot be read", attribute=attribute, remedy="Give a YAML file"
            ) from error
    return load_yaml(source)


def built(kind: Any, content: object, where: str) -> Any:
    """Return a dataclass made of keys that a file gives; `where` stands before the attribute of each error.

    Raises
    ------
    ParameterError
        A key is unknown, or a value cannot be.

    """
    given = mapping(content, where.rstrip("."))
    refuse_unknown(given, [one.name for one in fields(kind)], where)
    try:
        return kind(**given)
    except ParameterError as error:
        raise ParameterError(error.problem, attribute=f"{where}{error.attribute}", remedy=error.remedy) from error
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"A value is of another kind ({error})", attribute=where.rstrip(".") or "settings", remedy="Mend it"
        ) from error


def plain(value: Any) -> Any:
    """Return mappings, lists and tuples within each other as dicts and lists, as YAML writes them."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return list(map(plain, value)) if isinstance(value, (tuple, list)) else value


def mapping(content: object, where: str) -> Mapping[str, Any]:
    """Return content that has keys; ParameterError where it has none."""
    if isinstance(content, Mapping):
        return content
    raise ParameterError("There are no keys", attribute=where, remedy="Write `key: value`, a line a key")


def of_format(content: object, name: str, version: int) -> dict[str, Any]:
    """Return the keys of a configuration but ``format`` and ``format_version``.

    Raises
    ------
    ParameterError
        It has no keys, or says that it is of another format or version.

    """
    keys = dict(mapping(content, "configuration"))
    require(keys.pop("format", name) == name, "format", "This is no such file", f"Give `format: {name}`")
    given = keys.pop("format_version", version)
    require(given == version, "format_version", f"The file has version {given}", f"Give {version}")
    return keys


def refuse_unknown(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ParameterError that names the keys which are not known."""
    known = list(known)
    unknown = [f"{where}{key}" for key in given if key not in known]
    if unknown:
        problem = "The settings have no such key" if len(unknown) == 1 else "The settings have no such keys"
        raise ParameterError(problem, attribute=", ".join(unknown), remedy=f"Use one of {', '.join(known)}")
