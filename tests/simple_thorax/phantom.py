"""A simple synthetic FDG PET/CT of a thorax with spherical lesions of known place, size and uptake."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.phantom.shapes import Array, Grid, ball_coverage
from tests.simple_thorax import thorax
from tests.simple_thorax.painting import coverage, paint
from tests.simple_thorax.vessels import lung_vessels

CT_FIELD_MM = 500.0
PET_FIELD_MM = 600.0


@dataclass(frozen=True)
class SphereLesion:
    """A ball of uniform uptake.

    Attributes
    ----------
    centre_mm
        Patient coordinates (LPS) in mm; see `tests.simple_thorax.thorax` for where things lie.
    radius_mm
        Radius in mm.
    suv
        True SUVbw in g/ml, before the scanner blurs it.
    name
        What to call it in the truth.
    hu
        CT number in HU.

    """

    centre_mm: tuple[float, float, float]
    radius_mm: float
    suv: float
    name: str = ""
    hu: float = 40.0

    @property
    def volume_ml(self) -> float:
        """4/3 pi r^3."""
        return 4 / 3 * math.pi * self.radius_mm**3 / 1000


DEFAULT_LESIONS = (
    SphereLesion((-72.0, 4.0, 52.0), 12.5, 9.0, "right upper lobe"),
    SphereLesion((111.0, 60.0, -100.0), 7.0, 5.0, "left lower lobe, pleural"),
    SphereLesion((-52.0, 8.0, -20.0), 15.0, 12.0, "right hilum"),
)


@dataclass(frozen=True)
class Phantom:
    """A synthetic study and the truth about it.

    Attributes
    ----------
    ct
        int16, HU, patient space (LPS, mm); None where it was not asked for.
    pet
        float32, SUVbw in g/ml, patient space (LPS, mm); None where it was not asked for.
    lesions
        The true lesions; a lesion's label is its place in this tuple, from 1.
    lesion_mask
        uint16 on the PET grid: voxels of which a lesion fills at least half; None without PET.
    lungs
        uint8 on the CT grid: 1 right, 2 left, lesions included where they lie within; None without CT.
    parameters
        What the study was made from, seed included: plain JSON values.

    """

    ct: sitk.Image | None
    pet: sitk.Image | None
    lesions: tuple[SphereLesion, ...]
    lesion_mask: sitk.Image | None
    lungs: sitk.Image | None
    parameters: dict[str, object]


def simple_thorax(
    *,
    seed: int = 0,
    lesions: Sequence[SphereLesion] | None = None,
    ct_matrix: int = 512,
    pet_matrix: int = 128,
    slice_spacing_mm: float = 3.27,
    psf_fwhm_mm: float = 6.0,
    pet_noise: float = 0.10,
    ct_noise_hu: float = 12.0,
    myocardium_suv: float = 6.5,
    kidney_suv: float = 25.0,
    with_ct: bool = True,
    with_pet: bool = True,
) -> Phantom:
    """Make a PET/CT of a thorax from the upper kidneys to the base of the neck (398 mm).

    Parameters
    ----------
    seed
        Of the noise and the lung vessels; the PET's does not depend on the CT's options.
    lesions
        What to add; None for three (`DEFAULT_LESIONS`), an empty sequence for none.
    ct_matrix, pet_matrix
        Voxels along x and along y; the fields are 500 mm (CT) and 600 mm (PET) wide.
    slice_spacing_mm
        Of both images.
    psf_fwhm_mm
        Full width at half maximum of the scanner's Gaussian point spread; 0 for a perfect scanner.
    pet_noise
        Standard deviation over mean in the liver; the variance goes with the uptake, the noise is correlated over
        6 mm; 0 for none.
    ct_noise_hu
        Standard deviation of the CT's noise in HU; 0 for none.
    myocardium_suv, kidney_suv
        Physiological uptake that is no lesion: left ventricle's wall and renal calyces.
    with_ct, with_pet
        Leave one of the two out.

    Raises
    ------
    ParameterError
        A parameter outside its range, or a lesion that is not wholly inside the body.

    """
    balls = DEFAULT_LESIONS if lesions is None else tuple(lesions)
    parameters: dict[str, object] = {
        "seed": seed,
        "ct_matrix": ct_matrix,
        "pet_matrix": pet_matrix,
        "slice_spacing_mm": slice_spacing_mm,
        "psf_fwhm_mm": psf_fwhm_mm,
        "pet_noise": pet_noise,
        "ct_noise_hu": ct_noise_hu,
        "myocardium_suv": myocardium_suv,
        "kidney_suv": kidney_suv,
        "with_ct": with_ct,
        "with_pet": with_pet,
    }
    _check(parameters, balls)
    ct = pet = lesion_mask = lungs = None
    if with_ct:
        grid = _grid(ct_matrix, CT_FIELD_MM, slice_spacing_mm)
        hu = _paint_ct(grid, balls, seed, myocardium_suv, kidney_suv)
        lungs = _image(_lung_labels(grid), grid)
        if ct_noise_hu > 0:
            hu += _ct_noise(np.random.default_rng([seed, 2]), hu.shape, ct_noise_hu)
        np.clip(np.rint(hu, out=hu), -1024, 3071, out=hu)
        ct = _image(hu.astype(np.int16), grid)
    if with_pet:
        grid = _grid(pet_matrix, PET_FIELD_MM, slice_spacing_mm)
        suv, labels = _paint_pet(grid, balls, myocardium_suv, kidney_suv)
        suv = _scan(suv, grid, seed, psf_fwhm_mm, pet_noise)
        pet, lesion_mask = _image(suv, grid), _image(labels, grid)
    return Phantom(ct, pet, balls, lesion_mask, lungs, parameters)


def _check(parameters: dict[str, object], lesions: tuple[SphereLesion, ...]) -> None:
    ranges: dict[str, tuple[float, float]] = {
        "seed": (0, 2**32 - 1),
        "ct_matrix": (32, 1024),
        "pet_matrix": (32, 512),
        "slice_spacing_mm": (0.5, 20),
        "psf_fwhm_mm": (0, 30),
        "pet_noise": (0, 1),
        "ct_noise_hu": (0, 500),
        "myocardium_suv": (0, 1000),
        "kidney_suv": (0, 1000),
    }
    for name, (low, high) in ranges.items():
        _check_range(name, parameters[name], low, high)
    for name in ("seed", "ct_matrix", "pet_matrix"):
        if not isinstance(parameters[name], (int, np.integer)):
            raise ParameterError(f"{name} must be a whole number", attribute=name, remedy="Give an integer.")
    if not (parameters["with_ct"] or parameters["with_pet"]):
        raise ParameterError("neither CT nor PET is asked for", attribute="with_pet", remedy="Ask for one of them.")
    for index, lesion in enumerate(lesions):
        where = f"lesions[{index}]"
        _check_range(f"{where}.radius_mm", lesion.radius_mm, 1, 100)
        _check_range(f"{where}.suv", lesion.suv, 0, 1000)
        _check_range(f"{where}.hu", lesion.hu, -1024, 3071)
        if len(lesion.centre_mm) != 3 or not all(math.isfinite(c) for c in lesion.centre_mm):
            raise ParameterError(
                "three finite numbers are needed", attribute=f"{where}.centre_mm", remedy="Give x, y, z in mm (LPS)."
            )
        x, y, z = (np.full((1, 1, 1), c, np.float32) for c in lesion.centre_mm)
        inside = -float(thorax.body_distance(x, y, z)[0, 0, 0])
        height = lesion.centre_mm[2]
        if min(inside, height - thorax.BOTTOM_MM, thorax.TOP_MM - height) < lesion.radius_mm:
            raise ParameterError(
                "the sphere is not wholly inside the body",
                attribute=f"{where}.centre_mm",
                remedy=f"Move it inside: z from {thorax.BOTTOM_MM:.0f} to {thorax.TOP_MM:.0f} mm, carina near 0, 0, 0.",
            )


def _check_range(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ParameterError(f"{name} must be a number", attribute=name, remedy=f"Give a number from {low} to {high}.")
    if not low <= value <= high:
        raise ParameterError(
            f"{name} is {value}, outside its range", attribute=name, remedy=f"Give a number from {low} to {high}."
        )


def _grid(matrix: int, field_mm: float, slice_spacing_mm: float) -> Grid:
    spacing = field_mm / matrix
    first = -field_mm / 2 + spacing / 2
    slices = int((thorax.TOP_MM - thorax.BOTTOM_MM) / slice_spacing_mm + 1e-6) + 1
    return Grid((first, first, thorax.BOTTOM_MM), (spacing, spacing, slice_spacing_mm), (matrix, matrix, slices))


def _paint_ct(
    grid: Grid, lesions: tuple[SphereLesion, ...], seed: int, myocardium_suv: float, kidney_suv: float
) -> Array:
    hu = np.full(grid.shape, np.float32(-1000))
    vessels = lung_vessels(np.random.default_rng([seed, 1]))
    for part in thorax.parts(myocardium_suv=myocardium_suv, kidney_suv=kidney_suv, vessels=vessels):
        if part.hu is not None:
            paint(hu, grid, part.solid, part.hu)
    for lesion in lesions:
        window, filled = ball_coverage(lesion.centre_mm, lesion.radius_mm, grid)
        hu[window] += filled * (np.float32(lesion.hu) - hu[window])
    return hu


def _lung_labels(grid: Grid) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    labels = np.zeros(grid.shape, np.uint8)
    for label, side in ((1, thorax.RIGHT), (2, thorax.LEFT)):
        solid = thorax.lung(side)
        window = grid.window(solid.box)
        labels[window][coverage(solid, grid, window) >= 0.5] = label
    return labels


def _ct_noise(rng: np.random.Generator, shape: tuple[int, ...], sd: float) -> Array:
    """Noise smoothed over neighbours in the plane, as a soft kernel does."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise[:, :, :-1] += noise[:, :, 1:]
    noise[:, :-1, :] += noise[:, 1:, :]
    noise *= np.float32(sd / 2)
    return noise


