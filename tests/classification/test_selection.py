from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fdglung.classification.selection import (
    CorrelationFilter,
    ImportanceSelector,
    LassoSelector,
    MrmrLassoSelector,
    MrmrSelector,
    most_features,
)
from fdglung.errors import InputError, ParameterError


def scaled(load):
    values, codes = load(return_X_y=True)
    return StandardScaler().fit_transform(values), codes


def mrmr_by_hand(values, codes, count):
    """Return the order by the quotient's definition, one pair at a time."""
    groups = [values[codes == code] for code in np.unique(codes)]
    relevance = [f_oneway(*(group[:, column] for group in groups)).statistic for column in range(values.shape[1])]
    taken = [int(np.argmax(relevance))]
    while len(taken) < count:
        best, place = -np.inf, -1
        for column in set(range(values.shape[1])) - set(taken):
            likeness = [abs(np.corrcoef(values[:, column], values[:, one])[0, 1]) for one in taken]
            score = relevance[column] / np.mean(likeness)
            if score > best:
                best, place = score, column
        taken.append(place)
    return taken


@pytest.mark.parametrize(("load", "count"), [(load_wine, 13), (load_breast_cancer, 20)])
def test_mrmr_takes_the_order_of_its_definition(load, count):
    values, codes = scaled(load)
    order = MrmrSelector(count).fit(values, codes).order_.tolist()
    assert order == mrmr_by_hand(values, codes, count)


def test_mrmr_takes_another_signal_before_a_copy_of_the_first():
    random = np.random.default_rng(0)
    codes = np.repeat([0, 1], 100)
    values = random.normal(size=(200, 4))
    values[:, 0] += 2 * codes
    values[:, 1] = values[:, 0] + 0.01 * random.normal(size=200)
    values[:, 2] += 1.8 * codes
    first, second = MrmrSelector(2).fit(values, codes).order_
    assert first in (0, 1)
    assert second == 2


def test_the_lasso_keeps_what_scikit_learns_lasso_keeps_at_its_last_penalty():
    values, codes = scaled(load_wine)
    kept = set(LassoSelector(6).fit(values, codes).order_.tolist())
    supports = []
    for strength in np.geomspace(0.001, 1, 400):
        fitted = LogisticRegression(l1_ratio=1, solver="saga", C=strength, tol=1e-5, max_iter=5000, random_state=0)
        support = set(np.flatnonzero(np.abs(fitted.fit(values, codes).coef_).max(axis=0) > 1e-6).tolist())
        if len(support) > 6:
            break
        supports.append(support)
    assert kept in supports


def test_the_lasso_keeps_the_strongest_where_more_come_in_at_once_than_are_allowed():
    random = np.random.default_rng(0)
    codes = np.repeat([0, 1], 10)
    signal = codes + 0.1 * random.normal(size=20)
    values = np.column_stack([signal, signal + 1e-6 * random.normal(size=20), signal + 1e-6 * random.normal(size=20)])
    assert len(LassoSelector(1).fit(values, codes).order_) == 1


def test_both_keeps_only_what_mrmr_leaves():
    values, codes = scaled(load_breast_cancer)
    left = set(MrmrSelector(12).fit(values, codes).order_.tolist())
    kept = set(MrmrLassoSelector(4, candidates=3).fit(values, codes).order_.tolist())
    assert len(kept) <= 4
    assert kept < left
    assert kept != set(LassoSelector(4).fit(values, codes).order_.tolist())


def test_importance_finds_features_that_tell_only_together():
    """The class is the sign of a product: by itself neither factor tells anything, and the F statistic sees none."""
    random = np.random.default_rng(1)
    values = random.normal(size=(600, 30))
    codes = (values[:, 3] * values[:, 17] > 0).astype(int)
    assert set(ImportanceSelector(2).fit(values, codes).order_.tolist()) == {3, 17}
    assert not {3, 17} & set(MrmrSelector(2).fit(values, codes).order_.tolist())


def test_importance_ranks_by_strength_is_the_same_again_and_keeps_nothing_that_is_constant():
    random = np.random.default_rng(2)
    codes = np.repeat([0, 1, 2], 100)
    values = np.column_stack([np.ones(300), random.normal(size=(300, 3)) + codes[:, None] * np.array([0.0, 3.0, 0.8])])
    order = ImportanceSelector().fit(values, codes).order_.tolist()
    assert order == [2, 3, 1]
    assert ImportanceSelector().fit(values, codes).order_.tolist() == order


@pytest.mark.parametrize(
    "selector", [MrmrSelector(), LassoSelector(), MrmrLassoSelector(), ImportanceSelector(), MrmrSelector(1000)]
)
@pytest.mark.parametrize(("lesions", "most"), [(39, 3), (40, 4), (100, 10)])
def test_no_more_than_a_tenth_of_the_lesions_is_kept(selector, lesions, most):
    random = np.random.default_rng(0)
    codes = np.arange(lesions) % 2
    values = random.normal(size=(lesions, 50)) + codes[:, None]
    fitted = clone(selector).fit(values, codes)
    assert fitted.limit_ == most
    assert 1 <= fitted.transform(values).shape[1] <= most


def test_a_tenth_of_nine_lesions_is_no_feature():
    assert most_features(10) == 1
    with pytest.raises(InputError, match="10 lesions and there are 9"):
        most_features(9)


def test_the_filter_keeps_the_first_of_features_that_go_together():
    random = np.random.default_rng(0)
    one, other = random.normal(size=(2, 500))
    values = np.column_stack([np.full(500, 7.3), one, -2 * one + 1, other, one + other, np.exp(3 * one)])
    by_rank = CorrelationFilter(0.9).fit(values)
    # one and one + other correlate by 1/sqrt(2); ranks of exp(3 x) are those of x.
    assert by_rank.get_support(indices=True).tolist() == [1, 3, 4]
    assert CorrelationFilter(0.9, method="pearson").fit(values).get_support(indices=True).tolist() == [1, 3, 4, 5]
    assert CorrelationFilter(0.6).fit(values).get_support(indices=True).tolist() == [1, 3]


def test_the_filter_refuses_what_cannot_be():
    with pytest.raises(ParameterError, match="No feature varies"):
        CorrelationFilter().fit(np.ones((5, 3)))
    with pytest.raises(ParameterError, match="threshold"):
        CorrelationFilter(1.5).fit(np.random.default_rng(0).normal(size=(5, 3)))


def test_features_without_any_difference_between_classes_are_an_error():
    with pytest.raises(InputError, match="no feature differs"):
        MrmrSelector().fit(np.ones((40, 3)), np.arange(40) % 2)
