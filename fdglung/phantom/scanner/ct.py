"""CT images from true CT numbers: the kernel's sharpness, noise as filtered back-projection makes it, and metal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft2, next_fast_len, rfft2

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.ct_rays import metal_streaks, noise_variance

Array = npt.NDArray[np.float32]
Kernel = Literal["soft", "lung"]

REFERENCE_WATER_MM = 290.0
"""Diameter of the water cylinder that weakens X-rays as the abdomen of an adult of 75 kg does; a round figure."""

_SLAB = 6


class _KernelShape(NamedTuple):
    noise: float  # noise over that of the soft kernel
    cutoff_per_mm: float
    boost: float


_KERNELS: dict[str, _KernelShape] = {
    "soft": _KernelShape(1.0, 0.45, 0.0),
    "lung": _KernelShape(3.5, 0.515, 2.2),
}


def scan_ct(
    hu: Array,
    spacing_mm: Sequence[float],
    *,
    mas: float,
    kernel: Kernel,
    slice_mm: float,
    rng: np.random.Generator,
    metal: npt.NDArray[np.bool_] | None = None,
    field_mm: float = 500.0,
) -> npt.NDArray[np.int16]:
    """Turn true CT numbers into a CT image.

    Parameters
    ----------
    hu
        CT numbers in HU, float32 (z, y, x); the rows' and columns' centre is the scanner's axis.
    spacing_mm
        Of voxels along x, y, z.
    mas
        Tube current times time, 1 to 2,000 mAs.
    kernel
        "soft" (a slight blur; noise power with its peak at 0.22 / mm) or "lung" (overshoot at edges; 3.5 times the
        noise, with its peak near 0.5 / mm).
    slice_mm
        Slice thickness, 0.3 to 20 mm. Slices thicker than their spacing share what lies in both.
    rng
        Source of the noise; its use depends on the shape of `hu` and the slice thickness only.
    metal
        Voxels of metal, bool (z, y, x); their streaks are added.
    field_mm
        Diameter of the reconstructed circle; -1024 outside of it.

    Returns
    -------
    ndarray
        int16 HU, -1024 to 3071, of the same shape.

    Raises
    ------
    ParameterError
        A parameter outside its range, or arrays that do not fit.

    Notes
    -----
    The noise at a point is what back-projection brings there: from each direction a share that goes with the square
    root of exp(line integral). So it is high in the middle of the body and low in the lungs, and drawn out across the
    shoulders where those rays are weak. See `noise_sd_hu` for its size. Directions are told apart in three sectors:
    across, along the diagonals, and from front to back. A bow-tie filter that makes up for half of a 320 mm water
    cylinder is assumed.

    """
    _check(hu, spacing_mm, mas, kernel, slice_mm, metal, field_mm)
    x_mm, y_mm, z_mm = (float(value) for value in spacing_mm)
    slices, rows, columns = hu.shape
    shape = (next_fast_len(rows, real=True), next_fast_len(columns, real=True))
    mtf, sectors = _filters(shape, (y_mm, x_mm), kernel)
    level = noise_sd_hu(mas=mas, slice_mm=slice_mm, kernel=kernel) * _captured(kernel, x_mm, y_mm)
    amplitude = np.sqrt(noise_variance(hu, (x_mm, y_mm, z_mm), REFERENCE_WATER_MM)) * np.float32(level)
    enlarge = _enlarger(amplitude.shape[-2:], (rows, columns))
    streaks = metal_streaks(metal, (x_mm, y_mm)) if metal is not None else {}
    taps, noise_taps = slice_taps(slice_mm / z_mm)
    reach, noise_reach = len(taps) // 2, len(noise_taps) // 2
    outside = _outside(rows, columns, x_mm, y_mm, field_mm)
    result = np.empty(hu.shape, np.int16)
    white = rng.standard_normal((2 * noise_reach, rows, columns), dtype=np.float32)
    for start in range(0, slices, _SLAB):
        stop = min(start + _SLAB, slices)
        white = np.concatenate([white, rng.standard_normal((stop - start, rows, columns), dtype=np.float32)])
        grain = rfft2(_blend(white, noise_taps), shape, workers=2)
        white = white[stop - start :]
        # air outside of the transform's padding, which is zero
        clean = hu[np.clip(np.arange(start - reach, stop + reach), 0, slices - 1)]
        clean += 1000
        spectrum = rfft2(_blend(clean, taps), shape, workers=2)
        spectrum *= mtf
        image = irfft2(spectrum, shape, overwrite_x=True, workers=2)[:, :rows, :columns]
        image -= 1000
        for index, sector in enumerate(sectors):
            noise = irfft2(grain * sector, shape, overwrite_x=True, workers=2)[:, :rows, :columns]
            noise *= enlarge(amplitude[start:stop, index])
            image += noise
        for index in sorted(streaks.keys() & range(start, stop)):
            image[index - start] += _enlarger(streaks[index].shape, (rows, columns))(streaks[index])
        image[:, outside] = -1024
        result[start:stop] = np.clip(np.rint(image, out=image), -1024, 3071, out=image)
    if metal is not None:
        result[metal] = np.maximum(result[metal], np.int16(2500))
    return result


def noise_sd_hu(*, mas: float, slice_mm: float, kernel: Kernel) -> float:
    """Standard deviation in HU of the noise at the centre of the reference cylinder of water.

    14 HU at 50 mAs and 4 mm with the soft kernel at voxels of 1 mm or less (round figures for low-dose CT of 120 kV),
    3.5 times that with the lung kernel; it goes as (mAs x slice)^-1/2.
    """
    return 14.0 * _KERNELS[kernel].noise * math.sqrt(50 * 4 / (mas * slice_mm))


def slice_taps(width: float) -> tuple[list[float], list[float]]:
    """Weights along z for a slice `width` voxels thick: of the image, whose sum is 1, and of the noise.

    The image is taken to be linear between slices; the noise of layers one voxel thick is independent, and its
    weights' squares sum to 1, so that thicker slices share noise with their neighbours.
    """
    reach = math.ceil(width / 2 + 0.5)
    fine = (np.arange(4000) + 0.5) / 4000 * width - width / 2
    image = [float(np.maximum(1 - np.abs(fine - k), 0).mean()) for k in range(-reach, reach + 1)]
    noise_reach = max(math.ceil(width / 2 - 0.5), 0)
    noise = [max(min(k + 0.5, width / 2) - max(k - 0.5, -width / 2), 0.0) for k in range(-noise_reach, noise_reach + 1)]
    norm = math.sqrt(sum(value**2 for value in noise))
    return image, [value / norm for value in noise]


def _check(
    hu: Array,
    spacing_mm: Sequence[float],
    mas: float,
    kernel: str,
    slice_mm: float,
    metal: npt.NDArray[np.bool_] | None,
    field_mm: float,
) -> None:
    if hu.ndim != 3 or hu.dtype != np.float32 or min(hu.shape) < 1:
        raise ParameterError(
            f"hu is {hu.dtype} of shape {hu.shape}", attribute="hu", remedy="Give a float32 array (z, y, x)"
        )
    if len(spacing_mm) != 3 or not all(0.1 <= value <= 20 for value in spacing_mm):
        raise ParameterError(
            f"spacing_mm is {tuple(spacing_mm)}", attribute="spacing_mm", remedy="Give x, y, z from 0.1 to 20 mm"
        )
    if kernel not in _KERNELS:
        raise ParameterError(f"kernel is {kernel!r}", attribute="kernel", remedy=f"Give one of {', '.join(_KERNELS)}")
    ranges = {"mas": (mas, 1, 2000), "slice_mm": (slice_mm, 0.3, 20), "field_mm": (field_mm, 50, 1000)}
    for name, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise ParameterError(
                f"{name} is {value}, outside its range", attribute=name, remedy=f"Give a number from {low} to {high}"
            )
    if metal is not None and (metal.shape != hu.shape or metal.dtype != np.bool_):
        raise ParameterError(
            f"metal is {metal.dtype} of shape {metal.shape}", attribute="metal", remedy="Give a bool array like hu"
        )


def _transfer(kernel: str, frequency: Array) -> Array:
    """Modulation transfer of a kernel at frequencies in 1 / mm: a Gaussian, lifted in the middle by the lung kernel."""
    shape = _KERNELS[kernel]
    g = (frequency / np.float32(shape.cutoff_per_mm)) ** 2
    return ((1 + np.float32(shape.boost) * g) * np.exp(-g)).astype(np.float32)


def _filters(shape: tuple[int, int], spacing: tuple[float, float], kernel: str) -> tuple[Array, list[Array]]:
    """Transfer of the image, and amplitudes of the noise by sector of direction.

    The sectors' amplitudes add up to noise of variance 1: all are cut from the same noise, so that noise between two
    sectors has an amplitude between theirs.

    Filtered back-projection's noise power is the frequency (the ramp) times the transfer's square (Riederer, Pelc and
    Chesler, 10.1088/0031-9155/23/3/008). Rays along x bring noise whose waves run along y.
    """
    fy = np.fft.fftfreq(shape[0], spacing[0]).astype(np.float32)[:, None]
    fx = np.fft.rfftfreq(shape[1], spacing[1]).astype(np.float32)[None, :]
    frequency = np.hypot(fx, fy)
    mtf = _transfer(kernel, frequency)
    power = frequency * mtf**2
    twice = np.full(fx.shape, 2.0)
    twice[0, 0] = 1
    if shape[1] % 2 == 0:
        twice[0, -1] = 1
    power /= (power * twice).sum() / (shape[0] * shape[1])
    # 0 for rays across the body, 2 for rays from front to back
    place = np.arctan2(np.abs(fx), np.abs(fy)) / np.float32(np.pi / 4)
    sectors = []
    for node in range(3):
        share = np.cos(np.minimum(np.abs(place - node), 1) * np.float32(np.pi / 2)) ** 2
        sectors.append((np.sqrt(power) * share).astype(np.float32))
    return mtf, sectors


def _captured(kernel: str, x_mm: float, y_mm: float) -> float:
    """Share of the noise's standard deviation that voxels coarser than 1 mm keep, as if averaged from finer ones."""

    def power(x: float, y: float) -> float:
        steps = (np.arange(200, dtype=np.float32) + np.float32(0.5)) / 400
        frequency = np.hypot(steps[None, :] / np.float32(x), steps[:, None] / np.float32(y))
        return float((frequency * _transfer(kernel, frequency) ** 2).mean() / (x * y))

    return math.sqrt(power(max(x_mm, 1.0), max(y_mm, 1.0)) / power(1.0, 1.0))


