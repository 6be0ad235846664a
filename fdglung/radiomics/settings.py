"""Settings that describe a radiomics run in full; to and from YAML, and from PyRadiomics' parameter files."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from fdglung.errors import ParameterError
from fdglung.radiomics.checks import as_floats, check_bins, floats, freeze, number, one_of, positive, require, whole

FORMAT = "fdglung radiomics settings"
"""Names the YAML document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""

PREPROCESSINGS = ("ibsi", "pyradiomics")
"""How image and mask become a ROI: by IBSI's reference workflow, or as PyRadiomics 3.0.1 does it, errors included."""

INTERPOLATORS = ("linear", "bspline", "nearest")
"""How intensities are resampled; ``bspline`` is of order 3, IBSI's cubic spline."""

FAMILIES = ("morph", "loc", "stat", "ih", "ivh", "cm", "rlm", "szm", "dzm", "ngt", "ngl")
"""Families of features, by the prefix of their names."""

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

    def __post_init__(self) -> None:
        freeze(self, "spacing_mm", floats)
        freeze(self, "range", floats)
        freeze(self, "aggregations", tuple)
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


@dataclass(frozen=True)
class PyRadiomicsParameters:
    """A PyRadiomics parameter file, whole. The mappings are not to be changed.

    Attributes
    ----------
    setting
        Settings by PyRadiomics' names; what is missing has PyRadiomics' default.
    image_types
        Image type to its own settings; in the order of the file.
    feature_classes
        Class to the features wanted; None or empty for all that are not deprecated.
    voxel_setting
        Settings of voxel-based extraction, which `fdglung` does not do; kept for the record.

    """

    setting: dict[str, Any] = field(default_factory=dict)
    image_types: dict[str, dict[str, Any]] = field(default_factory=dict)
    feature_classes: dict[str, list[str] | None] = field(default_factory=dict)
    voxel_setting: dict[str, Any] = field(default_factory=dict)

    def as_file(self) -> dict[str, Any]:
        """Return the content of a parameter file that PyRadiomics reads the same."""
        content = {
            "setting": self.setting,
            "imageType": self.image_types,
            "featureClass": self.feature_classes,
            "voxelSetting": self.voxel_setting,
        }
        return {key: copy.deepcopy(value) for key, value in content.items() if value}


def _default_modalities() -> dict[str, ImageSettings]:
    return dict(DEFAULT_MODALITIES)


@dataclass(frozen=True)
class RadiomicsSettings:
    """All that decides the features of a run. The mappings are not to be changed.

    Attributes
    ----------
    preprocessing
        One of `PREPROCESSINGS`.
    modalities
        Modality (PET, CT) to its settings, with ``ibsi`` preprocessing; one that is missing gets no features.
    families
        Some of `FAMILIES`, with ``ibsi`` preprocessing.
    pyradiomics
        Modality to its parameters, with ``pyradiomics`` preprocessing.

    """

    preprocessing: str = "ibsi"
    modalities: dict[str, ImageSettings] = field(default_factory=_default_modalities)
    families: tuple[str, ...] = FAMILIES
    pyradiomics: dict[str, PyRadiomicsParameters] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze(self, "families", tuple)
        one_of(self.preprocessing, PREPROCESSINGS, "preprocessing")
        for family in self.families:
            one_of(family, FAMILIES, "families")
        for modality in [*self.modalities, *self.pyradiomics]:
            one_of(modality, tuple(DEFAULT_MODALITIES), "modalities")
        good = self.preprocessing == "ibsi" or bool(self.pyradiomics)
        require(good, "pyradiomics", "PyRadiomics' parameters are missing", "Use from_pyradiomics on its file")

    @property
    def digest(self) -> str:
        """SHA-256 of the settings: the same for the same settings in any process and on any machine."""
        text = json.dumps(to_mapping(self), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


DEFAULT_FILTERS = FilterSettings(log_sigma_mm=(1, 2, 3, 4, 5), wavelet="coif1")
"""LoG of 1 to 5 mm and the 8 bands of one wavelet level."""

DEFAULT_MODALITIES: Mapping[str, ImageSettings] = {
    "PET": ImageSettings(
        spacing_mm=(3, 3, 3),
        range=(0, None),
        bin_width=0.25,
        bin_origin=0,
        ivh_bin_width=0.1,
        filters=DEFAULT_FILTERS,
    ),
    "CT": ImageSettings(
        spacing_mm=(2, 2, 2),
        round_to=1,
        range=(-1000, 400),
        bin_width=25,
        ivh_bin_width=2.5,
        filters=DEFAULT_FILTERS,
    ),
}
"""What a modality gets where nothing is said.

PET: cubes of 3 mm, the lower end of the 3 to 4 mm that the EANM asks PET voxels to have (Boellaard et al., Eur J Nucl
Med Mol Imaging 2015;42:328), so that little is made up between voxels; bins of fixed width from 0 SUV, as IBSI advises
for calibrated units, 0.25 SUV wide, which gives an avid lesion (SUV 4 to 16) 10 to 60 levels. CT: IBSI's configuration
C, which was made for a lung tumour.
"""


def to_mapping(settings: RadiomicsSettings) -> dict[str, Any]:
    """Return settings as plain values, every key written out; `from_mapping` gives back equal settings."""
    body: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "preprocessing": settings.preprocessing,
    }
    if settings.preprocessing == "pyradiomics":
        return body | {"pyradiomics": {name: one.as_file() for name, one in settings.pyradiomics.items()}}
    modalities = {name: _plain(asdict(one)) for name, one in settings.modalities.items()}
    return body | {"families": list(settings.families), "modalities": modalities}


