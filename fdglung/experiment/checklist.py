"""A checklist as it is filled: an answer and its evidence for each item, or the note that only the authors can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fdglung.errors import ChecklistError


class Answer(StrEnum):
    """What is said of an item."""

    YES = "yes"
    NO = "no"
    NOT_APPLICABLE = "not applicable"
    OPEN = "to be answered by the authors"


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Attributes
    ----------
    number
        As published.
    part
        Its part of the checklist.
    text
        What it asks for, in short words of our own.
    answer, evidence
        What is said of it, and what shows it.
    weight
        Of a score; 0 where the checklist has none.
    by_authors
        Whether the authors gave the answer.

    """

    number: int
    part: str
    text: str
    answer: Answer
    evidence: str
    weight: float = 0.0
    by_authors: bool = False


def with_answers(items: Sequence[Item], answers: Mapping[int, tuple[str, str]], *, name: str) -> tuple[Item, ...]:
    """Return items with what the authors say of those that the run leaves open.

    Raises
    ------
    ChecklistError
        There is no such item, or the run answers it itself.

    """
    known = {item.number: item for item in items}
    for number in answers:
        where = f"answers.{name}.{number}"
        if number not in known:
            raise ChecklistError("There is no such item", attribute=where, remedy=f"Name 1 to {max(known)}")
        if known[number].answer is not Answer.OPEN:
            raise ChecklistError(
                f"The run answers this item itself: {known[number].answer.value}, {known[number].evidence}",
                attribute=where,
                remedy="Take the answer out",
            )
    given = {number: (Answer(answer), evidence) for number, (answer, evidence) in answers.items()}
    return tuple(
        replace(item, answer=given[item.number][0], evidence=given[item.number][1], by_authors=True)
        if item.number in given
        else item
        for item in items
    )