def _blend(volume: Array, taps: Sequence[float]) -> Array:
    if len(taps) == 1:
        return volume
    count = len(volume) - len(taps) + 1
    result = volume[:count] * np.float32(taps[0])
    for k, tap in enumerate(taps[1:], start=1):
        result += volume[k : k + count] * np.float32(tap)
    return result


def _enlarger(coarse: tuple[int, ...], fine: tuple[int, int]) -> Callable[[Array], Array]:
    """Bilinear enlargement of the last two axes, as two matrices."""
    matrices = []
    for few, many in zip(coarse, fine, strict=True):
        place = np.clip((np.arange(many) + 0.5) * few / many - 0.5, 0, few - 1)
        matrices.append(np.maximum(1 - np.abs(place[:, None] - np.arange(few)), 0).astype(np.float32))
    down, across = matrices[0], np.ascontiguousarray(matrices[1].T)
    return lambda maps: (down @ maps) @ across


def _outside(rows: int, columns: int, x_mm: float, y_mm: float, field_mm: float) -> npt.NDArray[np.bool_]:
    y = (np.arange(rows) - (rows - 1) / 2)[:, None] * y_mm
    x = (np.arange(columns) - (columns - 1) / 2)[None, :] * x_mm
    result: npt.NDArray[np.bool_] = np.hypot(x, y) > field_mm / 2
    return result
