from __future__ import annotations

import numpy as np
import pytest

from fdglung.evaluation.instances import instances, match, overlaps
from tests.evaluation.shapes import box


def labels(*masks):
    array = np.zeros(masks[0].shape, np.int32)
    for value, mask in enumerate(masks, 1):
        array[mask] = value
    return array


def test_a_binary_mask_is_parted_into_components_whatever_its_value():
    found = instances(7 * labels(box((1, 1, 1), (2, 2, 2)) | box((9, 9, 9), (3, 3, 3))))
    assert found.names == (1, 2)
    assert found.voxels.tolist() == [8, 27]


def test_several_labels_are_lesions_as_given_even_in_two_pieces_or_touching():
    first = box((1, 1, 1), (2, 2, 2)) | box((9, 9, 9), (1, 1, 1))
    given = labels(first, box((1, 1, 3), (2, 2, 2))) * 5
    found = instances(given)
    assert found.names == (5, 10)
    assert found.voxels.tolist() == [9, 8]
    assert instances(given, split=True).voxels.tolist() == [16, 1]


def test_an_empty_image_has_no_lesion():
    none = instances(np.zeros((4, 4, 4), np.int32))
    assert len(none) == 0
    assert overlaps(none, none).iou.size == 0
    assert match(overlaps(none, none)) == {}


def test_iou_and_dice_of_a_pair_follow_from_counts():
    pair = overlaps(instances(labels(box((2, 2, 2), (4, 4, 4)))), instances(labels(box((4, 2, 2), (4, 4, 4)))))
    assert pair.iou.tolist() == pytest.approx([32 / 96])
    assert pair.dice.tolist() == pytest.approx([64 / 128])


def test_one_prediction_over_two_lesions_is_matched_with_the_one_it_fits_best():
    reference = instances(labels(box((2, 2, 2), (4, 4, 2)), box((2, 2, 4), (4, 4, 6))))
    prediction = instances(labels(box((2, 2, 2), (4, 4, 8))))
    pairs = overlaps(reference, prediction)
    assert pairs.reference.tolist() == [0, 1]
    matched = match(pairs)
    assert list(matched) == [1]
    assert pairs.iou[matched[1]] == pytest.approx(6 / 8)


def test_a_single_label_in_two_pieces_is_one_lesion_where_labels_are_kept():
    labels = np.zeros((4, 4, 20), np.int32)
    labels[:, :, 2:5] = labels[:, :, 12:18] = 7
    assert instances(labels).names == (1, 2)
    kept = instances(labels, keep_labels=True)
    assert kept.names == (7,)
    assert kept.voxels.tolist() == [(labels == 7).sum()]
