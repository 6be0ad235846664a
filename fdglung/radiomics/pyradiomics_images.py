"""The images that PyRadiomics takes features of, made where lesions are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung.radiomics.filters import Array, laplacian_of_gaussian, padded, relative, wavelet_bands
from fdglung.radiomics.pyradiomics_parameters import PyRadiomicsParameters, settings_of
from fdglung.radiomics.pyradiomics_placing import Placed

_POINTWISE = ("Square", "SquareRoot", "Logarithm", "Exponential")
_LOCAL = {"Gradient", "LBP2D"}


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


def log_names(parameters: PyRadiomicsParameters) -> list[str]:
    """Return PyRadiomics' names of the Laplacian-of-Gaussian images that a parameter file asks for."""
    if "LoG" not in parameters.image_types:
        return []
    return [_log_name(sigma) for sigma in settings_of(parameters, "LoG").get("sigma", []) if sigma > 0]


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


def _log_name(sigma: float) -> str:
    return f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"


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
