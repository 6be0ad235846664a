"""Selection of features as scikit-learn transformers: never more than a tenth of the lesions they are fitted on."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.base import BaseEstimator  # type: ignore[import-untyped]
from sklearn.feature_selection import SelectorMixin, f_classif  # type: ignore[import-untyped]
from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped]

from fdglung.classification.lasso_path import lasso_path
from fdglung.errors import InputError
from fdglung.settings_checks import number, one_of, require, whole

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_SHARE = 0.1
"""Most features a lesion of the training data, as the study has it (NCT06602674)."""

FLOOR = 1e-3
"""Least correlation that counts as redundancy in mRMR; what the package mrmr-selection has."""

TREES, LEAF, TRIED = 300, 4, 0.15
"""Of the forest that ranks by importance: trees, least lesions in a leaf, share of the features tried at each cut."""


def most_features(lesions: int, asked: int | None = None) -> int:
    """Return how many features may be kept.

    Parameters
    ----------
    lesions
        Rows that a selector is fitted on.
    asked
        How many are wanted; None for as many as may be.

    Raises
    ------
    InputError
        The lesions are too few for a single feature.

    """
    limit = math.floor(MOST_SHARE * lesions + 1e-9)
    if limit < 1:
        raise InputError(
            f"One feature needs {round(1 / MOST_SHARE)} lesions and there are {lesions} (n_samples = {lesions})",
            attribute="selection",
            remedy="Give more lesions, or fewer folds",
        )
    return limit if asked is None else min(limit, asked)


class CorrelationFilter(SelectorMixin, BaseEstimator):
    """Leaves out features that do not vary, and those that go with one that is kept.

    Columns are gone through in their order; one is kept unless its absolute correlation with a column that is kept is
    above the threshold. Classes are not looked at.

    Parameters
    ----------
    threshold
        Highest absolute correlation between features that are kept.
    method
        ``spearman`` or ``pearson``.

    Attributes
    ----------
    support_
        (features,) which are kept.

    """

    def __init__(self, threshold: float = 0.9, *, method: str = "spearman") -> None:
        self.threshold = threshold
        self.method = method

    def fit(self, X: ArrayLike, y: object = None) -> CorrelationFilter:  # noqa: N803
        """Learn which columns of `X` (lesions, features) are kept; `y` is not looked at."""
        good = number(self.threshold) and 0 < self.threshold <= 1
        require(good, "threshold", "The correlation is not in (0, 1]", "Give 0.9 or so")
        one_of(self.method, ("spearman", "pearson"), "method")
        values = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        varies = np.ptp(values, axis=0) > 1e-12 * np.abs(values).max(axis=0)
        unit = _standardised(rankdata(values, axis=0) if self.method == "spearman" else values)
        kept = varies.copy()
        correlation = np.abs(unit.T @ unit)
        for column in np.flatnonzero(varies):
            if kept[column]:
                kept[column + 1 :] &= correlation[column, column + 1 :] <= self.threshold
        require(bool(kept.any()), "X", "No feature varies", "Give features that differ between lesions")
        self.support_ = kept
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return np.asarray(self.support_)


class LimitedSelector(SelectorMixin, BaseEstimator):
    """Base of selectors that keep the best features, at most `MOST_SHARE` as many as there are lesions.

    Parameters
    ----------
    n_features
        How many features are kept at most; None for as many as may be. More than `MOST_SHARE` of the lesions are never
        kept, whatever is asked.

    Attributes
    ----------
    order_
        Indices of the features kept, the best first.
    limit_
        How many could have been kept of so many lesions.

    """

    def __init__(self, n_features: int | None = None) -> None:
        self.n_features = n_features

    def _check(self) -> None:
        good = self.n_features is None or whole(self.n_features)
        require(good, "n_features", "The number of features is no whole number above 0", "Give 10 or so, or null")

    def _checked(self, X: ArrayLike, y: ArrayLike) -> tuple[Array, Indices]:  # noqa: N803
        values, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        check_classification_targets(labels)
        names, coded = np.unique(labels, return_inverse=True)
        require(len(names) > 1, "y", "There is one class only", "Give lesions of two classes or more")
        self.limit_ = most_features(len(values), self.n_features)
        return values, coded

    def _keep(self, order: Indices, none: str) -> Any:
        if not len(order):
            raise InputError(
                f"The selection is empty: {none}",
                attribute=type(self).__name__,
                remedy="Give other features, another selection, or with stability a lower threshold",
            )
        self.order_ = order[: self.limit_]
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self, "order_")
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.order_] = True
        return mask

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class RankedSelector(LimitedSelector):
    """Base of selectors that rank features once: `_order` does the work; the rest as in `LimitedSelector`."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> RankedSelector:  # noqa: N803
        """Learn from `X` (lesions, features), finite, and classes `y` (lesions,) which features are kept.

        Raises
        ------
        InputError
            The lesions are too few for one feature, or no feature tells anything.

        """
        self._check()
        values, coded = self._checked(X, y)
        return self._keep(self._order(values, coded, self.limit_), "no feature differs between the classes")

    @abstractmethod
    def _order(self, values: Array, coded: Indices, count: int) -> Indices:
        """Return up to `count` columns of `values` (lesions, features), the best first; classes as numbers."""


