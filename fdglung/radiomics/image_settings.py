"""How images of one modality become regions of interest, and which features are taken of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fdglung.settings_checks import as_floats, check_bins, floats, freeze, number, one_of, positive, require, whole

INTERPOLATORS = ("linear", "bspline", "nearest")
"""How intensities are resampled; ``bspline`` is of order 3, IBSI's cubic spline."""

FAMILIES = ("morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl")
"""Families of features, by the prefix of their names."""

WIDEST_SHELL_MM = 50.0
"""Furthest from a lesion that its surroundings are looked at."""

WIDEST_SEARCH_MM = 60.0
"""Furthest that a mask may be moved on the CT: more than breath moves a lung."""

WIDEST_REACH_MM = 30.0
"""Furthest that a lesion's outline on the CT may go beyond its mask."""

SHELL = "shell"
"""How the names of shells about a lesion begin, where those of filtered images stand."""

AGGREGATIONS = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb")
"""How texture matrices of directions and slices become one value; families without directions take what is before _."""


@dataclass(frozen=True)
class FilterSettings:
    """Filtered images that features are taken of, beside the original.

    Attributes
    ----------
    log_sigma_mm
        Standard deviations of Laplacian-of-Gaussian filters in mm; none where empty.
    wavelet
        A wavelet's name in PyWavelets, such as ``coif1``; None for no wavelet images.
    wavelet_levels
        Levels of the undecimated decomposition, 8 images each.
    bin_width, bin_count
        Discretisation of the filters' responses, one of them; IBSI advises a number of bins for images without
        definite units (manual, section 2.7).

    """

    log_sigma_mm: tuple[float, ...] = ()
    wavelet: str | None = None
    wavelet_levels: int = 1
    bin_width: float | None = None
    bin_count: int | None = 32

    def __post_init__(self) -> None:
        freeze(self, "log_sigma_mm", floats)
        as_floats(self, "bin_width")
        for sigma in self.log_sigma_mm:
            require(positive(sigma), "log_sigma_mm", "A sigma is not above 0", "Give sigmas in mm, such as [1, 2, 3]")
        good = whole(self.wavelet_levels)
        require(good, "wavelet_levels", "The number of levels is no whole number above 0", "Give 1 or more")
        check_bins(self.bin_width, self.bin_count)


@dataclass(frozen=True)
class AlignmentSettings:
    """How far and how readily a lesion's mask, drawn on the PET, moves to where the lesion lies on the CT.

    The defaults were chosen on synthetic studies with voxels of 3 mm (docs/radiomics.md).

    Attributes
    ----------
    search_mm
        Furthest shift that is looked at.
    hu_per_mm
        What a mm of shift costs along the patient's z axis, in HU of contrast.
    transverse_factor
        What a mm in the plane costs more than one along z: breath moves lesions along the body above all.
    least_gain_hu
        Contrast, costs taken off, that a shift must gain; else the mask stays.
    shell_mm
        Thickness of the shell about the mask that it is to stand out from.
    window_hu
        Lowest and highest HU that count; what is below or above counts as they do.
    step_mm
        Cubes that are worked on; shifts between them come from a parabola.

    """

    search_mm: float = 25.0
    hu_per_mm: float = 10.0
    transverse_factor: float = 2.0
    least_gain_hu: float = 30.0
    shell_mm: float = 5.0
    window_hu: tuple[float, float] = (-900.0, 50.0)
    step_mm: float = 3.0

    def __post_init__(self) -> None:
        freeze(self, "window_hu", floats)
        as_floats(self, *(name for name in self.__dataclass_fields__ if name != "window_hu"))
        good = positive(self.step_mm) and 1 <= self.step_mm <= 10
        require(good, "step_mm", "The step is not between 1 and 10 mm", "Give 3, or the CT's slice thickness")
        good = positive(self.search_mm) and self.step_mm <= self.search_mm <= WIDEST_SEARCH_MM
        remedy = "Give 15 to 25"
        require(good, "search_mm", f"The search is not between step_mm and {WIDEST_SEARCH_MM:g} mm", remedy)
        good = positive(self.shell_mm) and self.step_mm <= self.shell_mm <= WIDEST_SHELL_MM
        require(good, "shell_mm", f"The shell is not between step_mm and {WIDEST_SHELL_MM:g} mm thick", "Give 5")
        for name in ("hu_per_mm", "least_gain_hu"):
            good = number(getattr(self, name)) and getattr(self, name) >= 0
            require(good, name, "The number is below 0", "Give 0 or more, in HU")
        good = number(self.transverse_factor) and self.transverse_factor >= 1
        require(good, "transverse_factor", "The factor is below 1", "Give 1 for all directions alike, or 2")
        remedy = "Give [-900, 50]"
        require(_rises(self.window_hu), "window_hu", "The window has no lower end below its upper end", remedy)


