"""How well the classes can be told apart at best: the Bayes error, in closed form and by Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.distributions import Floats
from fdglung.phantom.lesions.drawing import (
    check_overlap,
    check_priors,
    draw_class,
    draw_disease,
    station_probability,
)
from fdglung.phantom.lesions.other_tracers import uptake_ratios
from fdglung.phantom.lesions.plans import RIGHT_LOBES, Disease, Form, LesionPlan, Sign, Zone
from fdglung.phantom.lesions.profiles import DEFAULT_PRIORS, GROUND_GLASS_HU, PROFILES
from fdglung.phantom.lesions.subtype import Subtype
from fdglung.phantom.organs import LOBES
from fdglung.phantom.study import LesionClass


class Descriptor(StrEnum):
    """What a reader sees of a plan beside the number of lesions and their diameters, which are always seen."""

    UPTAKE = "uptake"
    TEXTURE = "texture"
    FORM = "form"
    DENSITY = "density"
    SIGNS = "signs"
    LOBE = "lobe"
    ZONE = "zone"
    NODES = "nodes"


ALL = frozenset(Descriptor)
"""Everything that a plan decides but the seed of its shape: no reader of the images can know more."""

CT = frozenset({Descriptor.FORM, Descriptor.DENSITY, Descriptor.SIGNS, Descriptor.LOBE, Descriptor.ZONE})
"""What a reader of the CT alone sees of the lungs."""

PET = frozenset({Descriptor.UPTAKE, Descriptor.TEXTURE, Descriptor.LOBE, Descriptor.NODES})
"""What a reader of the PET alone sees, if the diameters were known."""


@dataclass(frozen=True)
class BayesError:
    """Error of the best possible classifier.

    Attributes
    ----------
    error
        Probability of a wrong class.
    standard_error
        Of the estimate.
    by_class
        Share of each class that is misclassified.

    """

    error: float
    standard_error: float
    by_class: Mapping[LesionClass, float]


def error_floor(overlap: float, *, priors: Mapping[LesionClass, float] = DEFAULT_PRIORS) -> float:
    """Error that `overlap` alone makes, in closed form: that of a reader who knows for sure whose looks a patient has.

    The looks are those of class k in a patient of class c with probability ``prior[c] * (1 - overlap if k == c else
    overlap / 3)``; the best reader names the class for which this is greatest, so the error is 1 minus the sum over k
    of these maxima. It equals `overlap` as long as the looks' own class stays the best guess.

    Raises
    ------
    ParameterError
        `overlap` or `priors` outside their ranges.

    """
    check_overlap(overlap)
    joint = _mixing(overlap) * np.array(list(check_priors(priors).values()))[:, None]
    return float(1 - joint.max(axis=0).sum())


def bayes_error(
    overlap: float,
    rng: np.random.Generator,
    n: int,
    *,
    priors: Mapping[LesionClass, float] = DEFAULT_PRIORS,
    descriptors: frozenset[Descriptor] = ALL,
    level: Literal["patient", "lesion"] = "patient",
    tracer: str = "fdg",
) -> BayesError:
    """Bayes error by Monte Carlo over drawn patients, with the true posterior from the profiles' own densities.

    Parameters
    ----------
    overlap
        As for `draw_disease`.
    rng
        Source of chance.
    n
        Patients to draw, from 2.
    priors
        Shares of the classes.
    descriptors
        What is seen, beside number and diameters.
    level
        "patient": all lesions of a patient together. "lesion": one lesion of the lungs, each of the patient's alike,
        without the others, their number and the nodes.
    tracer
        As for `draw_disease`.

    Returns
    -------
    BayesError
        The mean, over patients drawn, of the posterior probability that the best guess is wrong.

    """
    check_overlap(overlap)
    shares = check_priors(priors)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 2:
        raise ParameterError(f"n is {n}", attribute="n", remedy="Give a whole number from 2")
    if level not in ("patient", "lesion"):
        raise ParameterError(f"level is {level!r}", attribute="level", remedy="Give patient or lesion")
    diseases = [draw_disease(rng, draw_class(rng, priors=shares), overlap=overlap, tracer=tracer) for _ in range(n)]
    if level == "lesion":
        diseases = [_one_lesion(rng, disease) for disease in diseases]
    chances = posterior(
        diseases,
        overlap=overlap,
        priors=shares,
        descriptors=descriptors,
        counted=level == "patient",
        tracer=tracer,
    )
    wrong = 1 - chances.max(axis=1)
    classes = list(LesionClass)
    truth = np.array([classes.index(disease.lesion_class) for disease in diseases])
    missed = chances.argmax(axis=1) != truth
    by_class = {one: float(missed[truth == i].mean()) for i, one in enumerate(classes) if (truth == i).any()}
    return BayesError(float(wrong.mean()), float(wrong.std(ddof=1) / math.sqrt(n)), by_class)


def posterior(
    diseases: Sequence[Disease],
    *,
    overlap: float,
    priors: Mapping[LesionClass, float] = DEFAULT_PRIORS,
    descriptors: frozenset[Descriptor] = ALL,
    counted: bool = True,
    tracer: str = "fdg",
) -> Floats:
    """Posterior probability of each class given the plans, shape (patients, 4), classes in `LesionClass`' order.

    Parameters
    ----------
    diseases
        Patients; their classes and subtypes are not looked at.
    overlap, priors, descriptors, tracer
        As for `bayes_error`.
    counted
        Whether the number of lesions is evidence.

    """
    shares = np.array(list(check_priors(priors).values()))
    table = _Table(diseases)
    classes = list(LesionClass)
    looks = np.full((len(diseases), len(classes)), -np.inf)
    ratios = uptake_ratios(tracer)
    for subtype in PROFILES:
        ratio = ratios[subtype.lesion_class]
        values = math.log(subtype.weight) + _log_density(table, subtype, ratio, descriptors, counted)
        column = classes.index(subtype.lesion_class)
        looks[:, column] = np.logaddexp(looks[:, column], values)
    with np.errstate(divide="ignore"):
        joint = logsumexp(looks[:, None, :] + np.log(_mixing(overlap))[None], axis=2) + np.log(shares)[None]
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))


def _mixing(overlap: float) -> Floats:
    """Probability of the looks of class k (column) in a patient of class c (row)."""
    count = len(LesionClass)
    return np.where(np.eye(count, dtype=bool), 1 - overlap, overlap / (count - 1))


def _one_lesion(rng: np.random.Generator, disease: Disease) -> Disease:
    lungs = [plan for plan in disease.plans if plan.kind == "lung"]
    return replace(disease, plans=(lungs[int(rng.integers(len(lungs)))],))


class _Table:
    """Plans of many patients as columns: lesions in the lungs, sorted by patient, and nodes."""

    def __init__(self, diseases: Sequence[Disease]) -> None:
        self.patients = len(diseases)
        lungs = [[plan for plan in disease.plans if plan.kind == "lung"] for disease in diseases]
        self.nodes = [[plan for plan in disease.plans if plan.kind == "node"] for disease in diseases]
        self.right = [plans[0].lobe in RIGHT_LOBES for plans in lungs]
        self.number = np.array([len(plans) for plans in lungs])
        flat = [plan for plans in lungs for plan in plans]
        self.patient = np.repeat(np.arange(self.patients), self.number)
        self.diameter = np.array([plan.diameter_mm for plan in flat])
        self.suv = np.array([plan.suv_max for plan in flat])
        self.hu = np.array([plan.hu for plan in flat])
        self.texture = np.array([plan.texture for plan in flat])
        self.form = _codes(flat, "form", list(Form))
        self.lobe = _codes(flat, "lobe", list(LOBES))
        self.zone = _codes(flat, "zone", list(Zone))
        self.signs = np.array([[sign in plan.signs for sign in Sign] for plan in flat])

    def by_patient(self, values: Floats) -> Floats:
        """Sum a column over each patient's lesions."""
        sums: Floats = np.bincount(self.patient, np.maximum(values, -1e9), minlength=self.patients).astype(np.float64)
        return sums


