from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks.phantom_classes import shuffled, with_a_patient_twice
from benchmarks.phantom_tables import MOST, drawn_lesions
from fdglung.classification import from_mapping
from fdglung.classification.nested import macro_auc
from fdglung.classification.training import train
from fdglung.errors import DuplicatedPatientError
from fdglung.evaluation.bootstrap import Bootstrap
from tests.classification.made import lesions

SMALL = from_mapping({"model": {"grid": {"C": [1.0]}}, "validation": {"outer_folds": 3, "inner_folds": 3}})


def area(done):
    return Bootstrap(300).statistic(
        lambda rows: macro_auc(done.codes[rows], done.probabilities[rows]), done.lesions.patients
    )


def test_shuffled_classes_are_not_found_and_true_ones_are():
    given = lesions(240, 40, gap=1.5, each=3)
    found = area(train(shuffled(given), SMALL))
    assert found.low < 0.5 < found.high
    assert area(train(given, SMALL)).low > 0.7


def test_a_patient_under_two_ids_is_found():
    with pytest.raises(DuplicatedPatientError, match=r"rows 1 and 151 \(identical\), 2 and 152 \(identical\)"):
        train(with_a_patient_twice(lesions(150, 40)), SMALL)


def truth(lungs, nodes, seed):
    kinds = [*("lung" for _ in range(lungs)), *("node" for _ in range(nodes))]
    lesions = [SimpleNamespace(label=label, kind=kind) for label, kind in enumerate(kinds, 1)]
    return SimpleNamespace(lesions=lesions, parameters={"seed": seed})


def test_lesions_of_the_lungs_are_drawn_up_to_ten_of_a_patient_and_the_same_again():
    assert drawn_lesions(truth(4, 3, 5)) == [1, 2, 3, 4]
    many = [drawn_lesions(truth(40, 2, seed)) for seed in range(200)]
    assert many[7] == drawn_lesions(truth(40, 2, 7))
    assert all(len(set(one)) == MOST and max(one) <= 40 for one in many)
    counts = [sum(label in one for one in many) for label in range(1, 41)]
    # Each is drawn in a quarter of the patients: 50 of 200, give or take five standard deviations.
    assert all(50 - 5 * 6.2 < count < 50 + 5 * 6.2 for count in counts)
