from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from fdglung.evaluation.bootstrap import Bootstrap
from fdglung.evaluation.froc import RATES, froc


def scan(patient, found=(), missed=0, false=()):
    """A scan with the scores of lesions found, a number of lesions missed, and the scores of false ones."""
    lesions = [SimpleNamespace(detected=True, score=score) for score in found]
    lesions += [SimpleNamespace(detected=False, score=math.nan)] * missed
    predicted = [SimpleNamespace(false=False, score=score) for score in found]
    predicted += [SimpleNamespace(false=True, score=score) for score in false]
    return SimpleNamespace(row=SimpleNamespace(patient=patient), lesions=lesions, predicted=predicted)


def test_the_curve_counts_lesions_and_false_ones_at_each_score():
    curve = froc([scan("a", [0.9, 0.6], 1, [0.8]), scan("b", [0.7], 0, [0.5, 0.4])], Bootstrap(100))
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert curve.sensitivity.tolist() == [0.25, 0.25, 0.5, 0.75, 0.75, 0.75]
    assert curve.false_per_scan.tolist() == [0, 0.5, 0.5, 0.5, 1, 1.5]


def test_sensitivity_at_a_rate_is_the_best_with_no_more_false_ones():
    curve = froc([scan("a", [0.9, 0.6], 1, [0.8]), scan("b", [0.7], 0, [0.5, 0.4])], Bootstrap(100))
    assert [estimate.value for estimate in curve.at_rates] == [0.25, 0.25, 0.75, 0.75, 0.75, 0.75, 0.75]
    assert curve.mean.value == pytest.approx(4.25 / 7)
    assert len(RATES) == 7


def test_predictions_of_one_score_are_kept_together():
    curve = froc([scan("a", [0.5, 0.5], 0, [0.5])], Bootstrap(100))
    assert curve.sensitivity.tolist() == [1]
    assert curve.false_per_scan.tolist() == [1]
    assert [e.value for e in curve.at_rates] == [0, 0, 0, 1, 1, 1, 1]


def test_nothing_predicted_finds_nothing_and_no_lesion_gives_no_curve():
    curve = froc([scan("a", missed=2), scan("b", missed=1)], Bootstrap(100))
    assert [estimate.value for estimate in curve.at_rates] == [0] * 7
    assert froc([scan("a", false=[0.3])], Bootstrap(100)) is None


def test_the_interval_at_the_end_of_the_curve_is_that_of_the_detection_rate():
    random = np.random.default_rng(0)
    scans = []
    for n in range(60):
        lesions = int(random.integers(1, 5))
        found = int(random.binomial(lesions, 0.7))
        scans.append(scan(str(n), list(random.random(found)), lesions - found, [0.1] * (n % 2)))
    curve = froc(scans, Bootstrap(2000))
    rate = Bootstrap(2000).ratio(
        [sum(one.detected for one in s.lesions) for s in scans],
        [len(s.lesions) for s in scans],
        [s.row.patient for s in scans],
        n=0,
    )
    last = curve.at_rates[-1]
    assert (last.value, last.low, last.high) == pytest.approx((rate.value, rate.low, rate.high))
