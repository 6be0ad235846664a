"""Distributions whose moments are the published ones after they are cut to their range, with their densities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import root
from scipy.special import expit, log_ndtr, logsumexp, ndtr, ndtri

Floats = npt.NDArray[np.float64]

# the shared part of a patient's lesions, by the trapezoid rule: fine enough for the posterior of 60 lesions
_SHARED = np.linspace(-4.5, 4.5, 73)
_SHARED_WEIGHTS = np.exp(-0.5 * _SHARED**2) / np.exp(-0.5 * _SHARED**2).sum()
# every third point does for the moments of one lesion
_FEW, _FEW_WEIGHTS = _SHARED[::3], _SHARED_WEIGHTS[::3] / _SHARED_WEIGHTS[::3].sum()


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a log-normal, cut to a range; both are those after cutting."""

    mean: float
    sd: float
    low: float
    high: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw independent values, shape (count,)."""
        fit = _fit_size(self, 0.0)
        return np.exp(_draw_cut(rng, np.full(count, fit.location), fit.scale, 0.0, self))

    def log_density(self, values: Floats) -> Floats:
        """Log density of each value, shape as `values`; minus infinity outside the range."""
        fit = _fit_size(self, 0.0)
        logs = np.log(values)
        within = _log_mass(*((np.log([bound]) - fit.location) / fit.scale for bound in (self.low, self.high)))
        result: Floats = -0.5 * ((logs - fit.location) / fit.scale) ** 2 - within - logs
        result -= math.log(fit.scale * math.sqrt(2 * math.pi))
        result[(values < self.low * (1 - 1e-9)) | (values > self.high * (1 + 1e-9))] = -np.inf
        return result


@dataclass(frozen=True)
class SizeUptake:
    """Diameter and SUVmax of a patient's lesions.

    Logarithms are normal. Of the variance of the diameter, and of that of the uptake which the diameter does not
    explain, a share is common to all lesions of a patient, so that they are alike. Values outside the range are drawn
    again; mean, standard deviation and correlation of one lesion are those stated, solved for numerically.

    Attributes
    ----------
    diameter_mm, suv_max
        Their spreads.
    correlation
        Pearson's, of the diameter and SUVmax.
    alike
        Share of the variance that a patient's lesions have in common: 0 to below 1.

    """

    diameter_mm: Spread
    suv_max: Spread
    correlation: float = 0.3
    alike: float = 0.5

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
        """Draw a patient's diameters in mm and SUVmax in g/ml, each of shape (count,)."""
        size, uptake = _fit_size(self.diameter_mm, self.alike), _fit_uptake(self)
        logs = _draw_cut(rng, np.full(count, size.location), size.scale, self.alike, self.diameter_mm)
        z = (logs - size.location) / size.scale
        means = uptake.location + uptake.scale * uptake.rho * z
        suv = _draw_cut(rng, means, uptake.scale * math.sqrt(1 - uptake.rho**2), self.alike, self.suv_max)
        return np.exp(logs), np.exp(suv)

    def log_density(
        self, diameter_mm: Floats, suv_max: Floats, patient: npt.NDArray[np.int64], patients: int
    ) -> tuple[Floats, Floats]:
        """Log densities of the diameters, and of SUVmax given the diameters, of each patient's lesions together.

        Parameters
        ----------
        diameter_mm, suv_max
            Shape (lesions,).
        patient
            Index of each lesion's patient, ascending, each at least once, shape (lesions,).
        patients
            How many there are.

        Returns
        -------
        size, uptake
            Shape (patients,); densities with respect to mm and g/ml; minus infinity outside the range.

        """
        size, uptake = _fit_size(self.diameter_mm, self.alike), _fit_uptake(self)
        logs, suv = np.log(diameter_mm), np.log(suv_max)
        first = _log_cut(logs, np.full(len(logs), size.location), size.scale, self.alike, self.diameter_mm)
        z = (logs - size.location) / size.scale
        means = uptake.location + uptake.scale * uptake.rho * z
        second = _log_cut(suv, means, uptake.scale * math.sqrt(1 - uptake.rho**2), self.alike, self.suv_max)
        starts = np.searchsorted(patient, np.arange(patients))
        joint = []
        for values in (first, second):
            together = np.add.reduceat(values, starts, axis=0)
            joint.append(logsumexp(together, b=_SHARED_WEIGHTS[None, :], axis=1))
        jacobians = [np.add.reduceat(values, starts) for values in (logs, suv)]
        return joint[0] - jacobians[0], joint[1] - jacobians[1]

    def diameters(self) -> tuple[Floats, Floats]:
        """Return diameters in mm and their probabilities, for expectations over one lesion's diameter."""
        return _size_grid(self.diameter_mm, self.alike)


