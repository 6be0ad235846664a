"""Which study to annotate next: what nobody has seen first; and leases, so that no two work on one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from fdglung.segmentation import LesionSegmentation

Strategy = Literal["random", "first", "uncertainty"]

LEASE_SECONDS = 1800.0
"""How long a study stays with the annotator who was given it, unless it is saved or asked for again."""


@dataclass(frozen=True)
class Candidate:
    """A study that may be next.

    Attributes
    ----------
    name
        Of the study.
    labelled
        Whether anyone has submitted a label.
    mine
        Whether the annotator who asks has.
    uncertainty
        How unsure the automatic segmentation is of it, larger is less sure; None where it has not been run.

    """

    name: str
    labelled: bool = False
    mine: bool = False
    uncertainty: float | None = None


def choose_next(candidates: Iterable[Candidate], strategy: Strategy, *, seed: int | None = None) -> Candidate | None:
    """Choose the study to annotate next.

    Parameters
    ----------
    candidates
        Studies that nobody else has a lease on.
    strategy
        ``first``: in the order of names; ``random``; ``uncertainty``: the least sure of those that something is known
        of, else by chance. Whatever it is, what nobody has labelled comes before what others have, and what
        the annotator has labelled never comes again.
    seed
        Makes chance repeatable.

    Returns
    -------
    Candidate or None
        None where the annotator has labelled everything that is free.

    """
    chance = random.Random(seed)
    open_ones = [candidate for candidate in candidates if not candidate.mine]
    first = [candidate for candidate in open_ones if not candidate.labelled] or open_ones
    if not first:
        return None
    if strategy == "first":
        return min(first, key=lambda candidate: candidate.name)
    if strategy == "random":
        return chance.choice(sorted(first, key=lambda candidate: candidate.name))
    known = [candidate for candidate in first if candidate.uncertainty is not None]
    if known:
        return max(known, key=lambda candidate: (candidate.uncertainty or 0.0, candidate.name))
    return chance.choice(sorted(first, key=lambda candidate: candidate.name))


class Leases:
    """Who works on which study; for many threads."""

    def __init__(self, *, seconds: float = LEASE_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.clock = clock
        self._held: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def take(self, annotator: str, choose: Callable[[Mapping[str, str]], str | None]) -> str | None:
        """Give an annotator a study while nobody else can be given one.

        Parameters
        ----------
        annotator
            Who asks.
        choose
            Called with the studies that others hold; returns one that is not among them, or None.

        Returns
        -------
        str or None
            The study, held from now on, in place of what the annotator held before.

        """
        with self._lock:
            chosen = choose(self._others(annotator))
            if chosen is not None:
                self._held = {name: lease for name, lease in self._held.items() if lease[0] != annotator}
                self._held[chosen] = (annotator, self.clock() + self.seconds)
            return chosen

    def release(self, study: str, annotator: str) -> None:
        """End an annotator's lease on a study, if there is one."""
        with self._lock:
            if self._held.get(study, ("", 0.0))[0] == annotator:
                del self._held[study]

    def _others(self, annotator: str) -> dict[str, str]:
        now = self.clock()
        self._held = {name: lease for name, lease in self._held.items() if lease[1] > now}
        return {name: lease[0] for name, lease in self._held.items() if lease[0] != annotator}


def uncertainty_of(found: LesionSegmentation) -> float:
    """Return how unsure a segmentation is.

    Parameters
    ----------
    found
        Of a network: the entropy of its probability summed over the PET, in ml bit; the mean of several networks is
        the less sure the more they disagree. Of thresholds, which know no probability: the volume of the lesions in ml.

    """
    voxel_ml = float(np.prod(found.labels.GetSpacing())) / 1000
    if found.probability is None:
        return float(np.count_nonzero(sitk.GetArrayViewFromImage(found.labels))) * voxel_ml
    probability = sitk.GetArrayFromImage(found.probability).astype(np.float64)
    unsure = probability[(probability > 0) & (probability < 1)]
    entropy = -(unsure * np.log2(unsure) + (1 - unsure) * np.log2(1 - unsure))
    return float(entropy.sum()) * voxel_ml
