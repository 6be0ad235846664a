"""Free-response receiver operating characteristic: lesions found against false ones a scan, as the score is cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.bootstrap import Bootstrap, Estimate, per_patient
from fdglung.evaluation.results import CaseResult

Floats = NDArray[np.float64]

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False positives a scan at which sensitivity is told (LUNA16: Setio et al., Med Image Anal 2017;42:1)."""


@dataclass(frozen=True)
class Froc:
    """A FROC curve.

    Attributes
    ----------
    thresholds
        Scores at which predictions are kept (itself included), falling.
    false_per_scan, sensitivity
        Predicted lesions kept that no voxel of the reference lies in, over scans; lesions of the reference with a
        predicted lesion kept that overlaps them, over all lesions.
    at_rates
        Highest sensitivity with at most so many false positives a scan, at each of `RATES`. Beyond the end of the
        curve, where every predicted lesion is kept, it stays what it is there.
    mean
        Mean of these, the LUNA16 score.

    """

    thresholds: Floats
    false_per_scan: Floats
    sensitivity: Floats
    at_rates: tuple[Estimate, ...]
    mean: Estimate


def froc(results: Sequence[CaseResult], bootstrap: Bootstrap) -> Froc | None:
    """Work out the curve and the sensitivity at given rates, with intervals over patients.

    Chakraborty, Med Phys 1989;16:561. None without any lesion in the references.

    Parameters
    ----------
    results
        Of all scans, each predicted lesion with a finite score.
    bootstrap
        Makes the intervals.

    """
    lesions = sum(len(result.lesions) for result in results)
    if not lesions:
        return None
    scores = {row.score for result in results for row in result.predicted}
    thresholds = np.array(sorted(scores, reverse=True))
    owners = [result.row.patient for result in results]
    # Columns: false ones kept at each threshold, lesions found at each threshold, scans, lesions.
    width = len(thresholds)
    table = np.zeros((len(results), 2 * width + 2))
    for row, result in zip(table, results, strict=True):
        row[:width] = _kept([p.score for p in result.predicted if p.false], thresholds)
        row[width:-2] = _kept([lesion.score for lesion in result.lesions if lesion.detected], thresholds)
        row[-2:] = 1, len(result.lesions)
    names, sums = per_patient(table, owners)
    rates, found = _curve(sums.sum(axis=0)[None])
    drawn = []
    for weights in bootstrap.weights(len(names)):
        drawn.append(_at_rates(*_curve(weights @ sums)))
    draws = np.concatenate(drawn)
    values = _at_rates(rates, found)[0]

    def estimate(value: float, sample: Floats) -> Estimate:
        return Estimate(float(value), *bootstrap.interval(sample, len(names)), lesions, len(names))

    return Froc(
        thresholds=thresholds,
        false_per_scan=rates[0],
        sensitivity=found[0],
        at_rates=tuple(estimate(value, draws[:, n]) for n, value in enumerate(values)),
        mean=estimate(float(values.mean()), draws.mean(axis=1)),
    )


def _kept(scores: Sequence[float], thresholds: Floats) -> Floats:
    """Count the scores at or above each threshold."""
    ordered = np.sort(np.asarray(scores, float))
    return np.asarray(len(ordered) - np.searchsorted(ordered, thresholds, side="left"), float)


def _curve(sums: Floats) -> tuple[Floats, Floats]:
    """Return false positives a scan and sensitivity (draws, thresholds); NaN in draws without lesions."""
    width = (sums.shape[1] - 2) // 2
    scans, lesions = sums[:, -2:-1], sums[:, -1:]
    found = sums[:, width:-2]
    sensitivity = np.divide(found, lesions, out=np.full(found.shape, math.nan), where=lesions > 0)
    return sums[:, :width] / scans, sensitivity


def _at_rates(false_per_scan: Floats, sensitivity: Floats) -> Floats:
    """Return the highest sensitivity (draws, rates) with at most so many false positives a scan."""
    columns = []
    for rate in RATES:
        within = np.where(false_per_scan <= rate, sensitivity, 0.0)
        columns.append(within.max(axis=1) if within.shape[1] else np.zeros(len(within)))
    best = np.column_stack(columns)
    if sensitivity.shape[1]:
        best[np.isnan(sensitivity[:, -1])] = math.nan
    return best
