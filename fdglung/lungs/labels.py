"""What the values of a lung mask mean: sides, and lobes where a network tells them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RIGHT, LEFT = 1, 2
"""Labels of the lungs, as lungmask's R231 has them; the patient's own right and left."""

LOBES = {
    1: "left upper lobe",
    2: "left lower lobe",
    3: "right upper lobe",
    4: "right middle lobe",
    5: "right lower lobe",
}
"""Labels of the lobes, as lungmask's LTRCLobes has them."""

SIDES_CLASSES, LOBES_CLASSES = 3, 6
"""Outputs of a network that tells sides, and of one that tells lobes; background is one of them."""

_SIDES = (0, *(LEFT if name.startswith("left") else RIGHT for name in LOBES.values()))

SIDE_OF_UNKNOWN_LOBE = np.array([0, LOBES_CLASSES - 1 + RIGHT, LOBES_CLASSES - 1 + LEFT], np.uint8)
"""Labels of a network for lobes where the side alone is known, by the side's label: values above those of the lobes."""


def lobes_of_side(side: int) -> list[int]:
    """Return the labels of the lobes of a side."""
    return [lobe for lobe, of in enumerate(_SIDES) if of == side]


def sides_of_lobes(lobes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the side of each lobe, of an array of any shape."""
    return np.array(_SIDES, np.uint8)[lobes]
