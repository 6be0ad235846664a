"""What a conversion to SUV used, and what a physician must know of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pydicom import Dataset

from fdglung.dicom.values import number, text


@dataclass
class Notes:
    """What a conversion used and what a physician must know, collected on the way.

    Attributes
    ----------
    used
        Name, tag, value and role of each attribute used.
    warnings
        Full sentences.

    """

    used: list[tuple[str, str, str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def use(self, headers: Sequence[Dataset], keyword: str, role: str) -> None:
        """Note an attribute of the series: its value, or ``a..b`` where it differs by slice."""
        element = next((h[keyword] for h in headers if keyword in h), None)
        if element is None:
            return
        values = [h.get(keyword) for h in headers]
        shown = [_show(value) for value in values]
        if len(set(shown)) > 1:
            numbers = sorted((number(v), s) for v, s in zip(values, shown, strict=True) if number(v) is not None)
            ends = (numbers[0][1], numbers[-1][1]) if len(numbers) == len(shown) else (min(shown), max(shown))
            shown = [f"{ends[0]}..{ends[1]}"]
        tag = element.tag
        self.used.append((keyword, f"({tag.group:04X},{tag.element:04X})", shown[0], role))

    def note(self, name: str, tag: str, value: object, role: str) -> None:
        """Note an attribute that is not a public one of the series itself."""
        self.used.append((name, tag, _show(value), role))

    def warn(self, sentence: str) -> None:
        """Warn once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)


def _show(value: object) -> str:
    if isinstance(value, bytes):
        parsed = number(value)
        return text(value) if parsed is None else f"{parsed:g}"
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        return "\\".join(str(item) for item in value)
    return text(value)
