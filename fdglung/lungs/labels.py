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


def sides_of_lobes(lobes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the side of each lobe, of an array of any shape."""
    side = [0, *(LEFT if name.startswith("left") else RIGHT for name in LOBES.values())]
    return np.array(side, np.uint8)[lobes]
