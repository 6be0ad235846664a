"""Lung mask of a CT by lungmask or by classical means, and the lungs' box with its margin."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from fdglung.errors import LungWeightsError, NoThoraxError, ParameterError
from fdglung.lungs_classical import LEFT, RIGHT, segment_classical

Corner = tuple[float, float, float]

R231_FILE = "unet_r231-d5d2fc3d.pth"
"""Name of lungmask's R231 weights in the cache of torch.hub, where lungmask itself puts them."""

_PLAUSIBLE_LUNGS_ML = (700.0, 12_000.0)
_LOBES_OF_LEFT_LUNG = (1, 2)


@dataclass(frozen=True)
class LungRegion:
    """The lungs of a CT.

    Attributes
    ----------
    mask
        uint8 on the CT grid: 0 background, 1 right lung, 2 left lung (as lungmask's R231 labels them).
    box_mm
        Lower and upper corner in patient coordinates (LPS), in mm: the lungs' bounding box plus the margin.
    method
        What made the mask, with its weights, such as ``lungmask unet_r231-d5d2fc3d.pth`` or ``classical``.
    weights_sha256
        Checksum of the network's weights; None for the classical method.
    warnings
        What a physician must know, in full sentences.

    """

    mask: sitk.Image
    box_mm: tuple[Corner, Corner]
    method: str
    weights_sha256: str | None = None
    warnings: tuple[str, ...] = ()


def segment(
    ct: sitk.Image,
    *,
    weights: Path | None = None,
    margin_mm: float = 15.0,
    progress: Callable[[str, float], None] | None = None,
) -> LungRegion:
    """Find the lungs.

    Parameters
    ----------
    ct
        Hounsfield units, any orientation.
    weights
        State dict of lungmask's network (R231 or LTRCLobes). None takes R231 from lungmask's own cache if it is
        there, and the classical segmentation otherwise; nothing is fetched.
    margin_mm
        Added to the lungs' bounding box on all six sides, in mm.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    LungRegion

    Raises
    ------
    NoThoraxError
        If the CT shows no lungs.
    LungWeightsError
        If `weights` is no state dict of lungmask's network.
    ParameterError
        If `margin_mm` is negative.

    """
    if not margin_mm >= 0:
        raise ParameterError("the margin is negative", attribute="margin_mm", remedy="Give 0 or more millimetres")
    tell = progress or (lambda text, fraction: None)
    warnings: list[str] = []
    path = weights or cached_weights()
    mask: sitk.Image | None = None
    method, checksum = "classical", None
    if path is not None:
        tell("lungs by lungmask", 0.0)
        mask = _by_lungmask(ct, path)
        if _volume_ml(mask) >= _PLAUSIBLE_LUNGS_ML[0]:
            method, checksum = f"lungmask {path.name}", _sha256(path)
        else:
            warnings.append("lungmask found no plausible lungs; the classical segmentation was used instead.")
            mask = None
    else:
        warnings.append(
            "The lungs were segmented by the classical method, because lungmask's weights are not installed; "
            "consolidated or collapsed lung may be missing from the lung mask."
        )
    if mask is None:
        tell("lungs by thresholds", 0.0)
        mask = segment_classical(ct)
    warnings.extend(_implausible(mask))
    tell("lungs found", 1.0)
    return LungRegion(mask, bounding_box_mm(mask, margin_mm), method, checksum, tuple(warnings))


def cached_weights() -> Path | None:
    """Return lungmask's R231 weights where lungmask's own download puts them, or None."""
    home = Path(os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch")
    path = home.expanduser() / "hub" / "checkpoints" / R231_FILE
    return path if path.is_file() else None


def bounding_box_mm(mask: sitk.Image, margin_mm: float) -> tuple[Corner, Corner]:
    """Return lower and upper corner of the mask's voxels in patient coordinates (LPS), in mm, margin added.

    Raises
    ------
    NoThoraxError
        If the mask is empty.

    """
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOff()
    statistics.Execute(mask > 0)
    if not statistics.HasLabel(1):
        raise NoThoraxError(
            "no lung was found", series="CT", remedy="Give a CT of the thorax, or analyse the whole PET (--region all)"
        )
    box = statistics.GetBoundingBox(1)
    edges = [(start - 0.5, start + size - 0.5) for start, size in zip(box[:3], box[3:], strict=True)]
    corners = np.array([mask.TransformContinuousIndexToPhysicalPoint(index) for index in itertools.product(*edges)])
    low, high = corners.min(axis=0) - margin_mm, corners.max(axis=0) + margin_mm
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def _by_lungmask(ct: sitk.Image, weights: Path) -> sitk.Image:
    # lungmask pulls torch: seconds that only this branch shall cost.
    from lungmask import LMInferer

    # Its messages go to standard output, which belongs to --json.
    logging.getLogger("lungmask").setLevel(logging.WARNING)
    try:
        inferer = LMInferer(modelpath=str(weights), tqdm_disable=True)
    except (OSError, RuntimeError, ValueError, AttributeError, IndexError, TypeError, pickle.UnpicklingError) as error:
        raise LungWeightsError(
            f"{weights.name} is no state dict of lungmask's network ({type(error).__name__})",
            attribute="lung weights",
            remedy=f"Give lungmask's own file, such as {R231_FILE}",
        ) from error
    labels = inferer.apply(ct)
    if labels.max() > LEFT:
        lungs = np.where(np.isin(labels, _LOBES_OF_LEFT_LUNG), LEFT, RIGHT)
        labels = np.where(labels > 0, lungs, 0)
    mask = sitk.GetImageFromArray(labels.astype(np.uint8))
    mask.CopyInformation(ct)
    return mask


def _volume_ml(mask: sitk.Image) -> float:
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing()) / 1000)


def _implausible(mask: sitk.Image) -> list[str]:
    labels = sitk.GetArrayViewFromImage(mask)
    found = []
    volume = _volume_ml(mask)
    if not _PLAUSIBLE_LUNGS_ML[0] <= volume <= _PLAUSIBLE_LUNGS_ML[1]:
        found.append(f"The lung mask has {volume:.0f} ml, which is not plausible for the lungs of an adult.")
    sides = {side: np.count_nonzero(labels == label) for side, label in (("right", RIGHT), ("left", LEFT))}
    for side, voxels in sides.items():
        if voxels < 0.15 * sum(sides.values()):
            found.append(f"The {side} lung is missing from the lung mask or very small; lesions there may be missed.")
    upright = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS"))
    for plane, end in ((upright[0], "lower"), (upright[-1], "upper")):
        if plane.any():
            found.append(f"The CT cuts the lungs at its {end} end; lesions beyond it cannot be seen.")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
