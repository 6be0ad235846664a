from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from fdglung.classification import from_mapping
from fdglung.classification.estimators import model, preparation
from fdglung.classification.folds import patient_folds
from fdglung.classification.nested import fit, macro_auc
from fdglung.errors import TooFewCasesError
from tests.classification.made import CLASSES, codes_of, lesions

CONFIG = from_mapping(
    {"model": {"name": "logistic_regression", "grid": {"C": [0.01, 1.0]}}, "validation": {"inner_folds": 4}}
)


def fitted(given, config=CONFIG):
    return fit(given.values, codes_of(given), given.patients, given.centres, classes=CLASSES, config=config)


@pytest.mark.parametrize("method", ["mrmr", "lasso"])
@pytest.mark.parametrize("calibration", ["sigmoid", "none"])
def test_it_is_a_grid_search_over_the_whole_pipeline_and_then_calibration(method, calibration):
    config = from_mapping(
        {
            "model": {"grid": {"C": [0.01, 1.0]}},
            "selection": {"method": method},
            "validation": {"inner_folds": 4},
            "calibration": calibration,
        }
    )
    given = lesions(150, 30)
    codes = codes_of(given)
    inner, _ = patient_folds(
        codes, given.patients, given.centres, classes=CLASSES, folds=4, seed=0, attribute="inner_folds"
    )
    pipeline = make_pipeline(preparation(config), model(config))
    search = GridSearchCV(
        pipeline,
        {"logisticregression__C": [0.01, 1.0]},
        scoring=lambda one, x, y: macro_auc(y, one.decision_function(x)),
        cv=list(inner),
    ).fit(given.values, codes)
    found = fitted(given, config)
    assert [score for _, score in found.scores] == pytest.approx(search.cv_results_["mean_test_score"].tolist())
    assert found.chosen == {"C": search.best_params_["logisticregression__C"]}
    truth = search.best_estimator_
    if calibration != "none":
        truth = CalibratedClassifierCV(truth, cv=list(inner), ensemble=False, method=calibration).fit(
            given.values, codes
        )
    np.testing.assert_allclose(found.probabilities(given.values), truth.predict_proba(given.values), atol=1e-9)


def test_macro_auc_is_scikit_learns():
    random = np.random.default_rng(0)
    scores = random.random((60, 3))
    scores /= scores.sum(axis=1, keepdims=True)
    codes = random.integers(3, size=60)
    assert macro_auc(codes, scores) == pytest.approx(roc_auc_score(codes, scores, multi_class="ovr"))
    assert macro_auc(codes % 2, scores[:, :1]) == pytest.approx(roc_auc_score(codes % 2, scores[:, 0]))


def test_features_are_at_most_a_tenth_of_the_lesions_and_ranked():
    given = lesions(155, 60)
    found = fitted(given)
    assert found.limit == 15
    assert len(found.columns) <= 15
    assert sorted(found.ranked) == list(found.columns)
    assert {0, 1, 2} <= set(found.ranked)


def test_empty_and_constant_features_are_left_out_and_columns_stay_those_of_the_table():
    given = lesions(150, 6, gap=3.0)
    values = np.insert(given.values, [0, 0, 2], [[np.nan, 4.2, np.nan]], axis=1)
    values[::7, 2] = np.nan
    found = fit(values, codes_of(given), given.patients, given.centres, classes=CLASSES, config=CONFIG)
    # Columns 0, 1 and 4 were put in.
    assert {2, 3, 5} <= set(found.columns)
    assert not {0, 1, 4} & set(found.columns)


def test_stability_is_learned_from_patients_inside_the_pipeline():
    config = from_mapping(
        {"selection": {"stability": {"resamples": 8, "threshold": 0.9}}, "validation": {"inner_folds": 3}}
    )
    found = fitted(lesions(240, 30, gap=2.5, each=3), config)
    assert {0, 1, 2} <= set(found.columns)
    assert len(found.columns) < 12


def test_a_class_with_too_few_patients_for_the_inner_folds_is_named():
    given = lesions(24, 5, each=2)
    config = from_mapping({"validation": {"inner_folds": 5}})
    with pytest.raises(TooFewCasesError, match=r"inner_folds.*5 folds: benign \(8 lesions of 4 patients\)"):
        fitted(given, config)
