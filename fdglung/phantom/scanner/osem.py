"""Ordered-subsets expectation maximisation of stacks of slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fdglung.phantom.scanner.projector import Projector

if TYPE_CHECKING:
    from torch import Tensor

_TINY = 1e-12


def reconstruct(
    data: Tensor,
    projector: Projector,
    *,
    factors: Tensor,
    background: Tensor | None = None,
    iterations: int,
    subsets: int,
    blur: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Reconstruct slices from counts (Hudson and Larkin 1994, 10.1109/42.363108).

    The model of the counts is ``factors * projector.forward(blur(image)) + background``.

    Parameters
    ----------
    data
        Counts: (views, slices, tof_bins, size).
    projector
        Of the model.
    factors
        Counts for one unit of the image along one cm of a line, attenuation included: broadcastable to `data`.
    background
        Expected counts that are not trues (scatter, randoms), as `data`; None for none.
    iterations, subsets
        Passes through the data, and parts of a pass; the views of a subset lie `subsets` apart.
    blur
        Symmetric point spread of the model on (slices, size, size); None for none.

    Returns
    -------
    Tensor
        (slices, size, size), nowhere below 0.

    """
    import torch

    size = projector.size
    ramp = (torch.arange(size, device=data.device) - (size - 1) / 2) ** 2
    circle = ((ramp[:, None] + ramp[None, :]) <= (size / 2) ** 2).to(data.dtype)
    image = circle.expand(data.shape[1], -1, -1).clone()
    parts = [range(first, projector.views, subsets) for first in _spread(subsets)]
    factors = factors.expand(data.shape[0], data.shape[1], factors.shape[2], data.shape[3])
    shares = []
    for part in parts:
        step = slice(part.start, None, subsets)
        lines = factors[step].expand(-1, -1, projector.tof_bins, -1)
        seen = projector.back(lines, part)
        shares.append(seen if blur is None else blur(seen))
    for _ in range(iterations):
        for part, seen in zip(parts, shares, strict=True):
            step = slice(part.start, None, subsets)
            expected = factors[step] * projector.forward(image if blur is None else blur(image), part)
            if background is not None:
                expected += background[step]
            ratio = factors[step] * data[step] / expected.clamp_min(_TINY)
            ratio[expected <= _TINY] = 0
            change = projector.back(ratio, part)
            if blur is not None:
                change = blur(change)
            image *= torch.where(seen > _TINY, change / seen.clamp_min(_TINY), torch.zeros_like(seen))
    return image


def _spread(subsets: int) -> list[int]:
    """Order of the subsets in which neighbours in time lie far apart in angle: by bits reversed."""
    bits = max(1, (subsets - 1).bit_length())
    turned = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(2**bits)]
    return [number for number in turned if number < subsets]
