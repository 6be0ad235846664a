"""Which study to annotate next: what nobody has seen first; and leases, so that no two work on one."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from fdglung.segmentation import LesionSegmentation

Strategy = Literal["random", "first", "uncertainty", "disagreement", "volume_error", "diversity"]

LEASE_SECONDS = 1800.0
"""How long a study stays with the annotator who was given it, unless it is saved or asked for again."""


@dataclass(frozen=True)
class Signs:
    """What the automatic segmentation tells of a study, for the strategies.

    Attributes
    ----------
    uncertainty
        As `uncertainty_of` gives it.
    volume_error_ml
        As `expected_volume_error` gives it; None where thresholds propose.
    disagreement_ml
        As `fdglung.annotation.disagreement.disagreement_ml` gives it; None where thresholds propose.
    descriptor
        As `descriptor_of` gives it.

    """

    uncertainty: float
    volume_error_ml: float | None = None
    disagreement_ml: float | None = None
    descriptor: tuple[float, ...] = ()


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
    signs
        What the automatic segmentation tells of it; None where it has not been run.

    """

    name: str
    labelled: bool = False
    mine: bool = False
    signs: Signs | None = None


def choose_next(
    candidates: Iterable[Candidate],
    strategy: Strategy,
    *,
    centres: Iterable[Sequence[float]] = (),
    seed: int | None = None,
) -> Candidate | None:
    """Choose the study to annotate next.

    Parameters
    ----------
    candidates
        Studies that nobody else has a lease on.
    strategy
        ``first``: in the order of names; ``random``; ``uncertainty``, ``disagreement``, ``volume_error``: the largest
        of these signs; ``diversity``: what is least like all that is labelled or held. Where a sign is known of no
        study, by chance. Whatever it is, what nobody has labelled comes before what others have, and what the annotator
        has labelled never comes again.
    centres
        Descriptors of the studies that are labelled or held, for ``diversity``.
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
    scores = _diversity(first, list(centres)) if strategy == "diversity" else _signs(first, strategy)
    if scores:
        return max(scores, key=lambda scored: (scored[0], scored[1].name))[1]
    return chance.choice(sorted(first, key=lambda candidate: candidate.name))


def _signs(candidates: Iterable[Candidate], strategy: Strategy) -> list[tuple[float, Candidate]]:
    name = {"volume_error": "volume_error_ml", "disagreement": "disagreement_ml"}.get(strategy, "uncertainty")
    known = ((getattr(candidate.signs, name), candidate) for candidate in candidates if candidate.signs is not None)
    return [(value, candidate) for value, candidate in known if value is not None]


def _diversity(candidates: Iterable[Candidate], centres: Sequence[Sequence[float]]) -> list[tuple[float, Candidate]]:
    """Return the distance of each study to the nearest centre, as k-center greedy takes them.

    Sener and Savarese, *Active learning for convolutional neural networks: a core-set approach*, ICLR 2018. Without a
    centre the study nearest to the mean of all comes first.
    """
    known = [
        (candidate.signs.descriptor, candidate)
        for candidate in candidates
        if candidate.signs is not None and candidate.signs.descriptor
    ]
    if not known:
        return []
    places = np.array([descriptor for descriptor, _ in known], np.float64)
    others = np.array(centres, np.float64).reshape(-1, places.shape[1])
    everything = np.vstack([places, others])
    scale = everything.std(axis=0)
    scale[scale == 0] = 1
    if not len(others):
        distances = -np.linalg.norm((places - everything.mean(axis=0)) / scale, axis=1)
    else:
        distances = np.linalg.norm((places[:, None] - others[None]) / scale, axis=-1).min(axis=1)
    return [(float(distance), candidate) for distance, (_, candidate) in zip(distances, known, strict=True)]


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


def expected_volume_error(found: LesionSegmentation) -> float | None:
    """Return the volume in ml that is expected to be wrong, were the network's probability true.

    A voxel of probability p is wrong with 1 - p where it is called lesion and with p where it is not: the smaller of
    the two, summed over the PET. None where no network was used.
    """
    if found.probability is None:
        return None
    probability = sitk.GetArrayViewFromImage(found.probability)
    voxel_ml = float(np.prod(found.probability.GetSpacing())) / 1000
    return float(np.minimum(probability, 1 - probability).sum(dtype=np.float64)) * voxel_ml


def descriptor_of(pet: sitk.Image, found: LesionSegmentation) -> tuple[float, ...]:
    """Return what a study looks like, in a few numbers whose distance tells how alike two studies are.

    Logarithms (of 1 plus the value) of the number of lesions, their volume in ml, the largest one's volume, the highest
    SUVmax, the lesions' mean SUV, and the PET's mean SUV where it is above 0.2 g/ml.
    """
    suv, labels = sitk.GetArrayViewFromImage(pet), sitk.GetArrayViewFromImage(found.labels)
    voxel_ml = float(np.prod(pet.GetSpacing())) / 1000
    volumes = np.bincount(labels[labels > 0].ravel())[1:] * voxel_ml
    lesion = suv[labels > 0]
    body = suv[suv > 0.2]
    values = [
        float((volumes > 0).sum()),
        float(volumes.sum()),
        float(volumes.max(initial=0)),
        float(lesion.max(initial=0)),
        float(lesion.mean()) if lesion.size else 0.0,
        float(body.mean()) if body.size else 0.0,
    ]
    return tuple(float(np.log1p(max(0.0, value))) for value in values)
