"""From a seed to a whole synthetic PET/CT study: a person, a disease, a scanner, images and the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom.uid import generate_uid
from scipy import ndimage

from fdglung import __version__
from fdglung.errors import ParameterError
from fdglung.phantom.anatomy import bronchial_tree, parts
from fdglung.phantom.ct_numbers import draw_ct_numbers
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.lesions import PlacedLesion, draw_disease, place_lesions, render, true_lesion
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.raster import Volumes, rasterise
from fdglung.phantom.scanner import pet
from fdglung.phantom.scanner.catalogue import SCANNERS, Reconstruction, Scanner
from fdglung.phantom.scanner.ct import scan_ct
from fdglung.phantom.scanner.motion import breathe
from fdglung.phantom.shapes import Array, Grid
from fdglung.phantom.study import Acquisition, LesionClass, SyntheticStudy, TrueLesion
from fdglung.phantom.subject import Subject, draw_subject
from fdglung.phantom.uptake import TRACERS, draw_uptake

Region = Literal["thorax", "trunk"]
Progress = Callable[[str, float], None]

REGIONS_MM: dict[str, tuple[float, float]] = {"thorax": (-232.0, 128.0), "trunk": (-560.0, 230.0)}
"""Lowest and highest canonical z of what is shown."""

CT_SLICE_MM = 3.0
CT_FIELD_MM = 500.0
CT_MATRIX = 512
ACTIVITY_MM = 2.5
"""Voxels of the activity before it is scanned."""


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
    dose_factor: float = 1.0,
    ct_mas: float | None = None,
    ct_kernel: Literal["soft", "lung"] | None = None,
    ct_contrast: Literal["none", "portal"] | None = None,
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
        "thorax" (upper kidneys to the base of the neck) or "trunk" (upper thighs to the base of the skull).
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
    dose_factor
        Counts are those of the injected dose divided by this: 1, 2, 5, 10, 20, 50 or 100, or anything from 1 to 1000.
    ct_mas, ct_kernel, ct_contrast
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
    _check(seed, region, tracer, dose_factor, ct_mas, grid_mm)
    person = draw_subject(_rng(seed, 1)) if subject is None else subject
    machine, method = _draw_scanner(_rng(seed, 2), scanner, reconstruction)
    acquisition = _draw_acquisition(
        _rng(seed, 3), person, machine, method, tracer, dose_factor, ct_mas, ct_kernel, ct_contrast
    )
    looks_like = draw_class(_rng(seed, 4)) if lesion_class is None else LesionClass(lesion_class)
    disease = draw_disease(_rng(seed, 5), looks_like, overlap=overlap)
    breath = float(np.clip(_rng(seed, 6).normal(_MEAN_BREATH, 0.05), 0.2, 0.5))
    hu = draw_ct_numbers(_rng(seed, 7), person, contrast=acquisition.ct_contrast)
    uptake = draw_uptake(_rng(seed, 8), person, tracer=tracer, uptake_s=_uptake_s(acquisition))
    grids = _grids(region, BodyFrame(person, breath), person, method, grid_mm)

    tell("painting the uptake", 0.02)
    in_pet = _Moment(person, BodyFrame(person, breath), grids.activity)
    in_pet.paint(suv=uptake.suv)
    tell("placing lesions", 0.2)
    placed = in_pet.place(disease.plans if lesions is None else (), lesions or (), _rng(seed, 9))
    tell("painting the CT", 0.22)
    in_ct = _Moment(person, BodyFrame(person, person.breath), grids.ct)
    in_ct.paint(hu=hu)
    truth, lesion_mask, ct_lesion_mask = _add_lesions(placed, in_pet, in_ct, grids.pet, f"{__version__} {seed}")

    tell("scanning the CT", 0.6)
    assert in_ct.volumes.hu is not None
    metal = in_ct.volumes.hu > _METAL_HU
    mu = _image(in_ct.volumes.hu, grids.ct)
    ct = scan_ct(
        in_ct.volumes.hu,
        grids.ct.spacing_mm,
        mas=acquisition.ct_mas,
        kernel=acquisition.ct_kernel,
        slice_mm=grids.ct.spacing_mm[2],
        rng=_rng(seed, 10),
        metal=metal if metal.any() else None,
        field_mm=CT_FIELD_MM,
    )
