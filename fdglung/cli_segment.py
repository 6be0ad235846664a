"""The command `fdglung segment`, and the options of a network."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar


def add_lung_weights(command: argparse.ArgumentParser) -> None:
    """Add the option that names weights of lungmask's network."""
    command.add_argument(
        "--lung-weights",
        type=_lung_weights,
        metavar="PATH",
        help="weights of lungmask's network; sides or lobes takes a narrow one that comes along",
    )


def _lung_weights(given: str) -> Path:
    from fdglung.lungs.weights import named_weights

    return named_weights(given)


def add_segment(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "segment",
        help="write the lesions of a PET/CT in NIfTI files as a label image",
        description="Find the lesions of a PET (SUVbw, g/ml) and its CT (HU) and write them as a label image on the "
        f"PET's grid, hottest first from 1. {RESEARCH_NOTICE}",
    )
    command.add_argument("--pet", type=Path, required=True, metavar="FILE", help="PET in SUVbw, NIfTI")
    command.add_argument("--ct", type=Path, metavar="FILE", help="CT in HU, NIfTI; not for networks that see PET alone")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="label image to write (.nii.gz)")
    command.add_argument("--probability-out", type=Path, metavar="FILE", help="probability image to write (.nii.gz)")
    command.add_argument(
        "--region", choices=("lungs", "all"), default="lungs", help="lungs, or all of the PET (default: lungs)"
    )
    command.add_argument(
        "--method", choices=("network", "threshold"), default="network", help="what finds them (default: network)"
    )
    add_network(command)
    command.add_argument(
        "--min-volume-ml", type=float, default=0.3, metavar="ML", help="smallest lesion written (default: 0.3 ml)"
    )
    add_lung_weights(command)
    command.add_argument("--overwrite", action="store_true", help="replace an earlier output")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.set_defaults(run=_segment)


def add_network(command: argparse.ArgumentParser) -> None:
    """Add the options of a network to a command."""
    command.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="network (.onnx or .pt); several for their mean",
    )
    command.add_argument(
        "--backend",
        choices=("auto", "torch", "onnxruntime", "openvino"),
        default="auto",
        help="what runs the network (default: the fastest there is)",
    )
    command.add_argument(
        "--flips", action="store_true", help="mean with the image mirrored left to right: twice the work"
    )
    command.add_argument(
        "--probability", type=float, default=0.5, metavar="P", help="lowest probability of a lesion (default: 0.5)"
    )
    command.add_argument(
        "--min-suv",
        type=float,
        default=0.0,
        metavar="SUV",
        help="lowest SUV of a voxel of a network's lesion; 2.5 leaves the avid part of an outline (default: 0 g/ml)",
    )


def network_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return what `add_network` took, as fields of `fdglung.segmentation.SegmentationSettings`."""
    return {
        "checkpoints": tuple(options.checkpoint),
        "backend": options.backend,
        "flips": options.flips,
        "probability": options.probability,
        "min_suv": options.min_suv,
    }


def _segment(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.findings import by_reason
    from fdglung.segmentation_files import segment_files

    with ProgressBar() as tell:
        tell("starting", 0.0)
        result = segment_files(
            options.pet,
            options.ct,
            options.out,
            probability_out=options.probability_out,
            lung_weights=options.lung_weights,
            overwrite=options.overwrite,
            progress=tell,
            method=options.method,
            region=options.region,
            min_volume_ml=options.min_volume_ml,
            **network_settings(options),
        )
    if not options.json:
        print(f"{len(result.lesions)} lesion{'' if len(result.lesions) == 1 else 's'} written to {options.out}")
        for lesion in result.lesions:
            if lesion.confidence is not None:
                spread = "" if lesion.confidence_spread is None else f" +- {lesion.confidence_spread:.2f}"
                print(f"  {lesion.label}: mean probability {lesion.confidence:.2f}{spread}")
        for reason, group in by_reason(result.excluded).items():
            volume = sum(uptake.volume_ml for uptake in group)
            print(f"  not written, {reason}: {len(group)}, {volume:.1f} ml, SUVmax up to {group[0].suv_max:.1f}")
        for warning in result.warnings:
            print(f"warning: {warning}")
        print(RESEARCH_NOTICE)
    return {
        "notice": RESEARCH_NOTICE,
        "file": str(options.out),
        "method": result.method,
        "networks": list(result.networks),
        "lesions": [
            {
                "label": lesion.label,
                "confidence": lesion.confidence,
                "confidence_spread": lesion.confidence_spread,
                "warnings": list(lesion.warnings),
            }
            for lesion in result.lesions
        ],
        "excluded": [asdict(uptake) for uptake in result.excluded],
        "warnings": list(result.warnings),
    }
