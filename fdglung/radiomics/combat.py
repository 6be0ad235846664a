"""ComBat's equations: what centres have in common, and each centre's location and scale by empirical Bayes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import ParameterError

Array = NDArray[np.float64]

_MOST_STEPS = 10_000
_STEP = 1e-9
"""Relative change of the posterior means below which they count as found."""


@dataclass(frozen=True)
class Pool:
    """What centres have in common.

    Attributes
    ----------
    mean, variance
        Of each feature, covariates taken off: of all centres, or of the reference centre.
    effects
        Of covariates (covariate, feature).

    """

    mean: Array
    variance: Array
    effects: Array

    @classmethod
    def of(
        cls, values: Array, centres: NDArray[np.str_], covariates: Array, names: Sequence[str], reference: str | None
    ) -> Pool:
        """Fit centres and covariates by least squares (Johnson et al. 2007, equation 2).

        Parameters
        ----------
        values
            (case, feature).
        centres
            Of each case.
        covariates
            (case, covariate).
        names
            Of the covariates, for errors.
        reference
            A centre, or None.

        Raises
        ------
        ParameterError
            Covariates cannot be told from centres or from each other.

        """
        levels = sorted(set(centres))
        batch = np.stack([centres == level for level in levels], axis=1).astype(float)
        design = np.hstack([batch, covariates])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            raise ParameterError(
                "Covariates cannot be told from centres or from each other",
                attribute=", ".join(names),
                remedy="Leave out covariates that are the same in all cases of each centre, or the sum of others",
            )
        fitted = np.linalg.lstsq(design, values, rcond=None)[0]
        residual = values - design @ fitted
        effects = fitted[len(levels) :]
        if reference is None:
            return cls(batch.mean(axis=0) @ fitted[: len(levels)], (residual**2).mean(axis=0), effects)
        return cls(fitted[levels.index(reference)], (residual[centres == reference] ** 2).mean(axis=0), effects)

    def standardised(self, values: Array, covariates: Array) -> Array:
        """Return values with pooled mean 0 and variance 1, covariates taken off."""
        return np.asarray((values - self.mean - covariates @ self.effects) / np.sqrt(self.variance))

    def restored(self, standardised: Array, covariates: Array) -> Array:
        """Return what `standardised` was made of."""
        return np.asarray(standardised * np.sqrt(self.variance) + self.mean + covariates @ self.effects)


@dataclass(frozen=True)
class CentreEffect:
    """Location and variance of a centre by feature, in units of the pooled deviation and variance."""

    location: Array
    variance: Array

    def removed(self, standardised: Array) -> Array:
        """Return values (case, feature) of the centre without its effect."""
        return np.asarray((standardised - self.location) / np.sqrt(self.variance))


def own_effect(standardised: Array, *, mean_only: bool = False) -> CentreEffect:
    """Return the location and variance of a centre's cases (case, feature) as they are, without a prior."""
    variance = standardised.var(axis=0, ddof=1)
    good = (variance > 0) & (not mean_only)
    return CentreEffect(standardised.mean(axis=0), np.where(good, variance, 1.0))


def bayes_effect(standardised: Array, *, mean_only: bool = False) -> CentreEffect:
    """Return the posterior means of a centre's location and variance.

    The priors are a normal and an inverse gamma distribution, fitted to the estimates of all features by moments
    (Johnson, Li & Rabinovic, Biostatistics 2007;8:118, 10.1093/biostatistics/kxj037, section 3.2, parametric). A single
    feature has no others to learn from, and keeps its estimates.

    Parameters
    ----------
    standardised
        (case, feature) of the centre, two cases or more, as `Pool.standardised` gives them.
    mean_only
        Whether the centre is taken to have the pooled variance.

    """
    count, features = standardised.shape
    own = own_effect(standardised, mean_only=mean_only)
    if features < 2:
        return own
    prior_mean, prior_variance = own.location.mean(), own.location.var(ddof=1)
    squares = ((standardised - own.location) ** 2).sum(axis=0)
    estimate = squares / (count - 1)
    mean = estimate.mean()
    # All estimates the same: the prior is a spike.
    spread = max(estimate.var(ddof=1), 1e-12 * mean**2)
    shape, rate = mean**2 / spread + 2, mean**3 / spread + mean
    location, variance = own.location, own.variance
    for _ in range(_MOST_STEPS):
        weight = count * prior_variance
        moved = (weight * own.location + variance * prior_mean) / (weight + variance)
        if mean_only:
            return CentreEffect(moved, variance)
        spread_about = squares + count * (own.location - moved) ** 2
        changed = (rate + spread_about / 2) / (count / 2 + shape - 1)
        done = np.allclose(changed, variance, rtol=_STEP, atol=0) and np.allclose(
            moved, location, rtol=_STEP, atol=1e-12
        )
        location, variance = moved, changed
        if done:
            break
    return CentreEffect(location, variance)