def from_mapping(content: object) -> RadiomicsSettings:
    """Read settings from plain values: what is missing keeps the default of its modality.

    Parameters
    ----------
    content
        What `to_mapping` gives, or some of its keys.

    Raises
    ------
    ParameterError
        A key is unknown or a value cannot be; the attribute names it.

    """
    top = dict(_mapping(content, "settings"))
    require(top.pop("format", FORMAT) == FORMAT, "format", "This is no settings file", f"Give `format: {FORMAT}`")
    version = top.pop("format_version", FORMAT_VERSION)
    require(version == FORMAT_VERSION, "format_version", f"The settings have version {version}", "Give version 1")
    _refuse_unknown(top, [one.name for one in fields(RadiomicsSettings)], "")
    if "modalities" in top:
        parts = _mapping(top["modalities"], "modalities")
        _refuse_unknown(parts, DEFAULT_MODALITIES, "modalities.")
        top["modalities"] = {name: _image_settings(name, part) for name, part in parts.items()}
    if "pyradiomics" in top:
        parts = _mapping(top["pyradiomics"], "pyradiomics")
        top["pyradiomics"] = {name: _parameters(part) for name, part in parts.items()}
    if top.get("preprocessing") == "pyradiomics":
        top.setdefault("modalities", {})
    return _built(RadiomicsSettings, top, "")


def to_yaml(settings: RadiomicsSettings) -> str:
    """Return settings as a YAML document, every key written out."""
    return yaml.safe_dump(to_mapping(settings), sort_keys=False, allow_unicode=True)


def from_yaml(source: str | Path) -> RadiomicsSettings:
    """Read settings from a YAML document.

    Parameters
    ----------
    source
        The file, or the document itself where it is a str.

    Raises
    ------
    ParameterError
        It is no YAML, a key is unknown or a value cannot be; the attribute names it.

    """
    return from_mapping(_loaded(source.read_text(encoding="utf-8") if isinstance(source, Path) else source))


def from_pyradiomics(
    parameters: str | Path | Mapping[str, Any], *, ct: str | Path | Mapping[str, Any] | None = None
) -> RadiomicsSettings:
    """Read a PyRadiomics parameter file: settings that give PyRadiomics' own values.

    Parameters
    ----------
    parameters
        Path to a parameter file in YAML or JSON, or its content; for PET, and for CT where `ct` is None.
    ct
        The same for CT, where it has parameters of its own.

    Raises
    ------
    ParameterError
        PyRadiomics' own schema refuses the file.

    """
    pet_parameters = _parameters(parameters)
    ct_parameters = pet_parameters if ct is None else _parameters(ct)
    return RadiomicsSettings(
        preprocessing="pyradiomics", modalities={}, pyradiomics={"PET": pet_parameters, "CT": ct_parameters}
    )


