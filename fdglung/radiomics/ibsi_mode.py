"""Features of a lesion by IBSI's workflow, on its image and on filtered images, as tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.radiomics.filters import (
    Array,
    Box,
    laplacian_of_gaussian,
    log_pad,
    padded,
    regions,
    relative,
    wavelet_bands,
    wavelet_reach,
    whole,
)
from fdglung.radiomics.grids import resampled_grid
from fdglung.radiomics.image_settings import ImageSettings
from fdglung.radiomics.preprocessing import Prepared, filtered_roi
from fdglung.radiomics.resampling import resample_image
from fdglung.radiomics.roi import Roi

Features = dict[str, float]

ORIGINAL = "original"
"""Name of the image that is not filtered."""

_TEXTURES = ("cm", "rlm", "szm", "dzm", "ngt", "ngl")


@dataclass(frozen=True)
class OriginalTask:
    """All features of a lesion on its image."""

    prepared: Prepared
    settings: ImageSettings
    families: tuple[str, ...]

    def run(self) -> Features:
        """Return features by IBSI's tags, after ``original_``."""
        from fdglung.radiomics.morphology import morphology_features
        from fdglung.radiomics.peak import peak_features

        roi = self.prepared.roi
        found: Features = {}
        if "morph" in self.families:
            found |= morphology_features(roi)
        if "loc" in self.families:
            found |= peak_features(roi, surroundings=self.prepared.surroundings, offset=self.prepared.offset)
        if "ivh" in self.families:
            from fdglung.radiomics.ivh import ivh_features

            found |= ivh_features(
                roi,
                intensity_range=self.settings.range,
                bin_width=self.settings.ivh_bin_width,
                bin_count=self.settings.ivh_bin_count,
            )
        found |= _of_intensities(roi, self.settings, self.families)
        return {f"{ORIGINAL}_{name}": value for name, value in found.items()}


@dataclass(frozen=True)
class FilteredTask:
    """Intensity and texture features of a lesion on filtered images.

    Attributes
    ----------
    roi
        Of the original image.
    responses
        Name of a filtered image to its values in the box of `roi`.

    """

    roi: Roi
    responses: dict[str, Array]
    settings: ImageSettings
    families: tuple[str, ...]

    def run(self) -> Features:
        """Return features by IBSI's tags, after the name of the image."""
        found: Features = {}
        for name, response in self.responses.items():
            roi = filtered_roi(self.roi, response.astype(np.float64), self.settings.filters)
            values = _of_intensities(roi, self.settings, self.families)
            found |= {f"{name}_{key}": value for key, value in values.items()}
        return found


def tasks(
    prepared: Prepared, responses: Mapping[str, Array], settings: ImageSettings, families: tuple[str, ...]
) -> Iterator[OriginalTask | FilteredTask]:
    """Yield the tasks of a lesion: its image, then filtered images, as many at once as are quickly done.

    Parameters
    ----------
    prepared
        A lesion.
    responses
        As `filtered_images` gives for it.
    settings, families
        Of the modality, and which features.

    """
    yield OriginalTask(prepared, settings, families)
    at_once = max(1, 300_000 // prepared.roi.intensity.size)
    names = list(responses)
    for start in range(0, len(names), at_once):
        part = {name: responses[name] for name in names[start : start + at_once]}
        yield FilteredTask(prepared.roi, part, settings, families)


def filtered_images(image: sitk.Image, prepared: Sequence[Prepared], settings: ImageSettings) -> list[dict[str, Array]]:
    """Return the filtered images of lesions, after resampling; lesions near each other share one region and filter.

    Laplacians of Gaussian are PyRadiomics' (ITK's recursive filter, scale-normalised); wavelets are undecimated, the
    image mirrored at its ends, as IBSI's reference standard for filters advises (doi 10.1148/radiol.231319).

    Returns
    -------
    list of dict
        For each lesion, the name of the image to its values in the box of the lesion's `Roi`.

    """
    filters = settings.filters
    found: list[dict[str, Array]] = [{} for _ in prepared]
    if not prepared or not (filters.log_sigma_mm or filters.wavelet):
        return found
    lattice = resampled_grid(image, settings.spacing_mm)
    spacing = prepared[0].roi.spacing_mm
    boxes = [_box(one, lattice.index_of(np.array([one.grid.origin_mm]))[0]) for one in prepared]
    x, y, z = lattice.size
    everything: Box = (slice(0, z), slice(0, y), slice(0, x))
    reach = wavelet_reach(filters.wavelet, filters.wavelet_levels) if filters.wavelet else 0
    pad = np.max([[reach] * 3, *(log_pad(spacing, sigma) for sigma in filters.log_sigma_mm)], axis=0).tolist()
    for region in regions(boxes, [everything] * len(boxes), pad):
        start, size = [part.start for part in region.box], [part.stop - part.start for part in region.box]
        grid = lattice.part((start[2], start[1], start[0]), (size[2], size[1], size[0]))
        array = resample_image(image, grid, settings)
        inner = [relative(boxes[index], region.box) for index in region.members]
        for sigma in filters.log_sigma_mm if min(size) >= 4 else ():
            name = _log_name(sigma)
            values = laplacian_of_gaussian(array, spacing, sigma, inner, [whole(array)] * len(inner))
            for index, response in zip(region.members, values, strict=True):
                found[index][name] = response
        if filters.wavelet:
            for index, box in zip(region.members, inner, strict=True):
                found[index] |= _mirrored_wavelets(array, box, filters.wavelet, filters.wavelet_levels, reach)
    return found


def log_names(settings: ImageSettings) -> list[str]:
    """Return the names of the Laplacian-of-Gaussian images that settings ask for."""
    return [_log_name(sigma) for sigma in settings.filters.log_sigma_mm]


def _log_name(sigma: float) -> str:
    return f"log-sigma-{str(float(sigma)).replace('.', '-')}-mm-3D"


def _of_intensities(roi: Roi, settings: ImageSettings, families: tuple[str, ...]) -> Features:
    from fdglung.radiomics.histogram import histogram_features
    from fdglung.radiomics.intensity import intensity_features
    from fdglung.radiomics.texture import texture_features

    found: Features = {}
    if "stat" in families:
        found |= intensity_features(roi)
    if "ih" in families:
        found |= histogram_features(roi)
    textures = [family for family in families if family in _TEXTURES]
    if textures:
        found |= texture_features(roi, families=textures, aggregations=settings.aggregations)
    return found


def _box(prepared: Prepared, first: NDArray[np.float64]) -> Box:
    """Return where a lesion's Roi lies in a lattice that holds its grid's first voxel at an index (x, y, z)."""
    z, y, x = (
        slice(round(float(start)) + offset, round(float(start)) + offset + size)
        for start, offset, size in zip(first[::-1], prepared.offset, prepared.roi.intensity.shape, strict=True)
    )
    return z, y, x


def _mirrored_wavelets(image: Array, box: Box, wavelet: str, levels: int, reach: int) -> dict[str, Array]:
    around = padded(box, whole(image), [reach] * 3)
    missing = [
        (reach - (part.start - outer.start), reach - (outer.stop - part.stop))
        for part, outer in zip(box, around, strict=True)
    ]
    local = np.pad(image[around], missing, mode="symmetric")
    z, y, x = (slice(reach, reach + part.stop - part.start) for part in box)
    return wavelet_bands(local, (z, y, x), whole(local), wavelet=wavelet, level=levels)
