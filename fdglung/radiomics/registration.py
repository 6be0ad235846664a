"""Two CTs of one patient brought into one space, with a measure of how well that went."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung.errors import InputError
from fdglung.settings_checks import require

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

LEAST_CORRELATION = 0.75
"""Of CT numbers within the body, below which a registration is refused.

One phantom at another depth of breath has 0.81 to 0.82, one of another sex or part of the body 0.4 or less, real
chests of three people 0.23 to 0.53 in pairs. Another person of like build may pass (phantoms: 0.79, 0.85): who it is,
the headers tell.
"""

LEAST_OVERLAP = 0.4
"""Least share of the smaller body that must be seen on both CTs."""

_HU = (-1000.0, 300.0)
_BODY_HU = -300.0
_WORKING_MM = 4.0
_COARSE_MM = 12.0
_SEARCH_MM = 36.0
"""Step along z of the search for a start, for CTs of different extent."""


class RegistrationError(InputError):
    """Two CTs that cannot be brought into one space well enough."""


@dataclass(frozen=True)
class Registration:
    """How one CT lies on another.

    Attributes
    ----------
    transform
        From points of the baseline study to points of the follow-up study, in mm (LPS).
    correlation
        Of CT numbers, cut off at -1000 and 300 HU, in the baseline's body as far as the follow-up CT reaches.
    overlap
        Share of the smaller body that both CTs show.
    rotation_deg
        About whatever axis.
    shift_mm
        That the middle of the baseline's body moves.

    """

    transform: sitk.Transform
    correlation: float
    overlap: float
    rotation_deg: float
    shift_mm: float


def register(
    baseline: sitk.Image,
    followup: sitk.Image,
    *,
    baseline_mask: sitk.Image | None = None,
    followup_mask: sitk.Image | None = None,
    least_correlation: float = LEAST_CORRELATION,
    least_overlap: float = LEAST_OVERLAP,
) -> Registration:
    """Register two CTs of one patient rigidly.

    The body is rigid at best: lungs that are filled otherwise move lesions by up to some cm against it, which matching
    has to allow for. (Scales and shears would fit the lungs by moving the spine.)

    Mattes' mutual information (IEEE Trans Med Imaging 2003;22:120) on three resolutions down to 4 mm, by regular steps
    along the gradient, from the best of starts along the body's axis. Samples have a fixed seed, so that the same CTs
    give the same transform but for rounding.

    Parameters
    ----------
    baseline, followup
        HU, at least the same part of the body in both.
    baseline_mask, followup_mask
        What counts, on any grid in the space of its CT, such as the lungs; None for the body.
    least_correlation, least_overlap
        Quality below which the result is refused.

    Raises
    ------
    RegistrationError
        A CT shows no body, or the quality is too low.

    """
    for name, value in (("least_correlation", least_correlation), ("least_overlap", least_overlap)):
        require(-1 <= value <= 1, name, "The bound is not between -1 and 1", "Give 0.75, or -1 for none")
    fixed, moving = (_isotropic(image, _WORKING_MM) for image in (baseline, followup))
    bodies = [_body(image, name) for image, name in ((fixed, "baseline"), (moving, "followup"))]
    counted = [
        body if mask is None else _mask_on(mask, image)
        for body, mask, image in zip(bodies, (baseline_mask, followup_mask), (fixed, moving), strict=True)
    ]
    rigid = _optimised(fixed, moving, counted, _start(fixed, moving, counted))
    correlation, overlap = _quality(fixed, moving, rigid, bodies[0], bodies[1])
    if overlap < least_overlap or not correlation >= least_correlation:
        raise RegistrationError(
            f"The CTs do not match: correlation {correlation:.2f} (at least {least_correlation:g}), "
            f"{overlap:.0%} of the body on both (at least {least_overlap:.0%})",
            attribute="baseline, followup",
            remedy="Give two CTs of the same part of one patient, masks of what they share, or a lower bound",
        )
    middle = _middle(fixed, bodies[0])
    moved = np.array(rigid.TransformPoint([float(v) for v in middle]))
    turn = np.array(rigid.GetMatrix()).reshape(3, 3)
    return Registration(
        transform=rigid,
        correlation=correlation,
        overlap=overlap,
        rotation_deg=math.degrees(math.acos(min(1.0, max(-1.0, (float(np.trace(turn)) - 1) / 2)))),
        shift_mm=float(np.linalg.norm(moved - middle)),
    )


def _isotropic(image: sitk.Image, spacing_mm: float) -> sitk.Image:
    """Return CT numbers, cut off and smoothed as coarser voxels need, on cubes."""
    spacing = np.array(image.GetSpacing())
    size = np.maximum(1, np.round(np.array(image.GetSize()) * spacing / spacing_mm)).astype(int)
    step = np.array(image.GetSize()) * spacing / size
    direction = np.array(image.GetDirection()).reshape(3, 3)
    origin = np.array(image.GetOrigin()) + direction @ ((step - spacing) / 2)
    known = np.nan_to_num(sitk.GetArrayViewFromImage(image), nan=_HU[0])
    smooth = sitk.GetImageFromArray(np.clip(known, *_HU).astype(np.float32))
    smooth.CopyInformation(image)
    for axis, (old, new) in enumerate(zip(spacing, step, strict=True)):
        if new > old and image.GetSize()[axis] >= 4:
            smooth = sitk.RecursiveGaussian(
                smooth, float(new) / 2.3548, False, sitk.RecursiveGaussianImageFilter.ZeroOrder, axis
            )
    return sitk.Resample(
        smooth,
        [int(n) for n in size],
        sitk.Transform(),
        sitk.sitkLinear,
        [float(v) for v in origin],
        [float(v) for v in step],
        image.GetDirection(),
        _HU[0],
        sitk.sitkFloat32,
    )


def _body(image: sitk.Image, name: str) -> Mask:
    """Return the largest thing denser than fat and all that it encloses in each slice (z, y, x)."""
    dense = sitk.GetArrayViewFromImage(image) > _BODY_HU
    parts, count = ndimage.label(ndimage.binary_opening(dense))
    if not count:
        raise RegistrationError(
            "The CT shows no body", attribute=name, remedy="Give a CT in Hounsfield units that shows the patient"
        )
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.stack([ndimage.binary_fill_holes(part) for part in largest])


def _mask_on(mask: sitk.Image, image: sitk.Image) -> Mask:
    on = sitk.Resample(mask != 0, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    inside: Mask = sitk.GetArrayFromImage(on) > 0
    if not inside.any():
        raise RegistrationError(
            "The mask lies outside its CT", attribute="baseline_mask, followup_mask", remedy="Give it in the CT's space"
        )
    return inside


def _middle(image: sitk.Image, mask: Mask) -> NDArray[np.float64]:
    z, y, x = (float(np.mean(axis)) for axis in np.nonzero(mask))
    return np.array(image.TransformContinuousIndexToPhysicalPoint([x, y, z]))


def _start(fixed: sitk.Image, moving: sitk.Image, counted: list[Mask]) -> sitk.Euler3DTransform:
    """Return the shift of best correlation: none, that of the masks' middles, and steps along z from there."""
    small = [_isotropic(image, _COARSE_MM) for image in (fixed, moving)]
    masks = [
        _mask_on(_as_image(mask, image), other)
        for mask, image, other in zip(counted, (fixed, moving), small, strict=True)
    ]
    middles = [_middle(image, mask) for image, mask in zip((fixed, moving), counted, strict=True)]
    reach = max(image.GetSize()[2] * image.GetSpacing()[2] for image in small) / 2
    steps = np.arange(-math.floor(reach / _SEARCH_MM), math.floor(reach / _SEARCH_MM) + 1) * _SEARCH_MM
    shifts = [np.zeros(3), *(middles[1] - middles[0] + [0, 0, step] for step in steps)]
    best, score = shifts[0], -math.inf
    for shift in shifts:
        moved = sitk.TranslationTransform(3, [float(v) for v in shift])
        correlation, overlap = _quality(small[0], small[1], moved, masks[0], masks[1])
        # A small common part correlates by chance.
        if overlap >= LEAST_OVERLAP and correlation * overlap**0.5 > score:
            best, score = shift, correlation * overlap**0.5
    start = sitk.Euler3DTransform()
    start.SetCenter([float(v) for v in middles[0]])
    start.SetTranslation([float(v) for v in best])
    return start


