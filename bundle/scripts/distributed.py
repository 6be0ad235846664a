"""Several processes of one training, as torchrun starts them."""

from __future__ import annotations

import os

import torch
from torch import distributed

from fdglung.errors import DataListError


def start() -> None:
    """Join the other processes."""
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def device() -> torch.device:
    """Return this process's GPU, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))


def wrap(network: torch.nn.Module, place: torch.device) -> torch.nn.Module:
    """Return the network with gradients averaged over the processes."""
    return torch.nn.parallel.DistributedDataParallel(
        network.to(place), device_ids=[place] if place.type == "cuda" else None
    )


def is_first() -> bool:
    """Tell whether this process is the one that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def share(cases: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return this process's part of the cases.

    Raises
    ------
    DataListError
        There are fewer cases than processes.

    """
    if len(cases) < distributed.get_world_size():
        raise DataListError(
            f"there are {len(cases)} cases for {distributed.get_world_size()} processes",
            attribute="datalist",
            remedy="Start fewer processes",
        )
    return cases[distributed.get_rank() :: distributed.get_world_size()]


def end() -> None:
    """Leave the other processes."""
    distributed.destroy_process_group()
