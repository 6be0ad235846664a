"""How many counts a scan has: dose, decay, time, sensitivity, scatter, randoms and beds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.catalogue import Scanner
from fdglung.phantom.scanner.gridding import weighted_sums

if TYPE_CHECKING:
    from torch import Tensor

F18_HALF_LIFE_S = 6586.2
"""Of fluorine-18, as scanners write it."""

F18_POSITRON_FRACTION = 0.9686
"""Positrons a decay of fluorine-18 (Decay Data Evaluation Project)."""

_LINE_SOURCE_MM = 700.0
_RANDOMS_RATIO = 0.4
_RANDOMS_AT_BQ_ML = 2530.0
_RANDOMS_WINDOW_MM = 615.0
_SCATTER_FWHM_MM = 200.0
_LOWEST_SENSITIVITY = 0.1


@dataclass(frozen=True)
class Noise:
    """What sets the number of counts.

    Attributes
    ----------
    injected_dose_bq
        Activity at injection.
    uptake_s
        From injection to the scan.
    bed_seconds
        Time a bed position.
    weight_kg
        Of the patient: an SUV of 1 is the dose, decayed, over the weight.
    dose_factor
        Counts are those of the dose divided by this: 1 or more.
    sensitivity_cps_per_kbq
        NEMA sensitivity (70 cm line source); None for the scanner's.
    half_life_s
        Of the tracer's nuclide; fluorine-18 by default.
    positron_fraction
        Positrons a decay; fluorine-18's by default, to which sensitivities refer.

    Raises
    ------
    ParameterError
        A figure that is not positive, or a dose factor below 1.

    """

    injected_dose_bq: float
    uptake_s: float = 3600.0
    bed_seconds: float = 120.0
    weight_kg: float = 75.0
    dose_factor: float = 1.0
    sensitivity_cps_per_kbq: float | None = None
    half_life_s: float = F18_HALF_LIFE_S
    positron_fraction: float = F18_POSITRON_FRACTION

    def __post_init__(self) -> None:
        for name in ("injected_dose_bq", "bed_seconds", "weight_kg", "half_life_s", "positron_fraction"):
            _positive(name, getattr(self, name))
        if self.sensitivity_cps_per_kbq is not None:
            _positive("sensitivity_cps_per_kbq", self.sensitivity_cps_per_kbq)
        if not (math.isfinite(self.uptake_s) and self.uptake_s >= 0):
            raise ParameterError(f"uptake_s is {self.uptake_s}", attribute="uptake_s", remedy="Give 0 or more seconds")
        if not (math.isfinite(self.dose_factor) and self.dose_factor >= 1):
            raise ParameterError(
                f"dose_factor is {self.dose_factor}", attribute="dose_factor", remedy="Give a number of 1 or more"
            )

    @property
    def bq_per_ml(self) -> float:
        """Activity concentration, at the scan and with the dose factor, of an SUVbw of 1 g/ml."""
        decayed = self.injected_dose_bq / self.dose_factor * 2 ** (-self.uptake_s / self.half_life_s)
        return decayed / (1000 * self.weight_kg)

    def counts_per_suv_ml(self, scanner: Scanner) -> float:
        """Expected true coincidences, nothing attenuated, of one ml with an SUV of 1 in the middle of long coverage.

        The NEMA sensitivity refers to all of a 70 cm line; what lies within the axial field of view is the bed's
        share of it.
        """
        sensitivity = self.sensitivity_cps_per_kbq or scanner.sensitivity_cps_per_kbq
        seen = sensitivity * max(1.0, _LINE_SOURCE_MM / scanner.bed_mm)
        return self.bq_per_ml / 1000 * (self.positron_fraction / F18_POSITRON_FRACTION) * seen * self.bed_seconds

    @property
    def randoms_ratio(self) -> float:
        """Randoms over trues and scatter: proportional to the activity; 0.4 at 2.53 kBq/ml (round figure)."""
        return _RANDOMS_RATIO * self.bq_per_ml / _RANDOMS_AT_BQ_ML


def axial_sensitivity(z_mm: npt.ArrayLike, scanner: Scanner) -> npt.NDArray[np.float64]:
    """Sensitivity of slices relative to the mean over one bed, all beds that cover them together.

    A bed counts most in its middle and least at its ends (a triangle, as of 3D acquisition with a full acceptance
    angle); beds lie so that they reach over all slices. Not below a tenth, as of rebinned end slices.

    Parameters
    ----------
    z_mm
        Slice positions along the patient.
    scanner
        Its bed and the beds' overlap.

    """
    z = np.asarray(z_mm, np.float64)
    step = scanner.bed_mm * (1 - scanner.bed_overlap)
    length = float(np.ptp(z))
    beds = 1 + max(0, math.ceil((length - scanner.bed_mm) / step))
    middle = (z.min() + z.max()) / 2
    middles = middle + step * (np.arange(beds) - (beds - 1) / 2)
    triangles = 2 * np.maximum(0, 1 - np.abs(z[:, None] - middles[None, :]) / (scanner.bed_mm / 2))
    result: npt.NDArray[np.float64] = np.maximum(triangles.sum(axis=1), _LOWEST_SENSITIVITY)
    return result


def background(
    trues: Tensor, *, scatter_fraction: float, randoms_ratio: float, bin_mm: float, length_mm: float
) -> Tensor:
    """Expected scatter and randoms beside expected trues.

    Scatter is the trues smoothed across the bins with 200 mm FWHM, scaled to the scatter fraction; randoms are the
    same in all bins of a slice, within a coincidence window of 4.1 ns (615 mm) where there is time of flight (round
    figures).

    Parameters
    ----------
    trues
        (views, slices, tof_bins, size).
    scatter_fraction
        Scatter over scatter and trues.
    randoms_ratio
        Randoms over scatter and trues, of a slice, summed over a window of the length of the lines.
    bin_mm, length_mm
        Width of a bin across, and length of a line that one bin of time of flight takes; of the whole line where
        there is but one.

    """
    size = trues.shape[-1]
    place = (np.arange(size) - (size - 1) / 2) * bin_mm
    spread = np.exp(-4 * math.log(2) * ((place[:, None] - place[None, :]) / _SCATTER_FWHM_MM) ** 2).astype(np.float32)
    scatter = weighted_sums(trues, 3, np.broadcast_to(np.arange(size), (size, size)).copy(), spread)
    whole = trues.sum(dim=(0, 2, 3), keepdim=True)
    ratio = scatter_fraction / (1 - scatter_fraction)
    scatter *= ratio * whole / scatter.sum(dim=(0, 2, 3), keepdim=True).clamp_min(1e-20)
    every = randoms_ratio * (1 + ratio) * whole / (trues.shape[0] * size)
    share = 1.0 if trues.shape[2] == 1 else min(1.0, length_mm / _RANDOMS_WINDOW_MM)
    return scatter + every * share


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ParameterError(f"{name} is {value}", attribute=name, remedy="Give a number above 0")
