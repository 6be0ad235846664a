"""How much each feature moved a lesion's probabilities: SHAP values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.models import ClassifierModel

Array = NDArray[np.float64]

EXACT_UP_TO = 10
"""Selected features up to which every subset is evaluated; above, permutations are drawn."""

BACKGROUND = 50
"""Training lesions that stand for a feature which is not known, at most: evenly spaced in order of class."""

PERMUTATIONS = 10
"""Orders of the features that are drawn, each gone through forwards and backwards."""


def shap_values(model: ClassifierModel, prepared: Array) -> tuple[Array, Array]:
    """Return SHAP values of the calibrated probabilities, for every kind of model in the same way.

    The value of a feature is its mean change of the probability over orders in which features become known, a feature
    that is not known taking the values of background training lesions (Lundberg & Lee, NIPS 2017,
    arXiv:1705.07874; orders after Strumbelj & Kononenko, Knowl Inf Syst 2014;41:647, 10.1007/s10115-013-0679-x), by the
    package shap: exact to `EXACT_UP_TO` features, above by `PERMUTATIONS` orders. In both cases the values of a lesion
    sum to its probability less the background's.

    Parameters
    ----------
    model
        A trained model.
    prepared
        (lesions, selected) as `ClassifierModel.prepared` gives them.

    Returns
    -------
    tuple
        (lesions, selected, classes) in units of probability, and (classes,) the background's mean probability.

    """
    import shap  # type: ignore[import-untyped]

    masker = shap.maskers.Independent(background(model), max_samples=BACKGROUND)
    count = prepared.shape[1]
    if count <= EXACT_UP_TO:
        explained = shap.explainers.Exact(model.probabilities, masker)(prepared, silent=True)
    else:
        explainer = shap.explainers.Permutation(model.probabilities, masker, seed=model.config.seed)
        explained = explainer(prepared, max_evals=PERMUTATIONS * (2 * count + 1), silent=True)
    return np.asarray(explained.values, dtype=np.float64), np.asarray(explained.base_values[0], dtype=np.float64)


def background(model: ClassifierModel) -> Array:
    """Return the training lesions that stand for features which are not known, (at most `BACKGROUND`, selected)."""
    order = np.argsort(model.codes, kind="stable")
    taken = np.unique(np.linspace(0, len(order) - 1, min(BACKGROUND, len(order))).round().astype(int))
    return model.training[order[taken]]
