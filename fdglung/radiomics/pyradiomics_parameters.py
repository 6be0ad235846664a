"""PyRadiomics' parameter files: read whole, checked by its own schema."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fdglung.errors import ParameterError
from fdglung.settings_checks import load_yaml, mapping

DEFAULTS: Mapping[str, Any] = {
    "minimumROIDimensions": 2,
    "minimumROISize": None,
    "normalize": False,
    "normalizeScale": 1,
    "removeOutliers": None,
    "resampledPixelSpacing": None,
    "interpolator": "sitkBSpline",
    "preCrop": False,
    "padDistance": 5,
    "distances": [1],
    "force2D": False,
    "force2Ddimension": 0,
    "resegmentRange": None,
}
"""What PyRadiomics' extractor takes where a parameter file says nothing."""

_LBP3D_NEEDS = (
    ("scipy.ndimage.interpolation", "map_coordinates"),
    ("scipy.special", "sph_harm"),
    ("trimesh.creation", "icosphere"),
)
"""Without any of these PyRadiomics silently makes no such image."""


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


def read_parameters(source: str | Path | Mapping[str, Any]) -> PyRadiomicsParameters:
    """Read a parameter file, or its content.

    Raises
    ------
    ParameterError
        PyRadiomics' own schema refuses it.

    """
    if isinstance(source, Mapping):
        content: Any = copy.deepcopy(dict(source))
    else:
        content = load_yaml(Path(source).read_text(encoding="utf-8"))
    content = dict(mapping(content, "parameters"))
    _check_by_schema(content)
    return PyRadiomicsParameters(
        setting=content.get("setting") or {},
        image_types={name: own or {} for name, own in (content.get("imageType") or {}).items()},
        feature_classes=content.get("featureClass") or {},
        voxel_setting=content.get("voxelSetting") or {},
    )


def settings_of(parameters: PyRadiomicsParameters, image_type: str | None = None) -> dict[str, Any]:
    """Return all settings, those of an image type above those of the file above PyRadiomics' defaults."""
    own = parameters.image_types.get(image_type, {}) if image_type else {}
    return {**DEFAULTS, **parameters.setting, **parameters.voxel_setting, **own}


def check_parameters(parameters: PyRadiomicsParameters) -> None:
    """Refuse what PyRadiomics' schema allows, and PyRadiomics refuses later or silently leaves out.

    Raises
    ------
    ParameterError
        The spacing is not three numbers, or images by LBP3D are asked for without what PyRadiomics makes them with:
        trimesh, and a scipy that has sph_harm.

    """
    spacing = parameters.setting.get("resampledPixelSpacing")
    if spacing is not None and len(spacing) != 3:
        raise ParameterError(
            "The spacing is not three numbers", attribute="resampledPixelSpacing", remedy="Give x, y and z in mm"
        )
    if "LBP3D" not in parameters.image_types:
        return
    try:
        for module, name in _LBP3D_NEEDS:
            getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ParameterError(
            f"PyRadiomics makes no LBP3D images without {module}.{name}",
            attribute="imageType LBP3D",
            remedy="Leave LBP3D out",
        ) from error


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
