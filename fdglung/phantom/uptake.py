"""Uptake of a tracer in a subject's tissues, with the physiological variants that readers meet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.fdg_variants import VARIANTS, apply_age, apply_variants, check_variants, draw_variants
from fdglung.phantom.myocardium import draw_segments
from fdglung.phantom.organs import Tissue
from fdglung.phantom.subject import Subject
from fdglung.phantom.tracers import TRACERS, Tracer

__all__ = ["TRACERS", "VARIANTS", "Tracer", "Uptake", "draw_uptake", "time_factor"]

Site = Literal["blood", "liver", "tumour", "trapped", "background"]


@dataclass(frozen=True)
class Uptake:
    """Where a tracer is in a subject.

    Attributes
    ----------
    tracer
        Key of `TRACERS`.
    uptake_s
        Seconds from injection to scan.
    suv
        SUVbw in g/ml by tissue, one for each: means of what varies within a tissue.
    heart_segments
        Factors of the mean by segment of the left ventricle's wall; see `fdglung.phantom.myocardium.wall_factor`.
    variants
        Value of each of `VARIANTS`; empty for tracers that have none.

    """

    tracer: str
    uptake_s: float
    suv: dict[Tissue, float]
    heart_segments: tuple[float, ...]
    variants: dict[str, str]


def draw_uptake(
    rng: np.random.Generator,
    subject: Subject,
    *,
    tracer: str = "fdg",
    uptake_variants: Mapping[str, str] | None = None,
    uptake_s: float | None = None,
) -> Uptake:
    """Draw the uptake of every tissue of a subject; lesions are not among them.

    Parameters
    ----------
    rng
        Source of chance.
    subject
        Age, sex and body mass index shift uptake and the chances of variants.
    tracer
        Key of `TRACERS`.
    uptake_variants
        Values of `VARIANTS` to take instead of drawing them, by name.
    uptake_s
        Seconds from injection to scan, 1,200 to 14,400; None for what is customary with the tracer.

    Raises
    ------
    ParameterError
        An unknown `tracer` or variant, or an `uptake_s` outside its range.

    Notes
    -----
    Tissues are log-normal about the means of `fdglung.phantom.tracers`; a part of the spread is common to all tissues
    and another to tissues of a kind (brain, kidney, bone, fat, salivary glands). SUVbw rises with the body mass index
    in all but fat, urine and bile: in the liver by 0.066 a kg/m2 (603 adults, PMID 23177341), in the others by the same
    share. For the variants see `fdglung.phantom.fdg_variants`.

    """
    if tracer not in TRACERS:
        raise ParameterError(f"tracer is {tracer!r}", attribute="tracer", remedy=f"Give one of {', '.join(TRACERS)}")
    chosen = check_variants({} if uptake_variants is None else uptake_variants, tracer)
    agent = TRACERS[tracer]
    moment = agent.uptake_s if uptake_s is None else _check_time(uptake_s)
    suv = _draw_tissues(rng, agent)
    drawn: dict[str, str] = {}
    if tracer == "fdg":
        drawn = draw_variants(rng, subject, chosen)
        apply_age(suv, subject)
        apply_variants(rng, suv, drawn)
    _apply_mass(suv, subject.body_mass_index)
    _apply_time(suv, moment, agent, avid_heart=drawn.get("myocardium") in ("patchy", "full"))
    segments = draw_segments(rng, drawn.get("myocardium", "none"))
    return Uptake(tracer, float(moment), suv, segments, drawn)


def time_factor(site: Site, uptake_s: float, *, tracer: str = "fdg") -> float:
    """Return the SUV at a time after injection over that at the tracer's customary time; decay is corrected for.

    Parameters
    ----------
    site
        "blood" falls exponentially (`Tracer.blood_share_per_hour`, a round figure). "liver" of FDG peaks at 80 min
        and is 5 % lower 30 min before or after (10.2967/jnmt.111.090027); of other tracers it is constant. "tumour"
        is of lesions, whose SUV rises in a straight line (J Nucl Med 2003;44:1044) by `Tracer.tumour_rise_per_hour`.
        "trapped" is myocardium that takes up glucose: +10 % an hour; "background" falls as the square root of blood
        does: round figures.
    uptake_s
        Seconds from injection to scan, 1,200 to 14,400.
    tracer
        Key of `TRACERS`.

    Raises
    ------
    ParameterError
        An unknown site or tracer, or a time outside its range.

    """
    if tracer not in TRACERS:
        raise ParameterError(f"tracer is {tracer!r}", attribute="tracer", remedy=f"Give one of {', '.join(TRACERS)}")
    agent = TRACERS[tracer]
    hours = (_check_time(uptake_s) - agent.uptake_s) / 3600
    match site:
        case "blood":
            return agent.blood_share_per_hour**hours
        case "background":
            return agent.blood_share_per_hour ** (hours / 2)
        case "tumour":
            return max(1 + agent.tumour_rise_per_hour * hours, 0.3)
        case "trapped":
            return 1 + 0.10 * hours
        case "liver":
            return _liver_course(uptake_s) / _liver_course(agent.uptake_s) if tracer == "fdg" else 1.0
        case _:
            raise ParameterError(
                f"site is {site!r}",
                attribute="site",
                remedy="Give one of blood, liver, tumour, trapped, background",
            )


def _check_time(uptake_s: float) -> float:
    if not 1200 <= uptake_s <= 14400:
        raise ParameterError(
            f"uptake_s is {uptake_s}, outside its range",
            attribute="uptake_s",
            remedy="Give seconds from injection to scan, 1200 to 14400",
        )
    return uptake_s


def _draw_tissues(rng: np.random.Generator, agent: Tracer) -> dict[Tissue, float]:
    own = dict(zip(Tissue, np.clip(rng.standard_normal(len(Tissue)), -2.5, 2.5), strict=True))
    common = float(np.clip(rng.standard_normal(), -2.5, 2.5))
    suv = {}
    for tissue in Tissue:
        mean, sd = agent.suv[tissue]
        if mean == 0:
            suv[tissue] = 0.0
            continue
        spread = math.sqrt(math.log1p((sd / mean) ** 2))
        shared = min(spread, _COMMON_SPREAD)
        deviation = shared * common + math.sqrt(spread**2 - shared**2) * own[_LEADERS.get(tissue, tissue)]
        suv[tissue] = float(mean * math.exp(deviation - spread**2 / 2))
    suv[Tissue.EMPHYSEMA] = 0.4 * suv[Tissue.LUNG]
    return suv


def _apply_mass(suv: dict[Tissue, float], body_mass_index: float) -> None:
    factor = float(np.clip(1 + _MASS_SLOPE * (body_mass_index - 24.5), 0.7, 1.8))
    for tissue in suv:
        if tissue not in _NOT_BY_MASS:
            suv[tissue] *= factor


def _apply_time(suv: dict[Tissue, float], uptake_s: float, agent: Tracer, *, avid_heart: bool) -> None:
    factors = {site: time_factor(site, uptake_s, tracer=agent.key) for site in _SITES}
    for tissue in suv:
        suv[tissue] *= factors[_TISSUE_SITES.get(tissue, "background")] if tissue not in _STEADY else 1.0
    if avid_heart:
        suv[Tissue.LEFT_VENTRICLE_WALL] *= factors["trapped"] / factors["background"]


def _liver_course(uptake_s: float) -> float:
    return 1 / (1 + (0.05 / 0.95) * ((uptake_s / 60 - 80) / 30) ** 2)


_COMMON_SPREAD = 0.08
_MASS_SLOPE = 0.066 / 2.1
_SITES: tuple[Site, ...] = ("blood", "liver", "trapped", "background")

_LEADERS = {
    Tissue.LUNG_VESSEL: Tissue.BLOOD,
    Tissue.VENOUS_BLOOD: Tissue.BLOOD,
    Tissue.VESSEL_WALL: Tissue.BLOOD,
    Tissue.FISSURE: Tissue.LUNG,
    Tissue.WHITE_MATTER: Tissue.GREY_MATTER,
    Tissue.CEREBELLUM: Tissue.GREY_MATTER,
    Tissue.RENAL_MEDULLA: Tissue.RENAL_CORTEX,
    Tissue.TRABECULAR_BONE: Tissue.VERTEBRAL_MARROW,
    Tissue.VISCERAL_FAT: Tissue.FAT,
    Tissue.BROWN_FAT: Tissue.FAT,
    Tissue.SUBMANDIBULAR: Tissue.PAROTID,
    Tissue.URETER: Tissue.RENAL_PELVIS,
}
"""Tissues that deviate as another one does."""

_TISSUE_SITES: dict[Tissue, Site] = {
    Tissue.BLOOD: "blood",
    Tissue.VENOUS_BLOOD: "blood",
    Tissue.LUNG_VESSEL: "blood",
    Tissue.LIVER: "liver",
}

_URINE = frozenset({Tissue.RENAL_PELVIS, Tissue.URETER, Tissue.BLADDER, Tissue.GALLBLADDER})
_STEADY = _URINE | {Tissue.GREY_MATTER, Tissue.WHITE_MATTER, Tissue.CEREBELLUM, Tissue.BROWN_FAT}
_NOT_BY_MASS = _URINE | {Tissue.FAT, Tissue.VISCERAL_FAT, Tissue.BROWN_FAT}
