"""Synthetic studies with the lesions that a box around the lungs cuts most easily: pleural, hilar, and a white lung.

One lesion a study. A pleural lesion is centred at the surface of a lung, a hilar one at its hilum, and one that makes a
lung white lies in the middle of a lung whose rest is soft tissue on the CT. The body, its PET and CT at different
breaths, the scanner, and the lesion's size, outline and uptake are drawn from the seed.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import SimpleITK as sitk

from fdglung.phantom import LesionClass, PlacedLesion, SyntheticStudy, draw_subject, make_study
from fdglung.phantom.lesions import LesionPlan, Sign
from fdglung.phantom.lesions.chest import Chest, read_chest
from fdglung.phantom.lesions.plans import RIGHT_LOBES
from fdglung.phantom.organs import LOBES, Organ

KINDS = ("pleural", "hilar", "white lung")

RADII_MM = {"pleural": (8.0, 45.0), "hilar": (8.0, 40.0), "white lung": (35.0, 75.0)}
"""Of the ball of the lesion's volume; less where that would reach out of the body."""

SUV = (4.0, 20.0)
"""Of a lesion's hottest part, before the scanner blurs it."""

_PLACING_GRID_MM = 6.0
_LEAST_RADIUS_MM = 5.0
_WHITE_HU = (30.0, 12.0)


def make(kind: str, seed: int, grid_mm: float = 4.0) -> SyntheticStudy:
    """Make one study with one lesion of a kind of `KINDS`; the same arguments give the same voxels."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    person = draw_subject(np.random.default_rng(seed))
    empty = make_study(seed=seed, subject=person, lesions=(), grid_mm=_PLACING_GRID_MM)
    chest = read_chest(empty.organs, ())
    lesion = _draw(kind, chest, rng)
    study = make_study(seed=seed, subject=person, lesions=(lesion,), grid_mm=grid_mm)
    if kind != "white lung":
        return study
    return dataclasses.replace(study, ct=_whitened(study, lesion.plan.lobe in RIGHT_LOBES, rng))


def _draw(kind: str, chest: Chest, rng: np.random.Generator) -> PlacedLesion:
    signs = frozenset(sign for sign in (Sign.LOBULATED, Sign.SPICULATED, Sign.NECROSIS) if rng.random() < 0.4)
    uptake = float(np.exp(rng.uniform(*np.log(SUV))))
    while True:
        lobe = Organ(int(rng.choice([int(one) for one in LOBES])))
        centre = _centre(kind, lobe, chest, rng)
        radius = float(rng.uniform(*RADII_MM[kind]))
        while radius >= _LEAST_RADIUS_MM:
            plan = LesionPlan(
                LesionClass.LUNG_CANCER,
                kind,
                2 * radius,
                uptake,
                signs=signs,
                lobe=lobe,
                seed=int(rng.integers(2**31)),
            )
            lesion = PlacedLesion(plan, centre, radius, kind, pleura_mm=centre)
            # The study's finer grid has the skin elsewhere by up to a voxel of this one.
            if chest.holds(centre, lesion.body.reach_mm + _PLACING_GRID_MM):
                return lesion
            radius *= 0.9


def _centre(kind: str, lobe: Organ, chest: Chest, rng: np.random.Generator) -> tuple[float, float, float]:
    on_right = lobe in RIGHT_LOBES
    if kind == "pleural":
        surface = np.flatnonzero((chest.lobe == lobe) & (chest.depth <= 2 * _PLACING_GRID_MM))
        centre = chest.pleura[rng.choice(surface)]
    elif kind == "hilar":
        centre = np.array(chest.hila[0 if on_right else 1]) + rng.normal(0, 5, 3)
    else:
        in_lung = np.isin(chest.lobe, [int(one) for one in LOBES if (one in RIGHT_LOBES) == on_right])
        centre = chest.points[in_lung].mean(axis=0) + rng.normal(0, 10, 3)
    return float(centre[0]), float(centre[1]), float(centre[2])


def _whitened(study: SyntheticStudy, on_right: bool, rng: np.random.Generator) -> sitk.Image:
    """Return the CT with soft tissue in place of the air of a lung."""
    organs = sitk.GetArrayViewFromImage(study.ct_organs)
    hu = sitk.GetArrayFromImage(study.ct)
    lung = np.isin(organs, [int(one) for one in LOBES if (one in RIGHT_LOBES) == on_right]) & (hu < 0)
    hu[lung] = rng.normal(*_WHITE_HU, int(lung.sum()))
    white = sitk.GetImageFromArray(hu)
    white.CopyInformation(study.ct)
    return white
