"""One patient under two names, found by the images before a network is trained on them."""

from __future__ import annotations

import numpy as np

from fdglung.classification.image.cases import ImageLesions
from fdglung.errors import TooFewFeaturesError
from fdglung.leaks import check_leaks

BLOCKS = 6
"""Patches are compared by means over so many blocks along each side."""


def check_lesions(given: ImageLesions) -> None:
    """Refuse images of one patient under two names: patches that are the same, or nearly so, in coarse blocks.

    Raises
    ------
    DuplicatedPatientError
        By the rule of `fdglung.leaks.find_duplicates`; names the lesions by their number in the list.

    """
    count, channels, side = given.raw.shape[:3]
    edges = np.linspace(0, side, BLOCKS + 1).astype(int)[:-1]
    means = given.raw.astype(np.float64)
    for axis in (2, 3, 4):
        sizes = np.diff(np.append(edges, side)).reshape([-1 if n == axis else 1 for n in range(5)])
        means = np.add.reduceat(means, edges, axis=axis) / sizes
    features = means.reshape(count, channels * BLOCKS**3)
    try:
        check_leaks(
            given.lesions.patients,
            ["training"] * count,
            features,
            lines=[row + 1 for row in given.lesions.rows],
        )
    except TooFewFeaturesError:
        # Patches that hardly vary may be alike by chance.
        return
