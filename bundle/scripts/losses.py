"""Dice and cross-entropy, with coarser outputs weighted less."""

from __future__ import annotations

import torch
from monai.losses import DiceCELoss
from torch.nn import functional

from scripts.cases import IGNORED

_CERTAIN = 20.0


class LesionLoss(torch.nn.Module):
    """Dice over the whole batch plus cross-entropy, the mean over an output and its coarser companions.

    Parameters
    ----------
    dice_weight, ce_weight
        Of the two parts.
    coarser_weight
        Weight of a coarser output as a fraction of that of the next finer one.

    """

    def __init__(self, dice_weight: float = 1.0, ce_weight: float = 1.0, coarser_weight: float = 0.5) -> None:
        super().__init__()
        self.coarser_weight = coarser_weight
        self.loss = DiceCELoss(
            softmax=True,
            to_onehot_y=True,
            include_background=False,
            batch=True,
            lambda_dice=dice_weight,
            lambda_ce=ce_weight,
        )

    def forward(self, output: torch.Tensor | list[torch.Tensor], label: torch.Tensor) -> torch.Tensor:
        """Return the loss of logits.

        Parameters
        ----------
        output
            (batch, output, z, y, x); with deep supervision a list of such, finest first, or their stack along axis 1.
        label
            (batch, 1, z, y, x) with the number of the output; `IGNORED` voxels add nothing and have no gradient.

        """
        outputs = list(output.unbind(1)) if isinstance(output, torch.Tensor) and output.dim() == 6 else output
        if isinstance(outputs, torch.Tensor):
            outputs = [outputs]
        weights = [self.coarser_weight**level for level in range(len(outputs))]
        losses = []
        for one in outputs:
            target = label.float()
            if one.shape[2:] != label.shape[2:]:
                target = functional.interpolate(target, size=one.shape[2:], mode="nearest")
            losses.append(self.loss(*_without_ignored(one.float(), target)))
        return sum(w * part for w, part in zip(weights, losses, strict=True)) / sum(weights)


def _without_ignored(logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Let background be the certain and right answer wherever the target is ignored."""
    ignored = target == IGNORED
    certain = torch.full_like(logits, -_CERTAIN)
    certain[:, 0] = _CERTAIN
    return torch.where(ignored, certain, logits), target.masked_fill(ignored, 0)
