"""Whether probabilities mean what they say: reliability by bins, calibration error, Brier score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdglung.evaluation.predictions import Predictions
from fdglung.evaluation.resampled import Key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TOP = "highest"
"""In place of a class: the probability of the class of highest probability, and whether it was right."""


def calibration_error(probabilities: Floats, happened: Bools, weights: Floats, *, bins: int) -> Floats:
    """Return the expected calibration error (ECE), a draw each, from 0 to 1.

    The mean over rows of the distance between mean probability and observed share in their bin, bins equally wide:
    Naeini et al., AAAI 2015 (doi:10.1609/aaai.v29i1.9602); Guo et al., ICML 2017 (arXiv:1706.04599). It is never below
    0, so that it lies above the truth in small samples, and its bootstrap interval higher still.

    Parameters
    ----------
    probabilities, happened
        Of each row (rows,).
    weights
        How often each row counts (draws, rows).
    bins
        How many.

    """
    members = np.eye(bins)[bin_of(probabilities, bins)]
    gaps = (weights * (happened - probabilities)) @ members
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))


def brier(probabilities: Floats, happened: Bools, weights: Floats) -> Floats:
    """Return the mean squared distance of probabilities from what happened, a draw each, from 0 to 1.

    Brier, Mon Weather Rev 1950;78:1 (doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2), for one class against the
    rest; his own score of several classes is the sum of these.
    """
    return np.asarray(weights @ (happened - probabilities) ** 2 / weights.sum(axis=1))


def reliability(predictions: Predictions, weights: Floats, *, bins: int) -> dict[Key, Floats]:
    """Return mean probability, observed share and number of rows by bin, for each class and for the highest.

    Returns
    -------
    dict
        (class or `TOP`, number of the bin from 0, ``mean_probability``, ``observed`` or ``n``) to a figure a draw; NaN
        where the bin is empty.

    """
    sources = {
        f"class {name}": (predictions.probabilities[:, n], predictions.truth == n)
        for n, name in enumerate(predictions.classes)
    }
    sources[TOP] = (predictions.probabilities.max(axis=1), predictions.predicted == predictions.truth)
    found: dict[Key, Floats] = {}
    for name, (probabilities, happened) in sources.items():
        members = np.eye(bins)[bin_of(probabilities, bins)]
        counts = weights @ members
        for what, values in (("mean_probability", probabilities), ("observed", happened.astype(float))):
            sums = (weights * values) @ members
            shares = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
            found.update({(name, str(place), what): shares[:, place] for place in range(bins)})
        found.update({(name, str(place), "n"): counts[:, place] for place in range(bins)})
    return found


def bin_of(probabilities: Floats, bins: int) -> Ints:
    """Return the bin of each probability, from 0; upper edges belong to their bin, and 0 to the first."""
    return np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], probabilities).astype(np.int64)
