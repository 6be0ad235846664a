"""Raw values of PET and CT to what a network sees: linear between points, the same code in training and inference."""

from __future__ import annotations

import itertools
from typing import Any

from fdglung.errors import ParameterError

Table = tuple[tuple[float, float], ...]
"""Points (raw value, normalised value), both rising; beyond the ends the normalised value stays."""

OUTSIDE = {"PET": 0.0, "CT": -1000.0, "MASK": 0.0, "foreground": 0.0, "background": 0.0}
"""What lies outside an image: no uptake in g/ml, air in HU, no lesion, no click."""


def normalised(values: Any, table: Table) -> Any:
    """Map raw values onto a network's input.

    Parameters
    ----------
    values
        A numpy array or a torch tensor of any shape: SUVbw in g/ml or HU.
    table
        Points of the map.

    Returns
    -------
    array or tensor
        Same kind and shape.

    """
    result = table[0][1] + 0 * values
    for (x0, y0), (x1, y1) in itertools.pairwise(table):
        result = result + (y1 - y0) / (x1 - x0) * (values.clip(x0, x1) - x0)
    return result


def outside(channel: str, table: Table) -> float:
    """Return the normalised value of what lies outside an image of this channel."""
    x = OUTSIDE[channel]
    return float(
        table[0][1] + sum((b - d) / (a - c) * (min(max(x, c), a) - c) for (c, d), (a, b) in itertools.pairwise(table))
    )


def check_table(channel: str, table: Table) -> None:
    """Refuse a table that is no rising map.

    Raises
    ------
    ParameterError
        It has fewer than two points, or they do not rise.

    """
    if len(table) < 2 or any(not (a[0] < b[0] and a[1] <= b[1]) for a, b in itertools.pairwise(table)):
        raise ParameterError(
            f"the normalisation of {channel} is no rising line of two points or more",
            attribute="normalisation",
            remedy="Give pairs of raw and normalised value, both rising, such as [[0, 0], [10, 2]]",
        )