def _quality(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, fixed_body: Mask, moving_body: Mask
) -> tuple[float, float]:
    """Return the correlation of CT numbers in the fixed body, and the share of the smaller body that both CTs show."""
    reached = sitk.Resample(_ones(moving), fixed, transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    both = (sitk.GetArrayViewFromImage(reached) > 0) & fixed_body
    smaller = min(float(fixed_body.sum()) * _voxel(fixed), float(moving_body.sum()) * _voxel(moving))
    overlap = min(1.0, float(both.sum()) * _voxel(fixed) / smaller)
    if both.sum() < 2:
        return math.nan, overlap
    resampled = sitk.Resample(moving, fixed, transform, sitk.sitkLinear, _HU[0], sitk.sitkFloat32)
    own, other = (sitk.GetArrayViewFromImage(image)[both].astype(np.float64) for image in (fixed, resampled))
    if own.std() == 0 or other.std() == 0:
        return math.nan, overlap
    return float(np.corrcoef(own, other)[0, 1]), overlap


def _voxel(image: sitk.Image) -> float:
    return float(np.prod(image.GetSpacing()))


def _optimised(
    fixed: sitk.Image, moving: sitk.Image, counted: list[Mask], start: sitk.Euler3DTransform
) -> sitk.Euler3DTransform:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(_as_image(_widened(counted[0]), fixed))
    method.SetMetricMovingMask(_as_image(_widened(counted[1]), moving))
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentagePerLevel([1.0, 0.5, 0.25], 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=4.0, minStep=0.01, numberOfIterations=150, relaxationFactor=0.8, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([8.0, 4.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise RegistrationError(
            "The CTs have too little in common to be registered",
            attribute="baseline, followup",
            remedy="Give two CTs of the same part of one patient",
        ) from error
    return start


def _widened(mask: Mask) -> Mask:
    """Return a mask and 20 mm around it, so that its border counts."""
    return np.asarray(ndimage.distance_transform_edt(~mask) * _WORKING_MM <= 20.0)


def _as_image(mask: Mask, like: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.CopyInformation(like)
    return image


def _ones(like: sitk.Image) -> sitk.Image:
    image = sitk.Image(like.GetSize(), sitk.sitkUInt8) + 1
    image.CopyInformation(like)
    return image
