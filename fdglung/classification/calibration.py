"""Probabilities from a model's scores, learned from scores of lesions that the model was not fitted on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]
from sklearn.calibration import CalibratedClassifierCV  # type: ignore[import-untyped]
from sklearn.frozen import FrozenEstimator  # type: ignore[import-untyped]

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


class GivenScores(ClassifierMixin, BaseEstimator):
    """Gives back the scores that it is given, so that scikit-learn's calibration takes them as a model's.

    Attributes
    ----------
    classes_
        Codes of the classes.

    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> GivenScores:  # noqa: N803
        """Learn the classes of `y`; `X` is not looked at."""
        self.classes_ = np.unique(np.asarray(y))
        return self

    def decision_function(self, X: ArrayLike) -> Array:  # noqa: N803
        """Return `X`: (lesions,) of two classes, (lesions, classes) of more."""
        scores = np.asarray(X, dtype=np.float64)
        return scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X: ArrayLike) -> Indices:  # noqa: N803
        """Return the codes of the highest scores."""
        scores = np.asarray(X, dtype=np.float64)
        places = (scores[:, 0] > 0).astype(int) if len(self.classes_) == 2 else scores.argmax(axis=1)
        return np.asarray(self.classes_[places])


def scores_of(model: Any, values: Array, *, method: str) -> Array:
    """Return what is calibrated: (lesions, classes), or (lesions, 1) of the second class where there are two.

    It is the decision function, or probabilities of models that have none; their logarithms for ``temperature``, which
    divides logits.
    """
    if hasattr(model, "decision_function"):
        scores = np.asarray(model.decision_function(values), dtype=np.float64)
        return scores[:, None] if scores.ndim == 1 else scores
    found = np.asarray(model.predict_proba(values), dtype=np.float64)
    if method == "temperature":
        # The small number is scikit-learn's: a forest may give 0.
        found = np.log(found + 1e-12)
        return found[:, 1:] - found[:, :1] if found.shape[1] == 2 else found
    return found[:, 1:] if found.shape[1] == 2 else found


def calibrated(scores: Array, codes: Indices, *, method: str) -> Any:
    """Return scikit-learn's calibration, fitted.

    With ``sigmoid`` Platt's (Advances in Large Margin Classifiers 1999:61), with ``isotonic`` that of Zadrozny & Elkan
    (KDD 2002:694, 10.1145/775047.775151), class by class and then scaled to a sum of 1; with ``temperature`` that of
    Guo et al. (ICML 2017:1321). It is what ``CalibratedClassifierCV(model, cv=inner folds, ensemble=False)`` learns.

    Parameters
    ----------
    scores
        As `scores_of` gives them, of lesions that the model was not fitted on.
    codes
        (lesions,) classes.
    method
        ``sigmoid``, ``isotonic`` or ``temperature``.

    """
    given = FrozenEstimator(GivenScores().fit(scores, codes))
    return CalibratedClassifierCV(given, method=method, cv=2, ensemble=False).fit(scores, codes)
