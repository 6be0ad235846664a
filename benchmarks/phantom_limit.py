"""What the best possible reader would say of a synthetic cohort's lesions: the true posterior of their plans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
"""Of the planned SUVmax: what bounds a lesion, and a cavity in it, may cut off its hottest part and add nothing."""

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
    overlap = json.loads((folder / "cohort.json").read_text(encoding="utf-8"))["cohort"]["overlap"]
    return posterior(alone(folder, keys), overlap=overlap, priors=priors, descriptors=descriptors, counted=False)


def alone(folder: Path, keys: list[Key]) -> list[Disease]:
    """Return for each lesion of a cohort, by study and label, its patient's disease with this lesion alone."""
    studies = {case: _planned(folder / case) for case in dict.fromkeys(case for case, _ in keys)}
    return [replace(studies[case][0], plans=(studies[case][1][label],)) for case, label in keys]


def described(plans: Iterable[LesionPlan]) -> pd.DataFrame:
    """Return all that plans of lesions of the lungs decide, but the seed of their shape, as numbers.

    Returns
    -------
    pandas.DataFrame
        A row a plan: logarithms of the diameter (mm) and SUVmax (SUVbw, g/ml), texture, CT number (HU), and 0 or 1 for
        each sign, form, lobe and zone.

    """
    rows = []
    for plan in plans:
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