@dataclass(frozen=True)
class Chance:
    """Probability of a sign that may rise with the diameter (logistic in its logarithm), 0 below a diameter.

    Attributes
    ----------
    probability
        Of all lesions of the subtype, whatever their form.
    per_doubling
        What is added to the log odds when the diameter doubles.
    from_mm
        Below this diameter there is no such sign.

    """

    probability: float
    per_doubling: float = 0.0
    from_mm: float = 0.0

    def intercept(self, sizes: SizeUptake, allowed: float) -> float:
        """Log odds at 20 mm in a form that allows the sign, where a share `allowed` of the lesions has such.

        Raises
        ------
        ValueError
            No curve gives the probability.

        """
        if self.probability == 0:
            return -math.inf
        return _fit_chance(self, sizes, allowed)

    def curve(self, diameter_mm: Floats, intercept: float) -> Floats:
        """Probability by diameter, shape as `diameter_mm`."""
        odds = intercept + self.per_doubling * np.log2(diameter_mm / 20)
        return np.where(diameter_mm >= self.from_mm, expit(odds), 0.0)


@dataclass(frozen=True)
class _Fit:
    location: float
    scale: float
    rho: float = 0.0


def _draw_cut(rng: np.random.Generator, means: Floats, scale: float, alike: float, spread: Spread) -> Floats:
    """Draw logarithms whose shared part is one number; the rest is cut to the range by its quantiles."""
    centres = means + scale * math.sqrt(alike) * np.clip(rng.standard_normal(), _SHARED[0], _SHARED[-1])
    own = scale * math.sqrt(1 - alike)
    low, high = (ndtr((math.log(bound) - centres) / own) for bound in (spread.low, spread.high))
    logs = centres + own * ndtri(low + rng.random(len(means)) * (high - low))
    return np.clip(logs, math.log(spread.low), math.log(spread.high))


def _log_cut(logs: Floats, means: Floats, scale: float, alike: float, spread: Spread) -> Floats:
    """Log densities of logarithms by the value of the shared part, shape (lesions, shared)."""
    own = scale * math.sqrt(1 - alike)
    centres = means[:, None] + scale * math.sqrt(alike) * _SHARED[None, :]
    low, high = math.log(spread.low), math.log(spread.high)
    within = _log_mass((low - centres) / own, (high - centres) / own)
    values = -0.5 * ((logs[:, None] - centres) / own) ** 2 - math.log(own * math.sqrt(2 * math.pi)) - within
    outside = (logs < low - 1e-9) | (logs > high + 1e-9)
    values[outside] = -np.inf
    return values


def _log_mass(low: Floats, high: Floats) -> Floats:
    """Log of the normal's mass between two bounds, without loss in the tails."""
    flip = low > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    upper, lower = log_ndtr(b), log_ndtr(a)
    return upper + np.log1p(-np.exp(np.minimum(lower - upper, -1e-12)))


def _moments(centres: Floats, own: float, spread: Spread) -> tuple[Floats, Floats]:
    """First two moments of exp(X), X normal with the given means and cut to the range."""
    low, high = (math.log(spread.low) - centres) / own, (math.log(spread.high) - centres) / own
    mass = _log_mass(low, high)
    first, second = (
        np.exp(k * centres + k * k * own * own / 2 + _log_mass(low - k * own, high - k * own) - mass) for k in (1, 2)
    )
    return first, second


