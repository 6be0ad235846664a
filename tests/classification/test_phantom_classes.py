from __future__ import annotations

import pytest

from benchmarks.phantom_classes import shuffled, with_a_patient_twice
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
