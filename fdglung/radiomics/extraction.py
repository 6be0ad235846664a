"""Features of each lesion of a study, PET and CT: a table with a row a lesion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from fdglung.errors import InputError, NoCtError, NoPetError, ParameterError
from fdglung.radiomics.cache import Cache
from fdglung.radiomics.columns import PLACEMENT
from fdglung.radiomics.label_images import labels_in
from fdglung.radiomics.naming import SUV_FEATURES, versions
from fdglung.radiomics.placement import placed
from fdglung.radiomics.settings import RadiomicsSettings
from fdglung.radiomics.tables import OK, FeatureTable, LesionFeatures
from fdglung.radiomics.tasks import Outcome, Workers

if TYPE_CHECKING:
    from fdglung.lungs import LungRegion
    from fdglung.radiomics.jobs import Job, Result
    from fdglung.study import Study

Progress = Callable[[str, float], None]

_SECONDS_FOR_PROCESSES = 5.0
"""Work below which starting processes costs more than it saves, where their number was left open."""


def extract(
    images: Study | Mapping[str, sitk.Image],
    lesions: sitk.Image | Mapping[str, sitk.Image],
    settings: RadiomicsSettings | None = None,
    *,
    labels: Iterable[int] | None = None,
    tracking_uids: Mapping[int, str] | None = None,
    workers: int | Workers | None = None,
    cache: Path | str | None = None,
    lungs: LungRegion | None = None,
    progress: Progress | None = None,
) -> FeatureTable:
    """Compute the features of lesions.

    Parameters
    ----------
    images
        A study, or ``PET`` (SUVbw in g/ml) and ``CT`` (HU) to images; one may be missing.
    lesions
        Label image, usually on the PET's grid; for a modality with another grid it is resampled, linearly and cut at
        one half by IBSI's workflow, by nearest neighbour with PyRadiomics' (its ``correctMask``). Or modality to its
        own label image.
    settings
        What to compute and how; by default IBSI's workflow with `DEFAULT_MODALITIES`. A CT with `alignment` takes each
        lesion where `fdglung.radiomics.alignment.align` finds it, one with `outline` with the outline that
        `fdglung.radiomics.outline.outlines` gives it there.
    labels
        Which lesions; None for all.
    tracking_uids
        Label to the tracking UID of SEG and SR.
    workers
        Number of processes, or `Workers` that stay between calls. None: all cores where the work is worth it.
    cache
        Folder where results are kept and found again; None for none.
    lungs
        Where the settings ask for `placement`: what `fdglung.radiomics.placement.lungs_of` found on the CT before; None
        finds them anew.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    FeatureTable
        Names start with the modality: ``PET_original_stat_mean_Q4LE`` (image, IBSI's tag, IBSI's code), or with
        PyRadiomics' workflow ``CT_wavelet-LLH_glcm_Idmn``; `SUV_FEATURES` as ``PET_suv_max``; where lesions lie as
        ``PLACEMENT_upper_lobe``. A lesion of which
        something cannot be computed says so in its status, and harms no other; its SUV is measured all the same.

    Raises
    ------
    NoPetError, NoCtError
        There is no image for any modality of the settings.
    InputError
        The mask holds no lesion.
    ParameterError
        A modality without an image has a mask, or `workers` is below 1.
    BackendError
        The settings ask for `placement`, and what runs the network for lungs is not installed.

    """
    # What computes features costs a second to import, which whoever names this package alone need not wait for.
    from fdglung.radiomics.jobs import Job, Result

    settings = settings or RadiomicsSettings()
    given = _images(images, settings)
    masks = _masks(lesions, given)
    wanted = _labels(masks, labels)
    tell = progress or (lambda text, fraction: None)
    results = {label: Result() for label in wanted}
    jobs = [
        Job(modality, image, masks[modality], wanted, settings, Cache(Path(cache)) if cache else None)
        for modality, image in given.items()
    ]
    tell("preparing lesions", 0.0)
    total = sum(job.prepare(results) for job in jobs)
    counted = 0

    def done(key: tuple[str, int], outcome: Outcome) -> None:
        nonlocal counted
        counted += 1
        modality, label = key
        results[label].add(modality, outcome)
        tell(f"lesion {label}, {modality}", min(1.0, counted / max(total, counted)))

    pool = workers if isinstance(workers, Workers) else Workers(_processes(workers, jobs))
    # The larger image first: while it is filtered, by all threads, nothing else has to wait.
    ordered = sorted(jobs, key=lambda job: -job.image.GetNumberOfPixels())
    try:
        pool.run((item for job in ordered for item in job.tasks(results)), done)
    finally:
        if pool is not workers:
            pool.close()
    for job in jobs:
        job.finish(results)
    if settings.placement is not None:
        tell("finding where lesions lie", 1.0)
        mask = next(iter(masks.values()))
        ct = images.get("CT") if isinstance(images, Mapping) else images.ct
        where = placed(ct, mask, wanted, settings.placement, lungs=lungs)
        for label in wanted:
            results[label].add(PLACEMENT, where.features[label])
            results[label].warnings += where.warnings
    tell("features computed", 1.0)
    uids = tracking_uids or {}
    return FeatureTable(
        lesions=tuple(_row(label, uids.get(label), results[label], [*given, PLACEMENT]) for label in wanted),
        settings=settings,
        versions=versions(),
    )


def _row(label: int, uid: str | None, result: Result, modalities: Sequence[str]) -> LesionFeatures:
    # Parts of a modality end in any order; a half modality is none. SUV is measured on the PET as it is.
    features = {
        f"{modality}_{name}": value
        for modality in modalities
        for name, value in result.features.get(modality, {}).items()
        if modality not in result.problems or name in SUV_FEATURES
    }
    status = "; ".join(f"{name}: {result.problems[name]}" for name in modalities if name in result.problems)
    warnings = tuple(dict.fromkeys(result.warnings))
    return LesionFeatures(label, uid, status or OK, warnings, features, dict(result.shifts_mm), dict(result.outlined))


def _images(images: Study | Mapping[str, sitk.Image], settings: RadiomicsSettings) -> dict[str, sitk.Image]:
    given = dict(images) if isinstance(images, Mapping) else {"PET": images.pet, "CT": images.ct}
    asked = settings.pyradiomics if settings.preprocessing == "pyradiomics" else settings.modalities
    found = {
        modality: image
        for modality in ("PET", "CT")
        if modality in asked and (image := given.get(modality)) is not None
    }
    if not found:
        error = NoPetError if "PET" in asked else NoCtError
        raise error("There is no image of a modality of the settings", remedy="Give the PET, the CT or both")
    for modality, image in found.items():
        _check_volume(image, modality)
    return found


def _masks(lesions: sitk.Image | Mapping[str, sitk.Image], images: Mapping[str, sitk.Image]) -> dict[str, sitk.Image]:
    if isinstance(lesions, sitk.Image):
        return dict.fromkeys(images, lesions)
    missing = [modality for modality in images if modality not in lesions]
    if missing:
        raise ParameterError(
            f"There is no mask for {' and '.join(missing)}", attribute="lesions", remedy="Give one mask for all, or all"
        )
    return {modality: lesions[modality] for modality in images}


def _labels(masks: Mapping[str, sitk.Image], labels: Iterable[int] | None) -> tuple[int, ...]:
    if labels is not None:
        return tuple(sorted(set(labels)))
    found: set[int] = set()
    for mask in {id(mask): mask for mask in masks.values()}.values():
        _check_volume(mask, "lesions")
        view = sitk.GetArrayViewFromImage(mask)
        if view.dtype.kind not in "iu":
            if not np.isfinite(view).all() or np.any(view != np.rint(view)):
                raise InputError("The mask's numbers are no labels", attribute="lesions", remedy="Give whole numbers")
            view = view.astype(np.int64)
        found |= set(map(int, labels_in(view)))
    if not found:
        raise InputError("The mask holds no lesion", attribute="lesions", remedy="Give a mask with values above 0")
    return tuple(sorted(found))


def _check_volume(image: sitk.Image, attribute: str) -> None:
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(
            "The image is no volume of single numbers", attribute=attribute, remedy="Give three axes, one value a voxel"
        )


def _processes(workers: int | None, jobs: Sequence[Job]) -> int | None:
    if workers is None and sum(job.seconds for job in jobs) < _SECONDS_FOR_PROCESSES:
        return 1
    return workers
