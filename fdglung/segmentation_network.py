"""Lesions by a network: probability and labels on the PET's grid, with the agreement of several checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.anatomy import hu_on, lies_in_fat
from fdglung.errors import CheckpointError, NoCtError
from fdglung.lungs import LungRegion
from fdglung.network.backends import Predictor, open_predictor, probabilities
from fdglung.network.checkpoint import Checkpoint, read_checkpoint
from fdglung.network.normalisation import outside
from fdglung.network.spec import NetworkSpec, check_same
from fdglung.network.volume import Box, back_onto, box_to_search, grid_over, network_input, raw_on
from fdglung.network.windows import mirrored, sliding_window, with_smaller_windows
from fdglung.segmentation import IN_FAT, ExcludedUptake, LesionSegmentation, SegmentationSettings, SegmentedLesion
from fdglung.uptake_map import references_of

MODELS_VARIABLE = "FDGLUNG_MODELS"
"""Environment variable that names a folder of checkpoints to use where none is given."""

_LESION = 1


@dataclass(frozen=True)
class NetworkResult:
    """What the networks say of a volume, on the PET's grid.

    Attributes
    ----------
    probability
        float32: mean over the networks of the probability that a voxel is lesion; 0 outside the region.
    spread
        float32: standard deviation over the networks; None with a single one.
    region
        What was looked at: ``lungs`` or ``all``.
    backends
        What each network ran on.
    warnings
        What a physician must know, in full sentences.

    """

    probability: sitk.Image
    spread: sitk.Image | None
    region: str
    backends: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def segment_by_network(
    pet: sitk.Image,
    ct: sitk.Image | None,
    lungs: LungRegion | None,
    settings: SegmentationSettings,
    tell: Callable[[str, float], None],
    *,
    predictors: Sequence[Predictor] | None = None,
) -> LesionSegmentation:
    """Find lesions by the networks of `settings.checkpoints`; see `fdglung.segmentation.segment`."""
    tell("opening the network", 0.0)
    if predictors is None:
        predictors = open_predictors(settings)
    checkpoints = [predictor.checkpoint for predictor in predictors]
    box = lungs.box_mm if settings.region == "lungs" and lungs is not None else None
    result = predict(
        pet,
        ct,
        predictors,
        box_mm=box,
        flips=settings.flips,
        overlap=settings.overlap,
        progress=lambda fraction: tell("lesions by the network", 0.1 + 0.8 * fraction),
    )
    reference: dict[str, float] = {}
    warnings = list(result.warnings)
    if ct is not None and box is not None and lungs is not None:
        reference, noisy = references_of(pet, ct, lungs)
        warnings += noisy
    if settings.region == "lungs" and box is None:
        warnings.append("No lungs were found; the whole PET was searched, physiological uptake included.")
    for spec in {checkpoint.spec.trained_on: checkpoint.spec for checkpoint in checkpoints}.values():
        if spec.trained_on:
            warnings.append(f"The network was trained on {spec.trained_on}.")
    labels, lesions = lesions_of(pet, result, settings)
    excluded: tuple[ExcludedUptake, ...] = ()
    if ct is not None and result.region == "lungs":
        labels, lesions, excluded = without_brown_fat(pet, ct, labels, lesions)
    tell("lesions by the network", 1.0)
    return LesionSegmentation(
        labels=labels,
        lesions=lesions,
        excluded=excluded,
        seed_suv=None,
        reference_uptake=reference,
        method=f"network {checkpoints[0].spec.architecture}",
        warnings=tuple(dict.fromkeys(warnings)),
        probability=result.probability,
        networks=tuple(
            {"file": checkpoint.path.name, "sha256": checkpoint.sha256, "backend": backend}
            for checkpoint, backend in zip(checkpoints, result.backends, strict=True)
        ),
    )


def open_predictors(settings: SegmentationSettings) -> tuple[Predictor, ...]:
    """Make the networks of `settings.checkpoints` ready to run, which takes seconds.

    Raises
    ------
    CheckpointError, BackendError
        As `open_checkpoints` and `fdglung.network.backends.open_predictor`.

    """
    checkpoints = open_checkpoints(settings.checkpoints)
    return tuple(open_predictor(checkpoint, settings.backend) for checkpoint in checkpoints)


def open_checkpoints(paths: Sequence[str]) -> tuple[Checkpoint, ...]:
    """Read the descriptions of checkpoints that are to be used together.

    Parameters
    ----------
    paths
        Files; none for those that ship with fdglung or lie in the folder that `FDGLUNG_MODELS` names.

    Raises
    ------
    CheckpointError
        There is none, one is broken, or two differ in channels, normalisation, grid or outputs.

    """
    files = [Path(path) for path in paths] or default_checkpoints()
    checkpoints = tuple(read_checkpoint(path) for path in files)
    for other in checkpoints[1:]:
        check_same(
            checkpoints[0].spec,
            other.spec,
            names=(checkpoints[0].path.name, other.path.name),
            only=("channels", "outputs", "spacing_mm", "normalisation"),
        )
    return checkpoints


def default_checkpoints() -> list[Path]:
    """Return the checkpoints of the folder that `FDGLUNG_MODELS` names, or of the bundle beside the package.

    ONNX files are taken where there are some, torch files otherwise, in the order of their names.
    """
    named = os.environ.get(MODELS_VARIABLE)
    folder = Path(named) if named else Path(__file__).resolve().parents[1] / "bundle" / "models"
    for pattern in ("model*.onnx", "model*.pt"):
        found = sorted(folder.glob(pattern))
        if found:
            return found
    raise CheckpointError(
        f"there is no network in {folder}",
        attribute="checkpoint",
        remedy=f"Name one with --checkpoint, or its folder with {MODELS_VARIABLE}, or use --method threshold",
    )


def predict(
    pet: sitk.Image,
    ct: sitk.Image | None,
    predictors: Sequence[Predictor],
    *,
    box_mm: Box | None = None,
    flips: bool = False,
    overlap: float = 0.5,
    progress: Callable[[float], None] | None = None,
) -> NetworkResult:
    """Run networks over a PET and its CT.

    Parameters
    ----------
    pet
        SUVbw in g/ml, any grid.
    ct
        HU, any grid of the same space; None only for networks that do without it.
    predictors
        Networks of the same channels, grid and outputs.
    box_mm
        What to look at (LPS) in mm; None for the whole PET. An image that is too small to show a whole chest is looked
        at as a whole: the box of what it shows of the lungs could cut a lesion off.
    flips
        Whether to take the mean with the image mirrored left to right: twice the work.
    overlap
        Share of a window that the next one covers again.
    progress
        Called with the fraction done.

    Returns
    -------
    NetworkResult

    Raises
    ------
    NoCtError
        The networks look at CT and there is none.
    OutOfMemoryError
        Memory does not suffice for the smallest window.

    """
    spec = predictors[0].checkpoint.spec
    warnings = _missing_channels(ct, spec)
    asked, box_mm = box_mm, box_to_search(pet, box_mm)
    if asked is not None and box_mm is None:
        warnings.append("The image shows a part of the chest only, so all of it was searched and not only the lungs.")
    grid = grid_over(pet, spec.spacing_mm, box_mm)
    image = network_input(raw_on(grid, {"PET": pet, "CT": ct}, spec.channels), spec)
    maps = []
    for index, predictor in enumerate(predictors):
        part, notes = _probability(
            image,
            predictor,
            flips=flips,
            overlap=overlap,
            tell=partial(_part_done, progress, index, len(predictors)),
        )
        maps.append(part)
        warnings += notes
    mean, spread = _mean_and_spread(maps)
    return NetworkResult(
        probability=back_onto(pet, grid, mean),
        spread=None if spread is None else back_onto(pet, grid, spread),
        region="all" if box_mm is None else "lungs",
        backends=tuple(predictor.backend for predictor in predictors),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def lesions_of(
    pet: sitk.Image, result: NetworkResult, settings: SegmentationSettings
) -> tuple[sitk.Image, tuple[SegmentedLesion, ...]]:
    """Number the connected parts of what is as likely lesion as the settings ask, hottest first.

    The smallest volume is that of a part before its voxels below `min_suv` are left out.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    result
        On the grid of `pet`.
    settings
        Of these, `probability`, `min_suv` and `min_volume_ml`.

    Returns
    -------
    labels
        uint16 on the grid of `pet`.
    lesions
        One entry a label.

    """
    suv = sitk.GetArrayViewFromImage(pet)
    probability = sitk.GetArrayViewFromImage(result.probability)
    spread = None if result.spread is None else sitk.GetArrayViewFromImage(result.spread)
    parts, _ = ndimage.label(probability >= settings.probability, structure=np.ones((3, 3, 3)))
    voxel_ml = float(np.prod(pet.GetSpacing())) / 1000
    found = []
    for part, box in enumerate(ndimage.find_objects(parts), start=1):
        outline = parts[box] == part
        voi = outline & (suv[box] >= settings.min_suv)
        # Less than a ten thousandth of a voxel below the smallest volume is that volume.
        if voi.any() and outline.sum() * voxel_ml >= settings.min_volume_ml - 1e-4 * voxel_ml:
            found.append((float(suv[box][voi].max()), part, box, voi))
    found.sort(key=lambda item: (-item[0], item[1]))
    labels = np.zeros(parts.shape, np.uint16)
    lesions = []
    for label, (suv_max, _, box, voi) in enumerate(found, start=1):
        labels[box][voi] = label
        lesions.append(
            SegmentedLesion(
                label,
                voi_fraction=float(suv[box][voi].min()) / suv_max if suv_max > 0 else 0.0,
                confidence=float(probability[box][voi].mean()),
                confidence_spread=None if spread is None else float(spread[box][voi].mean()),
            )
        )
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(pet)
    return image, tuple(lesions)


def without_brown_fat(
    pet: sitk.Image, ct: sitk.Image, labels: sitk.Image, lesions: Sequence[SegmentedLesion]
) -> tuple[sitk.Image, tuple[SegmentedLesion, ...], tuple[ExcludedUptake, ...]]:
    """Set apart what lies in fat on the CT (`fdglung.anatomy.lies_in_fat`), and number the others anew.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    ct
        HU, any grid.
    labels, lesions
        Of `lesions_of`.

    Returns
    -------
    labels
        uint16 on the grid of `pet`.
    lesions
        One entry a label.
    excluded
        What was set apart.

    """
    suv, hu, array = sitk.GetArrayViewFromImage(pet), hu_on(pet, ct), sitk.GetArrayFromImage(labels)
    voxel_ml = float(np.prod(pet.GetSpacing())) / 1000
    kept: list[SegmentedLesion] = []
    excluded: list[ExcludedUptake] = []
    for lesion, box in zip(lesions, ndimage.find_objects(array), strict=True):
        voi = array[box] == lesion.label
        if not lies_in_fat(hu[box], suv[box], voi):
            kept.append(replace(lesion, label=len(kept) + 1))
            array[box][voi] = len(kept)
            continue
        array[box][voi] = 0
        hottest = np.unravel_index(np.where(voi, suv[box], -np.inf).argmax(), voi.shape)
        x, y, z = pet.TransformIndexToPhysicalPoint([int(i) + s.start for i, s in zip(hottest, box, strict=True)][::-1])
        position = (float(x), float(y), float(z))
        excluded.append(ExcludedUptake(IN_FAT, float(suv[box][hottest]), float(voi.sum() * voxel_ml), position))
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(pet)
    return image, tuple(kept), tuple(excluded)


def _missing_channels(ct: sitk.Image | None, spec: NetworkSpec) -> list[str]:
    if ct is not None or "CT" not in spec.channels:
        return []
    if "CT" not in spec.optional:
        raise NoCtError(
            "the network looks at PET and CT, and there is no CT",
            remedy="Give the CT too, or a checkpoint of a network that looks at PET alone",
        )
    return ["There is no CT; the network, which was trained to do without one at need, looked at the PET alone."]


def _probability(
    image: NDArray[np.float32],
    predictor: Predictor,
    *,
    flips: bool,
    overlap: float,
    tell: Callable[[float], None],
) -> tuple[NDArray[np.float32], list[str]]:
    """Return the probability of lesion (z, y, x), and what happened on the way."""
    spec = predictor.checkpoint.spec
    beyond = [outside(channel, spec.normalisation[channel]) for channel in spec.channels]
    network = mirrored(predictor.predict) if flips else predictor.predict

    def run(window: tuple[int, int, int]) -> NDArray[np.float32]:
        logits = sliding_window(image, network, window, overlap=overlap, outside=beyond, progress=tell)
        return probabilities(logits)[_LESION]

    result, window = with_smaller_windows(run, spec.window)
    if window == spec.window:
        return result, []
    return result, [
        f"Memory sufficed for windows of {' x '.join(map(str, window))} voxels only instead of "
        f"{' x '.join(map(str, spec.window))}; the network saw less around each place than in training."
    ]


def _part_done(progress: Callable[[float], None] | None, index: int, count: int, fraction: float) -> None:
    if progress is not None:
        progress((index + fraction) / count)


def _mean_and_spread(maps: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    mean = np.mean(maps, axis=0, dtype=np.float32)
    return mean, np.std(maps, axis=0, dtype=np.float32) if len(maps) > 1 else None
