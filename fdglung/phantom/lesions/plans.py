"""What is decided of a patient's disease before it has a place in the body: plans of lesions, in the reader's terms."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fdglung.errors import ParameterError
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.study import LesionClass


class Form(StrEnum):
    """Attenuation and outline of a lesion in the lung: three kinds of nodule or mass, and consolidation."""

    SOLID = "solid"
    PART_SOLID = "part-solid"
    GROUND_GLASS = "ground-glass"
    CONSOLIDATION = "consolidation"


class Sign(StrEnum):
    """CT signs, as the Fleischner Society's glossary names them (10.1148/radiol.2462070712); any may go together.

    A lesion that is not lobulated, spiculated or ill-defined is smooth.
    """

    LOBULATED = "lobulated"
    SPICULATED = "spiculated"
    ILL_DEFINED = "ill-defined"
    HALO = "halo"
    AIR_BRONCHOGRAM = "air bronchogram"
    CAVITY = "cavity"
    NECROSIS = "necrosis"
    CALCIUM = "calcium"
    POPCORN_CALCIUM = "popcorn calcium"
    PLEURAL_TAIL = "pleural tail"
    SATELLITES = "satellites"


class Zone(StrEnum):
    """Where in a lobe: thirds of the way from the hilum to the pleura, at the pleura, or around a bronchus."""

    INNER = "inner third"
    MIDDLE = "middle third"
    OUTER = "outer third"
    SUBPLEURAL = "subpleural"
    BRONCHIAL = "along a bronchus"


class Station(StrEnum):
    """Groups of stations of the IASLC lymph node map (10.1097/JTO.0b013e3181a0d82e): 10-11, 7, 4R, 4L and 5."""

    RIGHT_HILUM = "right hilum"
    LEFT_HILUM = "left hilum"
    SUBCARINAL = "subcarinal"
    RIGHT_PARATRACHEAL = "right paratracheal"
    LEFT_PARATRACHEAL = "left paratracheal"
    AORTOPULMONARY = "aortopulmonary window"


RIGHT_LOBES = (Organ.RIGHT_UPPER_LOBE, Organ.RIGHT_MIDDLE_LOBE, Organ.RIGHT_LOWER_LOBE)
"""Lobes of the right lung; the others of `LOBES` are the left's."""


@dataclass(frozen=True)
class LesionPlan:
    """One lesion, everything but its place in mm. How it is drawn follows from this alone, never from its class.

    Attributes
    ----------
    lesion_class, subtype
        What it is said to be in the truth; has no part in how it looks.
    diameter_mm
        Of the ball of the same volume, spicules, halo and satellites left out: 2 to 200 mm.
    suv_max
        True SUVbw in g/ml of its hottest part.
    hu
        CT number of its body in HU; of the hazy part of a part-solid lesion -620.
    texture
        Coefficient of variation of the uptake in what is neither necrotic nor air: 0 to 0.5.
    kind
        "lung" or "node".
    form, signs
        How it looks on CT.
    lobe, zone
        Where in the lungs; None for a node.
    station
        Where in the mediastinum or hilum; None for a lesion in the lung.
    ball
        A plain ball of even uptake and density, for tests against closed form: form, signs and texture have no effect.
    seed
        Of everything in its shape that the rest leaves open.

    Raises
    ------
    ParameterError
        A figure outside its range, a node without a station, or a lung lesion in no lobe.

    """

    lesion_class: LesionClass
    subtype: str
    diameter_mm: float
    suv_max: float
    hu: float = 40.0
    texture: float = 0.0
    kind: Literal["lung", "node"] = "lung"
    form: Form = Form.SOLID
    signs: frozenset[Sign] = frozenset()
    lobe: Organ | None = None
    zone: Zone | None = None
    station: Station | None = None
    ball: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise ParameterError(
                    f"{name} is {value}, outside its range",
                    attribute=name,
                    remedy=f"Give a number from {low} to {high}",
                )
        if self.kind not in ("lung", "node"):
            raise ParameterError(f"kind is {self.kind!r}", attribute="kind", remedy="Give lung or node")
        if self.ball:
            return
        if self.kind == "node" and self.station is None:
            raise ParameterError("a node has no station", attribute="station", remedy="Give one of Station")
        if self.kind == "lung" and self.lobe not in LOBES:
            raise ParameterError("a lung lesion is in no lobe", attribute="lobe", remedy="Give one of the five lobes")


@dataclass(frozen=True)
class Disease:
    """A patient's disease.

    Attributes
    ----------
    lesion_class, subtype
        The truth: one of the four groups, and what it is within it.
    looks_like, appearance
        The group and the subtype from whose profile the whole appearance was drawn: the same as the truth, but for the
        share of patients that `overlap` gives another class's looks.
    plans
        Lesions in the lungs first, then avid nodes.

    """

    lesion_class: LesionClass
    subtype: str
    looks_like: LesionClass
    appearance: str
    plans: tuple[LesionPlan, ...]


_RANGES = {
    "diameter_mm": (2, 200),
    "suv_max": (0, 1000),
    "hu": (-1024, 3071),
    "texture": (0, 0.5),
    "seed": (0, 2**63 - 1),
}