def _codes(plans: Sequence[LesionPlan], name: str, values: list[object]) -> npt.NDArray[np.int64]:
    return np.array([values.index(getattr(plan, name)) for plan in plans])


def _log_density(
    table: _Table, subtype: Subtype, ratio: float, descriptors: frozenset[Descriptor], counted: bool
) -> Floats:
    """Log density of what is seen of each patient, were it of a subtype whose uptake is `ratio` times that of FDG."""
    size, uptake = subtype.sizes.log_density(table.diameter, table.suv / ratio, table.patient, table.patients)
    uptake = uptake - table.number * math.log(ratio)
    result = size
    if Descriptor.UPTAKE in descriptors:
        result = result + uptake
    if counted:
        numbers = np.zeros(int(table.number.max()) + 1)
        last = min(len(numbers), len(subtype.number) + 1)
        numbers[1:last] = subtype.number[: last - 1]
        result = result + _log(numbers)[table.number]
    lesions = np.zeros(len(table.diameter))
    for descriptor, chances in (
        (Descriptor.FORM, [subtype.forms[form] for form in Form]),
        (Descriptor.LOBE, [subtype.lobe_probabilities[lobe] for lobe in LOBES]),
        (Descriptor.ZONE, [subtype.zones[zone] for zone in Zone]),
    ):
        if descriptor in descriptors:
            lesions += _log(np.array(chances))[getattr(table, descriptor.value)]
    if Descriptor.TEXTURE in descriptors:
        lesions += subtype.texture.log_density(table.texture)
    if Descriptor.DENSITY in descriptors:
        lesions += _log_hu(table, subtype)
    if Descriptor.SIGNS in descriptors:
        lesions += _log_signs(table, subtype)
    result = result + table.by_patient(lesions)
    if Descriptor.NODES in descriptors and counted:
        result = result + _log_nodes(table, subtype, ratio)
    return result


