"""The lungs of a CT by the best means there is: a network, and thresholds where it is missing or fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from fdglung.errors import NoThoraxError, ParameterError
from fdglung.hounsfield import on_hounsfield_scale
from fdglung.lungs.agreement import agreed
from fdglung.lungs.classical import segment_classical
from fdglung.lungs.extension import box_with_missing_lung
from fdglung.lungs.labels import LOBES_CLASSES, sides_of_lobes
from fdglung.lungs.plausibility import Plausibility, check
from fdglung.lungs.region import LungRegion
from fdglung.lungs.weights import (
    OWN_FILE,
    OWN_LOBES_FILE,
    PUBLISHED_WIDTH,
    LungWeights,
    default_weights,
    missing_software,
    read_weights,
)
from fdglung.network.backends import Backend

_NO_WEIGHTS = (
    "The lungs were segmented by the classical method, because lungmask's weights are not installed; "
    "consolidated or collapsed lung may be missing from the lung mask."
)
_NO_SOFTWARE = (
    "The lungs were segmented by the classical method, because {software}, which {name} needs, are not "
    "installed; consolidated or collapsed lung may be missing from the lung mask."
)
_OWN_WEIGHTS = (
    "The lungs were segmented by fdglung's own narrow network, trained on synthetic CTs and three of patients{reason}."
)
_UNASKED = ", because lungmask's official weights are not installed"
_OWN_LOBES = (
    "Lungs and lobes were told by fdglung's own narrow network, which learned the lobes from synthetic CTs alone."
)
_UNCONFIRMED = "Thresholds found no lungs in the CT, so that nothing confirms those of the narrow network."


@dataclass(frozen=True)
class _Found:
    """A mask of sides on the CT grid, with what made it and what speaks against it."""

    mask: sitk.Image
    plausibility: Plausibility
    method: str
    weights_sha256: str | None = None
    lobes: sitk.Image | None = None


def segment(
    ct: sitk.Image,
    *,
    weights: Path | None = None,
    margin_mm: float = 15.0,
    backend: Backend = "auto",
    progress: Callable[[str, float], None] | None = None,
) -> LungRegion:
    """Find the lungs.

    Parameters
    ----------
    ct
        Hounsfield units, any orientation. Values stored 0 to 4095 are found out and corrected, which a warning says.
    weights
        Weights of lungmask's network of any width, with sides (R231) or lobes (LTRCLobes). None takes R231 from
        lungmask's own cache if it is there, else fdglung's own network if it is installed, and the classical
        segmentation otherwise, or where what runs it is not installed; nothing is fetched.
    margin_mm
        Added to the lungs' bounding box on all six sides, in mm.
    backend
        What the network runs on: ``torch``, ``onnxruntime``, ``openvino``, or the fastest of them (``auto``).
    progress
        Called with a text and the fraction done.

    Returns
    -------
    LungRegion
        A mask by the network that cannot be lungs is replaced by the classical one, which a warning says; that of a
        network narrower than lungmask's own is held against the classical one (`fdglung.lungs.agreement`).

    Raises
    ------
    NoThoraxError
        If the CT shows no lungs.
    LungWeightsError
        If `weights` is no state dict of lungmask's network.
    BackendError
        If what runs the network is not installed.
    ParameterError
        If `margin_mm` is negative, or there is no such backend.

    """
    if not margin_mm >= 0:
        raise ParameterError("the margin is negative", attribute="margin_mm", remedy="Give 0 or more millimetres")
    tell = progress or (lambda text, fraction: None)
    ct, notes = on_hounsfield_scale(ct)
    warnings = list(notes)
    path = weights or default_weights()
    if weights is None and path is not None and (software := missing_software(path)):
        warnings.append(_NO_SOFTWARE.format(software=software, name=path.name))
        path = None
    elif path is None:
        warnings.append(_NO_WEIGHTS)
    if path is None:
        tell("lungs by thresholds", 0.0)
        found = _by_thresholds(ct)
    else:
        if path == OWN_FILE:
            warnings.append(_OWN_WEIGHTS.format(reason=_UNASKED if weights is None else ""))
        if path == OWN_LOBES_FILE:
            warnings.append(_OWN_LOBES)
        found = _by_weights(ct, read_weights(path), backend, warnings, tell)
    warnings += found.plausibility.warnings
    tell("lungs found", 1.0)
    box = box_with_missing_lung(found.mask, ct, margin_mm)
    return LungRegion(found.mask, box, found.method, found.weights_sha256, tuple(warnings), found.lobes)


def _by_thresholds(ct: sitk.Image) -> _Found:
    mask = segment_classical(ct)
    plausibility = check(mask, ct)
    if plausibility.faults:
        raise NoThoraxError(
            f"what looks like lungs cannot be, because {' and '.join(plausibility.faults)}",
            series="CT",
            attribute="PixelData (7FE0,0010)",
            remedy="Give a CT of the thorax that belongs to the PET, or analyse the whole PET with --region all",
        )
    return _Found(mask, plausibility, "classical")


def _by_weights(
    ct: sitk.Image, weights: LungWeights, backend: Backend, warnings: list[str], tell: Callable[[str, float], None]
) -> _Found:
    """Return the network's lungs, held against those of thresholds where it is narrow or they cannot be lungs."""
    if weights.width >= PUBLISHED_WIDTH:
        return _better_one(_by_network(ct, weights, backend, tell), lambda: _by_thresholds(ct), warnings)
    with ThreadPoolExecutor(1) as beside:
        thresholds = beside.submit(_by_thresholds, ct)
        found = _by_network(ct, weights, backend, tell)
        better = _better_one(found, thresholds.result, warnings)
        if better is not found:
            return better
        try:
            mask, more = agreed(found.mask, thresholds.result().mask, ct)
        except NoThoraxError:
            warnings.append(_UNCONFIRMED)
            return found
    if mask is found.mask:
        return found
    warnings += more
    lobes = None if found.lobes is None else sitk.Mask(found.lobes, mask)
    return replace(found, mask=mask, plausibility=check(mask, ct), lobes=lobes)


