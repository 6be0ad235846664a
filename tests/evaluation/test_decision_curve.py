from __future__ import annotations

import numpy as np
import pytest

from fdglung.evaluation.decision_curve import THRESHOLDS, decision_curve
from tests.evaluation.probabilities import made

ROWS = made(classes=("benign", "malignant"), patients=150)
ONES = np.ones((1, len(ROWS.truth)))


def test_the_net_benefit_is_that_of_the_definition():
    found = decision_curve(ROWS, ONES)
    for threshold in (0.1, 0.25, 0.5, 0.9):
        called = ROWS.probabilities[:, 1] >= threshold
        hits, alarms = (called & (ROWS.truth == 1)).sum(), (called & (ROWS.truth == 0)).sum()
        expected = (hits - alarms * threshold / (1 - threshold)) / len(called)
        assert found["class malignant", str(threshold), "model"][0] == pytest.approx(expected)


def test_acting_on_everyone_gains_nothing_at_the_prevalence():
    """Vickers and Elkin 2006: the line of treating all crosses that of treating none at the prevalence."""
    rows = ROWS.take(np.concatenate([np.flatnonzero(ROWS.truth == 1)[:30], np.flatnonzero(ROWS.truth == 0)[:70]]))
    found = decision_curve(rows, np.ones((1, 100)))
    assert found["class malignant", "0.3", "everyone"][0] == pytest.approx(0, abs=1e-12)
    assert found["class malignant", "0.29", "everyone"][0] > 0 > found["class malignant", "0.31", "everyone"][0]


def test_a_perfect_model_gains_the_prevalence_at_every_threshold():
    rows = ROWS.take(np.arange(100))
    rows.probabilities[:] = np.eye(2)[rows.truth]
    found = decision_curve(rows, np.ones((1, 100)))
    gained = [found["class malignant", str(t), "model"][0] for t in THRESHOLDS]
    assert gained == pytest.approx([np.mean(rows.truth == 1)] * 99)


def test_weights_count_rows_as_often():
    counts = np.random.default_rng(0).integers(0, 4, len(ROWS.truth))
    repeated = ROWS.take(np.repeat(np.arange(len(counts)), counts))
    weighted = decision_curve(ROWS, counts[None].astype(float))
    theirs = decision_curve(repeated, np.ones((1, counts.sum())))
    assert all(weighted[key] == pytest.approx(theirs[key]) for key in weighted)
