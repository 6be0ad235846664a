from __future__ import annotations

import math

import numpy as np
import pytest

from fdglung.evaluation.instances import instances, match, overlaps
from fdglung.evaluation.panoptic import panoptic_quality


def test_quality_follows_kirillovs_equation():
    """Two of three lesions matched at IoU 0.8 and 0.6, four predicted: PQ = 1.4 / (2 + 2 / 2 + 1 / 2)."""
    found = panoptic_quality([0.8, 0.6], 3, 4)
    assert found.sq == pytest.approx(0.7)
    assert found.rq == pytest.approx(2 / 3.5)
    assert found.pq == pytest.approx(1.4 / 3.5)


def test_an_iou_of_one_half_counts_and_less_does_not():
    assert panoptic_quality([0.5], 1, 1).pq == 0.5
    assert panoptic_quality([0.499], 1, 1).pq == 0


def test_quality_is_not_defined_without_lesions_and_zero_without_a_match():
    assert math.isnan(panoptic_quality([], 0, 0).pq)
    for counts in ((2, 0), (0, 2), (1, 1)):
        assert panoptic_quality([], *counts).pq == 0


@pytest.mark.slow
def test_quality_is_that_of_panoptica():
    panoptica = pytest.importorskip("panoptica")
    from panoptica.metrics import Metric

    evaluator = panoptica.Panoptica_Evaluator(
        expected_input=panoptica.InputType.UNMATCHED_INSTANCE,
        instance_matcher=panoptica.NaiveThresholdMatching(matching_threshold=0.5),
        instance_metrics=[Metric.IOU],
        decision_metric=Metric.IOU,
        decision_threshold=0.5,
    )
    random = np.random.default_rng(3)
    qualities = []
    for _ in range(15):
        reference, prediction = np.zeros((2, 16, 20, 24), np.uint8)
        for value in range(1, 6):
            start, size = random.integers(0, 14, 3), random.integers(2, 8, 3)
            moved = np.maximum(start + random.integers(-1, 2, 3), 0)
            reference[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))] = value
            prediction[tuple(slice(a, a + n) for a, n in zip(moved, size, strict=True))] = value
        theirs = next(iter(evaluator.evaluate(prediction, reference, verbose=False).values()))
        first, second = (instances(array.astype(np.int32)) for array in (reference, prediction))
        pairs = overlaps(first, second)
        ours = panoptic_quality([pairs.iou[pair] for pair in match(pairs).values()], len(first), len(second))
        assert (ours.sq, ours.rq, ours.pq) == pytest.approx((theirs.sq, theirs.rq, theirs.pq), abs=1e-9)
        qualities.append(ours.pq)
    assert 0 < np.median(qualities) < max(qualities) < 1