def _start(spread: Spread) -> tuple[float, float]:
    variance = math.log1p((spread.sd / spread.mean) ** 2)
    return math.log(spread.mean) - variance / 2, math.sqrt(variance)


@lru_cache(maxsize=256)
def _fit_size(spread: Spread, alike: float) -> _Fit:
    def gap(parameters: Floats) -> list[float]:
        scale = math.exp(parameters[1])
        centres = parameters[0] + scale * math.sqrt(alike) * _SHARED
        first, second = (m @ _SHARED_WEIGHTS for m in _moments(centres, scale * math.sqrt(1 - alike), spread))
        return [math.log(first / spread.mean), 0.5 * math.log(max(second - first**2, 1e-12) / spread.sd**2)]

    location, scale = _start(spread)
    solution = root(gap, [location, math.log(scale)], tol=1e-9)
    _check(solution.success, spread)
    return _Fit(float(solution.x[0]), math.exp(float(solution.x[1])))


@lru_cache(maxsize=256)
def _size_grid(spread: Spread, alike: float) -> tuple[Floats, Floats]:
    fit = _fit_size(spread, alike)
    edges = np.linspace(math.log(spread.low), math.log(spread.high), 202)
    middles = (edges[1:] + edges[:-1]) / 2
    values = np.exp(_log_cut(middles, np.full(201, fit.location), fit.scale, alike, spread)) @ _SHARED_WEIGHTS
    return np.exp(middles), values / values.sum()


@lru_cache(maxsize=256)
def _fit_uptake(sizes: SizeUptake) -> _Fit:
    size = _fit_size(sizes.diameter_mm, sizes.alike)
    diameters, chances = _size_grid(sizes.diameter_mm, sizes.alike)
    diameters, chances = diameters.reshape(-1, 3)[:, 1], chances.reshape(-1, 3).sum(axis=1)
    z = (np.log(diameters) - size.location) / size.scale
    spread = sizes.suv_max
    wide = math.sqrt(float(chances @ diameters**2) - float(chances @ diameters) ** 2)

    def gap(parameters: Floats) -> list[float]:
        scale, rho = math.exp(parameters[1]), math.tanh(parameters[2])
        rest = scale * math.sqrt(1 - rho**2)
        centres = parameters[0] + scale * rho * z[:, None] + rest * math.sqrt(sizes.alike) * _FEW[None, :]
        first, second = (m @ _FEW_WEIGHTS for m in _moments(centres, rest * math.sqrt(1 - sizes.alike), spread))
        mean = float(chances @ first)
        sd = math.sqrt(max(float(chances @ second) - mean**2, 1e-12))
        covariance = float(chances @ (first * diameters)) - mean * float(chances @ diameters)
        return [
            math.log(mean / spread.mean),
            math.log(sd / spread.sd),
            covariance / (sd * wide) - sizes.correlation,
        ]

    location, scale = _start(spread)
    solution = root(gap, [location, math.log(scale), math.atanh(sizes.correlation)], tol=1e-9)
    _check(solution.success, spread)
    return _Fit(float(solution.x[0]), math.exp(float(solution.x[1])), math.tanh(float(solution.x[2])))


@lru_cache(maxsize=1024)
def _fit_chance(chance: Chance, sizes: SizeUptake, allowed: float) -> float:
    """Intercept of the log odds that gives the stated probability over all sizes and forms."""
    diameters, weights = sizes.diameters()
    target = chance.probability / allowed if allowed > 0 else math.inf
    low, high = -40.0, 40.0
    if target >= float(weights @ chance.curve(diameters, high)):
        raise ValueError(f"no curve gives {chance}: only {allowed:.2f} of the lesions may carry the sign")
    for _ in range(60):
        middle = (low + high) / 2
        if float(weights @ chance.curve(diameters, middle)) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _check(solved: bool, spread: Spread) -> None:
    if not solved:
        raise ValueError(f"no log-normal cut to its range has the moments of {spread}")
