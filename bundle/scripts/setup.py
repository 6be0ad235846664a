"""What a run begins with: its seed, its device, its speed."""

from __future__ import annotations

from typing import Any

import torch
from monai.utils import set_determinism

from scripts.datalist import read_cases, read_files
from scripts.schedule import optimizer

__all__ = ["begin", "case_names", "device", "loss_of", "optimizer", "read_cases", "read_files"]


def begin(seed: int, fast: bool = False, threads: int = 0) -> None:
    """Seed everything.

    Parameters
    ----------
    seed
        Of all chance.
    fast
        Whether a GPU may choose faster algorithms that are not the same from run to run.
    threads
        Threads of torch on a CPU; 0 leaves the choice to torch.

    """
    if threads:
        torch.set_num_threads(threads)
    set_determinism(seed)
    if fast:
        torch.use_deterministic_algorithms(False)
        torch.backends.cudnn.deterministic = False
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True


def device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def loss_of(output: Any) -> float:
    """Return the loss of a training step's output."""
    step = output[0] if isinstance(output, list) else output
    return float(step["loss"].detach())


def case_names(batch: Any) -> list[dict[str, str]]:
    """Return the names of a batch's cases as MONAI's table of metrics wants them."""
    items = batch if isinstance(batch, list) else [{"name": name} for name in batch["name"]]
    return [{"filename_or_obj": item["name"]} for item in items]
