"""The path of multinomial logistic regression with an L1 penalty, from no feature on to as many as are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PathPoint:
    """One solution of the path.

    Attributes
    ----------
    penalty
        Weight of the L1 norm beside the mean log-loss; scikit-learn's ``C`` is 1 / (penalty * n).
    coefficients
        (features, classes); many are exactly 0.
    intercepts
        (classes,); not penalised.

    """

    penalty: float
    coefficients: Array = field(repr=False)
    intercepts: Array = field(repr=False)

    @property
    def used(self) -> Mask:
        """Which features have a coefficient for at least one class."""
        return (self.coefficients != 0).any(axis=1)


def highest_penalty(values: Array, classes: Array) -> float:
    """Return the smallest penalty at which no feature is used; arguments as in `lasso_path`."""
    return float(np.abs(values.T @ (classes - classes.mean(axis=0))).max()) / len(values)


def lasso_path(
    values: Array,
    classes: Array,
    *,
    ratio: float = 0.88,
    points: int = 40,
    tolerance: float = 1e-5,
    most_steps: int = 2000,
) -> Iterator[PathPoint]:
    """Walk the path from the highest penalty downwards; stop taking points when enough features are used.

    Each point minimises the mean multinomial log-loss plus ``penalty`` times the sum of absolute coefficients, by
    accelerated proximal gradient steps with restarts (Beck & Teboulle, SIAM J Imaging Sci 2009;2:183; O'Donoghue &
    Candes, Found Comput Math 2015;15:715), on the features that the sequential strong rule leaves (Tibshirani et al.,
    J R Stat Soc B 2012;74:245). The features that were left out are checked by the optimality conditions and taken in
    where these fail, so that the rule changes the time and never the result.

    Parameters
    ----------
    values
        (n, features), centred and scaled: the penalty is the same for all.
    classes
        (n, classes), 1 in the column of a row's class and 0 elsewhere.
    ratio
        Of a penalty to the one before it.
    points
        Most points.
    tolerance
        Steps end when no coefficient changes by more than this share of the largest (or of 1, if that is more).
    most_steps
        For one point.

    Yields
    ------
    PathPoint
        For falling penalties.

    """
    count = len(values)
    coefficients = np.zeros((values.shape[1], classes.shape[1]))
    intercepts = np.log(classes.mean(axis=0))
    intercepts -= intercepts.mean()
    penalty = before = highest_penalty(values, classes)
    gradient = values.T @ (classes - classes.mean(axis=0)) / count
    for _ in range(points):
        kept = (coefficients != 0).any(axis=1) | (np.abs(gradient).max(axis=1) >= 2 * penalty - before)
        while True:
            part, intercepts = _solve(
                values[:, kept], classes, coefficients[kept], intercepts, penalty, tolerance, most_steps
            )
            coefficients = np.zeros_like(coefficients)
            coefficients[kept] = part
            gradient = values.T @ (classes - _softmax(values[:, kept] @ part + intercepts)) / count
            broken = ~kept & (np.abs(gradient).max(axis=1) > penalty * (1 + 1e-6))
            if not broken.any():
                break
            kept |= broken
        yield PathPoint(penalty, coefficients, intercepts)
        before, penalty = penalty, penalty * ratio


def _solve(
    values: Array, classes: Array, start: Array, intercepts: Array, penalty: float, tolerance: float, most_steps: int
) -> tuple[Array, Array]:
    # The intercept is the last row and the column of ones its value; it alone is not penalised.
    count = len(values)
    full = np.column_stack([values, np.ones(count)])
    solution = ahead = np.vstack([start, intercepts])
    # The Hessian of the softmax has no eigenvalue above 1/2.
    step = 2 * count / np.linalg.norm(full.T @ full if full.shape[1] < count else full @ full.T, 2)
    momentum = 1.0
    for _ in range(most_steps):
        moved = ahead + step * (full.T @ (classes - _softmax(full @ ahead))) / count
        moved[:-1] = np.sign(moved[:-1]) * np.maximum(np.abs(moved[:-1]) - step * penalty, 0)
        change = moved - solution
        if np.sum((ahead - moved) * change) > 0:
            momentum = 1.0
        after = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / after * change
        solution, momentum = moved, after
        if np.abs(change).max() <= tolerance * max(1.0, np.abs(solution).max()):
            break
    return solution[:-1], solution[-1]


def _softmax(scores: Array) -> Array:
    raised: Array = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
