"""What scanner and reconstruction do to detail and to noise, as functions of spatial frequency.

The linear theory of an iterative reconstruction: locally, the Fisher information of an image's frequency f is that of
parallel projections, ``W h^2 / f`` (W being the information of an angle per length and radian, h the transfer of the
point spread that is modelled); expectation maximisation scales it by the image over the sensitivity, so that after n
updates the share ``1 - exp(-n rate h^2 / f)`` of a detail is restored (Barrett, Wilson and Tsui 1994,
10.1088/0031-9155/39/5/004, derive the noise of the iteration the same way). ``rate`` is in 1/mm: for a disc of diameter
D without scatter or attenuation 1 / (pi D); time of flight raises it, as it shortens D.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fdglung.phantom.scanner import gridding
from fdglung.phantom.scanner.catalogue import Reconstruction, Scanner
from fdglung.phantom.scanner.gridding import Transfer
from fdglung.phantom.shapes import Grid

if TYPE_CHECKING:
    from torch import Tensor

_WIDER = 1.4
_WIDER_AT_MM = 200.0
_DETAIL_PIXELS, _NOISE_PIXELS = 0.8, 1.2
"""FWHM of the projector's interpolation, in pixels: fitted to spheres, and to the noise's autocorrelation, in the
reference tier."""

_SHARPENED_PIXELS = 0.65
"""Square of the FWHM, in pixels, by which the image is sharper; fitted to spheres in the reference tier."""

_LOWEST_FREQUENCY = 1e-5
_RATES = np.geomspace(1e-6, 1.0, 25)


def gaussian(fwhm_mm: tuple[float, float]) -> Transfer:
    """Transfer function of a Gaussian with a FWHM across and along the patient."""
    across, along = (math.pi**2 / (4 * math.log(2)) * width**2 for width in fwhm_mm)

    def transfer(frequency_across: Tensor, frequency_along: Tensor) -> Tensor:
        return (-across * frequency_across**2).exp() * (-along * frequency_along**2).exp()

    return transfer


def intrinsic_blur(values: Tensor, grid: Grid, *, scanner: Scanner, axial: bool, uniform: bool) -> Tensor:
    """Blur activity as the detectors do.

    Off the axis (x = y = 0) the point spread across the patient widens by 16 % at 10 cm and by 40 % at 20 cm and
    beyond: about the geometric mean of the radial and tangential figures of Discovery MI, 690 and mCT Flow in the
    table of commercial scanners in the Journal of Nuclear Medicine's paper on the first of them (2017).

    Parameters
    ----------
    values
        (z, y, x) on `grid`.
    grid
        Where they lie.
    scanner
        Its resolution.
    axial
        Whether to blur along the patient too.
    uniform
        The resolution of the axis everywhere, as for a reconstruction that models the point spread.

    """
    import torch

    across = scanner.fwhm_mm[0]
    along = scanner.fwhm_mm[1] if axial else 0.0
    reach = 2 * _WIDER * max(scanner.fwhm_mm)
    if uniform:
        return gridding.smooth(values, grid.spacing_mm, gaussian((across, along)), reach_mm=reach)
    widths = (gaussian((across, along)), gaussian((_WIDER * across, along)))
    central, outer = gridding.smooth_by_each(values, grid.spacing_mm, widths, reach_mm=reach)
    x, y = (
        grid.origin_mm[axis] + grid.spacing_mm[axis] * torch.arange(grid.size[axis], device=values.device)
        for axis in (0, 1)
    )
    # the second moment grows as the distance to 3/2, which meets both figures
    away = (torch.sqrt(x[None, :] ** 2 + y[:, None] ** 2) / _WIDER_AT_MM).clamp(0, 1)
    return central.lerp_(outer, away * away.sqrt())


@dataclass(frozen=True)
class Response:
    """The linear theory of one reconstruction on a grid.

    Attributes
    ----------
    scanner, reconstruction
        What is modelled.
    spacing_mm
        Of the image along x, y, z.

    """

    scanner: Scanner
    reconstruction: Reconstruction
    spacing_mm: tuple[float, float, float]

    def detail(self, rate: float) -> Transfer:
        """Transfer function of reconstruction and filter, without that of the detectors where it is not modelled.

        The image's pixels are modelled too wide by the projector's interpolation, which sharpens a little.
        """
        after = gaussian((self.reconstruction.filter_fwhm_mm,) * 2)
        sharper = _SHARPENED_PIXELS * self.spacing_mm[0] ** 2 * math.pi**2 / (4 * math.log(2))
        wide = 2 * self.spacing_mm[0]

        def transfer(across: Tensor, along: Tensor) -> Tensor:
            # no gain beyond what the pixels can hold
            gain = (sharper * across.clamp_max(1 / wide) ** 2).exp()
            return self._restored(across, along, rate, _DETAIL_PIXELS).mul_(after(across, along)).mul_(gain)

        return transfer

    def slower(self, rate: float, than: float) -> Transfer:
        """Transfer function that makes of an image which converged at one pace that of a slower one."""

        def transfer(across: Tensor, along: Tensor) -> Tensor:
            fast = self._restored(across, along, than, _DETAIL_PIXELS).clamp_min_(1e-30)
            return self._restored(across, along, rate, _DETAIL_PIXELS).div_(fast).clamp_max_(1)

        return transfer

    def noise_power(self, rate: float) -> Transfer:
        """Power of the noise by frequency, in 1/cm, of unit information: its integral is the variance times W."""

        def power(across: Tensor, along: Tensor) -> Tensor:
            restored = self._restored(across, along, rate, _NOISE_PIXELS)
            return self._converged_power(across, along).mul_(restored.square_())

        return power

    def variances(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Rates in 1/mm, and the variance times W in 1/cm^3 at each."""
        # 3 to 6 mm voxels and 5 mm kernels are fine on any grid of some 30 to 50 voxels a side
        shape = (32, 48, 48)
        area = self.spacing_mm[0] * self.spacing_mm[1] / 100
        across, along = gridding.frequencies(shape, self.spacing_mm, "cpu")
        updates = self._updates(across, along, _NOISE_PIXELS).numpy()
        converged = (self._converged_power(across, along) * rfft_weights(shape[2])).numpy()
        values = [
            (converged * np.expm1(-rate * updates) ** 2).sum(dtype=np.float64) for rate in _RATES.astype(np.float32)
        ]
        return _RATES, np.asarray(values) / math.prod(shape) / area

    def _converged_power(self, across: Tensor, along: Tensor) -> Tensor:
        """`noise_power` after endless iteration."""
        filter_mm = self.reconstruction.filter_fwhm_mm
        along_mm = 0.0 if self.reconstruction.psf else self.scanner.fwhm_mm[1]
        after = gaussian((math.sqrt(2) * filter_mm, math.sqrt(2) * math.hypot(filter_mm, along_mm)))
        modelled = self._modelled(across, along, _NOISE_PIXELS).clamp_min(1e-12)
        return after(across, along).mul_(10 * across).div_(modelled)

    def _restored(self, across: Tensor, along: Tensor, rate: float, pixels: float) -> Tensor:
        return self._updates(across, along, pixels).mul_(-rate).expm1_().neg_()

    def _updates(self, across: Tensor, along: Tensor, pixels: float) -> Tensor:
        """How far all updates together go towards a detail, over the pace of convergence in 1/mm."""
        many = self.reconstruction.iterations * self.reconstruction.subsets
        return many * self._modelled(across, along, pixels) / across.clamp_min(_LOWEST_FREQUENCY)

    def _modelled(self, across: Tensor, along: Tensor, pixels: float) -> Tensor:
        """Square of the transfer that the reconstruction models: the pixel's, and the point spread's."""
        width = [math.sqrt(2) * pixels * self.spacing_mm[0], 0.0]
        if self.reconstruction.psf:
            width = [
                math.hypot(w, math.sqrt(2) * spread) for w, spread in zip(width, self.scanner.fwhm_mm, strict=True)
            ]
        return gaussian((width[0], width[1]))(across, along)


def rfft_weights(size: int) -> Tensor:
    """How often each of the last axis's frequencies of `torch.fft.rfftn` stands in the whole spectrum: (x/2+1)."""
    import torch

    weights = torch.full((size // 2 + 1,), 2.0)
    weights[0] = 1
    if size % 2 == 0:
        weights[-1] = 1
    return weights
