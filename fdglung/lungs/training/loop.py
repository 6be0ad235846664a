"""Training of lungmask's network at a narrow width: cross-entropy and Dice, averaged weights, taken up where it was."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fdglung.errors import (
    CheckpointError,
    DataListError,
    DivergedTrainingError,
    LungWeightsError,
    ParameterError,
)
from fdglung.files import write_files
from fdglung.lungs.labels import LEFT, LOBES_CLASSES, RIGHT, SIDES_CLASSES, lobes_of_side, sides_of_lobes
from fdglung.lungs.training.augmentation import SliceAugmentation
from fdglung.lungs.training.data import SliceData
from fdglung.lungs.training.slices import TRAIN, VALIDATION
from fdglung.lungs.unet import build
from fdglung.lungs.weights import read_weights

LAST, BEST, LOG = "last.pt", "lungs_narrow.pth", "log.jsonl"
"""Files of a run: all that taking it up needs, the state dict of the best validation, and a line a validation."""

_WARM_UP = 0.02
_EVERY = 3


@dataclass(frozen=True)
class TrainingSettings:
    """What a user may choose.

    Attributes
    ----------
    width
        Channels of the first layer, a power of two.
    classes
        3 for sides, 6 for lobes.
    steps, batch
        Steps of the whole run, and slices a step.
    learning_rate, weight_decay
        Of AdamW; the rate rises over a fiftieth of the steps and then falls to 0 along a half cosine.
    average
        Decay of the averaged weights, which are the ones that are kept; less in the first steps.
    empty_share, scanned_share, half_share
        See `SliceData.batch`.
    validate_every
        Steps between validations and checkpoints.
    bfloat16
        Convolutions in bfloat16, which is faster on processors that have it.
    seed
        Of everything.
    augmentation
        How slices are changed.

    Raises
    ------
    ParameterError
        A value outside its range.

    """

    width: int = 8
    classes: int = SIDES_CLASSES
    steps: int = 12_000
    batch: int = 12
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    average: float = 0.998
    empty_share: float = 0.15
    scanned_share: float = 0.25
    half_share: float = 0.2
    validate_every: int = 500
    bfloat16: bool = False
    seed: int = 0
    augmentation: SliceAugmentation = field(default_factory=SliceAugmentation)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every"):
            if getattr(self, name) < 1:
                raise _refused(name, getattr(self, name), "1 or more")
        for name in ("empty_share", "scanned_share", "half_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise _refused(name, getattr(self, name), "a share from 0 to 1")
        if self.width < 1 or self.width & (self.width - 1):
            raise _refused("width", self.width, "a power of two")
        if self.classes not in (SIDES_CLASSES, LOBES_CLASSES):
            raise _refused("classes", self.classes, f"{SIDES_CLASSES} or {LOBES_CLASSES}")


def train(
    slices: Path | str,
    out: Path | str,
    settings: TrainingSettings,
    *,
    pretrained: Path | None = None,
    until: int | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Path:
    """Train a network, or take up the run that `out` holds.

    Parameters
    ----------
    slices
        What `fdglung.lungs.training.slices.write_slices` wrote. Without slices set apart for validation the network is
        validated on those that it is trained on, and each line of the log says so (``validated_on``).
    out
        Folder of the run.
    settings
        Must be those that the run began with.
    pretrained
        State dict that a new run begins with, of the same width and of the same classes, or of sides for a network that
        tells lobes; a run that is taken up has its own.
    until
        Step after which to end for now; None for the last.
    progress
        Called with a text and the fraction of the whole run done.

    Returns
    -------
    Path
        The state dict of the best validation, in lungmask's format.

    Raises
    ------
    DataListError
        There are no slices to train on.
    LungWeightsError
        `pretrained` is no such file, or of another width, or of classes that cannot begin those asked for.
    CheckpointError
        The run in `out` began with other settings, or its checkpoint is broken.
    DivergedTrainingError
        The loss is no number.

    """
    import torch
    from torch.optim.swa_utils import AveragedModel

    tell = progress or (lambda text, fraction: None)
    out = Path(out)
    data = SliceData(slices, TRAIN, settings.classes)
    validated_on = VALIDATION
    try:
        held_out = SliceData(slices, VALIDATION, settings.classes)
    except DataListError:
        held_out, validated_on = data, TRAIN
    torch.manual_seed(settings.seed)
    # Convolutions of few channels take half the time with the channels last.
    network = build(settings.width, settings.classes).to(memory_format=torch.channels_last).train()
    if pretrained is not None:
        network.load_state_dict(_weights_to_begin_with(pretrained, settings))
    averaged = AveragedModel(network, multi_avg_fn=_average(settings.average), use_buffers=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.99)
    )
    parts = {"network": network, "averaged": averaged, "optimizer": optimizer}
    start, best = _taken_up(out / LAST, parts, settings)
    stop = settings.steps if until is None else min(until, settings.steps)
    loss_sum = 0.0
    for step in range(start, stop):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _rate(step, settings.steps)
        images, labels = data.batch(
            step,
            size=settings.batch,
            seed=settings.seed,
            empty_share=settings.empty_share,
            scanned_share=settings.scanned_share,
            half_share=settings.half_share,
            augmentation=settings.augmentation,
        )
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            scores = network(torch.from_numpy(images).contiguous(memory_format=torch.channels_last))
        loss = _loss(scores.float(), torch.from_numpy(labels))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        averaged.update_parameters(network)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedTrainingError(
                f"the loss of step {step} is no number", remedy="Lower the learning rate, or leave bfloat16 out"
            )
        loss_sum += value
        done = step + 1
        tell(f"{done}: loss {value:.3f}, Dice {max(best, 0):.3f}", done / settings.steps)
        if done % settings.validate_every == 0 or done == stop:
            since = done - max(start, (done - 1) // settings.validate_every * settings.validate_every)
            dice = _validated(averaged.module, held_out, settings.classes)
            line = {
                "step": done,
                "loss": round(loss_sum / since, 5),
                "dice": [round(one, 5) for one in dice],
                "validated_on": validated_on,
            }
            contents = {}
            if float(np.mean(dice)) > best:
                best = float(np.mean(dice))
                contents[out / BEST] = _bytes_of(averaged.module.state_dict())
            earlier = (out / LOG).read_bytes() if (out / LOG).is_file() else b""
            contents[out / LOG] = earlier + (json.dumps(line) + "\n").encode()
            state = {name: part.state_dict() for name, part in parts.items()}
            contents[out / LAST] = _bytes_of({"step": done, "best": best, "settings": _text(settings), **state})
            write_files(contents)
            loss_sum = 0.0
    return out / BEST


def _weights_to_begin_with(path: Path, settings: TrainingSettings) -> dict[str, Any]:
    """Return the state dict of a file; one of sides begins a network for lobes, each lobe as its side."""
    weights = read_weights(path)
    fits = weights.classes == settings.classes or (weights.classes, settings.classes) == (SIDES_CLASSES, LOBES_CLASSES)
    if weights.state is None or weights.width != settings.width or not fits:
        raise LungWeightsError(
            f"{path.name} is no state dict that a network of width {settings.width} and {settings.classes} classes can "
            "begin with",
            attribute="pretrained",
            remedy="Give a state dict of that width, with those classes or with sides for lobes, or set both as the "
            "file has them",
        )
    if weights.classes == settings.classes:
        return weights.state
    sides = sides_of_lobes(np.arange(settings.classes, dtype=np.uint8)).tolist()
    return weights.state | {name: weights.state[name][sides] for name in ("last.weight", "last.bias")}


def _average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Return how averages follow: by `decay`, and faster at first, so that the beginning is soon forgotten.

    The decay after n steps is at most (1 + n) / (10 + n), as TensorFlow's ExponentialMovingAverage has it.
    """
    import torch

    def follow(averages: Any, values: Any, steps: Any) -> None:
        share = 1 - min(decay, (1 + int(steps)) / (10 + int(steps)))
        for average, value in zip(averages, values, strict=True):
            if torch.is_floating_point(average):
                average.lerp_(value, share)
            else:
                average.copy_(value)

    return follow


