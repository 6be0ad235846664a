"""The person that a synthetic study shows: sex, size, breath, posture and finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from fdglung.errors import ParameterError


class Find(StrEnum):
    """Findings beside the lesions, each optional."""

    VASCULAR_CALCIUM = "vascular_calcium"
    PLEURAL_EFFUSION = "pleural_effusion"
    EMPHYSEMA = "emphysema"
    ATELECTASIS = "atelectasis"
    PACEMAKER = "pacemaker"


@dataclass(frozen=True)
class Subject:
    """A synthetic person.

    Attributes
    ----------
    sex
        "M" or "F".
    age_years, height_cm, weight_kg
        Adults: 18 to 100 years, 140 to 205 cm, 35 to 180 kg.
    breath
        Inflation of the lungs on CT: 0 at residual volume, 1 at total lung capacity; free breathing is about 0.35.
    arms
        "up" beside the head or "down" beside the trunk.
    finds
        What else is there.
    shape_seed
        Of everything in the shape that the figures above leave open.

    Raises
    ------
    ParameterError
        A figure outside its range.

    """

    sex: Literal["M", "F"]
    age_years: float
    height_cm: float
    weight_kg: float
    breath: float = 0.5
    arms: Literal["up", "down"] = "up"
    finds: frozenset[Find] = frozenset()
    shape_seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise ParameterError(
                    f"{name} is {value}, outside its range",
                    attribute=name,
                    remedy=f"Give a number from {low} to {high}",
                )
        for name, choices in (("sex", ("M", "F")), ("arms", ("up", "down"))):
            if getattr(self, name) not in choices:
                raise ParameterError(
                    f"{name} is {getattr(self, name)!r}", attribute=name, remedy=f"Give one of {', '.join(choices)}"
                )
        unknown = [find for find in self.finds if find not in set(Find)]
        if unknown:
            raise ParameterError(
                f"finds holds {unknown[0]!r}", attribute="finds", remedy=f"Give any of {', '.join(Find)}"
            )
        if not 13 <= self.body_mass_index <= 60:
            raise ParameterError(
                f"weight_kg and height_cm make a body mass index of {self.body_mass_index:.1f}",
                attribute="weight_kg",
                remedy="Give a weight and a height whose body mass index is from 13 to 60 kg/m2",
            )

    @property
    def body_mass_index(self) -> float:
        """Weight over squared height in kg/m2."""
        return self.weight_kg / (self.height_cm / 100) ** 2

    def rng(self, *purpose: int) -> np.random.Generator:
        """Return a source of chance for one purpose, the same for the same subject."""
        return np.random.default_rng([self.shape_seed, *purpose])


_RANGES = {
    "age_years": (18, 100),
    "height_cm": (140, 205),
    "weight_kg": (35, 180),
    "breath": (0, 1),
    "shape_seed": (0, 2**63 - 1),
}


def draw_subject(rng: np.random.Generator, *, male_share: float = 0.632) -> Subject:
    """Draw an adult as a PET/CT department sees them.

    The share of men is that of the study (409 of 647, 10.1007/s00259-025-07215-0); ages, heights and body mass indices
    are normal with round means (61 years; 170 and 158 cm; 24.5 kg/m2), cut to their ranges.
    """
    male = bool(rng.random() < male_share)
    height = float(np.clip(rng.normal(170, 7) if male else rng.normal(158, 6.5), 145, 198))
    bmi = float(np.clip(rng.normal(24.5, 4.0), 16.5, 42))
    chances = {
        Find.VASCULAR_CALCIUM: 0.35,
        Find.PLEURAL_EFFUSION: 0.08,
        Find.EMPHYSEMA: 0.15,
        Find.ATELECTASIS: 0.06,
        Find.PACEMAKER: 0.02,
    }
    finds = frozenset(find for find, chance in chances.items() if rng.random() < chance)
    return Subject(
        sex="M" if male else "F",
        age_years=round(float(np.clip(rng.normal(61, 12), 20, 92)), 1),
        height_cm=round(height, 1),
        weight_kg=round(max(bmi * (height / 100) ** 2, 36.0), 1),
        # most PET/CT is done in free breathing or shallow expiration, some CT in inspiration (round shares)
        breath=round(float(rng.uniform(0.25, 0.5) if rng.random() < 0.8 else rng.uniform(0.5, 0.8)), 3),
        arms="up" if rng.random() < 0.85 else "down",
        finds=finds,
        shape_seed=int(rng.integers(2**63)),
    )
