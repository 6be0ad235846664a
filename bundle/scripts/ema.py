"""The exponential moving average of a network's weights, which is what is validated and kept."""

from __future__ import annotations

import copy

import torch


class Ema:
    """Keeps the average of a network's weights over training steps.

    Parameters
    ----------
    network
        What is trained; a wrapper for several processes is seen through.
    decay
        Share of the old average in each step; 0 for the weights as they are. In the first steps less, (1 + n) / (10 +
        n) after n steps, so that the random start is soon forgotten.

    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.source = getattr(network, "module", network)
        self.network = copy.deepcopy(self.source).eval()
        self.network.requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights of one more step into the average."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for average, value in zip(self.network.parameters(), self.source.parameters(), strict=True):
            average.lerp_(value, 1 - decay)
        for average, value in zip(self.network.buffers(), self.source.buffers(), strict=True):
            average.copy_(value)
