"""A network over a volume by overlapping windows with Gaussian weights; smaller ones where memory does not suffice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import OutOfMemoryError, ParameterError
from fdglung.network.spec import STEPS

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From (1, channel, z, y, x) to (1, output, z, y, x)."""

Volume = NDArray[np.float32]

_SIGMA_OF_WINDOW = 0.125
_LOWEST_WEIGHT = 1e-3
_LEFT_RIGHT = 4


def sliding_window(
    image: Volume,
    predict: Predict,
    window: Sequence[int],
    *,
    overlap: float = 0.5,
    outside: Sequence[float] = (),
    progress: Callable[[float], None] | None = None,
) -> Volume:
    """Return the weighted mean of a network's output over windows.

    Parameters
    ----------
    image
        (channel, z, y, x), normalised.
    predict
        The network.
    window
        Voxels (z, y, x) of a window.
    overlap
        Share of a window that the next one covers again; 0 to 0.9.
    outside
        Value of each channel beyond the image, where it is smaller than a window; 0 by default.
    progress
        Called with the fraction done.

    Returns
    -------
    numpy.ndarray
        (output, z, y, x).

    """
    if not 0 <= overlap <= 0.9:
        raise ParameterError(f"{overlap} is no share", attribute="overlap", remedy="Give an overlap from 0 to 0.9")
    volume, inner = padded(image, window, outside or (0.0,) * len(image))
    weights = importance(window)
    total: Volume | None = None
    norm = np.zeros(volume.shape[1:], np.float32)
    places = list(_places(volume.shape[1:], window, overlap))
    for done, place in enumerate(places):
        if progress is not None:
            progress(done / len(places))
        output = predict(np.ascontiguousarray(volume[(slice(None), *place)][np.newaxis]))[0]
        if total is None:
            total = np.zeros((len(output), *volume.shape[1:]), np.float32)
        total[(slice(None), *place)] += weights * output
        norm[place] += weights
    assert total is not None  # a volume has at least one window
    total /= norm
    return total[(slice(None), *inner)]


def with_smaller_windows(
    run: Callable[[tuple[int, int, int]], Volume], window: Sequence[int]
) -> tuple[Volume, tuple[int, int, int]]:
    """Run with a window, and with ever smaller ones as long as memory does not suffice.

    Parameters
    ----------
    run
        Takes the window (z, y, x) and gives the result.
    window
        First one to try.

    Returns
    -------
    result
        What `run` gave.
    window
        The window that memory sufficed for.

    Raises
    ------
    OutOfMemoryError
        Not even the smallest window fits.

    """
    current = (int(window[0]), int(window[1]), int(window[2]))
    while True:
        try:
            return run(current), current
        except (MemoryError, RuntimeError) as error:
            if not _is_lack_of_memory(error):
                raise
            smaller = tuple(max(2 * STEPS, n // 2 // STEPS * STEPS) if n > 2 * STEPS else n for n in current)
            if smaller == current:
                raise OutOfMemoryError(
                    f"memory does not suffice for a window of {current[0]} x {current[1]} x {current[2]} voxels",
                    attribute="window",
                    remedy="Close other programs, or use a machine with more memory",
                ) from error
            current = (smaller[0], smaller[1], smaller[2])


def mirrored(predict: Predict) -> Predict:
    """Return the mean of a network over its window and the window mirrored left to right.

    Training mirrors left to right alone: no patient stands on their head, and a network that never saw one fails there.
    """

    def mean(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        other = np.flip(predict(np.ascontiguousarray(np.flip(batch, _LEFT_RIGHT))), _LEFT_RIGHT)
        return (predict(batch) + other) / np.float32(2)

    return mean


def importance(window: Sequence[int]) -> NDArray[np.float32]:
    """Return the weights (z, y, x) of a window: a Gaussian of an eighth of its side, never below a thousandth."""
    weights = np.ones((), np.float32)
    for side in window:
        steps = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
        profile = np.exp(-(steps**2) / np.float32(2 * (_SIGMA_OF_WINDOW * side) ** 2))
        weights = weights[..., np.newaxis] * profile
    return np.maximum(weights, np.float32(max(float(weights.min()), _LOWEST_WEIGHT)))


def padded(image: Volume, window: Sequence[int], outside: Sequence[float]) -> tuple[Volume, tuple[slice, ...]]:
    """Centre an image in a volume that is no smaller than a window.

    Parameters
    ----------
    image
        (channel, z, y, x).
    window
        Voxels (z, y, x).
    outside
        Value of each channel beyond the image.

    Returns
    -------
    volume
        The image itself where it is large enough.
    inner
        Where the image lies in it (z, y, x).

    """
    lacking = [max(0, w - n) for w, n in zip(window, image.shape[1:], strict=True)]
    inner = tuple(slice(gap // 2, gap // 2 + n) for gap, n in zip(lacking, image.shape[1:], strict=True))
    if not any(lacking):
        return image, inner
    larger = np.empty((len(image), *(n + gap for n, gap in zip(image.shape[1:], lacking, strict=True))), np.float32)
    larger[:] = np.asarray(outside, np.float32)[:, np.newaxis, np.newaxis, np.newaxis]
    larger[(slice(None), *inner)] = image
    return larger, inner


def _places(shape: Sequence[int], window: Sequence[int], overlap: float) -> Iterator[tuple[slice, ...]]:
    starts = []
    for size, side in zip(shape, window, strict=True):
        step = max(1, int(side * (1 - overlap)))
        count = 1 if size <= side else -(-(size - side) // step) + 1
        starts.append([min(i * step, size - side) for i in range(count)])
    for corner in itertools.product(*starts):
        yield tuple(slice(start, start + side) for start, side in zip(corner, window, strict=True))


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    return any(
        sign in text
        for sign in ("out of memory", "not enough memory", "can't allocate", "bad_alloc", "failed to allocate")
    )
