from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fdglung.classification.cautions import CautionKind
from fdglung.classification.folds import patient_folds
from fdglung.errors import TooFewCasesError

CLASSES = ("benign", "lymphoma")


def folds_of(codes, patients, centres, folds=5):
    made, cautions = patient_folds(
        np.asarray(codes), patients, centres, classes=CLASSES, folds=folds, seed=0, attribute="outer_folds"
    )
    return made, cautions


def test_no_patient_is_in_training_and_test_and_every_lesion_is_tested_once():
    patients = np.repeat(np.arange(60), 3)
    made, _ = folds_of(patients % 2, patients.astype(str).tolist(), ["Ulm"] * 180)
    for train, test in made:
        assert not set(patients[train]) & set(patients[test])
        assert sorted([*train, *test]) == list(range(180))
    assert sorted(np.concatenate([test for _, test in made])) == list(range(180))


def test_each_fold_holds_classes_and_centres_in_the_shares_of_the_whole():
    patients = np.arange(200)
    codes, centres = patients % 2, np.where(patients % 10 < 4, "Ulm", "Bonn")
    made, cautions = folds_of(codes, patients.astype(str).tolist(), centres.tolist())
    assert not cautions
    for _, test in made:
        counts = Counter(zip(codes[test].tolist(), centres[test].tolist(), strict=True))
        assert counts == {(0, "Ulm"): 8, (1, "Ulm"): 8, (0, "Bonn"): 12, (1, "Bonn"): 12}


def test_a_class_with_fewer_patients_than_folds_is_named_with_its_counts():
    patients = [f"p{n}" for n in range(30)]
    codes = [1, 1, 1, 1, *[0] * 26]
    patients[1] = "p0"
    with pytest.raises(TooFewCasesError, match=r"outer_folds.*lymphoma \(4 lesions of 3 patients\).*fewer folds"):
        folds_of(codes, patients, ["Ulm"] * 30)


def test_a_rare_pair_of_class_and_centre_is_pooled_and_told():
    patients = [str(n) for n in range(100)]
    centres = ["Ulm"] * 97 + ["Bonn"] * 3
    made, (caution,) = folds_of([n % 2 for n in range(100)], patients, centres)
    assert caution.kind is CautionKind.RARE_STRATUM
    assert "benign at Bonn (1), lymphoma at Bonn (2)" in caution.text
    assert len(made) == 5