def _paint_pet(
    grid: Grid, lesions: tuple[SphereLesion, ...], myocardium_suv: float, kidney_suv: float
) -> tuple[Array, np.ndarray[tuple[int, ...], np.dtype[np.uint16]]]:
    suv = np.zeros(grid.shape, np.float32)
    for part in thorax.parts(myocardium_suv=myocardium_suv, kidney_suv=kidney_suv, vessels=()):
        if part.suv is not None:
            paint(suv, grid, part.solid, part.suv)
    labels = np.zeros(grid.shape, np.uint16)
    for label, lesion in enumerate(lesions, start=1):
        window, filled = ball_coverage(lesion.centre_mm, lesion.radius_mm, grid)
        suv[window] += filled * (np.float32(lesion.suv) - suv[window])
        labels[window][filled >= 0.5] = label
    return suv, labels


def _scan(suv: Array, grid: Grid, seed: int, psf_fwhm_mm: float, noise: float) -> Array:
    """Blur and add noise whose variance goes with the uptake."""
    blurred = _blur(suv, grid, psf_fwhm_mm)
    if noise > 0:
        grain = np.random.default_rng([seed, 3]).standard_normal(suv.shape, dtype=np.float32)
        grain = _blur(grain, grid, 6.0)
        grain /= grain.std(dtype=np.float64).astype(np.float32)
        liver = np.float32(2.1)
        blurred = blurred + np.float32(noise) * np.sqrt(liver * np.maximum(blurred, 0)) * grain
    return np.maximum(blurred, 0).astype(np.float32)


