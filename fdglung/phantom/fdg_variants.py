"""Physiological variants of FDG: what fasting, exercise, cold, insulin and treatment do to organs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.organs import Tissue
from fdglung.phantom.subject import Subject

VARIANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "fasting": ("4-6 h", "12-14 h", "fat diet"),
        "myocardium": ("none", "patchy", "full"),
        "colon": ("none", "mild", "moderate", "severe"),
        "small_bowel": ("none", "mild", "moderate"),
        "brown_fat": ("inactive", "active"),
        "muscle": ("rest", "exercise", "insulin"),
        "marrow": ("normal", "activated"),
        "thymus": ("age", "rebound"),
    }
)
"""Variants of FDG and their values; the other tracers have none."""


def check_variants(variants: Mapping[str, str], tracer: str) -> dict[str, str]:
    """Return the variants asked for; raise ParameterError where a name or a value is unknown or not FDG's."""
    if not isinstance(variants, Mapping):
        raise ParameterError(
            f"uptake_variants is {variants!r}", attribute="uptake_variants", remedy="Give values by name, or None"
        )
    for name, value in variants.items():
        if tracer != "fdg":
            raise ParameterError(
                f"{name} is a variant of FDG, not of {tracer}",
                attribute="uptake_variants",
                remedy="Give no variants",
            )
        if name not in VARIANTS:
            raise ParameterError(
                f"{name!r} is no variant", attribute="uptake_variants", remedy=f"Give any of {', '.join(VARIANTS)}"
            )
        if value not in VARIANTS[name]:
            raise ParameterError(
                f"{name} is {value!r}", attribute="uptake_variants", remedy=f"Give one of {', '.join(VARIANTS[name])}"
            )
    return dict(variants)


def draw_variants(rng: np.random.Generator, subject: Subject, chosen: Mapping[str, str]) -> dict[str, str]:
    """Draw a value of each variant that is not chosen; myocardium follows fasting and insulin.

    Myocardium by fasting: 10.4103/0972-3919.136559. Colon none to severe 8, 55, 27, 10 %, small bowel none to moderate
    18, 64, 19 % (J Nucl Med Technol, patients without bowel disease). Active brown fat in 2.4 times as many women as
    men, fewer with age and body mass (10.1056/NEJMoa0810780), in 7 % of all (pooled, PMC7317326). Fasting, muscle,
    marrow and thymus are round figures.
    """
    fasting = _choose(rng, "fasting", (0.60, 0.35, 0.05))
    fasting = chosen.get("fasting", fasting)
    heart = {"4-6 h": (0.10, 0.39, 0.51), "12-14 h": (0.55, 0.28, 0.18), "fat diet": (0.77, 0.14, 0.10)}[fasting]
    brown = 0.100 if subject.sex == "F" else 0.041
    brown *= math.exp(-(subject.age_years - 61) / 35 - (subject.body_mass_index - 24.5) / 12)
    rebound = 0.03 if subject.age_years < 50 else 0.0
    drawn = {
        "fasting": fasting,
        "myocardium": _choose(rng, "myocardium", heart),
        "colon": _choose(rng, "colon", (0.08, 0.55, 0.27, 0.10)),
        "small_bowel": _choose(rng, "small_bowel", (0.18, 0.64, 0.19)),
        "brown_fat": _choose(rng, "brown_fat", (1 - min(brown, 0.6), min(brown, 0.6))),
        "muscle": _choose(rng, "muscle", (0.91, 0.06, 0.03)),
        "marrow": _choose(rng, "marrow", (0.94, 0.06)),
        "thymus": _choose(rng, "thymus", (1 - rebound, rebound)),
    }
    drawn |= chosen
    if drawn["muscle"] == "insulin" and "myocardium" not in chosen:
        drawn["myocardium"] = "full"
    return drawn


def apply_age(suv: dict[Tissue, float], subject: Subject) -> None:
    """Change in place what age changes: tonsils and lungs fall (10.1007/s11307-006-0075-y), the thymus turns to fat."""
    age = subject.age_years
    suv[Tissue.TONSIL] *= float(np.clip(1.15 - 0.01 * (age - 35), 0.55, 1.3))
    for tissue in (Tissue.LUNG, Tissue.FISSURE):
        suv[tissue] *= 1 - 0.003 * (age - 60)
    young = float(np.clip((60 - age) / 35, 0, 1))
    suv[Tissue.THYMUS] = young * suv[Tissue.THYMUS] + (1 - young) * (suv[Tissue.FAT] + 0.15)
    if age > 52:
        suv[Tissue.UTERUS] *= 0.75


def apply_variants(rng: np.random.Generator, suv: dict[Tissue, float], variants: Mapping[str, str]) -> None:
    """Change in place what the variants change; the same draws are made whatever the variants are."""

    def draw(mean: float, sd: float) -> float:
        spread = math.sqrt(math.log1p((sd / mean) ** 2))
        return float(mean * math.exp(spread * np.clip(rng.standard_normal(), -2, 2) - spread**2 / 2))

    heart = {"none": 1.0, "patchy": draw(4.0, 1.5) / 1.8, "full": draw(8.0, 4.0) / 1.8}[variants["myocardium"]]
    suv[Tissue.LEFT_VENTRICLE_WALL] = min(suv[Tissue.LEFT_VENTRICLE_WALL] * heart, 22.0)
    if variants["myocardium"] == "full":
        suv[Tissue.HEART_WALL] *= 1.35
    colon = {"none": draw(0.9, 0.15), "mild": draw(1.5, 0.3), "moderate": draw(3.0, 0.7), "severe": draw(6.0, 2.0)}
    suv[Tissue.COLON_WALL] = colon[variants["colon"]]
    suv[Tissue.COLON_CONTENT] *= {"none": 1.0, "mild": 1.0, "moderate": 1.5, "severe": 4.0}[variants["colon"]]
    small = {"none": draw(0.9, 0.15), "mild": draw(1.4, 0.25), "moderate": draw(2.6, 0.6)}
    suv[Tissue.SMALL_BOWEL] = small[variants["small_bowel"]]
    brown = draw(7.0, 3.0)
    if variants["brown_fat"] == "active":
        suv[Tissue.BROWN_FAT] = float(np.clip(brown, 3, 15))
    muscle = {"rest": 1.0, "exercise": draw(1.6, 0.3), "insulin": draw(3.2, 0.6)}[variants["muscle"]]
    suv[Tissue.MUSCLE] *= muscle
    if variants["muscle"] == "insulin":
        for tissue in (Tissue.LIVER, Tissue.GREY_MATTER, Tissue.WHITE_MATTER, Tissue.CEREBELLUM):
            suv[tissue] *= 0.72
    marrow = draw(2.2, 0.5)
    if variants["marrow"] == "activated":
        suv[Tissue.VERTEBRAL_MARROW] *= marrow
        suv[Tissue.TRABECULAR_BONE] *= marrow
        suv[Tissue.SPLEEN] *= math.sqrt(marrow)
    rebound = draw(3.0, 0.7)
    if variants["thymus"] == "rebound":
        suv[Tissue.THYMUS] = rebound


def _choose(rng: np.random.Generator, name: str, weights: tuple[float, ...]) -> str:
    shares = np.cumsum(weights) / sum(weights)
    return VARIANTS[name][int(np.searchsorted(shares, rng.random(), side="right"))]
