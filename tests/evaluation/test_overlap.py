from __future__ import annotations

import math

import numpy as np
import pytest

from fdglung.evaluation.overlap import dice, false_negative_volume, false_positive_volume
from tests.evaluation.shapes import ball, blobs, box


def test_dice_of_boxes_that_share_half_is_one_half():
    assert dice(box((5, 5, 5), (10, 4, 4)), box((10, 5, 5), (10, 4, 4))) == pytest.approx(0.5)


def test_dice_of_a_ball_within_a_ball_follows_from_their_volumes():
    small, large = (ball((30, 30, 30), radius, (61, 61, 61), (1, 1, 1)) for radius in (15, 24))
    assert dice(large, small) == pytest.approx(2 * 15**3 / (15**3 + 24**3), rel=0.01)


def test_dice_and_false_negative_volume_are_not_defined_without_a_reference():
    none, some = np.zeros((9, 9, 9), bool), box((1, 1, 1), (2, 2, 2), (9, 9, 9))
    assert math.isnan(dice(none, some))
    assert math.isnan(false_negative_volume(none, some, 0.1))
    assert false_positive_volume(none, some, 0.1) == pytest.approx(0.8)
    assert dice(some, none) == 0
    assert false_negative_volume(some, none, 0.1) == pytest.approx(0.8)
    assert false_positive_volume(some, none, 0.1) == 0


def test_a_component_counts_whole_or_not_at_all():
    reference = box((5, 5, 5), (4, 4, 4))
    prediction = box((8, 8, 8), (6, 6, 6)) | box((20, 20, 20), (2, 2, 2))
    assert false_positive_volume(reference, prediction, 1) == 8
    assert false_negative_volume(reference, prediction, 1) == 0


def test_components_touch_by_edges_and_not_by_corners():
    """18-connectivity: what hangs on by an edge is touched with the rest, what meets at a corner is not."""
    reference = box((5, 5, 5), (1, 1, 1))
    by_edge = box((5, 5, 5), (1, 1, 1)) | box((5, 6, 6), (1, 1, 3))
    by_corner = box((5, 5, 5), (1, 1, 1)) | box((6, 6, 6), (1, 1, 3))
    assert false_positive_volume(reference, by_edge, 1) == 0
    assert false_positive_volume(reference, by_corner, 1) == 3


@pytest.mark.parametrize("seed", range(8))
def test_volumes_are_those_of_autopets_definition(seed):
    """As github.com/ClinicalDataScience/autoPETIII has it: cc3d with connectivity 18, one component after another."""
    cc3d = pytest.importorskip("cc3d")
    reference, prediction = blobs(seed, count=9), blobs(seed + 40, count=9)

    def untouched(mask, other):
        labels = cc3d.connected_components(mask.astype(np.uint8), connectivity=18)
        parts = [labels == n for n in range(1, labels.max() + 1)]
        return sum(int(part.sum()) for part in parts if not (part & other).any())

    assert false_positive_volume(reference, prediction, 0.5) == untouched(prediction, reference) * 0.5
    assert false_negative_volume(reference, prediction, 0.5) == untouched(reference, prediction) * 0.5
