from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fdglung.classification import from_mapping
from fdglung.classification.folds import patient_folds
from fdglung.classification.nested import fit
from tests.classification.made import CLASSES, codes_of, lesions


def test_joined_decisions_are_scikit_learns_stacking_with_the_same_folds():
    given = lesions(150, 8, told=6, gap=1.0)
    codes = codes_of(given)
    names = [f"PET_{n}" for n in range(5)] + [f"CLINICAL_{n}" for n in range(3)]
    # Everything that varies is kept, so that scikit-learn's plain pipelines are the same models.
    config = from_mapping(
        {
            "model": {"parameters": {"C": 0.3}},
            "correlation": 1.0,
            "calibration": "none",
            "validation": {"inner_folds": 4},
            "fusion": {"join": "decisions", "model": {"parameters": {"C": 2.0}}, "strength": 0.7},
        }
    )
    found = fit(given.values, codes, given.patients, given.centres, classes=CLASSES, config=config, names=names)
    inner, _ = patient_folds(
        codes, given.patients, given.centres, classes=CLASSES, folds=4, seed=0, attribute="inner_folds"
    )

    def plain(columns, strength):
        take = FunctionTransformer(lambda values: values[:, columns])
        return make_pipeline(take, StandardScaler(), LogisticRegression(C=strength, max_iter=5000))

    stack = StackingClassifier(
        [("radiomics", plain(slice(0, 5), 0.3)), ("clinical", plain(slice(5, 8), 2.0))],
        make_pipeline(StandardScaler(), LogisticRegression(C=0.7, max_iter=5000)),
        cv=list(inner),
        stack_method="decision_function",
    ).fit(given.values, codes)
    np.testing.assert_allclose(found.probabilities(given.values), stack.predict_proba(given.values), atol=1e-5)
    assert found.columns == tuple(range(8))
    assert set(found.part_scores) == {"radiomics", "clinical"}
    assert found.limit == pytest.approx(30)
