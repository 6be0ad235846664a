"""One network trained on lesions and their patients at once; its weights are an average over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from fdglung.classification.image.architecture import LesionNetwork, build
from fdglung.classification.image.augmentation import Augmentation
from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.classification.image.patches import network_input
from fdglung.errors import DivergedTrainingError

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Bag:
    """The lesions of one patient.

    Attributes
    ----------
    rows
        Of the lesions.
    code
        Place of the patient's class; -1 where it is not known.

    """

    rows: Indices
    code: int


def fit(
    raw: NDArray[np.float32],
    codes: Indices,
    bags: Sequence[Bag],
    classes: int,
    config: ImageClassifierConfig,
    *,
    seed: int,
    progress: Callable[[float], None] | None = None,
) -> LesionNetwork:
    """Train a network.

    The loss is the cross-entropy of the lesions plus `patient_weight` times that of the patients, each class weighted
    by the inverse of its count. The result is the exponential moving average of the weights over the steps.

    Parameters
    ----------
    raw
        (lesions, channels, z, y, x) in g/ml and HU.
    codes
        (lesions,) classes.
    bags
        Patients that are trained on.
    classes
        How many.
    config
        All that decides it.
    seed
        Of weights, order and augmentation: the same gives the same network on the same machine.
    progress
        Called with the fraction done.

    Returns
    -------
    LesionNetwork
        For evaluation.

    Raises
    ------
    DivergedTrainingError
        The loss is no number.

    """
    random = np.random.default_rng(seed)
    network = build(config, classes, seed=seed).train()
    augmented = Augmentation(config, seed)
    known = [bag for bag in bags if bag.code >= 0]
    of_lesions = _balance(codes[np.concatenate([bag.rows for bag in bags])], classes)
    of_patients = _balance(np.array([bag.code for bag in known], dtype=np.intp), classes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    total = config.epochs * _step_count(bags, config)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=total + 1)
    average = AveragedModel(network, avg_fn=_average(config.ema_decay), use_buffers=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for epoch in range(config.epochs):
            for group in _steps(bags, config, random):
                patches = [augmented(torch.from_numpy(raw[bag.rows])) for bag in group]
                seen = torch.from_numpy(network_input(torch.cat(patches).numpy(), config))
                loss = _loss(network, seen, codes, group, (of_lesions, of_patients), config.patient_weight)
                if not math.isfinite(float(loss.detach())):
                    raise DivergedTrainingError(
                        f"The loss is no number in pass {epoch + 1}",
                        attribute="learning_rate",
                        remedy="Lower the learning rate",
                    )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                average.update_parameters(network)
            if progress:
                progress((epoch + 1) / config.epochs)
    found = average.module
    assert isinstance(found, LesionNetwork)
    return found.eval()


def bags_of(patients: Sequence[str], rows: Indices, classes: dict[str, int]) -> list[Bag]:
    """Return the patients of some lesions, in order of their names.

    Parameters
    ----------
    patients
        (all lesions,) of each.
    rows
        Lesions that are taken.
    classes
        Patient to place of the class; a patient may be missing.

    """
    whose: dict[str, list[int]] = {}
    for row in rows.tolist():
        whose.setdefault(patients[row], []).append(row)
    return [Bag(np.array(whose[name], dtype=np.intp), classes.get(name, -1)) for name in sorted(whose)]


def _average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Return what averages weights; the random start is forgotten faster: (1 + n) / (10 + n) after n steps."""

    def moved(old: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
        share = min(decay, (1 + int(count)) / (10 + int(count)))
        return share * old + (1 - share) * new

    return moved


def _steps(bags: Sequence[Bag], config: ImageClassifierConfig, random: np.random.Generator) -> list[list[Bag]]:
    """Draw at most `most_lesions` of each patient, shuffle, and put patients together to steps of like size."""
    drawn = []
    for place in random.permutation(len(bags)).tolist():
        bag = bags[place]
        kept = np.sort(random.permutation(bag.rows)[: config.most_lesions])
        drawn.append(Bag(kept, bag.code))
    count = _step_count(bags, config)
    ends = np.cumsum([len(bag.rows) for bag in drawn])
    return list(_groups(drawn, (ends - 1) * count // ends[-1], count))


def _step_count(bags: Sequence[Bag], config: ImageClassifierConfig) -> int:
    total = sum(min(len(bag.rows), config.most_lesions) for bag in bags)
    return max(1, round(total / config.lesions_per_step))


def _groups(drawn: Sequence[Bag], which: Indices, count: int) -> Iterator[list[Bag]]:
    for number in range(count):
        group = [bag for bag, own in zip(drawn, which, strict=True) if own == number]
        # Batch normalisation needs two lesions or more.
        if sum(len(bag.rows) for bag in group) > 1:
            yield group


def _loss(
    network: LesionNetwork,
    seen: Tensor,
    codes: Indices,
    group: Sequence[Bag],
    weights: tuple[Tensor, Tensor],
    patient_weight: float,
) -> Tensor:
    embedding = network.dropout(network.backbone(seen))
    truth = torch.from_numpy(np.concatenate([codes[bag.rows] for bag in group]).astype(np.int64))
    loss: Tensor = nn.functional.cross_entropy(network.lesion(embedding), truth, weight=weights[0])
    parts = embedding.split([len(bag.rows) for bag in group])
    told = [(part, bag.code) for part, bag in zip(parts, group, strict=True) if bag.code >= 0]
    if told and patient_weight:
        logits = torch.stack([network.pooled(part)[1] for part, _ in told])
        own = torch.tensor([code for _, code in told])
        loss = loss + patient_weight * nn.functional.cross_entropy(logits, own, weight=weights[1])
    return loss


def _balance(codes: Indices, classes: int) -> Tensor:
    counts = np.bincount(codes, minlength=classes)
    weights = np.where(counts > 0, len(codes) / (classes * np.maximum(counts, 1)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))
