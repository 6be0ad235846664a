"""Batches of changed slices, the same for the same seed and step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdglung.errors import DataListError
from fdglung.lungs.labels import LOBES_CLASSES, SIDE_OF_UNKNOWN_LOBE
from fdglung.lungs.slices import as_input
from fdglung.lungs.training.augmentation import SliceAugmentation
from fdglung.lungs.training.slices import TRAIN

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]


class SliceData:
    """Slices of one split, in memory.

    Parameters
    ----------
    folder
        What `fdglung.lungs.training.slices.write_slices` wrote.
    split
        ``train`` or ``validation``.
    classes
        3 for sides; 6 for lobes, where a case whose lobes are not known has `SIDE_OF_UNKNOWN_LOBE` in their place, and
        is not taken for validation.

    Raises
    ------
    DataListError
        There is no case of this split, or for lobes none that tells them.

    """

    def __init__(self, folder: Path | str, split: str, classes: int) -> None:
        self.names: list[str] = []
        self.hu: list[NDArray[np.int16]] = []
        self.labels: list[NDArray[np.uint8]] = []
        scanned: list[bool] = []
        for path in sorted(Path(folder).glob("*.npz")):
            with np.load(path) as arrays:
                # A patient's CT comes with a mask of the sides, a synthetic one with lobes as well.
                of_patient = not len(arrays["lobes"])
                if str(arrays["split"]) != split or (of_patient and classes == LOBES_CLASSES and split != TRAIN):
                    continue
                labels = arrays["lobes" if classes == LOBES_CLASSES and not of_patient else "sides"]
                if of_patient and classes == LOBES_CLASSES:
                    labels = SIDE_OF_UNKNOWN_LOBE[labels]
                self.names.append(path.stem)
                self.hu.append(arrays["hu"])
                self.labels.append(labels)
                scanned.append(of_patient)
        if not self.names or (classes == LOBES_CLASSES and all(scanned)):
            raise DataListError(
                f"{folder} holds no slices of the split {split} for {classes} classes",
                attribute="training data",
                remedy="Prepare slices with `fdglung train-lungs slices`",
            )
        # Places by whether they are a patient's and whether they show lung.
        self._places: dict[tuple[bool, bool], list[tuple[int, int]]] = {}
        for i, labels in enumerate(self.labels):
            for z, lung in enumerate(labels.any(axis=(1, 2))):
                self._places.setdefault((scanned[i], bool(lung)), []).append((i, z))

    def batch(
        self,
        step: int,
        *,
        size: int,
        seed: int,
        empty_share: float,
        scanned_share: float,
        half_share: float,
        augmentation: SliceAugmentation,
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
        scanned_share
            Share of slices of patients' CTs, where there are synthetic ones too.
        half_share
            Chance that a batch is at half resolution, as the first look for the lungs' extent is.
        augmentation
            How slices are changed.

        """
        rng = np.random.default_rng((seed, step))
        stride = 2 if rng.random() < half_share else 1
        images, targets = [], []
        for _ in range(size):
            case, z = self._drawn(rng, scanned=rng.random() < scanned_share, lung=rng.random() >= empty_share)
            hu, labels = augmentation(self.hu[case][z].astype(np.float32), self.labels[case][z], rng)
            images.append(as_input(hu[::stride, ::stride]))
            targets.append(labels[::stride, ::stride].astype(np.int64))
        return np.stack(images)[:, None], np.stack(targets)

    def _drawn(self, rng: np.random.Generator, *, scanned: bool, lung: bool) -> tuple[int, int]:
        """Return case and slice of a kind, or of the kind nearest to it that there is."""
        for kind in ((scanned, lung), (not scanned, lung), (scanned, not lung), (not scanned, not lung)):
            if places := self._places.get(kind):
                return places[int(rng.integers(len(places)))]
        raise AssertionError("there is a slice")

    def whole(self, every: int) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.uint8]]]:
        """Yield name, input (slice, 1, y, x) and labels (slice, y, x) of each case, every so many slices."""
        for name, hu, labels in zip(self.names, self.hu, self.labels, strict=True):
            yield name, as_input(hu[::every])[:, None], labels[::every]
