"""Mixed precision on a CPU; MONAI's trainer has it for a GPU only."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import Inferer

from fdglung.errors import ParameterError


class CpuBfloat16(Inferer):
    """Runs another inferer with convolutions in bfloat16.

    Processors with AVX512-BF16 or AMX train faster so; others compute it step by step, and slower.

    Parameters
    ----------
    inferer
        What runs the network.
    enabled
        Whether to change anything at all.

    Raises
    ------
    ParameterError
        `enabled` is no truth value, as the text ``false`` of a command line.

    """

    def __init__(self, inferer: Inferer, enabled: bool) -> None:
        super().__init__()
        if not isinstance(enabled, bool):
            raise ParameterError(
                f"{enabled!r} is no truth value", attribute="cpu_bfloat16", remedy="Give True or False"
            )
        self.inferer = inferer
        self.enabled = enabled

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the other inferer's output, as it came: bfloat16 where that is what the network gave."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.enabled):
            return self.inferer(inputs, network, *args, **kwargs)
