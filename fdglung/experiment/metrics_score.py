"""METRICS, the METhodological RadiomICs Score, filled from what was run.

Kocak et al., Insights into Imaging 2024;15:8, doi:10.1186/s13244-023-01572-w: 30 items in 9 categories with the weights
of table 1, of which some count under conditions only. Our words for the items are short; the paper's text decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fdglung.experiment.checklist import Answer, Item
from fdglung.experiment.facts import Facts

CATEGORIES: dict[str, tuple[tuple[int, str, float], ...]] = {
    "Study design": (
        (1, "A checklist or guideline was followed", 0.0368),
        (2, "Eligibility criteria that give a representative population", 0.0735),
        (3, "Sound, clearly defined reference standard", 0.0919),
    ),
    "Imaging data": (
        (4, "Several centres", 0.0438),
        (5, "Imaging as clinical standards have it", 0.0292),
        (6, "Imaging protocol with its parameters", 0.0438),
        (7, "Interval between imaging and reference standard", 0.0292),
    ),
    "Segmentation": (
        (8, "Segmentation described", 0.0337),
        (9, "Automated segmentation measured against experts", 0.0225),
        (10, "Test masks by one reader or by a tool alone", 0.0112),
    ),
    "Image processing and feature extraction": (
        (11, "Fitting, described image preprocessing", 0.0622),
        (12, "Standardised software for features", 0.0311),
        (13, "Parameters of feature extraction reported", 0.0415),
    ),
    "Feature processing": (
        (14, "Features that do not repeat removed", 0.0200),
        (15, "Redundant features removed", 0.0200),
        (16, "Dimensionality fits the amount of data", 0.0300),
        (17, "Robustness of end-to-end deep learning", 0.0200),
    ),
    "Preparation for modelling": (
        (18, "Sound partitioning of the data", 0.0599),
        (19, "Confounders handled", 0.0300),
    ),
    "Metrics and comparison": (
        (20, "Fitting measures of performance", 0.0352),
        (21, "Uncertainty told", 0.0234),
        (22, "Calibration assessed", 0.0176),
        (23, "One kind of image, or proof that one does not do", 0.0117),
        (24, "Comparison with a non-radiomic method, or proof of clinical value", 0.0293),
        (25, "Comparison with simple or classical models", 0.0176),
    ),
    "Testing": (
        (26, "Internal test", 0.0375),
        (27, "External test", 0.0749),
    ),
    "Open science": (
        (28, "Data available", 0.0075),
        (29, "Code available", 0.0075),
        (30, "Model available", 0.0075),
    ),
}
"""Category to number, item and weight; all weights together are 1."""

BANDS = ((80.0, "excellent"), (60.0, "good"), (40.0, "moderate"), (20.0, "low"), (0.0, "very low"))
"""Least score in percent, and what METRICS calls it."""

_SYNTHETIC = "Synthetic images: no patient, no clinical imaging, no pathology."


@dataclass(frozen=True)
class Score:
    """The score of filled items.

    Attributes
    ----------
    percent
        Weight of what is answered yes over the weight of what applies and is answered, in percent; None where nothing
        is answered.
    lowest, highest
        The published score (over all that applies) if every open item were no, or yes.
    answered, applicable
        How many items.

    """

    percent: float | None
    lowest: float
    highest: float
    answered: int
    applicable: int


def score(items: Sequence[Item]) -> Score:
    """Sum up a filled METRICS: items that do not apply leave both sums, as the paper has it."""
    applicable = [item for item in items if item.answer is not Answer.NOT_APPLICABLE]
    answered = [item for item in applicable if item.answer is not Answer.OPEN]
    met = sum(item.weight for item in answered if item.answer is Answer.YES)
    known, whole = sum(item.weight for item in answered), sum(item.weight for item in applicable)
    still = whole - known
    return Score(
        percent=100 * met / known if known else None,
        lowest=100 * met / whole if whole else 0.0,
        highest=100 * (met + still) / whole if whole else 0.0,
        answered=len(answered),
        applicable=len(applicable),
    )


def band(percent: float) -> str:
    """Return what METRICS calls a score in percent."""
    return next(name for least, name in BANDS if percent >= least)


def filled(facts: Facts) -> tuple[Item, ...]:
    """Return the 30 items with what the run can say of them."""
    said = _said(facts)
    return tuple(
        Item(number, category, text, *said[number], weight)
        for category, items in CATEGORIES.items()
        for number, text, weight in items
    )


def _said(facts: Facts) -> dict[int, tuple[Answer, str]]:
    yes, no, open_, none = Answer.YES, Answer.NO, Answer.OPEN, Answer.NOT_APPLICABLE
    clinical = (no, _SYNTHETIC) if facts.synthetic else (open_, "")
    radiomics = bool(facts.radiomics or facts.conventional)
    several = len(facts.modalities) > 1
    return {
        1: (yes, "This report fills METRICS and CLAIM 2024."),
        2: clinical,
        3: clinical,
        4: (no, f"{_SYNTHETIC} Scanners stand for centres.") if facts.synthetic else _centres(facts),
        5: clinical,
        6: (
            yes,
            "Scanner, reconstruction, dose, uptake time and CT parameters of each study are among the clinical "
            "columns of tables/patients.csv.",
        )
        if facts.protocol
        else (open_, ""),
        7: clinical,
        8: (yes, f"Method {facts.method}, its parameters and checksums: section Segmentation, study.json."),
        9: (no, "Measured against the planted truth, not against an expert: section Segmentation.")
        if facts.synthetic
        else (
            open_,
            "Detection, Dice and surface distances against the given references are in section Segmentation; "
            "whose references they are is for the authors.",
        ),
        10: (yes, "All masks, those of the test sets too, by the same program without a reader."),
        11: (yes, "Resampling, discretisation and filters in tables/features.settings.yaml.")
        if radiomics
        else (open_, ""),
        12: (yes, "fdglung radiomics, which follows IBSI; versions in study.json.")
        if radiomics
        else (none, "No hand-crafted features."),
        13: (yes, "Every parameter in tables/features.settings.yaml.") if radiomics else (open_, ""),
        14: (no, "Features were not tested for repeatability in this run.")
        if radiomics
        else (none, "No tabular features."),
        15: (yes, "Correlated features are left out and the rest selected within each training fold.")
        if radiomics
        else (none, "No tabular features."),
        16: (yes, "At most one feature for ten training lesions, in every fold.")
        if radiomics
        else (none, "No tabular features."),
        17: _end_to_end(facts),
        18: _partition(facts),
        19: (
            open_,
            "Clinical values by class and by set, with tests, are in section Statistics; whether they confound, "
            "and what was done, is for the authors.",
        ),
        20: (yes, "Accuracy, precision, recall, specificity, F1, AUC and confusion matrices by set."),
        21: (yes, f"Intervals by {facts.resamples} bootstrap draws of patients, seed {facts.seed}."),
        22: (yes, "Calibration curves, expected calibration error and Brier score by set."),
        23: (no, "PET and CT together; neither was tried alone.")
        if several
        else (yes, f"{facts.modalities[0]} alone."),
        24: _compared(facts, facts.conventional, "SUV, volume and TLG alone"),
        25: _compared(facts, tuple(name for name in facts.classical), "logistic regression"),
        26: _tested(facts, facts.internal(), "whose centres were all trained on"),
        27: (no, f"{_SYNTHETIC} Other scanners are no other institution.")
        if facts.synthetic
        else _tested(facts, facts.external(), "of centres that were not trained on"),
        28: (open_, ""),
        29: (
            open_,
            "fdglung is open source (Apache-2.0); whether the study's own scripts are shared is for the authors.",
        ),
        30: (open_, ""),
    }


def _end_to_end(facts: Facts) -> tuple[Answer, str]:
    if facts.given:
        return Answer.OPEN, f"The classifier {', '.join(facts.given)} was given: only its makers know."
    if facts.networks:
        return Answer.NO, "Each network was trained once in every fold; other seeds and changed images were not tried."
    return Answer.NOT_APPLICABLE, "No end-to-end deep learning for classes."


def _centres(facts: Facts) -> tuple[Answer, str]:
    known = sorted(frozenset().union(*facts.centres.values()) - {""})
    if not known:
        return Answer.OPEN, "No centres were named."
    answer = Answer.YES if facts.multicentre else Answer.NO
    return answer, f"{len(known)} centre{'' if len(known) == 1 else 's'} in the table of studies."


def _partition(facts: Facts) -> tuple[Answer, str]:
    text = (
        "Sets share no patient (checked by id and by features); scaling, imputation, selection and calibration are "
        "learned from training lesions alone."
    )
    if facts.cohort:
        return Answer.YES, f"{text} Studies were drawn at random from a seed."
    return Answer.OPEN, f"{text} How the sets were drawn is for the authors."


def _compared(facts: Facts, names: tuple[str, ...], what: str) -> tuple[Answer, str]:
    everyone = (*facts.radiomics, *facts.conventional, *facts.networks, *facts.given)
    if names and len(everyone) > 1:
        return Answer.YES, f"{', '.join(names)} ({what}) compared on the same lesions by a paired bootstrap."
    return Answer.NO, f"No comparison with {what} was run."


def _tested(facts: Facts, names: tuple[str, ...], what: str) -> tuple[Answer, str]:
    if names:
        return Answer.YES, f"Set {', '.join(names)}, {what}."
    if any("" in own for own in facts.centres.values()):
        return Answer.OPEN, "Not all centres were named."
    return Answer.NO, f"No set {what}."