def _parameters(source: str | Path | Mapping[str, Any]) -> PyRadiomicsParameters:
    if isinstance(source, Mapping):
        content: Any = copy.deepcopy(dict(source))
    else:
        content = _loaded(Path(source).read_text(encoding="utf-8"))
    content = dict(_mapping(content, "parameters"))
    _check_by_schema(content)
    return PyRadiomicsParameters(
        setting=content.get("setting") or {},
        image_types={name: own or {} for name, own in (content.get("imageType") or {}).items()},
        feature_classes=content.get("featureClass") or {},
        voxel_setting=content.get("voxelSetting") or {},
    )


def _check_by_schema(content: dict[str, Any]) -> None:
    import logging

    import pykwalify.core  # type: ignore[import-untyped]
    import pykwalify.errors  # type: ignore[import-untyped]
    from radiomics import getParameterValidationFiles

    logging.getLogger("pykwalify").setLevel(logging.CRITICAL)
    schema, functions = getParameterValidationFiles()
    checker = pykwalify.core.Core(
        source_data=copy.deepcopy(content), schema_files=[schema], extensions=[functions], strict_rule_validation=False
    )
    try:
        checker.validate()
    # The schema's own functions raise TypeError and ValueError.
    except (pykwalify.errors.PyKwalifyException, TypeError, ValueError) as error:
        problem = "; ".join(map(str, checker.errors)) if checker.errors else str(error)
        raise ParameterError(
            f"PyRadiomics refuses the parameters: {' '.join(problem.split())}".rstrip("."),
            attribute="PyRadiomics parameter file",
            remedy="Mend the key or value, as PyRadiomics' documentation has it",
        ) from error


def _image_settings(modality: str, content: object) -> ImageSettings:
    where = f"modalities.{modality}."
    given = dict(_mapping(content, where.rstrip(".")))
    _refuse_unknown(given, [one.name for one in fields(ImageSettings)], where)
    base = DEFAULT_MODALITIES[modality]
    if "filters" in given:
        part = dict(_mapping(given["filters"] or {}, where + "filters"))
        _refuse_unknown(part, [one.name for one in fields(FilterSettings)], where + "filters.")
        given["filters"] = _built(FilterSettings, _one_kind_of_bins(part), where + "filters.")
    defaults = {one.name: getattr(base, one.name) for one in fields(ImageSettings)}
    return _built(ImageSettings, defaults | _one_kind_of_bins(given), where)


def _one_kind_of_bins(given: dict[str, Any]) -> dict[str, Any]:
    """Let a given number of bins take the place of a default width, and the other way round."""
    for width, count in (("bin_width", "bin_count"), ("ivh_bin_width", "ivh_bin_count")):
        for one, other in ((width, count), (count, width)):
            if given.get(one) is not None:
                given.setdefault(other, None)
    return given


def _built(kind: Any, given: dict[str, Any], where: str) -> Any:
    try:
        return kind(**given)
    except ParameterError as error:
        raise ParameterError(error.problem, attribute=f"{where}{error.attribute}", remedy=error.remedy) from error


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ParameterError(
            f"The document is no YAML ({' '.join(str(error).split())})", attribute="settings", remedy="Mend the line"
        ) from error


def _mapping(content: object, where: str) -> Mapping[str, Any]:
    if isinstance(content, Mapping):
        return content
    raise ParameterError("There are no keys", attribute=where, remedy="Write `key: value`, a line a key")


def _refuse_unknown(given: Iterable[str], known: Iterable[str], where: str) -> None:
    known = list(known)
    unknown = [f"{where}{key}" for key in given if key not in known]
    if unknown:
        problem = "The settings have no such key" if len(unknown) == 1 else "The settings have no such keys"
        raise ParameterError(problem, attribute=", ".join(unknown), remedy=f"Use one of {', '.join(known)}")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(map(_plain, value)) if isinstance(value, (tuple, list)) else value
