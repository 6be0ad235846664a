from __future__ import annotations

import numpy as np

from fdglung.classification.likeness import class_mix, share_as_far, unlikeness, usual_distance


def test_distances_are_those_of_the_nearest_lesions_of_other_patients():
    line = np.array([[0.0], [0.1], [1.0], [3.0], [7.0]])
    patients = ["a", "a", "b", "c", "d"]
    # Nearest two of other patients: 1, 3 | 0.9, 2.9 | 0.9, 1 | 2, 2.9 | 4, 6.
    assert usual_distance(line, patients, neighbours=2) == np.median([2, 1.9, 0.95, 2.45, 5])


def test_unlikeness_is_the_mean_distance_by_what_is_usual():
    training = np.array([[0.0, 0.0], [3.0, 4.0], [30.0, 40.0]])
    unlike, nearest = unlikeness(np.array([[0.0, 0.0], [3.0, 4.0]]), training, usual=2.5, neighbours=2)
    assert unlike.tolist() == [1.0, 1.0]
    assert nearest.tolist() == [[0, 1], [1, 0]]


def test_the_share_counts_those_as_far_and_the_case_itself():
    reference = np.arange(1.0, 20.0)
    assert share_as_far(np.array([0.5, 10, 19, 19.5]), reference).tolist() == [1.0, 11 / 20, 2 / 20, 1 / 20]


def test_cases_like_the_training_are_called_far_no_more_often_than_asked():
    random = np.random.default_rng(0)
    called = []
    for _ in range(400):
        drawn = random.normal(size=100)
        called.append(share_as_far(drawn[:1], drawn[1:])[0] <= 0.05)
    # 0.05 exactly is the chance of exchangeable cases; its standard error over 400 draws is 0.011.
    assert abs(np.mean(called) - 0.05) < 3 * 0.011


def test_a_lesion_that_was_measured_twice_counts_once_among_the_nearest():
    nearest, codes = np.array([[0, 1, 2], [2, 3, 0]]), np.array([1, 1, 0, 2])
    assert class_mix(nearest, codes, 3).tolist() == [[1, 2, 0], [1, 1, 1]]
    assert class_mix(nearest, codes, 3, lesion_numbers=np.array([0, 0, 1, 2])).tolist() == [[1, 1, 0], [1, 1, 1]]
