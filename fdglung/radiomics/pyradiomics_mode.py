"""Features equal to PyRadiomics 3.0.1's for the same parameter file, with less work.

What PyRadiomics does to the whole image for each lesion is done here once for all lesions, or only where a lesion is.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics import pyradiomics_classes as classes
from fdglung.radiomics.filters import Array, Box, laplacian_of_gaussian, padded, relative, wavelet_bands
from fdglung.radiomics.pyradiomics_placing import Mask, Placed, place, settings_of
from fdglung.radiomics.roi import Roi
from fdglung.radiomics.settings import PyRadiomicsParameters
from fdglung.radiomics.texture import PYRADIOMICS_CLASSES, pyradiomics_textures

Features = dict[str, float]

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape", "shape2D")
"""PyRadiomics' feature classes, in its order."""

_POINTWISE = ("Square", "SquareRoot", "Logarithm", "Exponential")
_LOCAL = {"Gradient", "LBP2D"}

_LBP3D_NEEDS = (
    ("scipy.ndimage.interpolation", "map_coordinates"),
    ("scipy.special", "sph_harm"),
    ("trimesh.creation", "icosphere"),
)
"""Without any of these PyRadiomics silently makes no such image."""

_MOST_LEVELS = 3000
"""Co-occurrence matrices of so many grey levels take 1 GB; PyRadiomics would go on until memory ends."""

_VOXELS_AT_ONCE = 300_000
"""Of a lesion's images in one task."""


@dataclass(frozen=True)
class Response:
    """An image that features are taken of, within a lesion's box.

    Attributes
    ----------
    name
        As it stands in front of features' names: ``original``, ``wavelet-HHL``.
    values
        In the box (z, y, x).
    settings
        PyRadiomics' settings for it.

    """

    name: str
    values: Array
    settings: dict[str, Any]


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


def check_parameters(parameters: PyRadiomicsParameters) -> None:
    """Refuse what PyRadiomics' schema allows and PyRadiomics would silently leave out.

    Raises
    ------
    ParameterError
        Images by LBP3D are asked for without what PyRadiomics makes them with: trimesh, and a scipy that has sph_harm.

    """
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


def log_responses(placed: Sequence[Placed], parameters: PyRadiomicsParameters) -> list[dict[str, Array]]:
    """Return the Laplacian-of-Gaussian images of lesions, each image filtered once for all lesions near each other.

    Returns
    -------
    list of dict
        For each lesion, PyRadiomics' name of the image to its values in the lesion's box.

    """
    found: list[dict[str, Array]] = [{} for _ in placed]
    if "LoG" not in parameters.image_types:
        return found
    for sigma in settings_of(parameters, "LoG").get("sigma", []):
        name = _log_name(sigma)
        groups: dict[int, list[int]] = {}
        for index, one in enumerate(placed):
            size = np.array([part.stop - part.start for part in one.limit])
            if sigma > 0 and size.min() >= 4 and np.all(size >= np.ceil(sigma / np.array(one.spacing_mm)) + 1):
                groups.setdefault(id(one.canvas), []).append(index)
        for indices in groups.values():
            members = [placed[index] for index in indices]
            values = laplacian_of_gaussian(
                members[0].canvas,
                members[0].spacing_mm,
                sigma,
                [one.box for one in members],
                [one.limit for one in members],
            )
            for index, response in zip(indices, values, strict=True):
                found[index][name] = response
    return found


def log_names(parameters: PyRadiomicsParameters) -> list[str]:
    """Return PyRadiomics' names of the Laplacian-of-Gaussian images that a parameter file asks for."""
    if "LoG" not in parameters.image_types:
        return []
    return [_log_name(sigma) for sigma in settings_of(parameters, "LoG").get("sigma", []) if sigma > 0]


