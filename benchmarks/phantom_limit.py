"""What the best possible reader would say of a synthetic cohort's lesions: the true posterior of their plans."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray

from fdglung.phantom.lesions import draw_disease
from fdglung.phantom.lesions.overlap import ALL, Descriptor, posterior
from fdglung.phantom.lesions.plans import Disease, Form, LesionPlan, Sign, Zone
from fdglung.phantom.organs import LOBES
from fdglung.phantom.study import LesionClass, TrueLesion
from fdglung.phantom.uptake import time_factor
from fdglung.phantom.writer.truth import Truth, read_truth

IN_THE_MASK = frozenset({Descriptor.UPTAKE, Descriptor.TEXTURE, Descriptor.FORM, Descriptor.DENSITY, Descriptor.SIGNS})
"""What lies in or at a lesion, without its place: all that features of its mask can hold."""

_LEAST_LEFT = 0.8
"""Of the planned SUVmax: what bounds a lesion, a cavity in it too, may cut off its hottest part."""

Key = tuple[str, int]


def limits(
    folder: Path, keys: list[Key], *, priors: Mapping[LesionClass, float], descriptors: frozenset[Descriptor] = ALL
) -> NDArray[np.float64]:
    """Return the posterior of each lesion of the lungs by itself, without the patient's others.

    Parameters
    ----------
    folder
        Of the cohort.
    keys
        Study and label of each lesion.
    priors
        Shares of the classes among the lesions.
    descriptors
        What is seen beside the diameter.

    Returns
    -------
    numpy.ndarray
        (lesions, 4), classes in the order of `LesionClass`.

    """
    studies = {case: _planned(folder / case) for case in dict.fromkeys(case for case, _ in keys)}
    alone = [replace(studies[case][0], plans=(studies[case][1][label],)) for case, label in keys]
    overlap = json.loads((folder / "cohort.json").read_text(encoding="utf-8"))["cohort"]["overlap"]
    return posterior(alone, overlap=overlap, priors=priors, descriptors=descriptors, counted=False)


def described(folder: Path, keys: list[Key]) -> pd.DataFrame:
    """Return all that the plan of each lesion of the lungs decides, but the seed of its shape, as numbers.

    Parameters
    ----------
    folder
        Of the cohort.
    keys
        Study and label of each lesion.

    Returns
    -------
    pandas.DataFrame
        A row a lesion: diameter and SUVmax as logarithms, texture, CT number, and 0 or 1 for each sign, form, lobe and
        zone.

    """
    studies = {case: _planned(folder / case)[1] for case in dict.fromkeys(case for case, _ in keys)}
    rows = []
    for case, label in keys:
        plan = studies[case][label]
        row = {
            "diameter": np.log(plan.diameter_mm),
            "suv_max": np.log(plan.suv_max),
            "texture": plan.texture,
            "hu": plan.hu,
        }
        row |= {sign.value: float(sign in plan.signs) for sign in Sign}
        for kind, every, own in (("form", Form, plan.form), ("lobe", LOBES, plan.lobe), ("zone", Zone, plan.zone)):
            row |= {f"{kind} {one.value}": float(one == own) for one in every}
        rows.append(row)
    return pd.DataFrame(rows)


def _planned(folder: Path) -> tuple[Disease, dict[int, LesionPlan]]:
    """Draw a study's disease anew from its seed, as `make_study` does, and find the plan of each of its lesions."""
    truth = read_truth(folder)
    given = truth.parameters
    random = np.random.default_rng([int(given["seed"]), 5])
    disease = draw_disease(random, LesionClass(given["lesion_class"]), overlap=float(given["overlap"]))
    return disease, match(disease, truth)


def match(disease: Disease, truth: Truth) -> dict[int, LesionPlan]:
    """Return each true lesion's plan by its label: they come in the order of plans, less those without room."""
    waited_s = (truth.acquisition.started - truth.acquisition.injected).total_seconds()
    rise = time_factor("tumour", waited_s, tracer=truth.acquisition.tracer)
    found: dict[int, LesionPlan] = {}
    left = iter(disease.plans)
    for lesion in truth.lesions:
        for plan in left:
            if _alike(plan, lesion, rise):
                found[lesion.label] = plan
                break
        else:
            raise ValueError(f"lesion {lesion.label} has no plan")
    return found


def _alike(plan: LesionPlan, lesion: TrueLesion, rise: float) -> bool:
    same = plan.kind == lesion.kind and sorted(plan.signs) == sorted(lesion.signs)
    return same and _LEAST_LEFT < lesion.suv_max / (rise * plan.suv_max) < 1.001