def _blur(volume: Array, grid: Grid, fwhm_mm: float) -> Array:
    """Blur by a Gaussian of exactly the variance asked for; the edges are repeated.

    The kernel is Lindeberg's discrete Gaussian (1990), with the transfer function ``exp(t (cos w - 1))`` for a variance
    of t square voxels: a sampled Gaussian is too narrow once it is as narrow as a voxel. The sum goes tap by tap, so
    that the result does not depend on a library's order of summation.
    """
    for axis, spacing in zip((2, 1, 0), grid.spacing_mm, strict=True):
        sigma = fwhm_mm / (2 * math.sqrt(2 * math.log(2))) / spacing
        if sigma == 0:
            continue
        reach = math.ceil(5 * sigma) + 1
        frequencies = np.arange(257) * (math.pi / 256)
        kernel = np.fft.irfft(np.exp(sigma**2 * (np.cos(frequencies) - 1)), 512)
        taps = np.concatenate([kernel[reach:0:-1], kernel[: reach + 1]])
        padded = np.pad(volume, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="edge")
        result = np.zeros_like(volume)
        for k, tap in enumerate(taps / taps.sum()):
            part = [slice(None)] * 3
            part[axis] = slice(k, k + volume.shape[axis])
            result += np.float32(tap) * padded[tuple(part)]
        volume = result
    return volume


def _image(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], grid: Grid) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetOrigin(grid.origin_mm)
    image.SetSpacing(grid.spacing_mm)
    return image
