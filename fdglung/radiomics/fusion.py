"""PET and CT as one: fused images, and ratios and differences of features."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import ParameterError
from fdglung.radiomics.filters import PAD_SIGMAS
from fdglung.radiomics.preprocessing import Grid, lesion_grid, resampled_grid
from fdglung.radiomics.settings import FAMILIES, FilterSettings, ImageSettings, RadiomicsSettings
from fdglung.settings_checks import as_floats, floats, freeze, number, one_of, require, whole

if TYPE_CHECKING:
    from fdglung.radiomics.tables import FeatureTable
    from fdglung.radiomics.tasks import Workers

METHODS = ("weighted", "wavelet")
"""How two images become one: voxel by voxel, or band by band of their wavelet transforms."""

DETAILS = ("mean", "max")
"""How details of a wavelet transform become one: their mean, or of the two the one that is larger in magnitude."""

KINDS = ("ratio", "difference")
"""How features of PET and CT become one: PET by CT, and PET less CT."""

FUSED_IMAGE = ImageSettings(bin_count=64, filters=FilterSettings())
"""Settings for features of a fused image: on its own grid, 64 bins, because its unit has no physical meaning."""

_MARGIN_MM = 20.0
"""Room around lesions for interpolation and intensity peaks."""


@dataclass(frozen=True)
class FusionSettings:
    """How PET and CT become one image.

    Attributes
    ----------
    method
        One of `METHODS`.
    pet_range, ct_range
        SUVbw in g/ml and HU that become 0 and 1; what lies beyond is cut off.
    pet_weight
        Weight of PET from 0 to 1, that of CT being the rest; in wavelet fusion of the approximations.
    details
        One of `DETAILS`, for wavelet fusion. PET and CT count the same in the mean; where magnitudes are equal the
        largest is PET's.
    wavelet
        A wavelet's name in PyWavelets.
    wavelet_levels
        Levels of the undecimated transform.
    spacing_mm
        Voxels of the fused image along x, y and z in mm, on the PET's axes; 0 keeps the PET's, None all of them.

    """

    method: str = "weighted"
    pet_range: tuple[float, float] = (0.0, 20.0)
    ct_range: tuple[float, float] = (-1000.0, 400.0)
    pet_weight: float = 0.5
    details: str = "max"
    wavelet: str = "coif1"
    wavelet_levels: int = 1
    spacing_mm: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("pet_range", "ct_range", "spacing_mm"):
            freeze(self, name, floats)
        as_floats(self, "pet_weight")
        one_of(self.method, METHODS, "method")
        one_of(self.details, DETAILS, "details")
        for name in ("pet_range", "ct_range"):
            ends = getattr(self, name)
            good = len(ends) == 2 and all(map(number, ends)) and ends[0] < ends[1]
            require(good, name, "The range has no lower end below its upper end", "Give [low, high]")
        good = number(self.pet_weight) and 0 <= self.pet_weight <= 1
        require(good, "pet_weight", "The weight is not from 0 to 1", "Give 0.5 for equal weights")
        require(whole(self.wavelet_levels), "wavelet_levels", "The number of levels is below 1", "Give 1 or more")
        require(self.wavelet in _wavelets(), "wavelet", "PyWavelets has no such wavelet", "Give coif1, db4 or haar")


def fused_image(
    pet: sitk.Image,
    ct: sitk.Image,
    settings: FusionSettings | None = None,
    *,
    mask: sitk.Image | None = None,
    margin_mm: float = _MARGIN_MM,
) -> sitk.Image:
    """Fuse PET and CT on one grid.

    Both are resampled linearly and rescaled to 0..1 in their ranges. Weighted: ``w PET + (1 - w) CT``. Wavelet: both
    are decomposed by the undecimated wavelet transform, which does not depend on where the grid starts; the last
    approximation is the weighted mean, details follow `FusionSettings.details`, and the transform is inverted
    (after Vallieres et al., Phys Med Biol 2015;60:5471, 10.1088/0031-9155/60/14/5471). With equal weights and the mean
    of details it is weighted fusion.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    ct
        HU, in the same space.
    settings
        None for the defaults.
    mask
        Label image: only the box of its voxels and `margin_mm` is made; None for the whole PET.
    margin_mm
        What to keep around the mask's box; filters need 16 standard deviations.

    Returns
    -------
    SimpleITK.Image
        float32 without unit, mostly from 0 to 1.

    Raises
    ------
    InputError
        The mask is empty or outside the PET.

    """
    chosen = settings or FusionSettings()
    grid = resampled_grid(pet, chosen.spacing_mm)
    if mask is not None:
        grid = lesion_grid(grid, mask, margin_mm=margin_mm)
    hot = _rescaled(pet, grid, chosen.pet_range)
    dense = _rescaled(ct, grid, chosen.ct_range)
    if chosen.method == "weighted":
        fused = chosen.pet_weight * hot + (1 - chosen.pet_weight) * dense
    else:
        fused = _wavelet_fusion(hot, dense, chosen)
    image = sitk.GetImageFromArray(fused.astype(np.float32))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_mm)
    image.SetDirection(grid.direction)
    return image


def fused_features(
    pet: sitk.Image,
    ct: sitk.Image,
    lesions: sitk.Image,
    settings: FusionSettings | None = None,
    *,
    image_settings: ImageSettings | None = None,
    families: Iterable[str] = FAMILIES,
    labels: Iterable[int] | None = None,
    workers: int | Workers | None = None,
    cache: Path | str | None = None,
) -> FeatureTable:
    """Compute the features of lesions on the fused image.

    Parameters
    ----------
    pet, ct
        As in `fused_image`.
    lesions
        Label image on any grid in the same space.
    settings
        How PET and CT become one; None for the defaults.
    image_settings
        How the fused image becomes regions of interest; None for `FUSED_IMAGE`.
    families, labels, workers, cache
        As in `fdglung.radiomics.settings.RadiomicsSettings` and `fdglung.radiomics.extract`.

    Returns
    -------
    FeatureTable
        Names start with ``FUSED_``. Its settings are those of the features and do not hold `settings`.

    """
    from fdglung.radiomics.extraction import extract

    chosen = image_settings or FUSED_IMAGE
    reach = PAD_SIGMAS * max(chosen.filters.log_sigma_mm, default=0.0)
    fused = fused_image(pet, ct, settings, mask=lesions, margin_mm=max(_MARGIN_MM, reach + _MARGIN_MM / 2))
    how = RadiomicsSettings(modalities={"CT": chosen}, families=tuple(families))
    table = extract({"CT": fused}, lesions, how, labels=labels, workers=workers, cache=cache)
    rows = tuple(
        replace(
            row,
            status=row.status.replace("CT: ", "FUSED: "),
            features={f"FUSED_{name.removeprefix('CT_')}": value for name, value in row.features.items()},
        )
        for row in table.lesions
    )
    return replace(table, lesions=rows)


def combined_features(
    row: Mapping[str, float],
    *,
    names: Iterable[str] | None = None,
    kinds: Iterable[str] = KINDS,
    first: str = "PET_",
    second: str = "CT_",
) -> dict[str, float]:
    """Return ratios and differences of the features that two modalities share.

    Parameters
    ----------
    row
        Features of one lesion; those of a modality start with its prefix.
    names
        Features without prefix; None for all that both have.
    kinds
        Some of `KINDS`.
    first, second
        Prefixes of the numerator (minuend) and the denominator (subtrahend).

    Returns
    -------
    dict
        ``RATIO_original_stat_mean_Q4LE`` and ``DIFFERENCE_original_stat_mean_Q4LE``. NaN where a value is not finite, a
        ratio also where its denominator is 0. Where a feature has a unit, a difference of g/ml and HU means nothing,
        and a ratio by a CT number depends on where HU have their zero.

    Raises
    ------
    ParameterError
        A name is not in both, or a kind is unknown.

    """
    wanted = tuple(kinds)
    for kind in wanted:
        one_of(kind, KINDS, "kinds")
    shared = [key.removeprefix(first) for key in row if key.startswith(first) and second + key[len(first) :] in row]
    chosen = shared if names is None else list(names)
    missing = [name for name in chosen if first + name not in row or second + name not in row]
    if missing:
        raise ParameterError(
            f"Not both modalities have {', '.join(missing[:5])}",
            attribute="names",
            remedy="Name features that stand in the row after either prefix",
        )
    return {
        f"{kind.upper()}_{name}": _combined(kind, row[first + name], row[second + name])
        for kind in wanted
        for name in chosen
    }


def _wavelets() -> list[str]:
    import pywt  # type: ignore[import-untyped]

    names: list[str] = pywt.wavelist(kind="discrete")
    return names


def _rescaled(image: sitk.Image, grid: Grid, ends: tuple[float, float]) -> NDArray[np.float32]:
    """Return an image (z, y, x) on a grid, its range become 0..1; outside the image lies its nearest value."""
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputOrigin(grid.origin_mm)
    resampler.SetOutputSpacing(grid.spacing_mm)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    resampler.UseNearestNeighborExtrapolatorOn()
    values = sitk.GetArrayFromImage(resampler.Execute(image))
    low, high = ends
    rescaled: NDArray[np.float32] = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return rescaled


def _wavelet_fusion(
    hot: NDArray[np.float32], dense: NDArray[np.float32], settings: FusionSettings
) -> NDArray[np.float32]:
    import pywt

    # The transform is periodic: mirrored ends keep one side of the image out of the other.
    step = 2**settings.wavelet_levels
    reach = pywt.Wavelet(settings.wavelet).dec_len * step
    pads = [(reach, reach + (-(n + 2 * reach)) % step) for n in hot.shape]
    bands = [
        pywt.swtn(np.pad(values, pads, mode="symmetric"), settings.wavelet, settings.wavelet_levels)
        for values in (hot, dense)
    ]
    smooth = "a" * hot.ndim
    for level, (own, other) in enumerate(zip(*bands, strict=True)):
        for name, band in own.items():
            if name != smooth:
                own[name] = _detail(band, other[name], settings.details)
            elif level == 0:
                own[name] = settings.pet_weight * band + (1 - settings.pet_weight) * other[name]
    whole_image = pywt.iswtn(bands[0], settings.wavelet)
    inner = tuple(slice(before, before + n) for (before, _), n in zip(pads, hot.shape, strict=True))
    fused: NDArray[np.float32] = whole_image[inner]
    return fused


def _detail(own: NDArray[np.float32], other: NDArray[np.float32], rule: str) -> NDArray[np.float32]:
    if rule == "mean":
        return np.asarray((own + other) / 2)
    return np.where(np.abs(own) >= np.abs(other), own, other)


def _combined(kind: str, a: float, b: float) -> float:
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.nan
    if kind == "difference":
        return a - b
    return a / b if b != 0 else math.nan