@dataclass(frozen=True)
class OutlineSettings:
    """How a lesion is outlined on the CT, from a mask that was drawn on the PET.

    The defaults were chosen on synthetic studies with voxels of 3 mm (docs/radiomics.md).

    Attributes
    ----------
    reach_mm
        Furthest that the outline goes beyond the mask, but for gaps and hollows that it closes.
    least_contrast_hu
        How much denser than the lung about it a lesion must be; else its mask stays.
    shell_mm
        Inner and outer bound in mm of the shell about the mask that the lung is told from.
    window_hu
        Lowest and highest HU that count; what is below or above counts as they do.
    beta
        Of the random walker: the higher, the less it crosses edges, and the more it heeds noise.
    closing_mm
        Radius of the ball that gaps of the outline are closed by, such as air in bronchi and open cavities.

    """

    reach_mm: float = 6.0
    least_contrast_hu: float = 150.0
    shell_mm: tuple[float, float] = (3.0, 9.0)
    window_hu: tuple[float, float] = (-1000.0, 80.0)
    beta: float = 300.0
    closing_mm: float = 10.0

    def __post_init__(self) -> None:
        freeze(self, "shell_mm", floats)
        freeze(self, "window_hu", floats)
        as_floats(self, "reach_mm", "least_contrast_hu", "beta", "closing_mm")
        good = positive(self.reach_mm) and self.reach_mm <= WIDEST_REACH_MM
        require(good, "reach_mm", f"The reach is not above 0 and at most {WIDEST_REACH_MM:g} mm", "Give 6")
        for name, remedy in (("least_contrast_hu", "Give 150"), ("beta", "Give 300")):
            require(positive(getattr(self, name)), name, "The number is not above 0", remedy)
        good = number(self.closing_mm) and 0 <= self.closing_mm <= WIDEST_REACH_MM
        require(good, "closing_mm", f"The radius is not within 0 to {WIDEST_REACH_MM:g} mm", "Give 10, or 0 for none")
        good = _rises(self.shell_mm) and self.shell_mm[0] >= 0 and self.shell_mm[1] <= WIDEST_SHELL_MM
        require(good, "shell_mm", f"The bounds do not rise within 0 to {WIDEST_SHELL_MM:g} mm", "Give [3, 9]")
        remedy = "Give [-1000, 80]"
        require(_rises(self.window_hu), "window_hu", "The window has no lower end below its upper end", remedy)


