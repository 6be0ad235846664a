"""Warnings of many examinations as few sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

_PERCENT = re.compile(r"\d+(?:\.\d+)?(?=%)")


def counted_warnings(examinations: Sequence[Sequence[str]]) -> list[str]:
    """Return each warning once, with how many examinations have it.

    Parameters
    ----------
    examinations
        The warnings of each, in full sentences.

    Returns
    -------
    list of str
        Sorted. Those that differ in percentages alone are one, with the range of each: ``26% to 56%``.

    """
    owners: dict[str, set[int]] = {}
    values: dict[str, list[list[str]]] = {}
    for place, texts in enumerate(examinations):
        for text in texts:
            shape = _PERCENT.sub("\0", text)
            owners.setdefault(shape, set()).add(place)
            values.setdefault(shape, []).append(_PERCENT.findall(text))
    found = []
    for shape, given in values.items():
        ranges = iter([_range(column) for column in zip(*given, strict=True)])
        text = re.sub("\0(?=%)", lambda _, ranges=ranges: next(ranges), shape)  # type: ignore[misc]
        found.append(f"{text} ({len(owners[shape])} of {len(examinations)} studies)")
    return sorted(found)


def _range(texts: Sequence[str]) -> str:
    low, high = min(texts, key=float), max(texts, key=float)
    return low if low == high else f"{low}% to {high}"
