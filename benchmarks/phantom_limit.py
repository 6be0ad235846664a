"""What the best possible reader would say of a synthetic cohort's lesions: the true posterior of their plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray

from fdglung.phantom.lesions import draw_disease
from fdglung.phantom.lesions.overlap import posterior
from fdglung.phantom.lesions.plans import Disease, Form, LesionPlan, Sign, Zone
from fdglung.phantom.organs import LOBES
from fdglung.phantom.study import LesionClass, TrueLesion
from fdglung.phantom.uptake import time_factor
from fdglung.phantom.writer.truth import Truth, read_truth

_LEAST_LEFT = 0.8
"""Of the planned SUVmax: what bounds a lesion, and a cavity in it, may cut off its hottest part and add nothing."""

Key = tuple[str, int]
"""Folder of a study, and the label of a lesion."""


def limits(keys: Sequence[Key], *, priors: Mapping[LesionClass, float], whole: bool) -> NDArray[np.float64]:
    """Return the posterior of each lesion of the lungs, given all that plans decide but the seeds of shapes.

    Parameters
    ----------
    keys
        Of each lesion; all studies of one overlap.
    priors
        Shares of the classes: among the patients for a whole study, else among the lesions.
    whole
        Whether the reader sees the whole study, its number of lesions and its nodes too, or the lesion alone.

    Returns
    -------
    numpy.ndarray
        (lesions, 4), classes in the order of `LesionClass`.

    """
    overlap = float(read_truth(Path(keys[0][0])).parameters["overlap"])
    seen = [one for one, _ in studies(keys)] if whole else alone(keys)
    return posterior(seen, overlap=overlap, priors=priors, counted=whole)


def alone(keys: Sequence[Key]) -> list[Disease]:
    """Return for each lesion its patient's disease with this lesion alone."""
    return [replace(disease, plans=(own,)) for disease, own in studies(keys)]


def studies(keys: Sequence[Key]) -> list[tuple[Disease, LesionPlan]]:
    """Return for each lesion all that was drawn of its disease, and its own plan."""
    found = {study: _planned(Path(study)) for study in dict.fromkeys(study for study, _ in keys)}
    return [(found[study][0], found[study][1][label]) for study, label in keys]


def described_in_context(lesions: Iterable[tuple[Disease, LesionPlan]]) -> pd.DataFrame:
    """Return what `described` does of each lesion, with its study's number of lesions, of nodes, and medians."""
    rows = []
    for disease, own in lesions:
        lungs = described(plan for plan in disease.plans if plan.kind == "lung")
        row = described([own]).iloc[0].to_dict() | {f"median {name}": value for name, value in lungs.median().items()}
        rows.append(row | {"lesions": len(lungs), "nodes": len(disease.plans) - len(lungs)})
    return pd.DataFrame(rows)


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
    """Draw a study's disease anew from its seed, as `make_study` does; return what had room, and plans by label."""
    truth = read_truth(folder)
    given = truth.parameters
    random = np.random.default_rng([int(given["seed"]), 5])
    disease = draw_disease(random, LesionClass(given["lesion_class"]), overlap=float(given["overlap"]))
    found = match(disease, truth)
    there = {id(plan) for plan in found.values()}
    return replace(disease, plans=tuple(plan for plan in disease.plans if id(plan) in there)), found


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
