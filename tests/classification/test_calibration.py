from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fdglung.classification.calibration import calibrated, scores_of

MODELS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "svm": make_pipeline(StandardScaler(), SVC()),
    "forest": RandomForestClassifier(10, random_state=0),
}


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_it_is_scikit_learns_calibration_by_the_same_folds(load, name, method):
    values, codes = load(return_X_y=True)
    splits = list(StratifiedKFold(4, shuffle=True, random_state=0).split(values, codes))
    truth = CalibratedClassifierCV(MODELS[name], method=method, cv=splits, ensemble=False).fit(values, codes)
    outside = [scores_of(MODELS[name].fit(values[a], codes[a]), values[b], method=method) for a, b in splits]
    order = np.argsort(np.concatenate([b for _, b in splits]))
    found = calibrated(np.concatenate(outside)[order], codes, method=method)
    scores = scores_of(MODELS[name].fit(values, codes), values, method=method)
    # The temperature is found by a search, which ends at scikit-learn's own tolerance.
    tolerance = 1e-6 if method == "temperature" else 1e-12
    np.testing.assert_allclose(found.predict_proba(scores), truth.predict_proba(values), atol=tolerance)


def test_overconfident_scores_become_the_true_shares():
    random = np.random.default_rng(0)
    share = random.uniform(0.05, 0.95, size=20000)
    codes = (random.random(20000) < share).astype(int)
    scores = 5 * np.log(share / (1 - share))[:, None]
    found = calibrated(scores, codes, method="temperature").predict_proba(scores)[:, 1]
    np.testing.assert_allclose(found, share, atol=0.02)
