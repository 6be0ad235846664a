"""Settings that describe a radiomics run in full; to and from YAML, and from PyRadiomics' parameter files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from fdglung.radiomics.image_settings import (
    AGGREGATIONS,
    FAMILIES,
    INTERPOLATORS,
    AlignmentSettings,
    FilterSettings,
    ImageSettings,
    OutlineSettings,
)
from fdglung.radiomics.placement import PlacementSettings
from fdglung.radiomics.pyradiomics_parameters import PyRadiomicsParameters, read_parameters
from fdglung.settings_checks import built, document, freeze, mapping, of_format, one_of, plain, refuse_unknown, require

FORMAT = "fdglung radiomics settings"
"""Names the YAML document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a key changes its meaning."""

PREPROCESSINGS = ("ibsi", "pyradiomics")
"""How image and mask become a ROI: by IBSI's reference workflow, or as PyRadiomics 3.0.1 does it, errors included."""


_LATER_KEYS = ("shells_mm", "alignment", "outline")
"""Of a modality, which settings did not have at first; empty by default."""


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
    placement
        What tells where lesions lie in the chest, as features; None leaves these out.

    """

    preprocessing: str = "ibsi"
    modalities: dict[str, ImageSettings] = field(default_factory=_default_modalities)
    families: tuple[str, ...] = FAMILIES
    pyradiomics: dict[str, PyRadiomicsParameters] = field(default_factory=dict)
    placement: PlacementSettings | None = None

    def __post_init__(self) -> None:
        freeze(self, "families", tuple)
        one_of(self.preprocessing, PREPROCESSINGS, "preprocessing")
        for family in self.families:
            one_of(family, FAMILIES, "families")
        for modality in [*self.modalities, *self.pyradiomics]:
            one_of(modality, tuple(DEFAULT_MODALITIES), "modalities")
        for modality, one in self.modalities.items():
            for key, done in (("alignment", "aligned with"), ("outline", "outlined on")):
                given = getattr(one, key) is not None
                where = f"modalities.{modality}.{key}"
                own = modality != "CT" and given
                require(not own, where, f"Masks are drawn on the PET and {done} the CT alone", "Leave it out")
                other = self.preprocessing == "pyradiomics" and given
                require(not other, where, "PyRadiomics' way takes masks as they are", "Leave it out, or use ibsi")
        good = self.placement is None or isinstance(self.placement, PlacementSettings)
        require(good, "placement", "The value is no placement", "Give its keys, such as lungs: lobes, or null")
        good = self.preprocessing == "ibsi" or bool(self.pyradiomics)
        require(good, "pyradiomics", "PyRadiomics' parameters are missing", "Use from_pyradiomics on its file")

    @property
    def digest(self) -> str:
        """SHA-256 of the settings: the same for the same settings in any process and on any machine.

        Keys that came later count where they are not at their default alone, so that models and tables of before fit.
        """
        content = to_mapping(self)
        if self.placement is None:
            del content["placement"]
        for part in content.get("modalities", {}).values():
            for key in _LATER_KEYS:
                if not part[key]:
                    del part[key]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
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
    placement = None if settings.placement is None else asdict(settings.placement)
    if settings.preprocessing == "pyradiomics":
        parameters = {name: one.as_file() for name, one in settings.pyradiomics.items()}
        return body | {"pyradiomics": parameters, "placement": placement}
    modalities = {name: plain(asdict(one)) for name, one in settings.modalities.items()}
    return body | {"families": list(settings.families), "modalities": modalities, "placement": placement}


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
    top = of_format(mapping(content, "settings"), FORMAT, FORMAT_VERSION)
    refuse_unknown(top, [one.name for one in fields(RadiomicsSettings)], "")
    if "modalities" in top:
        parts = mapping(top["modalities"], "modalities")
        refuse_unknown(parts, DEFAULT_MODALITIES, "modalities.")
        top["modalities"] = {name: _image_settings(name, part) for name, part in parts.items()}
    if "pyradiomics" in top:
        parts = mapping(top["pyradiomics"], "pyradiomics")
        top["pyradiomics"] = {name: read_parameters(part) for name, part in parts.items()}
    if top.get("placement") is not None:
        top["placement"] = built(PlacementSettings, top["placement"], "placement.")
    if top.get("preprocessing") == "pyradiomics":
        top.setdefault("modalities", {})
    return built(RadiomicsSettings, top, "")


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
    return from_mapping(document(source, "--settings"))


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
    pet_parameters = read_parameters(parameters)
    ct_parameters = pet_parameters if ct is None else read_parameters(ct)
    return RadiomicsSettings(
        preprocessing="pyradiomics", modalities={}, pyradiomics={"PET": pet_parameters, "CT": ct_parameters}
    )


def _image_settings(modality: str, content: object) -> ImageSettings:
    where = f"modalities.{modality}."
    given = dict(mapping(content, where.rstrip(".")))
    refuse_unknown(given, [one.name for one in fields(ImageSettings)], where)
    base = DEFAULT_MODALITIES[modality]
    if "filters" in given:
        part = dict(mapping(given["filters"] or {}, where + "filters"))
        refuse_unknown(part, [one.name for one in fields(FilterSettings)], where + "filters.")
        given["filters"] = built(FilterSettings, _one_kind_of_bins(part), where + "filters.")
    for key, kind in (("alignment", AlignmentSettings), ("outline", OutlineSettings)):
        if given.get(key) is not None:
            given[key] = built(kind, given[key], f"{where}{key}.")
    defaults = {one.name: getattr(base, one.name) for one in fields(ImageSettings)}
    return built(ImageSettings, defaults | _one_kind_of_bins(given), where)


def _one_kind_of_bins(given: dict[str, Any]) -> dict[str, Any]:
    """Let a given number of bins take the place of a default width, and the other way round."""
    for width, count in (("bin_width", "bin_count"), ("ivh_bin_width", "ivh_bin_count")):
        for one, other in ((width, count), (count, width)):
            if given.get(one) is not None:
                given.setdefault(other, None)
    return given


__all__ = [
    "AGGREGATIONS",
    "DEFAULT_FILTERS",
    "DEFAULT_MODALITIES",
    "FAMILIES",
    "INTERPOLATORS",
    "PREPROCESSINGS",
    "AlignmentSettings",
    "FilterSettings",
    "ImageSettings",
    "OutlineSettings",
    "PlacementSettings",
    "PyRadiomicsParameters",
    "RadiomicsSettings",
    "from_mapping",
    "from_pyradiomics",
    "from_yaml",
    "to_mapping",
    "to_yaml",
]