def _loss(logarithms: Any, labels: Any) -> Any:
    """Return cross-entropy plus one less the mean soft Dice of the classes but background, over the batch.

    Pixels of which the side alone is known (`SIDE_OF_UNKNOWN_LOBE`) count by the sum of the side's probabilities, and
    their slices are left out of the Dice.
    """
    import torch
    from torch.nn import functional

    classes = logarithms.shape[1]
    known = (labels < classes).all(dim=2).all(dim=1)
    by_side = logarithms
    if classes == LOBES_CLASSES:
        sides = [torch.logsumexp(logarithms[:, lobes_of_side(side)], 1, keepdim=True) for side in (RIGHT, LEFT)]
        by_side = torch.cat((logarithms, *sides), 1)
    entropy = functional.nll_loss(by_side, labels)
    if not known.any():
        return entropy
    probabilities = logarithms[known].exp()
    truth = functional.one_hot(labels[known], classes).permute(0, 3, 1, 2)
    axes = (0, 2, 3)
    both = (probabilities * truth).sum(axes)[1:]
    sizes = (probabilities.sum(axes) + truth.sum(axes))[1:]
    dice = (2 * both + 1) / (sizes + 1)
    return entropy + 1 - torch.mean(dice)


def _validated(network: Any, data: SliceData, classes: int) -> list[float]:
    """Return the Dice of each class but background, the mean over cases, without post-processing."""
    import torch

    network.eval()
    dice = []
    with torch.inference_mode():
        for _, images, labels in data.whole(_EVERY):
            found = np.concatenate(
                [
                    network(torch.from_numpy(images[start : start + 8])).argmax(1).numpy()
                    for start in range(0, len(images), 8)
                ]
            )
            pairs = [(found == label, labels == label) for label in range(1, classes)]
            dice.append([2 * float((a & b).sum()) / max(1, int(a.sum()) + int(b.sum())) for a, b in pairs])
    return [float(value) for value in np.mean(dice, axis=0)]


def _rate(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / (_WARM_UP * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _taken_up(path: Path, parts: dict[str, Any], settings: TrainingSettings) -> tuple[int, float]:
    from fdglung.network.checkpoint import read_torch

    if not path.is_file():
        return 0, -1.0
    content = read_torch(path)
    if content.get("settings") != _text(settings):
        raise CheckpointError(
            f"the run in {path.parent} began with other settings",
            attribute="settings",
            remedy="Give the settings that it began with, or another folder",
        )
    for name, part in parts.items():
        part.load_state_dict(content[name])
    return int(content["step"]), float(content["best"])


def _text(settings: TrainingSettings) -> str:
    return json.dumps(asdict(settings), sort_keys=True)


def _bytes_of(content: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _refused(name: str, value: object, allowed: str) -> ParameterError:
    return ParameterError(f"{name} is {value}", attribute=name, remedy=f"Give {allowed}")
