"""CLAIM 2024, the Checklist for Artificial Intelligence in Medical Imaging, filled from what was run.

Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300, doi:10.1148/ryai.240300: 44 items, each answered yes,
no or not applicable, without a score. Our words for the items are short; the paper's text decides.
"""

from __future__ import annotations

from fdglung.experiment.checklist import Answer, Item
from fdglung.experiment.facts import Facts

PARTS: dict[str, tuple[str, ...]] = {
    "Title": ("AI named, and which kind",),
    "Abstract": ("Design, methods, results and conclusions summed up",),
    "Introduction": ("Background, and the role that the AI is meant for", "Aims and hypotheses"),
    "Study design": ("Prospective or retrospective", "Goal of the study"),
    "Data": (
        "Sources of the data",
        "Inclusion and exclusion criteria",
        "Preprocessing of the data",
        "Selection of parts of the data",
        "De-identification",
        "Missing data",
        "Protocol of image acquisition",
    ),
    "Reference standard": (
        "How the reference standard was obtained",
        "Why this reference standard",
        "Who annotated",
        "Annotation of the test set",
        "Variability between and within raters",
    ),
    "Data partitions": ("How data were assigned to partitions", "Level at which partitions are disjoint"),
    "Testing data": ("Intended sample size",),
    "Model": ("The model in detail", "Software and versions", "How parameters were initialised"),
    "Training": ("Details of the training", "How the final model was chosen", "Ensembles"),
    "Evaluation": (
        "Measures of performance",
        "Significance and uncertainty",
        "Robustness or sensitivity",
        "Explanation or interpretation",
        "Evaluation on internal data",
        "Test on external data",
        "Registration of the trial",
    ),
    "Results: data": ("Numbers included and excluded", "Characteristics of cases in each partition"),
    "Results: performance": (
        "Performance with its uncertainty",
        "Diagnostic performance with its precision",
        "Analysis of failures",
    ),
    "Discussion": ("Limitations", "Implications for practice"),
    "Other information": (
        "Full protocol or further details",
        "Availability of software, model and data",
        "Funding and the funders' role",
    ),
}
"""Part to its items, numbered through from 1."""


def filled(facts: Facts) -> tuple[Item, ...]:
    """Return the 44 items with what the run can say of them."""
    said = _said(facts)
    items = [(part, text) for part, texts in PARTS.items() for text in texts]
    left_open = (Answer.OPEN, "")
    return tuple(
        Item(number, part, text, *said.get(number, left_open)) for number, (part, text) in enumerate(items, start=1)
    )


_TRAINING = (
    "Nested cross-validation by patients for classifiers of features, cross-validation by patients for networks; "
    "folds, grids, epochs and choices in classifiers/*/report.md."
)
_CHOICE = (
    "Features and parameters by the inner folds' mean score, networks after a fixed number of epochs with averaged "
    "weights: classifiers/*/report.md."
)


def _initialised(facts: Facts) -> tuple[Answer, str]:
    if facts.given:
        return Answer.OPEN, ""
    if facts.networks:
        return Answer.YES, f"Random weights from the seed in the configuration: {', '.join(facts.networks)}."
    return Answer.NOT_APPLICABLE, "No network was trained in this run."


def _said(facts: Facts) -> dict[int, tuple[Answer, str]]:
    yes, no, open_, none = Answer.YES, Answer.NO, Answer.OPEN, Answer.NOT_APPLICABLE
    trained = facts.radiomics or facts.conventional or facts.networks
    made = "Synthetic images: the truth is planted, nobody annotated."
    said = {
        9: (yes, "SUV and HU as given; resampling, discretisation and filters in tables/features.settings.yaml."),
        10: (yes, "Which studies and lesions count, and how many were left out for which reason: section Flow."),
        12: (
            yes,
            "Missing features become the training's median; missing clinical values are counted and left out of "
            "a column's test: section Statistics.",
        ),
        19: (open_, "Partitions were given by the column set; how they were drawn is for the authors."),
        20: (yes, "Patient: no patient is in two sets (checked by id and by features)."),
        22: (yes, "Segmentation and classifiers with every parameter: their sections, classifiers/*/report.md.")
        if not facts.given
        else (open_, f"The classifier {', '.join(facts.given)} was given; the others are described."),
        23: (yes, "Versions of all packages that were used: section Provenance, study.json."),
        24: _initialised(facts),
        25: (yes, _TRAINING) if trained and not facts.given else (open_, ""),
        26: (yes, _CHOICE) if trained and not facts.given else (open_, ""),
        27: (none, "No ensemble of classifiers.") if not facts.given else (open_, ""),
        28: (
            yes,
            "Detection, Dice, surface distance; accuracy, precision, recall, F1, AUC, Brier, calibration, net benefit.",
        ),
        29: (yes, f"Intervals by {facts.resamples} bootstrap draws of patients; models compared on the same draws."),
        30: (no, "No robustness analysis was run."),
        31: (no, "No explanation was made in this run; `fdglung classify --shap` makes one for each lesion."),
        32: _tested(facts.internal(), "whose centres were all trained on", facts),
        33: _tested(facts.external(), "of centres (synthetic: scanners) that were not trained on", facts),
        35: (yes, "Section Flow; names and reasons in tables/exclusions.csv."),
        36: (yes, "Section Statistics, by set.") if facts.clinical else (open_, "No clinical table was given."),
        37: (yes, "Sections Segmentation and Classification, set by set."),
        38: (yes, "By class with intervals, and ROC curves: section Classification."),
        39: (
            open_,
            "Confusion matrices are in section Classification, missed and false lesions by name in "
            "tables/exclusions.csv; what they mean is for the authors.",
        ),
        42: (yes, "study.json beside this report names configuration, checksums, seeds and versions."),
    }
    if facts.synthetic:
        said |= {
            11: (none, "Synthetic images: there is no person to identify."),
            14: (yes, made),
            15: (none, made),
            16: (none, made),
            17: (none, made),
            18: (none, made),
            34: (none, "Synthetic images: no trial."),
        }
    if facts.phantom:
        said[7] = (yes, "Synthetic PET/CT made by `fdglung phantom`; the recipe of each gives the same images again.")
    if facts.cohort:
        said[19] = (yes, "Studies were drawn at random from a seed, by shares; the external set has other scanners.")
    if facts.protocol:
        said[13] = (yes, "Scanner, reconstruction, dose, uptake time and CT parameters in tables/patients.csv.")
    return said


def _tested(names: tuple[str, ...], what: str, facts: Facts) -> tuple[Answer, str]:
    if names:
        return Answer.YES, f"Set {', '.join(names)}, {what}."
    if any("" in own for own in facts.centres.values()):
        return Answer.OPEN, "Not all centres were named."
    return Answer.NO, f"No set {what}."
