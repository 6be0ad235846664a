"""Make files to ship of a trained checkpoint: weights in half precision, and ONNX, with what they were trained on."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from fdglung.network.checkpoint import read_checkpoint, read_weights, write_onnx, write_torch


def publish(source: str, target: str, *, trained_on: str, half: bool, onnx: bool = True) -> list[Path]:
    """Write ``TARGET.pt`` and ``TARGET.onnx``; return their paths.

    Parameters
    ----------
    source
        A checkpoint of either kind.
    target
        Path without its ending.
    trained_on
        What stands beside each result: *The network was trained on …*.
    half
        Whether to store weights in half precision. They are computed with in single precision.
    onnx
        Whether to write the ONNX file too.

    """
    checkpoint = read_checkpoint(source)
    weights = read_weights(Path(source))
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    spec = dataclasses.replace(checkpoint.spec, trained_on=trained_on or checkpoint.spec.trained_on)
    paths = [Path(f"{target}.pt")]
    write_torch(paths[0], spec, weights)
    if onnx:
        paths.append(Path(f"{target}.onnx"))
        write_onnx(paths[1], read_checkpoint(paths[0]), half=half)
    return paths


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="checkpoint, such as OUT/checkpoints/model.pt, or an ONNX file that ships")
    parser.add_argument("target", help="path without ending, such as bundle/models/model_0")
    parser.add_argument("--trained_on", default="", help="what stands beside each result")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for path in publish(options.source, options.target, trained_on=options.trained_on, half=options.half):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
