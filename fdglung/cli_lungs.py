"""The command `fdglung train-lungs`: masks to review, slices, and the training of a narrow network for the lungs."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar
from fdglung.cli_segment import add_lung_weights

_CHOICES = {
    "width": (int, "channels of the first layer, a power of two (default: 8)"),
    "classes": (int, "3 for sides, 6 for lobes (default: 3)"),
    "steps": (int, "of the whole run (default: 12000)"),
    "batch": (int, "slices a step (default: 12)"),
    "learning_rate": (float, "highest learning rate (default: 0.003)"),
    "half_share": (float, "share of batches at half resolution, which take a quarter of the time (default: 0.2)"),
    "validate_every": (int, "steps between validations and checkpoints (default: 500)"),
    "seed": (int, "of everything (default: 0)"),
}


def add_train_lungs(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "train-lungs",
        help="train a narrow network for the lungs in lungmask's format",
        description=f"Train a network of lungmask's shape on phantoms and CTs with reviewed masks. {RESEARCH_NOTICE}",
    )
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")
    mask = actions.add_parser("mask", help="write the lung mask of a CT, to be reviewed before it is trained on")
    mask.add_argument("ct", type=Path, metavar="CT", help="HU, NIfTI (`fdglung convert` makes it from DICOM)")
    mask.add_argument("out", type=Path, metavar="OUT", help="mask to write (.nii.gz): 1 right, 2 left lung")
    add_lung_weights(mask)
    mask.set_defaults(run=_mask)
    slices = actions.add_parser("slices", help="prepare slices of phantoms and of CTs with reviewed masks")
    slices.add_argument("out", type=Path, metavar="OUT", help="folder of slices; what is there already stays")
    slices.add_argument(
        "--cohort",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="of `fdglung phantom --format nifti`; several",
    )
    slices.add_argument(
        "--case",
        type=Path,
        nargs=2,
        action="append",
        default=[],
        metavar=("CT", "MASK"),
        help="NIfTI, 1 right and 2 left lung; several",
    )
    slices.set_defaults(run=_slices)
    train = actions.add_parser("run", help="train, or take up a run that was interrupted")
    train.add_argument("slices", type=Path, metavar="SLICES", help="folder of slices")
    train.add_argument("out", type=Path, metavar="OUT", help="folder of the run")
    for name, (kind, text) in _CHOICES.items():
        train.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=text)
    train.add_argument("--bfloat16", action="store_true", default=None, help="convolutions in bfloat16")
    train.add_argument("--threads", type=int, metavar="N", help="of the processor (default: all)")
    train.add_argument("--pretrained", type=Path, metavar="FILE", help="weights that a new run begins with")
    train.add_argument("--until", type=int, metavar="STEP", help="end for now after this step")
    train.set_defaults(run=_train)
    for action in (mask, slices, train):
        action.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _mask(options: argparse.Namespace) -> dict[str, object]:
    from fdglung import lungs
    from fdglung.files import write_nifti_image
    from fdglung.image_files import read_image

    with ProgressBar() as tell:
        region = lungs.segment(read_image(options.ct), weights=options.lung_weights, progress=tell)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_nifti_image(region.mask, options.out)
    if not options.json:
        print(f"{options.out}, by {region.method}: look at it before training on it")
        for warning in region.warnings:
            print(f"warning: {warning}")
    return {"file": str(options.out), "method": region.method, "warnings": list(region.warnings)}


def _slices(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.lungs.training.slices import masked_case, phantom_cases, write_slices

    cases = [case for cohort in options.cohort for case in phantom_cases(cohort)]
    cases += [masked_case(ct, mask) for ct, mask in options.case]
    with ProgressBar() as tell:
        paths = write_slices(cases, options.out, progress=tell)
    if not options.json:
        print(f"{len(paths)} cases in {options.out}")
    return {"files": [str(path) for path in paths]}


def _train(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        tell("starting", 0.0)
        import torch

        from fdglung.lungs.training.loop import LOG, TrainingSettings, train
        from fdglung.lungs.training.slices import TRAIN

        given = {name: getattr(options, name) for name in (*_CHOICES, "bfloat16") if getattr(options, name) is not None}
        settings = dataclasses.replace(TrainingSettings(), **given)
        if options.threads:
            torch.set_num_threads(options.threads)
        best = train(
            options.slices, options.out, settings, pretrained=options.pretrained, until=options.until, progress=tell
        )
        last = json.loads((options.out / LOG).read_text(encoding="utf-8").splitlines()[-1])
    if not options.json:
        if last["validated_on"] == TRAIN:
            print("warning: no slices are set apart for validation, so the network is judged by what it was trained on")
        print(best)
    return {"file": str(best), "validated_on": last["validated_on"]}
