"""Rules by which a site says which series may be taken at all, before the best of them is chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

from fdglung.dicom.attributes import label
from fdglung.dicom.series import SeriesVerdict, Stack, verdict_on
from fdglung.errors import NoImageError, ParameterError


@dataclass(frozen=True)
class SelectionRules:
    """Which PET and which CT series may be taken.

    Attributes
    ----------
    pet, ct
        DICOM keyword to a regular expression that its whole value must match, letters of either case alike; of a
        multi-valued attribute one value must. A series that has all of them may be taken; without any, every series.

    """

    pet: Mapping[str, str] = field(default_factory=dict)
    ct: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ParameterError
            A keyword that DICOM does not know, or a text that is no regular expression.

        """
        for part, rules in (("pet", self.pet), ("ct", self.ct)):
            for keyword, pattern in rules.items():
                _check(f"{part}.{keyword}", keyword, pattern)


def apply(rules: SelectionRules, stacks: Sequence[Stack]) -> tuple[tuple[Stack, ...], tuple[SeriesVerdict, ...]]:
    """Part stacks into those that may be taken and the verdicts on the others.

    Parameters
    ----------
    rules
        For PET and CT.
    stacks
        As `fdglung.dicom.series.group` found them.

    Returns
    -------
    allowed
        In the order given.
    refused
        One verdict a stack that may not be taken, with the rule that it breaks.

    Raises
    ------
    NoImageError
        There are PET series, and the rules leave none of them. CT may be missing, so that rules which leave no CT are
        no error here.

    """
    by_modality = {"PT": rules.pet, "CT": rules.ct}
    broken = {id(stack): _broken(by_modality[stack.modality], stack) for stack in stacks}
    allowed = tuple(stack for stack in stacks if broken[id(stack)] is None)
    refused = tuple(
        verdict_on(stack.headers, taken=False, reason=f"Its {broken[id(stack)]} is not what the selection rules ask.")
        for stack in stacks
        if broken[id(stack)] is not None
    )
    pets = [stack for stack in stacks if stack.modality == "PT"]
    if pets and not any(stack.modality == "PT" for stack in allowed):
        keywords = sorted({str(broken[id(stack)]) for stack in pets})
        raise NoImageError(
            f"The selection rules leave none of the {len(pets)} PET series",
            attribute=", ".join(keywords),
            remedy="Mend the rules for pet, or leave them out so that the best PET is taken",
        )
    return allowed, refused


def _check(place: str, keyword: str, pattern: str) -> None:
    if tag_for_keyword(keyword) is None:
        raise ParameterError(
            f"{keyword!r} is no DICOM keyword",
            attribute=place,
            remedy="Give an attribute's keyword, such as SeriesDescription",
        )
    try:
        re.compile(pattern)
    except re.error as error:
        raise ParameterError(
            f"{pattern!r} is no regular expression ({error})",
            attribute=place,
            remedy="Mend it; a plain word matches itself, .* matches anything",
        ) from error


def _broken(rules: Mapping[str, str], stack: Stack) -> str | None:
    """Name the first attribute that breaks its rule; None where all are met."""
    header = stack.headers[0]
    for keyword, pattern in rules.items():
        if not any(re.fullmatch(pattern, value, re.IGNORECASE) for value in _values(header, keyword)):
            return label(keyword)
    return None


def _values(header: Dataset, keyword: str) -> Iterable[str]:
    value = header.get(keyword)
    values = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    return ["" if one is None else str(one).strip() for one in values]
