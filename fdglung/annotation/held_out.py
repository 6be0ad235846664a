"""Labelled studies that no network is trained on, and how well a network does on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from fdglung.errors import NoThoraxError, TooFewCasesError
from fdglung.evaluation.overlap import dice
from fdglung.nifti import read_study
from fdglung.pipeline import Settings, find_lesions, find_lungs
from fdglung.segmentation import SegmentationSettings

Entries = Sequence[Mapping[str, Any]]


def split_held_out(entries: Entries, share: float) -> tuple[Entries, Entries]:
    """Part labelled studies into those to train on and those held out.

    A study's name alone decides, so that it stays on its side when more studies are labelled, and what one network was
    trained on never judges the next.

    Parameters
    ----------
    entries
        Of a datalist, with ``name``.
    share
        To hold out, between 0 and 1; at least one study and not all.

    Raises
    ------
    TooFewCasesError
        There are fewer than two.

    """
    if len(entries) < 2:
        raise TooFewCasesError(
            f"there are {len(entries)} labelled studies, and one to train on and one to judge by are needed",
            attribute="train",
            remedy="Annotate at least two studies first",
        )
    order = sorted(entries, key=lambda entry: _place(entry["name"]))
    count = sum(_place(entry["name"]) < share for entry in order)
    count = min(max(1, count), len(order) - 1)
    return order[count:], order[:count]


def held_out_dice(
    entries: Entries, folder: Path, checkpoint: Path | str, *, tell: Callable[[float], None] = lambda fraction: None
) -> dict[str, float]:
    """Return the Dice of the lesions that `fdglung analyze --method network` finds, by study.

    Parameters
    ----------
    entries
        With ``name``, ``pet``, perhaps ``ct``, and ``label``.
    folder
        That their paths start from.
    checkpoint
        The network.
    tell
        Called with the fraction done.

    """
    settings = Settings(SegmentationSettings(method="network", checkpoints=(str(checkpoint),)))
    found = {}
    for number, entry in enumerate(entries):
        tell(number / len(entries))
        study = read_study(folder / entry["pet"], folder / entry["ct"] if entry.get("ct") else None)
        try:
            lungs = find_lungs(study, settings) if study.ct is not None else None
        except NoThoraxError:
            lungs = None
        labels = find_lesions(study, lungs, settings).labels
        truth = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / entry["label"]))) > 0
        mask = sitk.GetArrayFromImage(labels) > 0
        # Nothing where there is nothing is right.
        found[str(entry["name"])] = dice(truth, mask) if truth.any() else float(not mask.any())
    return found


def _place(name: str) -> float:
    """Return a number from 0 to 1 that a name always has."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12