@dataclass(frozen=True)
class ImageSettings:
    """How images of one modality become regions of interest, and which features are taken of them.

    Attributes
    ----------
    spacing_mm
        Voxels after resampling along x, y and z in mm; 0 keeps an axis, None keeps all.
    interpolator
        One of `INTERPOLATORS`; masks are always resampled linearly.
    mask_threshold
        Least share of a resampled voxel that the mask must fill.
    round_to
        Unit that resampled intensities are rounded to: 1 for HU; None leaves them.
    range
        Re-segmentation: lowest and highest intensity that stay in the intensity mask; None for an open end.
    outlier_sigma
        Re-segmentation: intensities further than this many standard deviations from the mean leave the intensity
        mask, after `range`; None keeps them.
    bin_width, bin_count
        Discretisation by width (in the image's unit) or by number of bins; exactly one.
    bin_origin
        Lower end of the first bin of a given width; None: the lower end of `range`, else the lowest intensity.
    ivh_bin_width, ivh_bin_count
        Discretisation for the intensity-volume histogram, at most one: IBSI's continuous case and arbitrary units;
        with neither it is the discrete case, intensities counting as whole numbers, as HU are.
    filters
        Filtered images beside the original.
    aggregations
        Some of `AGGREGATIONS`, for textures.
    shells_mm
        Inner and outer bounds in mm of shells about a lesion of which statistics and histogram are taken too; none
        where empty.
    alignment
        How masks that were drawn on the PET move to where their lesions lie on the CT; None leaves them. For the CT
        alone.
    outline
        How lesions are outlined on the CT, from their masks as drawn or aligned; None takes the masks. For the CT
        alone.

    """

    spacing_mm: tuple[float, float, float] | None = None
    interpolator: str = "linear"
    mask_threshold: float = 0.5
    round_to: float | None = None
    range: tuple[float | None, float | None] | None = None
    outlier_sigma: float | None = None
    bin_width: float | None = None
    bin_count: int | None = None
    bin_origin: float | None = None
    ivh_bin_width: float | None = None
    ivh_bin_count: int | None = None
    filters: FilterSettings = field(default_factory=FilterSettings)
    aggregations: tuple[str, ...] = ("3D_avg",)
    shells_mm: tuple[tuple[float, float], ...] = ()
    alignment: AlignmentSettings | None = None
    outline: OutlineSettings | None = None

    def __post_init__(self) -> None:
        freeze(self, "spacing_mm", floats)
        freeze(self, "range", floats)
        freeze(self, "aggregations", tuple)
        freeze(self, "shells_mm", lambda shells: tuple(map(_bounds, shells)))
        as_floats(self, "mask_threshold", "round_to", "outlier_sigma", "bin_width", "bin_origin", "ivh_bin_width")
        if self.spacing_mm is not None:
            good = len(self.spacing_mm) == 3 and all(s == 0 or positive(s) for s in self.spacing_mm)
            require(good, "spacing_mm", "The spacing is not three numbers from 0", "Give x, y and z in mm, 0 to keep")
        one_of(self.interpolator, INTERPOLATORS, "interpolator")
        good = number(self.mask_threshold) and 0 < self.mask_threshold <= 1
        require(good, "mask_threshold", "The threshold is not in (0, 1]", "Give 0.5, as IBSI does")
        for name in ("round_to", "outlier_sigma", "ivh_bin_width"):
            value = getattr(self, name)
            require(value is None or positive(value), name, "The number is not above 0", "Give a number or null")
        if self.range is not None:
            ends = [end for end in self.range if end is not None]
            good = len(self.range) == 2 and all(map(number, ends)) and (len(ends) < 2 or ends[0] < ends[1])
            require(good, "range", "The range has no lower end below its upper end", "Give [low, high], null for open")
        check_bins(self.bin_width, self.bin_count)
        good = self.bin_origin is None or number(self.bin_origin)
        require(good, "bin_origin", "The origin is no number", "Give a number in the image's unit, or null")
        good = self.ivh_bin_count is None or whole(self.ivh_bin_count)
        require(good, "ivh_bin_count", "The number of bins is no whole number above 0", "Give 1000, as IBSI does")
        both = self.ivh_bin_width is not None and self.ivh_bin_count is not None
        require(not both, "ivh_bin_count", "There are a width and a number of bins", "Give one of them, or neither")
        for aggregation in self.aggregations:
            one_of(aggregation, AGGREGATIONS, "aggregations")
        for bounds in self.shells_mm:
            good = isinstance(bounds, tuple) and len(bounds) == 2 and all(map(number, bounds))
            good = good and 0 <= bounds[0] < bounds[1] <= WIDEST_SHELL_MM
            require(
                good,
                "shells_mm",
                f"A shell's bounds do not rise within 0 to {WIDEST_SHELL_MM:g} mm",
                "Give [[0, 4], [4, 8]] or so",
            )
        good = self.alignment is None or isinstance(self.alignment, AlignmentSettings)
        require(good, "alignment", "The value is no alignment", "Give its keys, such as search_mm: 25, or null")
        good = self.outline is None or isinstance(self.outline, OutlineSettings)
        require(good, "outline", "The value is no outline", "Give its keys, such as reach_mm: 6, or null")


def _rises(bounds: Any) -> bool:
    """Return whether a value is two numbers, the first below the second."""
    good = isinstance(bounds, tuple) and len(bounds) == 2 and all(map(number, bounds))
    return good and bounds[0] < bounds[1]


def _bounds(value: Any) -> Any:
    """Return what YAML gives as a list of numbers as a tuple of floats, and anything else as it is."""
    return floats(value) if isinstance(value, (list, tuple)) else value
