from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fdglung.classification import from_mapping
from fdglung.classification.explanation import background, shap_values
from fdglung.classification.training import train
from tests.classification.made import lesions

FOLDS = {"outer_folds": 2, "inner_folds": 2}


def model_of(features, name="svm"):
    config = from_mapping({"model": {"name": name}, "validation": FOLDS, "correlation": 1.0})
    return train(lesions(400, features, gap=1.5), config).model


def by_definition(model, case):
    """Return Shapley values, (features, classes), by the mean over all orders."""
    others = background(model)
    count = len(case)

    def worth(known):
        mixed = others.copy()
        mixed[:, list(known)] = case[list(known)]
        return model.probabilities(mixed).mean(axis=0)

    values = np.zeros((count, len(model.classes)))
    for size in range(count):
        weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
        for feature in range(count):
            for known in itertools.combinations([one for one in range(count) if one != feature], size):
                values[feature] += weight * (worth((*known, feature)) - worth(known))
    return values


def test_few_features_have_the_values_of_the_definition():
    model = model_of(5)
    assert len(model.selected) == 5
    cases = model.training[[3, 50]]
    values, base = shap_values(model, cases)
    np.testing.assert_allclose(base, model.probabilities(background(model)).mean(axis=0), atol=1e-9)
    for case, found in zip(cases, values, strict=True):
        np.testing.assert_allclose(found, by_definition(model, case), atol=1e-9)


def test_many_features_sum_to_the_probability_and_the_planted_ones_count_most():
    model = model_of(14, "logistic_regression")
    assert len(model.selected) == 14
    cases = model.training[::40]
    values, base = shap_values(model, cases)
    np.testing.assert_allclose(values.sum(axis=1) + base, model.probabilities(cases), atol=1e-9)
    most = np.abs(values).mean(axis=(0, 2))
    assert {model.selected[place] for place in np.argsort(most)[-3:]} == {"PET_00", "PET_01", "PET_02"}
    # Probabilities sum to 1, so what moves one up moves others down.
    assert values.sum(axis=2) == pytest.approx(np.zeros((len(cases), 14)), abs=1e-9)
