"""Both checklists in a report, and as files of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fdglung.evaluation.written_rows import markdown_table, plain, write_csv, write_markdown
from fdglung.experiment import claim, metrics_score
from fdglung.experiment.checklist import Answer, Item, with_answers
from fdglung.experiment.document import Grid, Section, Text
from fdglung.experiment.facts import Facts
from fdglung.experiment.metrics_score import Score, band, score

Answers = Mapping[str, Mapping[int, tuple[str, str]]]

_METRICS = "METRICS (METhodological RadiomICs Score; Kocak et al. 2024, doi:10.1186/s13244-023-01572-w)"
_CLAIM = "CLAIM 2024 (Checklist for Artificial Intelligence in Medical Imaging; Tejani et al., doi:10.1148/ryai.240300)"


class Checklists(NamedTuple):
    """Both, filled."""

    metrics: tuple[Item, ...]
    claim: tuple[Item, ...]


def write_checklists(out: Path, facts: Facts, answers: Answers, *, synthetic: bool) -> Checklists:
    """Fill both checklists, and write ``metrics`` and ``claim``, each as CSV and Markdown.

    Raises
    ------
    ChecklistError
        An answer of the authors is to no open item.

    """
    lists = filled(facts, answers)
    for name, items, title in (("metrics", lists.metrics, _METRICS), ("claim", lists.claim, _CLAIM)):
        columns = ["number", "part", "item", *(["weight"] if name == "metrics" else []), "answer", "by", "evidence"]
        rows = [
            {
                "number": item.number,
                "part": item.part,
                "item": item.text,
                "weight": item.weight,
                "answer": item.answer.value,
                "by": _by(item),
                "evidence": item.evidence,
            }
            for item in items
        ]
        write_csv(out / f"{name}.csv", columns, rows)
        notes = ["Synthetic data: no person was scanned."] if synthetic else []
        notes.append(plain(_score_text(score(items)) if name == "metrics" else _counts(items)))
        table = markdown_table(columns, [[str(row[column]) for column in columns] for row in rows])
        write_markdown(out / f"{name}.md", title, [*notes, table])
    return lists


def filled(facts: Facts, answers: Answers) -> Checklists:
    """Return both checklists with what the run and the authors say."""
    return Checklists(
        with_answers(metrics_score.filled(facts), answers.get("metrics", {}), name="metrics"),
        with_answers(claim.filled(facts), answers.get("claim", {}), name="claim"),
    )


def checklist_sections(lists: Checklists) -> tuple[Section, Section]:
    """Return a section of a report for each checklist."""
    how = "Items in our short words; the publication decides. "
    return (
        Section(
            "METRICS",
            (
                Text(f"{_METRICS}. {how}{_score_text(score(lists.metrics))}"),
                Grid(
                    ("No.", "item", "weight", "answer", "evidence"),
                    tuple(
                        (str(item.number), item.text, f"{item.weight:.4f}", _answer(item), item.evidence)
                        for item in lists.metrics
                    ),
                    (0, 2),
                ),
            ),
        ),
        Section(
            "CLAIM 2024",
            (
                Text(f"{_CLAIM}. {how}{_counts(lists.claim)}"),
                Grid(
                    ("No.", "part", "item", "answer", "evidence"),
                    tuple(
                        (str(item.number), item.part, item.text, _answer(item), item.evidence) for item in lists.claim
                    ),
                    (0,),
                ),
            ),
        ),
    )


def _score_text(found: Score) -> str:
    open_ = found.applicable - found.answered
    if found.percent is None:
        return "No item is answered, so there is no score."
    text = (
        f"Score {found.percent:.1f} %: the weight of what is answered yes over the weight of the {found.answered} of "
        f"{found.applicable} applicable items that are answered"
    )
    if not open_:
        return f"{text}; METRICS calls it {band(found.percent)}."
    return (
        f"{text}. This is not yet the published score, which is over all applicable items: with the {open_} open items "
        f"it will lie between {found.lowest:.1f} % ({band(found.lowest)}) and {found.highest:.1f} % "
        f"({band(found.highest)})."
    )


def _counts(items: tuple[Item, ...]) -> str:
    counts = {answer: sum(item.answer is answer for item in items) for answer in Answer}
    return ", ".join(f"{answer.value}: {count}" for answer, count in counts.items()) + "."


def _answer(item: Item) -> str:
    return f"{item.answer.value} (authors)" if item.by_authors else item.answer.value


def _by(item: Item) -> str:
    if item.answer is Answer.OPEN:
        return ""
    return "authors" if item.by_authors else "run"
