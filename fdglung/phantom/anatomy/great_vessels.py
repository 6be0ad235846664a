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
    for name, kind, tissue, organ, moves, roots, points, radii in _COURSES:
        centres = np.asarray(points, np.float64)
        if roots:
            centres[:roots] = carried(subject, centres[:roots])
        if name == "aorta":
            # the arch unrolls with age
            lift = np.exp(-(((centres[:, 2] - 20) / 22) ** 2))
            centres[:, 2] += 6 * old * lift
        loose = np.clip(rng.standard_normal((len(centres), 3)), -2, 2) * (1.2 if kind == "other" else 0.7)
        loose[: max(roots, 1)] = 0
        loose[-1] *= 0.5
        line = spline(np.column_stack([centres + loose, np.asarray(radii) * factors[kind]]), step_mm=6)
        result.append(Course(name, line[:, :3], line[:, 3], tissue, organ, moves))
    return tuple(result)


_A, _V, _P = Tissue.BLOOD, Tissue.VENOUS_BLOOD, Organ.PULMONARY_ARTERY

_COURSES: tuple[
    tuple[str, str, Tissue, Organ | None, bool, int, tuple[tuple[float, float, float], ...], tuple[float, ...]], ...
] = (
    (
        "inferior vena cava",
        "other",
        _V,
        Organ.INFERIOR_VENA_CAVA,
        False,
        0,
        ((-10, 20, -350), (-20, 19, -325), (-23, 20, -280), (-25, 18, -230), (-27, 10, -185), (-26, 2, -150)),
        (9.5, 10.5, 10.5, 11, 11, 11.5),
    ),
    (
        "inferior vena cava, upper",
        "other",
        _V,
        Organ.INFERIOR_VENA_CAVA,
        True,
        0,
        ((-26, 4, -160), (-26, 0, -134), (-25, -6, -112), (-24, -12, -94)),
        (11.5, 12, 12.5, 12),
    ),
    (
        "azygos vein",
        "other",
        _V,
        None,
        False,
        0,
        ((-6, 36, -200), (-8, 44, -150), (-8, 52, -100), (-8, 54, -50), (-9, 51, -18), (-12, 45, 2))
        + ((-19, 34, 11), (-24, 20, 12), (-28, 4, 10), (-30, -6, 6)),
        (2.6, 3, 3.2, 3.5, 3.8, 4.2, 4.6, 4.8, 5, 5),
    ),
    (
        "superior vena cava",
        "other",
        _V,
        Organ.SUPERIOR_VENA_CAVA,
        True,
        0,
        ((-28, -18, 44), (-31, -15, 20), (-32, -13, -8), (-31, -13, -32), (-27, -16, -54)),
        (9, 9.8, 10, 10, 11),
    ),
    (
        "right brachiocephalic vein",
        "other",
        _V,
        None,
        True,
        0,
        ((-28, -18, 44), (-31, -17, 62), (-34, -14, 82), (-36, -11, 90)),
        (8.5, 7.5, 7, 7),
    ),
    (
        "left brachiocephalic vein",
        "other",
        _V,
        None,
        True,
        0,
        ((-28, -18, 43), (-12, -31, 48), (8, -37, 55), (24, -30, 68), (35, -18, 84), (37, -12, 90)),
        (7.5, 7, 6.8, 6.8, 6.8, 6.8),
    ),
    (
        "right internal jugular vein",
        "other",
        _V,
        None,
        False,
        0,
        ((-36, -11, 90), (-36, -8, 108), (-35, -3, 130), (-34, 2, 152)),
        (7, 6.5, 6, 6),
    ),
    (
        "left internal jugular vein",
        "other",
        _V,
        None,
        False,
        0,
        ((37, -12, 90), (37, -8, 108), (35, -3, 130), (34, 2, 152)),
        (6.5, 5.5, 5, 5),
    ),
    (
        "right subclavian vein",
        "other",
        _V,
        None,
        False,
        0,
        ((-36, -11, 90), (-52, -22, 99), (-74, -26, 102), (-98, -14, 97), (-120, -2, 86)),
        (6.5, 6, 5.5, 5.2, 5),
    ),
    (
        "left subclavian vein",
        "other",
        _V,
        None,
        False,
        0,
        ((37, -12, 90), (52, -22, 99), (74, -26, 102), (98, -14, 97), (120, -2, 86)),
        (6.5, 6, 5.5, 5.2, 5),
    ),
    (
        "pulmonary trunk",
        "trunk",
        _A,
        _P,
        True,
        2,
        ((23, -48, -42), (26, -38, -28), (30, -24, -16), (31, -12, -12)),
        (13.5, 13.5, 13.5, 13),
    ),
    (
        "right pulmonary artery",
        "trunk",
        _A,
        _P,
        True,
        0,
        ((31, -14, -13), (18, -8, -18), (-2, -3, -21), (-22, 0, -22), (-38, 4, -24)),
        (11.5, 11, 10.5, 10.5, 9.5),
    ),
    (
        "truncus anterior",
        "trunk",
        _A,
        _P,
        True,
        0,
        ((-32, 2, -20), (-42, 4, -12), (-48, 5, -4)),
        (7.5, 6.8, 6),
    ),
    (
        "right interlobar artery",
        "trunk",
        _A,
        _P,
        True,
        0,
        ((-38, 4, -24), (-46, 10, -36), (-50, 17, -50), (-52, 25, -66)),
        (8.8, 8, 7.4, 6.4),
    ),
    (
        "left pulmonary artery",
        "trunk",
        _A,
        _P,
        True,
        0,
        ((31, -12, -12), (40, 4, -5), (48, 18, -5), (56, 28, -14)),
        (12, 11, 10, 9),
    ),
    (
        "left interlobar artery",
        "trunk",
        _A,
        _P,
        True,
        0,
        ((56, 28, -14), (60, 32, -30), (62, 37, -46), (64, 42, -62)),
        (9, 8, 7.4, 6.4),
    ),
    (
        "aorta",
        "aorta",
        _A,
        Organ.AORTA,
        True,
        3,
        ((12, -22, -62), (4, -28, -50), (-5, -31, -34), (-9, -31, -14), (-9, -28, 4), (-4, -18, 18), (5, -2, 25))
        + ((14, 14, 26), (21, 30, 20), (25, 42, 7), (27, 47, -12), (27, 48, -40)),
        (13.5, 17, 17, 16.5, 16.3, 15.5, 14.5, 14, 13.5, 13.2, 12.9, 12.7),
    ),
    (
        "descending aorta",
        "aorta",
        _A,
        Organ.AORTA,
        False,
        0,
        ((27, 47, -12), (27, 48, -40), (25, 49, -80), (20, 47, -120), (12, 38, -165), (5, 26, -205), (3, 21, -240))
        + ((4, 15, -280), (5, 15, -310), (5, 18, -332)),
        (12.7, 12.7, 12.4, 12, 11.5, 10.6, 9.8, 9, 8.6, 8.8),
    ),
    (
        "brachiocephalic trunk",
        "other",
        _A,
        None,
        True,
        0,
        ((-2, -15, 24), (-9, -12, 42), (-17, -8, 60), (-23, -4, 76)),
        (6.8, 6.4, 6.2, 5.8),
    ),
    (
        "right carotid artery",
        "other",
        _A,
        None,
        False,
        0,
        ((-23, -4, 76), (-24, -3, 95), (-25, 0, 120), (-25, 3, 152)),
        (4.2, 3.8, 3.6, 3.6),
    ),
    (
        "left carotid artery",
        "other",
        _A,
        None,
        False,
        0,
        ((6, -3, 34), (13, -4, 58), (21, -3, 80), (24, -2, 105), (25, 3, 152)),
        (4.2, 4, 3.8, 3.6, 3.6),
    ),
    (
        "right subclavian artery",
        "other",
        _A,
        None,
        False,
        0,
        ((-23, -4, 76), (-30, 0, 92), (-44, 4, 104), (-64, -2, 108), (-92, -4, 102), (-120, 6, 90)),
        (5, 4.8, 4.6, 4.4, 4.1, 3.8),
    ),
    (
        "left subclavian artery",
        "other",
        _A,
        None,
        False,
        0,
        ((14, 14, 32), (20, 16, 52), (25, 15, 74), (32, 10, 93), (46, 5, 104), (64, -2, 108), (92, -4, 102))
        + ((120, 6, 90),),
        (5.4, 5.2, 5, 4.8, 4.6, 4.4, 4.1, 3.8),
    ),
)