def _log(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(values)


def _log_hu(table: _Table, subtype: Subtype) -> Floats:
    mean, sd = subtype.hu
    solid: Floats = -0.5 * ((table.hu - mean) / sd) ** 2 - math.log(sd * math.sqrt(2 * math.pi))
    glass = table.form == list(Form).index(Form.GROUND_GLASS)
    solid[glass] = GROUND_GLASS_HU.log_density(table.hu[glass] + 1000)
    return solid


def _log_signs(table: _Table, subtype: Subtype) -> Floats:
    result = np.zeros(len(table.diameter))
    for code, form in enumerate(Form):
        those = table.form == code
        chances = subtype.sign_probabilities(form, table.diameter[those])
        result[those] = _log(np.where(table.signs[those], chances, 1 - chances)).sum(axis=1)
    return result


def _log_nodes(table: _Table, subtype: Subtype, ratio: float) -> Floats:
    result = np.full(table.patients, math.log(1 - subtype.nodes.chance))
    carriers = [i for i, nodes in enumerate(table.nodes) if nodes]
    if not carriers:
        return result
    flat = [node for i in carriers for node in table.nodes[i]]
    patient = np.repeat(np.arange(len(carriers)), [len(table.nodes[i]) for i in carriers])
    diameter, suv = (np.array([getattr(node, name) for node in flat]) for name in ("diameter_mm", "suv_max"))
    size, uptake = subtype.nodes.sizes.log_density(diameter, suv / ratio, patient, len(carriers))
    uptake = uptake - np.bincount(patient) * math.log(ratio)
    for row, i in enumerate(carriers):
        stations = frozenset(node.station for node in table.nodes[i] if node.station is not None)
        share = subtype.nodes.symmetric
        chance = share * station_probability("symmetric", stations)
        chance += (1 - share) * station_probability("right" if table.right[i] else "left", stations)
        result[i] = math.log(subtype.nodes.chance * chance) + size[row] + uptake[row]
    return result
