"""Features of lesions, computed again and again under small changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import NoThoraxError
from fdglung.radiomics.perturbation import Perturbation, perturb
from fdglung.radiomics.placement import lungs_of
from fdglung.radiomics.settings import DEFAULT_MODALITIES, ImageSettings, RadiomicsSettings
from fdglung.radiomics.tables import FeatureTable
from fdglung.settings_checks import require
from fdglung.study import Study

if TYPE_CHECKING:
    from fdglung.lungs import LungRegion

Array = NDArray[np.float64]
Progress = Callable[[str, float], None]

MODALITIES = tuple(DEFAULT_MODALITIES)
"""In the order of their streams of noise."""

_MARGIN_MM = 20.0
"""Room around lesions for intensity peaks, growth and interpolation."""

_COARSEST_MM = 6.0
"""Voxels of images that are not resampled are seldom larger."""


def repeat(
    images: Study | Mapping[str, sitk.Image],
    lesions: sitk.Image | Mapping[str, sitk.Image],
    chains: Sequence[Perturbation],
    settings: RadiomicsSettings | None = None,
    *,
    labels: Iterable[int] | None = None,
    workers: int | None = None,
    cache: Path | str | None = None,
    progress: Progress | None = None,
) -> tuple[FeatureTable, ...]:
    """Compute the features of lesions once under each chain of changes.

    With IBSI's workflow rotation and shift move the grid that it resamples to, so that nothing is interpolated twice,
    and the features of a chain that changes nothing are those of `extract`. With PyRadiomics' the image is moved
    on a grid of its own spacing first. ``PET_suv_…`` are those of the moved PET's voxels. Where the settings align
    masks with the CT or outline lesions there, this is done anew under each chain.

    Parameters
    ----------
    images, lesions, settings, labels, workers, cache
        As in `fdglung.radiomics.extract`.
    chains
        Such as `fdglung.radiomics.perturbation.random_chains` gives; the same for all lesions and studies.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    tuple of FeatureTable
        One a chain, with the same lesions.

    Raises
    ------
    InputError
        As `extract`.
    ParameterError
        There is no chain.

    """
    from fdglung.radiomics.extraction import extract
    from fdglung.radiomics.tasks import Workers

    require(len(chains) > 0, "chains", "There is no chain of changes", "Give those of random_chains(10)")
    settings = settings or RadiomicsSettings()
    given = {"PET": images.pet, "CT": images.ct} if isinstance(images, Study) else dict(images)
    asked = settings.pyradiomics if settings.preprocessing == "pyradiomics" else settings.modalities
    used = {name: image for name, image in given.items() if name in asked and image is not None}
    masks = lesions if isinstance(lesions, Mapping) else dict.fromkeys(used, lesions)
    missing = [name for name in used if name not in masks]
    require(not missing, "lesions", f"There is no mask for {' and '.join(missing)}", "Give one mask for all, or all")
    wanted = tuple(labels) if labels is not None else _labels(masks.values())
    # Lungs stay as they are: a chain changes what a lesion's features are of, not the chest.
    lungs = _lungs(given.get("CT"), settings)
    tables = []
    with Workers(workers) as pool:
        for index, chain in enumerate(chains):
            if progress is not None:
                progress(f"repetition {index + 1} of {len(chains)}", index / len(chains))
            moved = {name: _moved(image, masks[name], chain, settings, name) for name, image in used.items()}
            tables.append(
                extract(
                    {name: image for name, (image, _) in moved.items()},
                    {name: mask for name, (_, mask) in moved.items()},
                    settings,
                    labels=wanted,
                    workers=pool,
                    cache=cache,
                    lungs=lungs,
                )
            )
    if progress is not None:
        progress("repetitions computed", 1.0)
    return tuple(tables)


def _lungs(ct: sitk.Image | None, settings: RadiomicsSettings) -> LungRegion | None:
    if ct is None or settings.placement is None:
        return None
    try:
        return lungs_of(ct, settings.placement)
    except NoThoraxError:
        return None


def repeated_values(*studies: Sequence[FeatureTable]) -> tuple[Array, tuple[str, ...]]:
    """Put repeated tables together.

    Parameters
    ----------
    studies
        For each study its tables, as `repeat` gives them: as many for each, by the same chains.

    Returns
    -------
    values
        (lesion, repetition, feature): lesions of all studies one after another; NaN where a repetition lacks one.
    names
        Of the features.

    Raises
    ------
    ParameterError
        Studies differ in their number of repetitions or their settings, or there are none.

    """
    require(bool(studies) and all(studies), "studies", "There is no table", "Give the tables that repeat returned")
    same = len({len(tables) for tables in studies}) == 1
    require(same, "studies", "The studies differ in their number of repetitions", "Repeat all by the same chains")
    same = len({table.settings.digest for tables in studies for table in tables}) == 1
    require(same, "studies", "The tables differ in their settings", "Repeat all with the same settings")
    names = tuple(dict.fromkeys(name for tables in studies for table in tables for name in table.names))
    rows = []
    for tables in studies:
        by_label = [{lesion.label: lesion.features for lesion in table.lesions} for table in tables]
        for label in dict.fromkeys(label for one in by_label for label in one):
            rows.append([[one.get(label, {}).get(name, np.nan) for name in names] for one in by_label])
    return np.array(rows, float).reshape(len(rows), len(studies[0]), len(names)), names


def _moved(
    image: sitk.Image, mask: sitk.Image, chain: Perturbation, settings: RadiomicsSettings, modality: str
) -> tuple[sitk.Image, sitk.Image]:
    """Return an image and its mask after a chain of changes, on the grid of its features."""
    stream = MODALITIES.index(modality)
    if settings.preprocessing == "pyradiomics":
        return perturb(image, mask, chain, stream=stream)
    own = settings.modalities[modality]
    return perturb(image, mask, chain, own, margin_mm=_margin_mm(own), stream=stream)


def _margin_mm(settings: ImageSettings) -> float:
    """Return the room that filters need around lesions."""
    from fdglung.radiomics.filters import PAD_SIGMAS, wavelet_reach

    filters = settings.filters
    reach = PAD_SIGMAS * max(filters.log_sigma_mm, default=0.0)
    if filters.wavelet:
        steps = [step for step in settings.spacing_mm or () if step > 0] or [_COARSEST_MM]
        reach = max(reach, wavelet_reach(filters.wavelet, filters.wavelet_levels) * max(steps))
    if settings.alignment is not None:
        # What is looked for, and the surroundings of where it is found.
        reach += settings.alignment.search_mm + settings.alignment.shell_mm
    if settings.outline is not None:
        reach += max(settings.outline.reach_mm, settings.outline.shell_mm[1])
    return reach + _MARGIN_MM


def _labels(masks: Iterable[sitk.Image]) -> tuple[int, ...]:
    found: set[int] = set()
    for mask in masks:
        found |= {int(label) for label in np.unique(sitk.GetArrayViewFromImage(mask))}
    return tuple(sorted(found - {0}))
