"""Small changes of an image and its lesions, as repeated imaging and contouring would bring them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.stats import norm

from fdglung.errors import InputError
from fdglung.radiomics.growth import Labels, grown
from fdglung.radiomics.preprocessing import Grid, lesion_grid, resample_mask, resampled_grid
from fdglung.radiomics.settings import ImageSettings
from fdglung.settings_checks import as_floats, floats, freeze, number, positive, require, whole

NOISE_MARGIN_MM = 50.0
"""Room around lesions that the noise is estimated in."""

_SPLINE_MARGIN = 24
"""Voxels around a grid that a cubic spline is fitted to."""


@dataclass(frozen=True)
class Perturbation:
    """A chain of changes; applied in the order noise, rotation and shift at once, growth.

    Attributes
    ----------
    rotation_deg
        Of the sampling grid about the image's z axis, through the middle of the lesions.
    shift
        Of the sampling grid along x, y and z, in its voxels.
    growth
        Share of each mask's volume that is added, or taken off where it is negative.
    noise
        Standard deviation of added white noise, as a multiple of the image's own noise level.
    seed
        Of the noise, and of the choice among voxels equally far from a mask's border.

    """

    rotation_deg: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    growth: float = 0.0
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        freeze(self, "shift", floats)
        as_floats(self, "rotation_deg", "growth", "noise")
        require(number(self.rotation_deg), "rotation_deg", "The angle is no number", "Give degrees, such as 6")
        good = len(self.shift) == 3 and all(map(number, self.shift))
        require(good, "shift", "The shift is not three numbers", "Give x, y and z in voxels, such as 0.5")
        good = number(self.growth) and self.growth > -1
        require(good, "growth", "The growth takes off the whole mask", "Give a fraction above -1, such as -0.2")
        good = number(self.noise) and self.noise >= 0
        require(good, "noise", "The noise is below 0", "Give a multiple of the image's noise, such as 1")
        good = isinstance(self.seed, int) and self.seed >= 0
        require(good, "seed", "The seed is no whole number from 0", "Give 0 or more")


def random_chains(
    count: int,
    *,
    seed: int = 0,
    rotation_deg: float = 6.0,
    shift: float = 0.5,
    growth: float = 0.2,
    noise: float = 1.0,
) -> tuple[Perturbation, ...]:
    """Draw chains of changes evenly from ranges; the first chains of a seed are the same whatever their number.

    Parameters
    ----------
    count
        How many.
    seed
        Of all draws.
    rotation_deg, shift, growth
        Largest magnitudes; each is drawn from minus to plus that.
    noise
        Multiple of the image's noise level, the same in all chains.

    Raises
    ------
    ParameterError
        `count` is below 1, a magnitude is negative, or `growth` is not below 1.

    """
    require(whole(count), "count", "The number of chains is below 1", "Give 10 or more for an ICC")
    for name, value in (("rotation_deg", rotation_deg), ("shift", shift), ("growth", growth), ("noise", noise)):
        require(value == 0 or positive(value), name, "The magnitude is no number from 0", "Give 0 to leave it out")
    require(growth < 1, "growth", "The growth takes off whole masks", "Give a fraction below 1, such as 0.2")
    drawn = np.random.default_rng([seed, 0x9E37]).uniform(-1, 1, (count, 5))
    return tuple(
        Perturbation(
            rotation_deg=rotation_deg * float(row[0]),
            shift=(shift * float(row[1]), shift * float(row[2]), shift * float(row[3])),
            growth=growth * float(row[4]),
            noise=noise,
            seed=seed * 1_000_003 + index,
        )
        for index, row in enumerate(drawn)
    )


def perturb(
    image: sitk.Image,
    labels: sitk.Image,
    perturbation: Perturbation,
    settings: ImageSettings | None = None,
    *,
    margin_mm: float | None = None,
    stream: int = 0,
) -> tuple[sitk.Image, sitk.Image]:
    """Return an image and its lesions after a chain of changes.

    Rotation and shift move the grid that the image is sampled on, so that nothing is interpolated twice: with the
    settings of features the result lies on the grid that they are computed on (Zwanenburg et al., Sci Rep 2019;9:614,
    10.1038/s41598-018-36938-4).

    Parameters
    ----------
    image
        SUVbw in g/ml or HU.
    labels
        Label image on any grid in the same space.
    perturbation
        The chain.
    settings
        `spacing_mm`, `interpolator`, `round_to` and `mask_threshold` are looked at; None keeps the image's spacing, and
        interpolates linearly.
    margin_mm
        What to keep around the lesions; None for the whole image.
    stream
        Gives another image another noise of the same seed.

    Returns
    -------
    image, labels
        On one grid: float64, and uint32. A voxel outside `image` has its nearest value. A lesion that no voxel of the
        grid holds is missing.

    Raises
    ------
    InputError
        There is no lesion.

    """
    settings = settings or ImageSettings(bin_width=1)
    interpolator, unit = settings.interpolator, settings.round_to
    grid = _moved_grid(image, labels, perturbation, settings.spacing_mm)
    if margin_mm is not None:
        grid = lesion_grid(grid, labels, margin_mm=margin_mm)
    level = perturbation.noise * noise_level(image, labels) if perturbation.noise else 0.0
    part = _cover(image, grid, _SPLINE_MARGIN if interpolator == "bspline" else 2)
    if level > 0:
        noise = np.random.default_rng([perturbation.seed, stream, 1]).standard_normal(part.GetSize()[::-1])
        part = _with(part, sitk.GetArrayViewFromImage(part) + level * noise)
    moved = _sampled(part, grid, interpolator)
    if unit is not None and (level > 0 or not _is_on(image, grid)):
        moved = np.rint(moved / unit) * unit
    masks = _sampled_labels(labels, grid, settings.mask_threshold)
    if perturbation.growth:
        x, y, z = grid.spacing_mm
        masks = grown(masks, perturbation.growth, (z, y, x), seed=perturbation.seed)
    return _placed(moved, grid), _placed(masks, grid)


def noise_level(image: sitk.Image, labels: sitk.Image | None = None, *, margin_mm: float = NOISE_MARGIN_MM) -> float:
    """Estimate the standard deviation of an image's noise.

    The median magnitude of coiflet-1 details that are high-pass along both x and y, by that of a standard normal
    variable (Donoho & Johnstone, Biometrika 1994;81:425; used by Zwanenburg et al. 2019 after Chang et al., IEEE Trans
    Image Process 2000;9:1532). Where a slice is filled up or cut off nothing counts.

    Parameters
    ----------
    image
        In any unit.
    labels
        Only the box of their voxels and `margin_mm` is looked at; None for the whole image.
    margin_mm
        Room around that box.

    Returns
    -------
    float
        In the unit of `image`; 0 for an even image.

    """
    import pywt  # type: ignore[import-untyped]

    part = image
    if labels is not None:
        part = _cover(image, lesion_grid(resampled_grid(image, None), labels, margin_mm=margin_mm), 0)
    high = np.array(pywt.Wavelet("coif1").dec_hi)
    values = sitk.GetArrayFromImage(part).astype(np.float64)
    details = values
    for axis in (1, 2):
        details = ndimage.convolve1d(details, high, axis=axis, mode="nearest")
    inner = tuple(slice(len(high) // 2, -(len(high) // 2)) if n > 2 * len(high) else slice(None) for n in values.shape)
    noisy = ~_near_even(values, len(high)) & np.isfinite(details)
    counted = details[:, inner[1], inner[2]][noisy[:, inner[1], inner[2]]]
    return float(np.median(np.abs(counted)) / norm.ppf(0.75)) if counted.size else 0.0


def _near_even(values: NDArray[np.float64], reach: int) -> NDArray[np.bool_]:
    """Return voxels (z, y, x) within reach of a patch of equal values in their slice."""
    even = ndimage.maximum_filter(values, (1, 3, 3)) == ndimage.minimum_filter(values, (1, 3, 3))
    return np.asarray(ndimage.maximum_filter(even, (1, 2 * reach + 1, 2 * reach + 1)))


def _moved_grid(
    image: sitk.Image, labels: sitk.Image, perturbation: Perturbation, spacing_mm: tuple[float, float, float] | None
) -> Grid:
    grid = resampled_grid(image, spacing_mm)
    steps = np.array(grid.spacing_mm)
    if perturbation.rotation_deg:
        own = np.array(grid.direction).reshape(3, 3)
        turn = own @ _turned(perturbation.rotation_deg) @ own.T
        # All corners of the image stay on the grid.
        ends = _corners(np.full(3, -0.5), np.array(image.GetSize()) - 0.5)
        corners = _points(image, ends)
        middle = _middle(labels)
        x, y, z = (float(value) for value in middle + turn @ (np.array(grid.origin_mm) - middle))
        grid = replace(grid, origin_mm=(x, y, z), direction=tuple((turn @ own).ravel().tolist()))
        indices = grid.index_of(corners)
        low = np.ceil(indices.min(axis=0)).astype(int)
        size = np.floor(indices.max(axis=0)).astype(int) - low + 1
        grid = grid.part((int(low[0]), int(low[1]), int(low[2])), (int(size[0]), int(size[1]), int(size[2])))
    if any(perturbation.shift):
        move = np.array(grid.direction).reshape(3, 3) @ (steps * perturbation.shift)
        x, y, z = (float(o + m) for o, m in zip(grid.origin_mm, move, strict=True))
        grid = replace(grid, origin_mm=(x, y, z))
    return grid


def _turned(degrees: float) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _middle(labels: sitk.Image) -> NDArray[np.float64]:
    """Return the middle of the box of all labels, in mm."""
    grid = lesion_grid(resampled_grid(labels, None), labels)
    steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
    return np.asarray(steps @ ((np.array(grid.size) - 1) / 2) + grid.origin_mm)


def _corners(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([[(low, high)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)], float)


def _points(image: sitk.Image, indices: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return np.asarray(indices @ steps.T + image.GetOrigin())


def _cover(image: sitk.Image, grid: Grid, margin: int) -> sitk.Image:
    """Cut an image to a grid and some of its own voxels around."""
    steps = np.array(grid.direction).reshape(3, 3) * grid.spacing_mm
    points = _corners(np.zeros(3), np.array(grid.size) - 1.0) @ steps.T + grid.origin_mm
    indices = resampled_grid(image, None).index_of(points)
    size = np.array(image.GetSize())
    low = np.clip(np.floor(indices.min(axis=0) + 1e-6).astype(int) - margin, 0, size - 1)
    high = np.clip(np.ceil(indices.max(axis=0) - 1e-6).astype(int) + margin + 1, low + 1, size)
    return sitk.RegionOfInterest(image, [int(n) for n in high - low], [int(i) for i in low])


def _with(image: sitk.Image, values: NDArray[np.float64]) -> sitk.Image:
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def _placed(values: NDArray[np.generic], grid: Grid) -> sitk.Image:
    made = sitk.GetImageFromArray(values)
    made.SetSpacing(grid.spacing_mm)
    made.SetOrigin(grid.origin_mm)
    made.SetDirection(grid.direction)
    return made


def _sampled(image: sitk.Image, grid: Grid, interpolator: str) -> NDArray[np.float64]:
    kind = {"linear": sitk.sitkLinear, "bspline": sitk.sitkBSpline3, "nearest": sitk.sitkNearestNeighbor}
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputOrigin(grid.origin_mm)
    resampler.SetOutputSpacing(grid.spacing_mm)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetInterpolator(kind[interpolator])
    resampler.SetOutputPixelType(sitk.sitkFloat64)
    resampler.UseNearestNeighborExtrapolatorOn()
    source = sitk.Cast(image, sitk.sitkFloat64) if interpolator == "bspline" else image
    values: NDArray[np.float64] = sitk.GetArrayFromImage(resampler.Execute(source))
    return values


def _is_on(image: sitk.Image, grid: Grid) -> bool:
    """Whether the voxels of a grid are voxels of an image."""
    first = np.array(image.TransformPhysicalPointToContinuousIndex(grid.origin_mm))
    return (
        bool(np.allclose(image.GetSpacing(), grid.spacing_mm, rtol=0, atol=1e-6))
        and bool(np.allclose(image.GetDirection(), grid.direction, rtol=0, atol=1e-6))
        and bool(np.abs(first - np.rint(first)).max() < 1e-4)
    )


def _sampled_labels(labels: sitk.Image, grid: Grid, threshold: float) -> Labels:
    found = np.zeros(grid.size[::-1], np.uint32)
    whole_numbers = sitk.Cast(labels, sitk.sitkUInt32)
    for label, box in enumerate(ndimage.find_objects(sitk.GetArrayViewFromImage(whole_numbers)), start=1):
        if box is None:
            continue
        low = [max(0, part.start - 2) for part in box][::-1]
        high = [min(n, part.stop + 2) for part, n in zip(box[::-1], labels.GetSize(), strict=True)]
        own = sitk.RegionOfInterest(whole_numbers, [b - a for a, b in zip(low, high, strict=True)], low) == label
        try:
            part = lesion_grid(grid, own)
        except InputError:
            continue
        x, y, z = (round(float(i)) for i in grid.index_of(np.array([part.origin_mm]))[0])
        inside = resample_mask(own, part, threshold)
        depth, height, width = inside.shape
        target = found[z : z + depth, y : y + height, x : x + width]
        target[inside & (target == 0)] = label
    return found
