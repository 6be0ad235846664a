from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_selection import SelectKBest

from fdglung.classification import from_mapping
from fdglung.classification.cautions import CautionKind
from fdglung.classification.nested import macro_auc
from fdglung.classification.training import _part, train
from fdglung.errors import (
    DuplicatedPatientError,
    InputError,
    LabelTableError,
    ParameterError,
    TooFewCasesError,
    UnknownLesionClassError,
    UnusableFeaturesError,
)
from fdglung.evaluation.bootstrap import Bootstrap
from tests.classification.made import CLASSES, codes_of, lesions

QUICK = {"model": {"grid": {"C": [0.1]}}, "validation": {"outer_folds": 4, "inner_folds": 3}}
CONFIG = from_mapping(QUICK)


def interval(done):
    """Return the 95 % interval of the macro AUC over patients."""
    estimate = Bootstrap(resamples=200).statistic(
        lambda rows: macro_auc(done.codes[rows], done.probabilities[rows]), done.lesions.patients
    )
    return estimate.low, estimate.high


def test_planted_signals_are_found_in_every_fold():
    done = train(lesions(180, 40), CONFIG)
    assert all({"PET_00", "PET_01", "PET_02"} <= set(fold.selected) for fold in done.folds)
    assert interval(done)[0] > 0.85
    assert done.probabilities.sum(axis=1) == pytest.approx(np.ones(180))


def test_many_features_without_signal_give_an_auc_of_a_half():
    given = lesions(180, 600, told=0)
    low, high = interval(train(given, CONFIG))
    assert low < 0.5 < high


def test_the_check_for_leaks_can_fail_selection_outside_the_folds_gives_more():
    given = lesions(180, 600, told=0)
    best = SelectKBest(k=12).fit(given.values, codes_of(given)).get_support()
    leaking = replace(given, values=given.values[:, best], names=tuple(np.array(given.names)[best]))
    assert interval(train(leaking, CONFIG))[0] > 0.6


def test_shuffled_labels_give_an_auc_of_a_half():
    given = lesions(180, 40)
    random = np.random.default_rng(3)
    shuffled = replace(given, labels=tuple(random.permutation(given.labels).tolist()))
    low, high = interval(train(shuffled, CONFIG))
    assert low < 0.5 < high


def test_no_fold_keeps_more_features_than_a_tenth_of_its_training_lesions():
    done = train(lesions(170, 60), CONFIG)
    assert {fold.limit for fold in done.folds} == {fold.train_lesions // 10 for fold in done.folds}
    assert all(0 < len(fold.selected) <= fold.train_lesions // 10 for fold in done.folds)
    assert sum(fold.test_lesions for fold in done.folds) == 170


def test_a_lesion_that_was_measured_twice_counts_once():
    given = lesions(240, 60)
    done = train(replace(given, counted_as=given.patients), CONFIG)
    assert done.model.summary["lesions"] == sum(done.model.summary["classes"].values()) == 120
    assert len(done.probabilities) == 240
    assert sum(fold.test_lesions for fold in done.folds) == 120
    assert {fold.train_lesions + fold.test_lesions for fold in done.folds} == {120}
    assert all(0 < len(fold.selected) <= fold.limit == fold.train_lesions // 10 for fold in done.folds)
    assert 0 < len(done.model.selected) <= 12


def test_labels_of_tested_lesions_do_not_change_what_is_said_of_them():
    given = lesions(120, 10)
    codes = codes_of(given)
    test = np.arange(0, 30)
    split = (np.arange(30, 120), test)
    other = codes.copy()
    other[test] = (other[test] + 1) % 3
    parts = [_part(given, one, CLASSES, CONFIG, split) for one in (codes, other)]
    assert np.array_equal(parts[0].probabilities, parts[1].probabilities)


def test_the_result_is_the_same_in_one_process_and_in_two():
    given = lesions(120, 10)
    one, two = train(given, CONFIG), train(given, CONFIG, workers=2)
    assert np.array_equal(one.probabilities, two.probabilities)
    assert one.folds == two.folds
    assert one.model.selected == two.model.selected


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("svm", {"C": [1.0]}),
        ("random_forest", {"n_estimators": [30]}),
        ("extra_trees", {"n_estimators": [30]}),
        ("gradient_boosting", {"max_iter": [20]}),
    ],
)
def test_every_model_finds_the_planted_signals(name, grid):
    config = from_mapping(QUICK | {"model": {"name": name, "grid": grid}})
    assert interval(train(lesions(150, 8), config))[0] > 0.75


def test_empty_and_constant_features_are_told():
    given = lesions(120, 6)
    given.values[:, 4], given.values[:, 5] = np.nan, 3.0
    cautions = {one.kind: one.text for one in train(given, CONFIG).cautions}
    assert "PET_04" in cautions[CautionKind.EMPTY_FEATURES]
    assert "PET_05" in cautions[CautionKind.CONSTANT_FEATURES]


def test_features_of_which_none_varies_are_an_error():
    given = lesions(120, 4)
    with pytest.raises(UnusableFeaturesError, match="2 have no value and 2 are constant"):
        train(replace(given, values=np.tile([1.0, 2.0, np.nan, np.nan], (120, 1))), CONFIG)


def test_a_patient_under_two_names_is_found_and_the_rows_are_named():
    given = lesions(120, 8)
    values = given.values.copy()
    values[100] = values[7]
    with pytest.raises(DuplicatedPatientError, match=r"same features: rows 8 and 101 \(identical\)"):
        train(replace(given, values=values), CONFIG)
    values[100] *= 1.001
    with pytest.raises(DuplicatedPatientError, match=r"same features: rows 8 and 101 \(near-identical\)"):
        train(replace(given, values=values), CONFIG)
    values = given.values.copy()
    values[7] = values[6]
    assert given.patients[6] == given.patients[7]
    train(replace(given, values=values), CONFIG)


def test_classes_that_cannot_be_are_named():
    given = lesions(120, 8)
    with pytest.raises(UnknownLesionClassError, match="class lymphoma"):
        train(given, from_mapping(QUICK | {"classes": ["benign", "lung cancer"]}))
    with pytest.raises(TooFewCasesError, match=r"metastasis \(0 lesions of 0 patients\)"):
        train(given, from_mapping(QUICK | {"classes": [*CLASSES, "metastasis"]}))
    with pytest.raises(TooFewCasesError, match="one class only"):
        train(replace(given, labels=("benign",) * 120), CONFIG)
    with pytest.raises(LabelTableError, match="1 lesions have no patient, the first in row 1"):
        train(replace(given, patients=("", *given.patients[1:])), CONFIG)


def test_too_few_lesions_for_one_feature_are_an_error():
    with pytest.raises(InputError, match="One feature needs 10 lesions"):
        train(lesions(18, 8, each=1), from_mapping({"validation": {"outer_folds": 2, "inner_folds": 2}}))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"parameters": {"penalti": 1}}, "model.parameters.penalti"),
        ({"grid": {"gamma": [1]}}, "model.grid.gamma"),
        ({"parameters": {"C": -1}}, "'C' parameter"),
    ],
)
def test_parameters_that_the_model_does_not_have_are_named(given, named):
    with pytest.raises(ParameterError, match=named):
        train(lesions(120, 8), from_mapping({"model": given}))
