"""Colours of lesions, the same in segmentation and pictures."""

from __future__ import annotations

import colorsys


def display_colors(count: int) -> list[tuple[float, float, float]]:
    """Give every lesion a colour of its own, the same in SEG and pictures.

    Parameters
    ----------
    count
        Number of lesions.

    Returns
    -------
    list of tuple
        Red, green and blue from 0 to 1; neighbours in the list differ strongly in hue (golden angle), and every other
        turn in lightness.

    """
    return [colorsys.hls_to_rgb((0.93 + 0.381966 * n) % 1.0, (0.46, 0.36, 0.56)[n % 3], 0.9) for n in range(count)]