def responses(placed: Placed, logs: Mapping[str, Array], parameters: PyRadiomicsParameters) -> Iterator[Response]:
    """Yield the images that features are taken of, in the order of the parameter file.

    Parameters
    ----------
    placed
        A lesion.
    logs
        As `log_responses` gives for it.
    parameters
        A PyRadiomics parameter file.

    """
    for image_type in parameters.image_types or {"Original": {}}:
        settings = settings_of(parameters, image_type)
        if image_type == "LoG":
            made: Iterable[tuple[str, Array]] = logs.items()
        elif image_type == "Original":
            made = [("original", placed.canvas[placed.box])]
        elif image_type == "Wavelet":
            made = _wavelets(placed, settings).items()
        elif image_type in _POINTWISE:
            made = [(image_type.lower(), _pointwise(image_type, placed))]
        else:
            made = _by_pyradiomics(image_type, placed, settings)
        for name, values in made:
            yield Response(name, values, settings)


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


def _log_name(sigma: float) -> str:
    return f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"


def _check_levels(levels: NDArray[np.int32], name: str) -> None:
    count = int(np.count_nonzero(np.bincount(levels)))
    if count > _MOST_LEVELS:
        raise ParameterError(
            f"The {name} image has {count} grey levels; matrices of more than {_MOST_LEVELS} are not made",
            attribute="binWidth",
            remedy="Widen it, or give binCount",
        )


def _wavelets(placed: Placed, settings: Mapping[str, Any]) -> dict[str, Array]:
    flat = settings["force2Ddimension"] if settings["force2D"] else None
    return wavelet_bands(
        placed.canvas,
        placed.box,
        placed.limit,
        wavelet=settings.get("wavelet", "coif1"),
        level=settings.get("level", 1),
        start_level=settings.get("start_level", 0),
        axes=tuple(axis for axis in (2, 1, 0) if axis != flat),
    )


def _pointwise(image_type: str, placed: Placed) -> Array:
    """Return a function of single intensities, scaled by the largest magnitude of what PyRadiomics would filter."""
    limit = placed.canvas[placed.limit]
    peak = np.float64(max(abs(float(limit.max())), abs(float(limit.min()))))
    values = placed.canvas[placed.box].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if image_type == "Square":
            return np.asarray((1 / np.sqrt(peak) * values) ** 2)
        if image_type == "SquareRoot":
            return np.asarray(np.sign(values) * np.sqrt(np.abs(values) * peak))
        if image_type == "Logarithm":
            return np.asarray(np.sign(values) * np.log(np.abs(values) + 1) * (peak / np.log(peak + 1)))
        return np.asarray(np.exp(np.log(peak) / peak * values))


def _by_pyradiomics(image_type: str, placed: Placed, settings: dict[str, Any]) -> Iterator[tuple[str, Array]]:
    """Yield images that PyRadiomics itself makes, of no more of the image than they need."""
    from radiomics import imageoperations

    reach = int(np.ceil(settings.get("lbp2DRadius", 1))) + 2
    around = padded(placed.box, placed.limit, [reach] * 3) if image_type in _LOCAL else placed.limit
    inner = relative(placed.box, around)
    part = _image(placed.canvas[around], placed.spacing_mm)
    inside = np.zeros(part.GetSize()[::-1], np.uint8)
    inside[inner] = placed.mask
    options = settings | {"label": 1}
    for one, name, _ in getattr(imageoperations, f"get{image_type}Image")(
        part, _image(inside, placed.spacing_mm), **options
    ):
        yield name, sitk.GetArrayFromImage(one)[inner]


def _image(array: Array, spacing_mm: Sequence[float]) -> sitk.Image:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing([float(step) for step in spacing_mm[::-1]])
    return image


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


__all__ = [
    "CLASSES",
    "Box",
    "Features",
    "Placed",
    "Response",
    "ResponseTask",
    "ShapeTask",
    "features",
    "log_responses",
    "place",
    "response_features",
    "responses",
    "shape_features",
    "tasks",
]
