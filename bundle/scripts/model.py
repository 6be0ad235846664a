"""The network that a configuration describes, and weights to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fdglung.network.architectures import build
from fdglung.network.checkpoint import fill, read_checkpoint, read_weights
from fdglung.network.spec import NetworkSpec, check_same, make_spec


def spec(**values: Any) -> NetworkSpec:
    """Describe the network of a configuration; see `fdglung.network.spec.NetworkSpec`."""
    return make_spec(values)


def network(description: NetworkSpec, deep_supervision: int = 0, seed: int = 0) -> torch.nn.Module:
    """Build the network with random weights, which depend on the seed and on nothing that was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: torch.nn.Module = build(description, deep_supervision=deep_supervision)
    # oneDNN trains twice as fast with channels last, and weights in this order ask for it.
    return module.to(memory_format=torch.channels_last_3d)


def load_weights(module: torch.nn.Module, description: NetworkSpec, path: str) -> torch.nn.Module:
    """Fill a network from a checkpoint of the same description.

    Parameters
    ----------
    module
        As `network` built it; changed.
    description
        What it is.
    path
        A checkpoint of either kind; an empty string leaves the network as it is.

    Returns
    -------
    torch.nn.Module
        The same module.

    Raises
    ------
    CheckpointError
        The checkpoint is of another architecture, channel order, grid or normalisation.

    """
    if not path:
        return module
    checkpoint = read_checkpoint(path)
    check_same(description, checkpoint.spec, names=("the configuration", checkpoint.path.name))
    fill(module, read_weights(Path(path)), spec=checkpoint.spec, name=checkpoint.path.name)
    return module
