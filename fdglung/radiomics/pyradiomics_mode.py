"""Features equal to PyRadiomics 3.0.1's for the same parameter file, with less work.

What PyRadiomics does to the whole image for each lesion is done here once for all lesions, or only where a lesion is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics import pyradiomics_classes as classes
from fdglung.radiomics.filters import Array
from fdglung.radiomics.pyradiomics_images import Response, log_responses, responses
from fdglung.radiomics.pyradiomics_parameters import PyRadiomicsParameters, check_parameters, settings_of
from fdglung.radiomics.pyradiomics_placing import Mask, Placed, place
from fdglung.radiomics.roi import Roi
from fdglung.radiomics.texture import PYRADIOMICS_CLASSES, pyradiomics_textures

Features = dict[str, float]

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape", "shape2D")
"""PyRadiomics' feature classes, in its order."""


_MOST_LEVELS = 3000
"""Co-occurrence matrices of so many grey levels take 1 GB; PyRadiomics would go on until memory ends."""

_VOXELS_AT_ONCE = 300_000
"""Of a lesion's images in one task."""


def features(
    image: sitk.Image, mask: sitk.Image, labels: Iterable[int], parameters: PyRadiomicsParameters
) -> dict[int, Features | InputError]:
    """Compute what PyRadiomics' ``featureextractor`` gives for lesions of an image.

    Parameters
    ----------
    image
        SUVbw in g/ml or HU; finite in and around the lesions.
    mask
        Label image.
    labels
        Which of its labels; that of the parameter file is not looked at.
    parameters
        A PyRadiomics parameter file.

    Returns
    -------
    dict
        A label to its features by PyRadiomics' names (``original_glcm_Idmn``), without its ``diagnostics_…``; or to
        the reason for which PyRadiomics refuses the lesion.

    """
    check_parameters(parameters)
    placed = place(image, mask, labels, parameters)
    good = {label: one for label, one in placed.items() if isinstance(one, Placed)}
    filtered = dict(zip(good, log_responses(list(good.values()), parameters), strict=True))
    result: dict[int, Features | InputError] = {}
    for label, one in placed.items():
        if isinstance(one, InputError):
            result[label] = one
            continue
        try:
            result[label] = {
                name: value for task in tasks(one, filtered[label], parameters) for name, value in task.run().items()
            }
        except InputError as error:
            result[label] = error
    return result


@dataclass(frozen=True)
class ShapeTask:
    """Shape of a lesion; `mask` (z, y, x) is cut to its box."""

    mask: Mask
    spacing_mm: tuple[float, float, float]
    parameters: PyRadiomicsParameters

    def run(self) -> Features:
        """Return features by PyRadiomics' names."""
        return shape_features(self.mask, self.spacing_mm, self.parameters)


@dataclass(frozen=True)
class ResponseTask:
    """First order and textures of some images of a lesion, all cut to its box (z, y, x)."""

    responses: tuple[Response, ...]
    mask: Mask
    spacing_mm: tuple[float, float, float]
    wanted: Mapping[str, Sequence[str] | None]

    def run(self) -> Features:
        """Return features by PyRadiomics' names."""
        found: Features = {}
        for response in self.responses:
            found |= response_features(response, self.mask, self.spacing_mm, self.wanted)
        return found