class MrmrSelector(RankedSelector):
    """Minimum redundancy, maximum relevance: parameters and attributes as `LimitedSelector` has them.

    The next feature is the one whose F statistic between classes, divided by its mean absolute Pearson correlation
    with the features taken so far, is the highest (the quotient FCQ of Ding & Peng, J Bioinform Comput Biol
    2005;3:185, 10.1142/S0219720005001004, as Zhao et al., IEEE DSAA 2019:442 put it). The order is that of the package
    mrmr-selection 0.2.8.
    """

    def _order(self, values: Array, coded: Indices, count: int) -> Indices:
        return mrmr_order(values, coded, count)


class LassoSelector(RankedSelector):
    """The features of multinomial logistic regression with an L1 penalty: parameters as `LimitedSelector` has them.

    The penalty is lowered as long as no more than the allowed number of features have a coefficient; features are in
    the order in which they came in. Columns are scaled first, as the penalty is the same for all.
    """

    def _order(self, values: Array, coded: Indices, count: int) -> Indices:
        return lasso_order(values, coded, count)


class MrmrLassoSelector(RankedSelector):
    """LASSO among the features that mRMR leaves.

    Parameters
    ----------
    n_features
        As in `LimitedSelector`.
    candidates
        Features that mRMR leaves, for each that may be kept.

    """

    def __init__(self, n_features: int | None = None, *, candidates: int = 3) -> None:
        super().__init__(n_features)
        self.candidates = candidates

    def _order(self, values: Array, coded: Indices, count: int) -> Indices:
        require(whole(self.candidates), "candidates", "The number is no whole number above 0", "Give 3 or so")
        left = mrmr_order(values, coded, self.candidates * count)
        return left[lasso_order(values[:, left], coded, count)] if len(left) else left


class ImportanceSelector(RankedSelector):
    """The features that a forest of extremely randomised trees makes most of.

    They are ranked by the mean decrease in Gini impurity (Breiman, Mach Learn 2001;45:5, 10.1023/A:1010933404324) in
    scikit-learn's `ExtraTreesClassifier` of `TREES` trees; features that go with each other share it. Those that no
    tree cuts by are not kept.

    Parameters
    ----------
    n_features
        As in `LimitedSelector`.
    random_state
        Of the forest.

    """

    def __init__(self, n_features: int | None = None, *, random_state: int = 0) -> None:
        super().__init__(n_features)
        self.random_state = random_state

    def _order(self, values: Array, coded: Indices, count: int) -> Indices:
        from sklearn.ensemble import ExtraTreesClassifier  # type: ignore[import-untyped]

        forest = ExtraTreesClassifier(
            TREES, min_samples_leaf=LEAF, max_features=TRIED, random_state=self.random_state
        ).fit(values, coded)
        order = np.argsort(-forest.feature_importances_, kind="stable")[:count]
        return np.asarray(order[forest.feature_importances_[order] > 0], dtype=np.intp)


def mrmr_order(values: Array, coded: Indices, count: int) -> Indices:
    """Return up to `count` columns of `values` (n, features) by mRMR, the best first; classes as numbers (n,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.asarray(f_classif(_centred(values), coded)[0], dtype=np.float64)
        relevance = np.nan_to_num(found, nan=0.0, posinf=float(np.finfo(np.float64).max))
    left = np.flatnonzero((relevance > 0) & (np.ptp(values, axis=0) > 0))
    if not len(left):
        return left
    relevance, unit = relevance[left], _standardised(values[:, left])
    redundancy = np.zeros(len(left))
    taken = [int(np.argmax(relevance))]
    while len(taken) < min(count, len(left)):
        redundancy += np.maximum(np.abs(unit.T @ unit[:, taken[-1]]), FLOOR)
        score = relevance / (redundancy / len(taken))
        score[taken] = -np.inf
        taken.append(int(np.argmax(score)))
    return left[taken]


def lasso_order(values: Array, coded: Indices, count: int) -> Indices:
    """Return up to `count` columns of `values` (n, features) as they enter the LASSO's path; classes as numbers."""
    scaled = _standardised(values) * math.sqrt(len(values))
    entered: list[int] = []
    if not np.any(scaled):
        return np.array(entered, dtype=np.intp)
    # Which coefficients are 0 is known long before their values are.
    for point in lasso_path(scaled, np.eye(coded.max() + 1)[coded], tolerance=1e-4):
        used = np.flatnonzero(point.used)
        strength = np.abs(point.coefficients[used]).max(axis=1)
        if len(used) > count:
            # Many that come in at once are no reason to keep none.
            return np.array(entered or used[np.argsort(-strength, kind="stable")][:count], dtype=np.intp)
        # One that has left the path again is not kept.
        entered = [one for one in entered if one in used]
        entered += [int(one) for one in used[np.argsort(-strength, kind="stable")] if one not in entered]
    return np.array(entered, dtype=np.intp)


def _centred(values: Array) -> Array:
    return values - values.mean(axis=0)


def _standardised(values: Array) -> Array:
    """Return columns of mean 0 and Euclidean norm 1, or 0 where they do not vary."""
    centred = _centred(values)
    norm = np.linalg.norm(centred, axis=0)
    flat = norm <= 1e-12 * np.abs(values).max(axis=0) * math.sqrt(len(values))
    unit: Array = np.where(flat, 0.0, centred / np.where(flat, 1.0, norm))
    return unit
