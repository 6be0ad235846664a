from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fdglung.classification.lasso_path import highest_penalty, lasso_path


def wine():
    values, codes = load_wine(return_X_y=True)
    return StandardScaler().fit_transform(values), codes


def path(values, codes, **options):
    return list(lasso_path(values, np.eye(codes.max() + 1)[codes], **options))


@pytest.mark.parametrize("place", [3, 8, 14])
def test_points_are_scikit_learns_solutions(place):
    values, codes = wine()
    point = path(values, codes, points=place + 1, tolerance=1e-9, most_steps=20000)[place]
    truth = LogisticRegression(
        l1_ratio=1, solver="saga", C=1 / (point.penalty * len(values)), tol=1e-10, max_iter=100_000, random_state=0
    ).fit(values, codes)
    np.testing.assert_allclose(point.coefficients, truth.coef_.T, atol=1e-5)
    np.testing.assert_allclose(point.intercepts - point.intercepts.mean(), truth.intercept_, atol=1e-5)
    assert set(np.flatnonzero(point.used)) == set(np.flatnonzero(np.abs(truth.coef_).max(axis=0) > 1e-7))


def test_the_path_begins_where_the_first_feature_comes_in():
    values, codes = wine()
    first, second = path(values, codes, points=2, tolerance=1e-9)
    assert not first.used.any()
    assert second.used.sum() >= 1
    # At the start the gradient of the mean log-loss is that of the class shares.
    shares = np.bincount(codes) / len(codes)
    steepest = np.abs(values.T @ (np.eye(3)[codes] - shares)).max() / len(values)
    assert highest_penalty(values, np.eye(3)[codes]) == pytest.approx(steepest)


def test_every_point_is_optimal_with_more_features_than_lesions():
    random = np.random.default_rng(1)
    values = random.normal(size=(60, 300))
    codes = (values[:, 0] + values[:, 1] > 0).astype(int)
    values = StandardScaler().fit_transform(values)
    truth = np.eye(2)[codes]
    for point in path(values, codes, points=12, tolerance=1e-9, most_steps=20000):
        scores = values @ point.coefficients + point.intercepts
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        slope = values.T @ (truth - shares) / len(values)
        assert np.abs(slope).max() <= point.penalty * (1 + 1e-4)
        inside = point.coefficients != 0
        np.testing.assert_allclose(slope[inside], np.sign(point.coefficients[inside]) * point.penalty, rtol=1e-3)
