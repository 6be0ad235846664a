"""Several models' decisions as one: a logistic regression of what each says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin  # type: ignore[import-untyped]

from fdglung.classification.calibration import scores_of

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

METHOD = "temperature"
"""Scores on the scale of logits, of whatever model."""


class JoinedDecisions(ClassifierMixin, BaseEstimator):
    """Models of columns side by side, and a logistic regression of their scores.

    Stacked generalisation (Wolpert, Neural Networks 1992;5:241, 10.1016/S0893-6080(05)80023-1; Ting & Witten, JAIR
    1999;10:271, 10.1613/jair.594). The models are fitted before; see `fdglung.classification.nested`.

    Parameters
    ----------
    models
        Fitted, each of its own columns.
    widths
        How many columns each has, in their order.
    joiner
        As `joiner` gives it, fitted.

    Attributes
    ----------
    classes_
        Codes of the classes.
    n_features_in_
        Columns of all models.

    """

    def __init__(self, models: Sequence[Any], widths: Sequence[int], joiner: Any) -> None:
        self.models = models
        self.widths = widths
        self.joiner = joiner
        self.classes_ = joiner.classes_
        self.n_features_in_ = int(sum(widths))

    def fit(self, X: ArrayLike, y: ArrayLike) -> JoinedDecisions:  # noqa: N803
        """Change nothing: all is fitted before."""
        return self

    def predict_proba(self, X: ArrayLike) -> Array:  # noqa: N803
        """Return (lesions, classes) of the columns of all models (lesions, columns)."""
        columns = np.split(np.asarray(X, dtype=np.float64), np.cumsum(self.widths)[:-1], axis=1)
        scores = [scores_of(one, part, method=METHOD) for one, part in zip(self.models, columns, strict=True)]
        return np.asarray(self.joiner.predict_proba(np.column_stack(scores)), dtype=np.float64)

    def predict(self, X: ArrayLike) -> Indices:  # noqa: N803
        """Return the codes of the most probable classes."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def joiner(scores: Array, codes: Indices, *, strength: float) -> Any:
    """Return the logistic regression of scores (lesions, scores of all models), scaled first; fitted.

    Its probabilities are calibrated as far as the scores are those of lesions that the models were not fitted on: it
    is the multinomial form of Platt's calibration, of all models' scores at once.
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=5000)).fit(scores, codes)