def _by_network(ct: sitk.Image, weights: LungWeights, backend: Backend, tell: Callable[[str, float], None]) -> _Found:
    # What runs a network comes with these: seconds that only this branch shall cost.
    from fdglung.lungs.inference import open_network
    from fdglung.lungs.network import segment_by_network

    tell("opening lungmask's network", 0.0)
    network = open_network(weights, backend)
    labels = segment_by_network(ct, network, progress=lambda done: tell("lungs by lungmask", 0.1 + 0.8 * done))
    lobes = None
    if weights.classes == LOBES_CLASSES:
        lobes = labels
        labels = sitk.GetImageFromArray(sides_of_lobes(sitk.GetArrayViewFromImage(lobes)))
        labels.CopyInformation(ct)
    return _Found(labels, check(labels, ct), f"lungmask {weights.path.name}", weights.sha256, lobes)


def _better_one(found: _Found, by_thresholds: Callable[[], _Found], warnings: list[str]) -> _Found:
    """Return the classical mask where the network's cannot be lungs, or is not both lungs and the classical is."""
    faults = found.plausibility.faults
    if not faults and found.plausibility.whole:
        return found
    try:
        classical = by_thresholds()
    except NoThoraxError:
        if faults:
            raise
        return found
    if faults:
        warnings.append(
            f"The lung mask by the network was given up, because {' and '.join(faults)}; the classical segmentation "
            "was used instead."
        )
        return classical
    if not classical.plausibility.whole:
        return found
    missed = "put the lungs at different heights" if found.plausibility.misplaced else "missed a lung"
    warnings.append(f"The network {missed}; the classical segmentation found both lungs and was used instead.")
    return classical
