"""From a seed to a whole synthetic PET/CT study: a person, a disease, a scanner, images and the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
import SimpleITK as sitk

from fdglung import __version__
from fdglung.errors import ParameterError
from fdglung.phantom.acquisition import draw_acquisition, draw_scanner
from fdglung.phantom.anatomy import bronchi, parts
from fdglung.phantom.anatomy.heart import long_axis
from fdglung.phantom.ct_numbers import Contrast, draw_ct_numbers
from fdglung.phantom.fdg_variants import check_variants
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.grids import CT_FIELD_MM, REGIONS_MM, Region, study_grids
from fdglung.phantom.images import image_on
from fdglung.phantom.inflation import inflated, moving_share
from fdglung.phantom.lesions import PlacedLesion, draw_class, draw_disease, place_lesions
from fdglung.phantom.lesions.painting import paint_in_ct, paint_in_pet
from fdglung.phantom.myocardium import wall_factor
from fdglung.phantom.organs import Tissue
from fdglung.phantom.raster import Part, Tubes, Volumes, rasterise
from fdglung.phantom.scanner import pet
from fdglung.phantom.scanner.ct import Kernel, scan_ct
from fdglung.phantom.scanner.mismatch import mismatched_activity
from fdglung.phantom.scanner.motion import breathe, draw_breathing
from fdglung.phantom.scanner.noise import Noise
from fdglung.phantom.shapes import Array, Grid
from fdglung.phantom.study import Acquisition, LesionClass, SyntheticStudy
from fdglung.phantom.subject import Subject, draw_subject
from fdglung.phantom.tracers import TRACERS
from fdglung.phantom.uptake import Uptake, draw_uptake, time_factor

Progress = Callable[[str, float], None]

MEAN_BREATH = 0.35
"""Lung inflation about which the PET is breathed freely, on average over subjects."""

_METAL_HU = 2500.0
_TRAINING_LATTICE_MM = 4.0


def make_study(
    *,
    seed: int,
    region: Region = "thorax",
    subject: Subject | None = None,
    lesion_class: LesionClass | None = None,
    lesions: Sequence[PlacedLesion] | None = None,
    overlap: float = 0.1,
    scanner: str | None = None,
    reconstruction: str | None = None,
    tracer: str = "fdg",
    uptake_s: float | None = None,
    uptake_variants: Mapping[str, str] | None = None,
    dose_factor: float = 1.0,
    ct_mas: float | None = None,
    ct_kernel: Kernel | None = None,
    ct_contrast: Contrast | None = None,
    ct_slice_mm: float | None = None,
    with_nac: bool = False,
    grid_mm: float | None = None,
    tier: Literal["bulk", "reference"] = "bulk",
    progress: Progress | None = None,
) -> SyntheticStudy:
    """Make one synthetic study. The same arguments give the same voxels.

    Parameters
    ----------
    seed
        Of everything that the other arguments leave open.
    region
        "thorax" (upper kidneys to the base of the neck) or "trunk" (upper thighs to the ears).
    subject
        The person; None draws one.
    lesion_class
        Which of the four groups; None draws one.
    lesions
        Lesions in patient coordinates of the PET, in place of drawn ones; an empty sequence for none.
    overlap
        Share of patients whose disease looks like another group's (`fdglung.phantom.lesions.draw_disease`).
    scanner, reconstruction
        Key of `SCANNERS` and name of one of its reconstructions; None draws them.
    tracer
        Key of `TRACERS`.
    uptake_s
        Seconds from injection to scan, 1,200 to 14,400; None draws it.
    uptake_variants
        Of FDG, by name (`fdglung.phantom.fdg_variants.VARIANTS`): myocardium, bowel, brown fat and the like; those
        that are not given are drawn.
    dose_factor
        Counts are those of the injected dose divided by this: 1, 2, 5, 10, 20, 50 or 100, or anything from 1 to 1000.
    ct_mas, ct_kernel, ct_contrast, ct_slice_mm
        Of the CT; None draws them.
    with_nac
        Make the PET without attenuation correction as well.
    grid_mm
        Put CT and PET on one grid of this spacing, for training; None keeps the scanner's own grids.
    tier
        How the PET's noise is made: see `fdglung.phantom.scanner.pet.scan`.
    progress
        Told a text and the fraction that is done.

    Returns
    -------
    SyntheticStudy

    Raises
    ------
    ParameterError
        An argument outside its range, an unknown name, or a lesion that does not fit.

    """
    tell = progress or (lambda text, fraction: None)
    _check(seed, region, lesion_class, grid_mm, tier)
    arguments: dict[str, object] = {
        "seed": int(seed),
        "region": region,
        "lesion_class": None if lesion_class is None else LesionClass(lesion_class).value,
        "overlap": overlap,
        "scanner": scanner,
        "reconstruction": reconstruction,
        "tracer": tracer,
        "uptake_s": uptake_s,
        "uptake_variants": None if uptake_variants is None else check_variants(uptake_variants, tracer),
        "dose_factor": dose_factor,
        "ct_mas": ct_mas,
        "ct_kernel": ct_kernel,
        "ct_contrast": ct_contrast,
        "ct_slice_mm": ct_slice_mm,
        "with_nac": with_nac,
        "grid_mm": grid_mm,
        "tier": tier,
    }
    person = draw_subject(_rng(seed, 1)) if subject is None else subject
    machine, method = draw_scanner(_rng(seed, 2), scanner, reconstruction)
    acquisition = draw_acquisition(
        _rng(seed, 3),
        person,
        machine,
        method,
        tracer=tracer,
        uptake_s=uptake_s,
        dose_factor=dose_factor,
        ct_mas=ct_mas,
        ct_kernel=ct_kernel,
        ct_contrast=ct_contrast,
        ct_slice_mm=ct_slice_mm,
    )
    waited_s = (acquisition.started - acquisition.injected).total_seconds()
    group = draw_class(_rng(seed, 4)) if lesion_class is None else LesionClass(lesion_class)
    disease = draw_disease(_rng(seed, 5), group, overlap=overlap, tracer=tracer)
    rise = time_factor("tumour", waited_s, tracer=tracer)
    breath = float(np.clip(_rng(seed, 6).normal(MEAN_BREATH, 0.05), 0.2, 0.5))
    # the PET's lung is denser than the CT's at deeper breath
    hu, pet_hu = (
        draw_ct_numbers(_rng(seed, 7), replace(person, breath=each), contrast=acquisition.ct_contrast)
        for each in (person.breath, breath)
    )
    uptake = draw_uptake(_rng(seed, 8), person, tracer=tracer, uptake_variants=uptake_variants, uptake_s=waited_s)
    in_pet, in_ct = BodyFrame(person, breath), BodyFrame(person, person.breath)
    grids = study_grids(region, in_pet, method, ct_slice_mm=acquisition.ct_slice_mm, training_mm=grid_mm)

    tell("painting the body", 0.02)
    with ThreadPoolExecutor(1) as other:
        waiting = None
        if grid_mm is None:
            waiting = other.submit(lambda: rasterise(parts(person, in_ct), in_ct, grids.ct, hu=hu, organs=True))
        active = rasterise(
            _avid(person, in_pet, uptake),
            in_pet,
            grids.activity,
            hu=pet_hu,
            suv=uptake.suv,
            organs=True,
            lattice_mm=3.0 if grid_mm is None else _TRAINING_LATTICE_MM,
        )
        tell("placing lesions", 0.5)
        moving = other.submit(lambda: moving_share(active, person, in_pet, grids.activity))
        if waiting is None:
            lung_rise = hu[Tissue.LUNG] - pet_hu[Tissue.LUNG]
            waiting = other.submit(lambda: inflated(active, grids.ct, in_pet, in_ct, moving.result(), lung_rise))
        organs = image_on(grids.activity, active.organs)
        tree = bronchi(person, in_pet)
        placed = place_lesions(
            [replace(plan, suv_max=rise * plan.suv_max) for plan in disease.plans] if lesions is None else (),
            # a chest is measured as well on every second voxel of the finest grids, in an eighth of the time
            organs=organs if grid_mm is None or grid_mm > 2.25 else organs[::2, ::2, ::2],
            rng=_rng(seed, 9),
            bronchi=np.stack([in_pet.to_patient(in_pet.moved(p)) for p in (tree.starts, tree.stops)], axis=1),
            bronchi_radii_mm=tree.radii,
            given=() if lesions is None else lesions,
        )
        still = waiting.result()
    truth, lesion_mask = paint_in_pet(placed, active, organs, grids, _entropy(person, arguments))
    ct_lesion_mask = paint_in_ct(placed, still, grids.ct, in_pet, in_ct)

    tell("scanning the CT", 0.65)
    ct = _scan_ct(still, grids.ct, acquisition, _rng(seed, 10))
    ct_organs = image_on(grids.ct, still.organs)
    del still, waiting
    # the PET's correction needs no finer map, and a quarter of the memory
    map_used = ct if grid_mm is not None else sitk.BinShrink(sitk.Cast(ct, sitk.sitkFloat32), (2, 2, 1))

    tell("scanning the PET", 0.8)
    breathing = _breathing(_rng(seed, 11), in_pet)
    moves = image_on(grids.activity, moving.result())
    moved = breathe(image_on(grids.activity, active.suv), moving=moves, breathing=breathing)
    noise = Noise(
        injected_dose_bq=acquisition.injected_dose_bq,
        uptake_s=waited_s,
        bed_seconds=acquisition.bed_seconds,
        weight_kg=person.weight_kg,
        dose_factor=acquisition.dose_factor,
        half_life_s=TRACERS[tracer].half_life_s,
        positron_fraction=TRACERS[tracer].positron_fraction,
    )

    body = image_on(grids.activity, active.hu)

    def scan(purpose: int, seen: sitk.Image, attenuating: sitk.Image, **options: Any) -> sitk.Image:
        return pet.scan(
            seen,
            attenuating,
            scanner=machine,
            reconstruction=method,
            grid=grids.pet,
            noise=noise,
            rng=_rng(seed, purpose),
            tier=tier,
            **options,
        )

    if tier == "reference":
        corrected = scan(12, moved, map_used, body=body)
    else:
        corrected = scan(12, mismatched_activity(moved, body, map_used), map_used)
    return SyntheticStudy(
        subject=person,
        acquisition=acquisition,
        ct=ct,
        pet=corrected,
        pet_nac=scan(13, moved, body, attenuation_corrected=False) if with_nac else None,
        lesions=truth,
        lesion_mask=lesion_mask,
        ct_lesion_mask=ct_lesion_mask,
        organs=_resampled(organs, corrected),
        ct_organs=ct_organs,
        parameters={
            "made_by": f"fdglung {__version__} make_study",
            **arguments,
            "lesion_class": disease.lesion_class.value,
            "pet_breath": round(breath, 4),
            "uptake_variants": dict(uptake.variants),
            "breathing_dome_mm": round(float(max(breathing.shifts_mm)), 2),
        },
    )


def _check(seed: int, region: str, lesion_class: object, grid_mm: float | None, tier: str) -> None:
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ParameterError(f"seed is {seed!r}", attribute="seed", remedy="Give a whole number from 0 to 2^63 - 1")
    for name, value, choices in (
        ("region", region, tuple(REGIONS_MM)),
        ("lesion_class", lesion_class, (None, *LesionClass)),
        ("tier", tier, ("bulk", "reference")),
    ):
        if value not in choices:
            allowed = ", ".join(str(choice) for choice in choices if choice is not None)
            raise ParameterError(f"{name} is {value!r}", attribute=name, remedy=f"Give one of {allowed}")
    if grid_mm is not None and not (isinstance(grid_mm, (int, float)) and 1.5 <= grid_mm <= 6):
        raise ParameterError(f"grid_mm is {grid_mm!r}", attribute="grid_mm", remedy="Give 1.5 to 6 mm")


def _rng(seed: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose])


def _entropy(person: Subject, arguments: dict[str, object]) -> str:
    """Say in plain words, the same in every process, what a study is made from."""
    return json.dumps([__version__, vars(person) | {"finds": sorted(person.finds)}, arguments], sort_keys=True)


def _avid(person: Subject, frame: BodyFrame, uptake: Uptake) -> Iterator[Part | Tubes]:
    """Yield the parts of a body, the left ventricle's wall with its uptake by segment."""
    in_heart = wall_factor(uptake.heart_segments, *long_axis(person))

    def factor(x: Array, y: Array, z: Array) -> Array:
        return in_heart(x, y, frame.organ_z(z))

    for part in parts(person, frame):
        if isinstance(part, Part) and part.tissue == Tissue.LEFT_VENTRICLE_WALL:
            part = replace(part, suv_factor=factor)
        yield part


def _scan_ct(still: Volumes, grid: Grid, acquisition: Acquisition, rng: np.random.Generator) -> sitk.Image:
    hu = cast(Array, still.hu)
    metal = hu > _METAL_HU
    scanned = scan_ct(
        hu,
        grid.spacing_mm,
        mas=acquisition.ct_mas,
        kernel=acquisition.ct_kernel,
        slice_mm=max(acquisition.ct_slice_mm, grid.spacing_mm[2]),
        rng=rng,
        metal=metal if metal.any() else None,
        field_mm=CT_FIELD_MM,
    )
    return image_on(grid, scanned)


def _breathing(rng: np.random.Generator, frame: BodyFrame) -> Any:
    dome = frame.to_patient(frame.moved([(-72.0, -8.0, -88.0)]))[0, 2]
    apex, pelvis = (frame.to_patient([(0.0, 0.0, z)])[0, 2] for z in (88.0, -480.0))
    return draw_breathing(rng, apex_mm=float(apex), dome_mm=float(dome), pelvis_mm=float(pelvis))


def _resampled(organs: sitk.Image, like: sitk.Image) -> sitk.Image:
    return sitk.Resample(organs, like, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
