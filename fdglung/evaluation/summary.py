"""What all cases say together: rates and means with intervals over patients, by size and by centre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fdglung.evaluation.agreement import agreement
from fdglung.evaluation.bootstrap import Bootstrap, Estimate
from fdglung.evaluation.froc import RATES, Froc, froc
from fdglung.evaluation.results import CaseResult, CaseRow, LesionRow
from fdglung.evaluation.settings import EvaluationSettings

OVERALL, SIZE, CENTRE = "overall", "size", "centre"
"""What a row of the summary is about: everything, one size class, or one centre."""

_DETECTION: tuple[tuple[str, Callable[[LesionRow], bool]], ...] = (
    ("detection_any_overlap", lambda row: row.detected),
    ("detection_iou_01", lambda row: row.detected_iou_01),
    ("detection_iou_05", lambda row: row.detected_iou_05),
)
_FALSE_PER_SCAN: tuple[tuple[str, Callable[[CaseRow], int]], ...] = (
    ("false_positives_per_scan", lambda row: row.lesions_false),
    ("false_positives_per_scan_iou_01", lambda row: row.lesions_false_iou_01),
    ("false_positives_per_scan_iou_05", lambda row: row.lesions_false_iou_05),
)
_MEANS: tuple[tuple[str, Callable[[CaseRow], float]], ...] = (
    ("dice_mean", lambda row: row.dice),
    ("surface_dice_mean", lambda row: row.surface_dice),
    ("hd95_mean_mm", lambda row: row.hd95_mm),
    ("mean_surface_distance_mean_mm", lambda row: row.mean_surface_distance_mm),
    ("false_positive_volume_mean_ml", lambda row: row.false_positive_ml),
    ("false_negative_volume_mean_ml", lambda row: row.false_negative_ml),
    ("sensitivity_per_case_mean", lambda row: row.sensitivity),
    ("sq_mean", lambda row: row.sq),
    ("rq_mean", lambda row: row.rq),
    ("pq_mean", lambda row: row.pq),
)
_MEDIANS: tuple[tuple[str, Callable[[CaseRow], float]], ...] = (
    ("dice_median", lambda row: row.dice),
    ("hd95_median_mm", lambda row: row.hd95_mm),
)


@dataclass(frozen=True)
class SummaryRow:
    """One figure of the summary.

    Attributes
    ----------
    group, level
        `OVERALL`, `SIZE` or `CENTRE`, and which size class or centre.
    measure
        Name of the figure.
    estimate
        Its value and interval.

    """

    group: str
    level: str
    measure: str
    estimate: Estimate


@dataclass(frozen=True)
class Summary:
    """All figures, the FROC curve, and why something is missing.

    Attributes
    ----------
    rows
        The figures.
    froc
        The curve, or None.
    absent
        Why a part is missing, by its name.

    """

    rows: tuple[SummaryRow, ...]
    froc: Froc | None
    absent: dict[str, str]

    def find(self, measure: str, *, group: str = OVERALL, level: str = "all") -> Estimate:
        """Return one figure; KeyError where it is not there."""
        for row in self.rows:
            if (row.group, row.level, row.measure) == (group, level, measure):
                return row.estimate
        raise KeyError((group, level, measure))


def summarise(
    results: Sequence[CaseResult], settings: EvaluationSettings, *, with_scores: bool, with_pet: bool
) -> Summary:
    """Sum up all cases.

    Parameters
    ----------
    results
        One a case.
    settings
        Size classes, and the bootstrap's parameters.
    with_scores, with_pet
        Whether score maps and PET were given.

    """
    bootstrap = Bootstrap(settings.resamples, settings.seed, settings.confidence)
    absent: dict[str, str] = {}
    rows = _figures(results, OVERALL, "all", bootstrap)
    for level in settings.size_classes:
        rows += _by_size(results, level, bootstrap)
    centres = sorted({result.row.centre for result in results})
    if centres == [""]:
        absent["centres"] = "no centres were given: --groups names a table of case, patient and centre"
        centres = []
    for centre in centres:
        inside = [result for result in results if result.row.centre == centre]
        rows += _figures(inside, CENTRE, centre or "unknown", bootstrap)
    rows += _agreement_rows([result.row for result in results], bootstrap, with_pet=with_pet)
    if not with_pet:
        absent["suv"] = "no PET was given: --pet names a folder of SUVbw images"
    curve = None
    if not with_scores:
        absent["froc"] = "no scores were given: --scores names a folder of score maps, one a case"
    else:
        curve = froc(results, bootstrap)
        if curve is None:
            absent["froc"] = "the references hold no lesion"
        else:
            names = [f"sensitivity_at_{rate:g}_false_positives_per_scan" for rate in RATES]
            estimates = [*zip(names, curve.at_rates, strict=True), ("froc_mean_sensitivity", curve.mean)]
            rows += [SummaryRow(OVERALL, "all", name, estimate) for name, estimate in estimates]
    return Summary(tuple(rows), curve, absent)


def _figures(results: Sequence[CaseResult], group: str, level: str, bootstrap: Bootstrap) -> list[SummaryRow]:
    """Return the figures about scans and their lesions."""
    cases = [result.row for result in results]
    owners = [row.patient for row in cases]
    positive = [row for row in cases if row.lesions_true]
    negative = [row for row in cases if not row.lesions_true]
    lesions = [lesion for result in results for lesion in result.lesions]
    figures = _detection(lesions, bootstrap)
    figures += [
        (
            "lesion_precision_any_overlap",
            bootstrap.ratio(
                [row.lesions_predicted - row.lesions_false for row in cases],
                [row.lesions_predicted for row in cases],
                owners,
                n=sum(row.lesions_predicted for row in cases),
            ),
        )
    ]
    figures += [(name, bootstrap.mean([value(row) for row in cases], owners)) for name, value in _FALSE_PER_SCAN]
    figures += [
        (name, bootstrap.mean([float(seen(row)) for row in chosen], [row.patient for row in chosen]))
        for name, chosen, seen in (
            ("scan_sensitivity", positive, _called),
            ("scan_specificity", negative, lambda row: not _called(row)),
        )
    ]
    figures += [(name, bootstrap.mean([value(row) for row in cases], owners)) for name, value in _MEANS]
    figures += [(name, bootstrap.median([value(row) for row in cases], owners)) for name, value in _MEDIANS]
    return [SummaryRow(group, level, name, estimate) for name, estimate in figures]


def _called(row: CaseRow) -> bool:
    """Tell whether the prediction calls a scan positive, by a lesion anywhere."""
    return row.lesions_predicted > 0


def _detection(lesions: Sequence[LesionRow], bootstrap: Bootstrap) -> list[tuple[str, Estimate]]:
    owners = [row.patient for row in lesions]
    figures = [(name, bootstrap.mean([float(found(row)) for row in lesions], owners)) for name, found in _DETECTION]
    figures.append(("lesion_dice_matched_mean", bootstrap.mean([row.dice for row in lesions], owners)))
    return figures


def _by_size(results: Sequence[CaseResult], level: str, bootstrap: Bootstrap) -> list[SummaryRow]:
    """Return the figures about one size class: true lesions by the reference's size, false ones by their own."""
    lesions = [lesion for result in results for lesion in result.lesions if lesion.size_class == level]
    false = [float(sum(p.false and p.size_class == level for p in result.predicted)) for result in results]
    figures = _detection(lesions, bootstrap)
    figures.append(("false_positives_per_scan", bootstrap.mean(false, [result.row.patient for result in results])))
    return [SummaryRow(SIZE, level, name, estimate) for name, estimate in figures]


def _agreement_rows(cases: Sequence[CaseRow], bootstrap: Bootstrap, *, with_pet: bool) -> list[SummaryRow]:
    """Return agreement of total volume, and of TLG with a PET, over scans that are not empty in both."""
    kept = [row for row in cases if row.reference_ml or row.predicted_ml]
    owners = [row.patient for row in kept]
    quantities = [("volume", "ml", [row.reference_ml for row in kept], [row.predicted_ml for row in kept])]
    if with_pet:
        quantities.append(("tlg", "g", [row.reference_tlg_g for row in kept], [row.predicted_tlg_g for row in kept]))
    rows = []
    for name, unit, reference, prediction in quantities:
        found = agreement(reference, prediction, owners, bootstrap)
        for measure, estimate in (
            (f"{name}_bias_{unit}", found.bias),
            (f"{name}_lower_limit_{unit}", found.lower_limit),
            (f"{name}_upper_limit_{unit}", found.upper_limit),
            (f"{name}_pearson", found.pearson),
            (f"{name}_spearman", found.spearman),
            (f"{name}_concordance", found.concordance),
        ):
            rows.append(SummaryRow(OVERALL, "all", measure, estimate))
    return rows
