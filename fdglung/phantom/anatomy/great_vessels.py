"""Great vessels of chest, neck and upper abdomen as courses of centres and radii."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fdglung.phantom.anatomy.heart import carried, spline
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Tubes
from fdglung.phantom.subject import Subject

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """One vessel.

    Attributes
    ----------
    name
        In English.
    points
        (n, 3) centres in mm, about 6 mm apart: organ coordinates if it moves with the breath, else canonical ones.
    radii
        (n,) in mm.
    tissue, organ
        As in `Part`.
    moves
        Whether it moves with the breath.

    """

    name: str
    points: Points
    radii: npt.NDArray[np.float64]
    tissue: Tissue
    organ: Organ | None
    moves: bool

    def tubes(self, *, grow_mm: float = 0.0, tissue: Tissue | None = None) -> Tubes:
        """Return it for painting, its radii grown."""
        radii = self.radii + grow_mm
        chosen = self.tissue if tissue is None else tissue
        return Tubes(chosen, self.points[:-1], self.points[1:], radii[:-1], radii[1:], self.organ, self.moves)


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Tubes]:
    """Yield the vessels in the order of painting: veins, pulmonary arteries, aorta with its wall, its branches."""
    listed = courses(subject)
    for course in listed:
        if course.organ == Organ.AORTA:
            yield course.tubes(grow_mm=1.3, tissue=Tissue.VESSEL_WALL)
    for course in listed:
        yield course.tubes()


@lru_cache(maxsize=8)
def courses(subject: Subject) -> tuple[Course, ...]:
    """Return a subject's great vessels.

    Diameters: ascending aorta 33 mm and descending 25 mm at 55 years, 0.4 % more a year, 7 % less in women
    (10.1016/j.jcct.2008.01.001, rounded); pulmonary trunk 27 mm (10.1161/CIRCIMAGING.111.968610, rounded).
    """
    rng = subject.rng(220)
    wide = (1 + 0.004 * (subject.age_years - 55)) * (1.0 if subject.sex == "M" else 0.93)
    aorta = float(np.clip(wide * rng.normal(1, 0.06), 0.75, 1.35))
    trunk = float((1.0 if subject.sex == "M" else 0.95) * np.clip(rng.normal(1, 0.06), 0.85, 1.2))
    others = float((1.0 if subject.sex == "M" else 0.93) * np.clip(rng.normal(1, 0.08), 0.8, 1.25))
    factors = {"aorta": aorta, "trunk": trunk, "other": others}
    old = max(subject.age_years - 50, 0) / 40
    result = []
    for plan in _PLANS:
        rows = np.array(plan.rows, np.float64)
        if plan.roots:
            rows[: plan.roots, :3] = carried(subject, rows[: plan.roots, :3])
        if plan.name == "aorta":
            # the arch unrolls with age
            rows[:, 2] += 6 * old * np.exp(-(((rows[:, 2] - 20) / 22) ** 2))
        loose = np.clip(rng.standard_normal((len(rows), 3)), -2, 2) * (1.2 if plan.size == "other" else 0.7)
        loose[: max(plan.roots, 1)] = 0
        loose[-1] *= 0.5
        rows[:, :3] += loose
        rows[:, 3] *= factors[plan.size]
        line = spline(rows, step_mm=6)
        result.append(Course(plan.name, line[:, :3], line[:, 3], plan.tissue, plan.organ, plan.moves))
    return tuple(result)


@dataclass(frozen=True)
class _Plan:
    """A vessel of the reference body: rows of x, y, z and radius in mm; the first `roots` rows turn with the heart."""

    name: str
    size: str
    tissue: Tissue
    organ: Organ | None
    moves: bool
    rows: tuple[tuple[float, float, float, float], ...]
    roots: int = 0


_BLOOD, _VEIN = Tissue.BLOOD, Tissue.VENOUS_BLOOD

# fmt: off
_PLANS = (
    _Plan(
        "inferior vena cava", "other", _VEIN, Organ.INFERIOR_VENA_CAVA, False,
        (
            (-10, 20, -350, 9.5), (-20, 19, -325, 10.5), (-23, 20, -280, 10.5), (-25, 18, -230, 11),
            (-27, 10, -185, 11), (-26, 2, -150, 11.5),
        ),
    ),
    _Plan(
        "inferior vena cava, upper", "other", _VEIN, Organ.INFERIOR_VENA_CAVA, True,
        (
            (-26, 4, -160, 11.5), (-26, 0, -134, 12), (-25, -6, -112, 12.5), (-24, -12, -94, 12),
        ),
    ),
    _Plan(
        "azygos vein", "other", _VEIN, None, False,
        (
            (-6, 36, -200, 2.6), (-8, 44, -150, 3), (-8, 52, -100, 3.2), (-8, 54, -50, 3.5), (-9, 51, -18, 3.8),
            (-12, 45, 2, 4.2), (-19, 34, 11, 4.6), (-24, 20, 12, 4.8), (-28, 4, 10, 5), (-30, -6, 6, 5),
        ),
    ),
    _Plan(
        "superior vena cava", "other", _VEIN, Organ.SUPERIOR_VENA_CAVA, True,
        (
            (-28, -18, 44, 9), (-31, -15, 20, 9.8), (-32, -13, -8, 10), (-31, -13, -32, 10), (-27, -16, -54, 11),
        ),
    ),
    _Plan(
        "right brachiocephalic vein", "other", _VEIN, None, True,
        (
            (-28, -18, 44, 8.5), (-31, -17, 62, 7.5), (-34, -14, 82, 7), (-36, -11, 90, 7),
        ),
    ),
    _Plan(
        "left brachiocephalic vein", "other", _VEIN, None, True,
        (
            (-28, -18, 43, 7.5), (-12, -31, 48, 7), (8, -37, 55, 6.8), (24, -30, 68, 6.8), (35, -18, 84, 6.8),
            (37, -12, 90, 6.8),
        ),
    ),
    _Plan(
        "right internal jugular vein", "other", _VEIN, None, False,
        (
            (-36, -11, 90, 7), (-36, -8, 108, 6.5), (-35, -3, 130, 6), (-34, 2, 152, 6),
        ),
    ),
    _Plan(
        "left internal jugular vein", "other", _VEIN, None, False,
        (
            (37, -12, 90, 6.5), (37, -8, 108, 5.5), (35, -3, 130, 5), (34, 2, 152, 5),
        ),
    ),
    _Plan(
        "right subclavian vein", "other", _VEIN, None, False,
        (
            (-36, -11, 90, 6.5), (-52, -22, 94, 6), (-74, -26, 96, 5.5), (-98, -14, 93, 5.2), (-120, -2, 86, 5),
        ),
    ),
    _Plan(
        "left subclavian vein", "other", _VEIN, None, False,
        (
            (37, -12, 90, 6.5), (52, -22, 94, 6), (74, -26, 96, 5.5), (98, -14, 93, 5.2), (120, -2, 86, 5),
        ),
    ),
    _Plan(
        "pulmonary trunk", "trunk", _BLOOD, Organ.PULMONARY_ARTERY, True,
        (
            (23, -48, -42, 13.5), (26, -38, -28, 13.5), (30, -24, -16, 13.5), (31, -12, -12, 13),
        ), roots=2,
    ),
    _Plan(
        "right pulmonary artery", "trunk", _BLOOD, Organ.PULMONARY_ARTERY, True,
        (
            (31, -14, -13, 11.5), (18, -8, -18, 11), (-2, -3, -21, 10.5), (-22, 0, -22, 10.5), (-38, 4, -24, 9.5),
        ),
    ),
    _Plan(
        "truncus anterior", "trunk", _BLOOD, Organ.PULMONARY_ARTERY, True,
        (
            (-32, 2, -20, 7.5), (-42, 4, -12, 6.8), (-48, 5, -4, 6),
        ),
    ),
    _Plan(
        "right interlobar artery", "trunk", _BLOOD, Organ.PULMONARY_ARTERY, True,
        (
            (-38, 4, -24, 8.8), (-46, 10, -36, 8), (-50, 17, -50, 7.4), (-52, 25, -66, 6.4),
        ),
    ),
    _Plan(
        "left pulmonary artery", "trunk", _BLOOD, Organ.PULMONARY_ARTERY, True,
        (
            (31, -12, -12, 12), (40, 4, -5, 11), (48, 18, -5, 10), (56, 28, -14, 9),
        ),
    ),
    _Plan(
        "left interlobar artery", "trunk", _BLOOD, Organ.PULMONARY_ARTERY, True,
        (
            (56, 28, -14, 9), (60, 32, -30, 8), (62, 37, -46, 7.4), (64, 42, -62, 6.4),
        ),
    ),
    _Plan(
        "aorta", "aorta", _BLOOD, Organ.AORTA, True,
        (
            (12, -22, -62, 13.5), (4, -28, -50, 17), (-5, -31, -34, 17), (-9, -31, -14, 16.5), (-9, -28, 4, 16.3),
            (-4, -18, 18, 15.5), (5, -2, 25, 14.5), (14, 14, 26, 14), (21, 30, 20, 13.5), (25, 42, 7, 13.2),
            (27, 47, -12, 12.9), (27, 48, -40, 12.7),
        ), roots=3,
    ),
    _Plan(
        "descending aorta", "aorta", _BLOOD, Organ.AORTA, False,
        (
            (27, 47, -12, 12.7), (27, 48, -40, 12.7), (25, 49, -80, 12.4), (20, 47, -120, 12),
            (12, 38, -165, 11.5), (5, 26, -205, 10.6), (3, 21, -240, 9.8), (4, 15, -280, 9), (5, 15, -310, 8.6),
            (5, 18, -332, 8.8),
        ),
    ),
    _Plan(
        "brachiocephalic trunk", "other", _BLOOD, None, True,
        (
            (-2, -15, 24, 6.8), (-9, -12, 42, 6.4), (-17, -8, 60, 6.2), (-23, -4, 76, 5.8),
        ),
    ),
    _Plan(
        "right carotid artery", "other", _BLOOD, None, False,
        (
            (-23, -4, 76, 4.2), (-24, -3, 95, 3.8), (-25, 0, 120, 3.6), (-25, 3, 152, 3.6),
        ),
    ),
    _Plan(
        "left carotid artery", "other", _BLOOD, None, False,
        (
            (6, -3, 34, 4.2), (13, -4, 58, 4), (21, -3, 80, 3.8), (24, -2, 105, 3.6), (25, 3, 152, 3.6),
        ),
    ),
    _Plan(
        "right subclavian artery", "other", _BLOOD, None, False,
        (
            (-23, -4, 76, 5), (-30, 0, 92, 4.8), (-44, 4, 98, 4.6), (-64, -2, 101, 4.4), (-92, -4, 98, 4.1),
            (-120, 6, 90, 3.8),
        ),
    ),
    _Plan(
        "left subclavian artery", "other", _BLOOD, None, False,
        (
            (14, 14, 32, 5.4), (20, 16, 52, 5.2), (25, 15, 74, 5), (32, 10, 93, 4.8), (46, 5, 98, 4.6),
            (64, -2, 101, 4.4), (92, -4, 98, 4.1), (120, 6, 90, 3.8),
        ),
    ),
)
# fmt: on
