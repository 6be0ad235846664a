"""Optimizers and the polynomial schedule of their learning rate."""

from __future__ import annotations

import torch


def optimizer(
    kind: str, network: torch.nn.Module, learning_rate: float, weight_decay: float, momentum: float = 0.99
) -> torch.optim.Optimizer:
    """Return AdamW (``adamw``) or SGD with Nesterov momentum (``sgd``)."""
    if kind == "sgd":
        return torch.optim.SGD(
            network.parameters(), lr=learning_rate, momentum=momentum, nesterov=True, weight_decay=weight_decay
        )
    if kind == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
    raise ValueError(f"optimizer {kind!r} is neither adamw nor sgd")


def poly_factor(step: int, total: int, power: float = 0.9, warmup: int = 0) -> float:
    """Return the factor on the learning rate: (1 - step / total) ** power, after a linear rise over `warmup` steps."""
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return rise * max(0.0, 1.0 - step / total) ** power


def poly_schedule(
    optimizer: torch.optim.Optimizer, total: int, power: float = 0.9, warmup: int = 0
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule, to be stepped once a training step."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: poly_factor(step, total, power, warmup))
