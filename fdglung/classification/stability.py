"""Selection by stability: features that a selector finds again in many halves of the patients."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone  # type: ignore[import-untyped]
from sklearn.utils import check_random_state  # type: ignore[import-untyped]
from sklearn.utils.validation import check_consistent_length  # type: ignore[import-untyped]

from fdglung.classification.selection import LimitedSelector, MrmrSelector, most_features
from fdglung.settings_checks import number, require, whole


class StabilitySelector(LimitedSelector):
    """Keeps what a selector finds in many random halves of the patients.

    After Meinshausen & Buhlmann, J R Stat Soc B 2010;72:417 (10.1111/j.1467-9868.2010.00740.x), with patients in place
    of observations, since lesions of one patient are alike.

    Parameters
    ----------
    selector
        The selector to repeat; None for `MrmrSelector`. Its own ``n_features`` counts in each half.
    n_features
        As in `LimitedSelector`.
    resamples
        How many halves.
    threshold
        Least share of the halves in which a feature is found.
    random_state
        Of the halves.

    Attributes
    ----------
    frequencies_
        (features,) share of the halves in which each was found.
    order_
        Features kept, the most frequent first.

    """

    def __init__(
        self,
        selector: LimitedSelector | None = None,
        *,
        n_features: int | None = None,
        resamples: int = 50,
        threshold: float = 0.6,
        random_state: int | None = 0,
    ) -> None:
        super().__init__(n_features)
        self.selector = selector
        self.resamples = resamples
        self.threshold = threshold
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None) -> StabilitySelector:  # noqa: N803
        """Learn which features are kept.

        Parameters
        ----------
        X, y
            As in `RankedSelector.fit`.
        groups
            (lesions,) patient of each lesion; None where each is a patient's only one.

        """
        self._check()
        require(whole(self.resamples), "resamples", "The number is no whole number above 0", "Give 50 or more")
        good = number(self.threshold) and 0 < self.threshold <= 1
        require(good, "threshold", "The share is not in (0, 1]", "Give 0.6 or so")
        values, coded = self._checked(X, y)
        patients = np.arange(len(values)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        check_consistent_length(values, patients)
        base = MrmrSelector() if self.selector is None else self.selector
        random = check_random_state(self.random_state)
        counts = np.zeros(values.shape[1])
        done = 0
        for _ in range(20 * self.resamples):
            half = random.permutation(patients.max() + 1)[: (patients.max() + 1) // 2]
            rows = np.isin(patients, half)
            # A half without one of the classes says nothing of it, and is drawn again.
            if len(np.unique(coded[rows])) == len(np.unique(coded)):
                most_features(int(rows.sum()))
                counts[clone(base).fit(values[rows], coded[rows]).order_] += 1
                done += 1
            if done == self.resamples:
                break
        require(done == self.resamples, "y", "Halves of the patients lack a class", "Give more patients of each class")
        self.frequencies_ = counts / done
        ranked = np.argsort(-self.frequencies_, kind="stable")
        found = ranked[self.frequencies_[ranked] >= self.threshold]
        self._keep(found, f"no feature is found in {self.threshold:.0%} of the halves")
        return self
