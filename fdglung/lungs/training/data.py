"""Batches of changed slices, the same for the same seed and step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import DataListError
from fdglung.lungs.labels import LOBES_CLASSES
from fdglung.lungs.training.augmentation import SliceAugmentation

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]


def as_input(hu: NDArray[np.generic]) -> NDArray[np.float32]:
    """Bring HU to what the network sees, as `lungmask.LMInferer` does: -1024 to 600 becomes 0 to 1."""
    return ((np.clip(np.asarray(hu, np.float32), -1024, 600) + 1024) / 1624).astype(np.float32)


class SliceData:
    """Slices of one split, in memory.

    Parameters
    ----------
    folder
        What `fdglung.lungs.training.slices.write_slices` wrote.
    split
        ``train`` or ``validation``.
    classes
        3 for sides; 6 for lobes, which takes only the cases whose lobes are known.

    Raises
    ------
    DataListError
        There is no case of this split.

    """

    def __init__(self, folder: Path | str, split: str, classes: int) -> None:
        self.names: list[str] = []
        self.hu: list[NDArray[np.int16]] = []
        self.labels: list[NDArray[np.uint8]] = []
        for path in sorted(Path(folder).glob("*.npz")):
            with np.load(path) as arrays:
                labels = arrays["lobes" if classes == LOBES_CLASSES else "sides"]
                if str(arrays["split"]) == split and len(labels):
                    self.names.append(path.stem)
                    self.hu.append(arrays["hu"])
                    self.labels.append(labels)
        if not self.names:
            raise DataListError(
                f"{folder} holds no slices of the split {split} for {classes} classes",
                attribute="training data",
                remedy="Prepare slices with `fdglung train-lungs slices`",
            )
        holds = [labels.any(axis=(1, 2)) for labels in self.labels]
        self._with_lung = [(i, z) for i, planes in enumerate(holds) for z in np.flatnonzero(planes)]
        self._without = [(i, z) for i, planes in enumerate(holds) for z in np.flatnonzero(~planes)]

    def batch(
        self, step: int, *, size: int, seed: int, empty_share: float, half_share: float, augmentation: SliceAugmentation
    ) -> Batch:
        """Return the batch of a step: slices (slice, 1, y, x) as the network sees them, and labels (slice, y, x).

        Parameters
        ----------
        step
            Counted from 0.
        size
            Slices.
        seed
            Of everything.
        empty_share
            Share of slices without lung.
        half_share
            Chance that a batch is at half resolution, as the first look for the lungs' extent is.
        augmentation
            How slices are changed.

        """
        rng = np.random.default_rng((seed, step))
        stride = 2 if rng.random() < half_share else 1
        images, targets = [], []
        for _ in range(size):
            places = self._without if self._without and rng.random() < empty_share else self._with_lung
            case, z = places[int(rng.integers(len(places)))]
            hu, labels = augmentation(self.hu[case][z].astype(np.float32), self.labels[case][z], rng)
            images.append(as_input(hu[::stride, ::stride]))
            targets.append(labels[::stride, ::stride].astype(np.int64))
        return np.stack(images)[:, None], np.stack(targets)

    def whole(self, every: int) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.uint8]]]:
        """Yield name, input (slice, 1, y, x) and labels (slice, y, x) of each case, every so many slices."""
        for name, hu, labels in zip(self.names, self.hu, self.labels, strict=True):
            yield name, as_input(hu[::every])[:, None], labels[::every]
