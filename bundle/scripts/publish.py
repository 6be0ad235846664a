"""Make files to ship of a trained checkpoint: weights in half precision, and ONNX, with what they were trained on."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from fdglung.errors import CheckpointError
from fdglung.network.checkpoint import read_checkpoint, read_weights, write_onnx, write_torch


def publish(sources: Sequence[str], target: str, *, trained_on: str, half: bool, onnx: bool = True) -> list[Path]:
    """Write ``TARGET.pt`` and ``TARGET.onnx``; return their paths.

    Parameters
    ----------
    sources
        Checkpoints of either kind. Of several, of one network at different times of its training, the mean of the
        weights is taken (Wortsman et al., Proc Mach Learn Res 2022;162:23965, arXiv:2203.05482).
    target
        Path without its ending.
    trained_on
        What stands beside each result: *The network was trained on …*.
    half
        Whether to store weights in half precision. They are computed with in single precision.
    onnx
        Whether to write the ONNX file too.

    Raises
    ------
    CheckpointError
        A source cannot be read, or is of another network than the first.

    """
    checkpoint = read_checkpoint(sources[0])
    weights = _mean_weights(sources)
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    spec = dataclasses.replace(checkpoint.spec, trained_on=trained_on or checkpoint.spec.trained_on)
    paths = [Path(f"{target}.pt")]
    write_torch(paths[0], spec, weights)
    if onnx:
        paths.append(Path(f"{target}.onnx"))
        write_onnx(paths[1], read_checkpoint(paths[0]), half=half)
    return paths


def _mean_weights(sources: Sequence[str]) -> dict[str, Any]:
    spec = read_checkpoint(sources[0]).spec
    for source in sources[1:]:
        if dataclasses.replace(read_checkpoint(source).spec, trained_on=spec.trained_on) != spec:
            raise CheckpointError(
                f"{source} is of another network than {sources[0]}",
                attribute="source",
                remedy="Give checkpoints of one network at different times of its training",
            )
    every = [read_weights(Path(source)) for source in sources]
    return {
        name: torch.stack([weights[name].float() for weights in every]).mean(dim=0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in every[0].items()
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    checkpoint = "checkpoint, such as OUT/checkpoints/model.pt, or an ONNX file that ships"
    parser.add_argument("source", help=checkpoint)
    parser.add_argument("target", help="path without ending, such as bundle/models/model_0")
    parser.add_argument("--average", action="append", default=[], metavar="FILE", help="its weights are averaged in")
    parser.add_argument("--trained_on", default="", help="what stands beside each result")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = [options.source, *options.average]
    for path in publish(sources, options.target, trained_on=options.trained_on, half=options.half):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