def tasks(
    placed: Placed, logs: Mapping[str, Array], parameters: PyRadiomicsParameters
) -> Iterator[ShapeTask | ResponseTask]:
    """Yield the tasks of a lesion: its shape, then its images, as many at once as are quickly done.

    Parameters
    ----------
    placed
        A lesion.
    logs
        As `log_responses` gives for it.
    parameters
        A PyRadiomics parameter file.

    """
    yield ShapeTask(placed.shape_mask, placed.spacing_mm, parameters)
    if parameters.feature_classes and set(parameters.feature_classes) <= {"shape", "shape2D"}:
        return
    at_once = max(1, _VOXELS_AT_ONCE // placed.mask.size)
    images = responses(placed, logs, parameters)
    while part := tuple(itertools.islice(images, at_once)):
        yield ResponseTask(part, placed.mask, placed.spacing_mm, parameters.feature_classes)


def response_features(
    response: Response,
    mask: Mask,
    spacing_mm: tuple[float, float, float],
    wanted: Mapping[str, Sequence[str] | None],
) -> Features:
    """Compute the first-order and texture features of one image of a lesion.

    Parameters
    ----------
    response
        The image.
    mask
        The lesion in the same box.
    spacing_mm
        Along z, y, x.
    wanted
        Class to names; all classes where it is empty.

    Returns
    -------
    dict
        ``image_class_Name`` to value.

    Raises
    ------
    InputError
        A value in the lesion is no finite number.
    ParameterError
        There are too many grey levels.

    """
    settings = response.settings
    values = response.values[mask]
    if not np.isfinite(values).all():
        raise InputError(
            f"The {response.name} image is no finite number everywhere in the lesion",
            attribute="imageType",
            remedy="Leave this image out",
        )
    levels = classes.grey_levels(values, bin_width=settings.get("binWidth", 25), bin_count=settings.get("binCount"))
    _check_levels(levels, response.name)
    image = np.zeros(mask.shape, np.int32)
    image[mask] = levels
    found: Features = {}
    textures: Features | None = None
    for name, names in (wanted or dict.fromkeys(CLASSES)).items():
        if name == "firstorder":
            one = classes.first_order(
                values.astype(np.float64),
                levels,
                float(np.prod(spacing_mm)),
                shift=settings.get("voxelArrayShift", 0),
                deviation="StandardDeviation" in (names or ()),
            )
        elif name in PYRADIOMICS_CLASSES:
            if textures is None:
                asked = [one for one in (wanted or CLASSES) if one in PYRADIOMICS_CLASSES]
                textures = _textures(response.values, mask, image, spacing_mm, asked, settings)
            one = {key.partition("_")[2]: value for key, value in textures.items() if key.startswith(f"{name}_")}
        else:
            continue
        found |= {f"{response.name}_{name}_{key}": value for key, value in classes.only(one, names).items()}
    return found


def shape_features(mask: Mask, spacing_mm: tuple[float, float, float], parameters: PyRadiomicsParameters) -> Features:
    """Compute the shape features of a lesion (z, y, x), as far as the parameter file asks for them."""
    wanted: Mapping[str, Sequence[str] | None] = parameters.feature_classes or dict.fromkeys(CLASSES)
    settings = settings_of(parameters)
    found: Features = {}
    if "shape" in wanted:
        names = wanted["shape"]
        solid = classes.only(classes.shape(mask, spacing_mm, wanted=names or ()), names)
        found |= {f"original_shape_{name}": value for name, value in solid.items()}
    if "shape2D" in wanted and settings["force2D"]:
        # PyRadiomics leaves it out where the box (x, y, z) is thin along what it then wants thin along (z, y, x).
        axis = settings["force2Ddimension"]
        names = wanted["shape2D"]
        if mask.shape[2 - axis] > 1:
            if mask.shape[axis] != 1:
                raise InputError(
                    "The lesion is no plane across force2Ddimension; PyRadiomics has no shape2D of it",
                    attribute="force2Ddimension",
                    remedy="Give the axis that the lesion is one voxel thick along, or leave shape2D out",
                )
            spacing = [step for other, step in enumerate(spacing_mm) if other != axis]
            flat = classes.shape_2d(mask.squeeze(axis), spacing, wanted=names or ())
            found |= {f"original_shape2D_{name}": value for name, value in classes.only(flat, names).items()}
    return found


def _check_levels(levels: NDArray[np.int32], name: str) -> None:
    count = int(np.count_nonzero(np.bincount(levels)))
    if count > _MOST_LEVELS:
        raise ParameterError(
            f"The {name} image has {count} grey levels; matrices of more than {_MOST_LEVELS} are not made",
            attribute="binWidth",
            remedy="Widen it, or give binCount",
        )


def _textures(
    values: Array,
    mask: Mask,
    levels: NDArray[np.int32],
    spacing_mm: tuple[float, float, float],
    wanted: Sequence[str],
    settings: Mapping[str, Any],
) -> Features:
    roi = Roi(
        intensity=values.astype(np.float64, copy=False),
        morphological_mask=mask,
        intensity_mask=mask,
        spacing_mm=spacing_mm,
        levels=levels,
        level_count=int(levels.max()),
    )
    return pyradiomics_textures(
        roi,
        classes=wanted,
        distances=settings["distances"],
        gldm_a=settings.get("gldm_a", 0),
        symmetrical_glcm=settings.get("symmetricalGLCM", True),
        weighting_norm=settings.get("weightingNorm"),
        force_2d=settings["force2D"],
        force_2d_dimension=settings["force2Ddimension"],
    )
