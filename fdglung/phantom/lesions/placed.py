"""Lesions that have a place in the body, and the parts of which they are painted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.bodies import Body, draw_waves, frame_along
from fdglung.phantom.lesions.distributions import Floats
from fdglung.phantom.lesions.plans import Form, LesionPlan, Sign
from fdglung.phantom.organs import Organ
from fdglung.phantom.shapes import Box
from fdglung.phantom.study import LesionClass

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Rod:
    """A thin tapering part: spicule, pleural tail, bronchus; a rod without length is a ball.

    Points in mm (LPS), radii in mm.
    """

    start: Point
    stop: Point
    radius: float
    end_radius: float


@dataclass(frozen=True)
class PlacedLesion:
    """A lesion in a body.

    Attributes
    ----------
    plan
        What it is.
    centre_mm
        Patient coordinates (LPS) in mm.
    radius_mm
        Of the ball of the same volume; a little less than the plan's where that did not fit.
    place
        In words.
    reaches_into
        Organs (values of `Organ`, 0 for what no organ takes) that it may fill; None for all.
    hilum_mm, pleura_mm
        Hilum of its lung, and the nearest point of the pleura; None for nodes.
    bronchi
        Bronchi that pass near it.

    """

    plan: LesionPlan
    centre_mm: Point
    radius_mm: float
    place: str
    reaches_into: tuple[int, ...] | None = None
    hilum_mm: Point | None = None
    pleura_mm: Point | None = None
    bronchi: tuple[Rod, ...] = ()

    @classmethod
    def sphere(
        cls,
        centre_mm: Point,
        radius_mm: float,
        suv: float,
        *,
        hu: float = 40.0,
        name: str = "",
        lesion_class: LesionClass = LesionClass.LUNG_CANCER,
    ) -> PlacedLesion:
        """Make a ball of even uptake and density, filled whatever is there.

        Parameters
        ----------
        centre_mm
            Patient coordinates (LPS) in mm.
        radius_mm
            1 to 100 mm.
        suv
            True SUVbw in g/ml.
        hu
            CT number in HU.
        name
            Its place in the truth.
        lesion_class
            Its class in the truth.

        Raises
        ------
        ParameterError
            A figure outside its range.

        """
        if not 1 <= radius_mm <= 100:
            raise ParameterError(
                f"radius_mm is {radius_mm}, outside its range", attribute="radius_mm", remedy="Give 1 to 100 mm"
            )
        if len(centre_mm) != 3 or not all(np.isfinite(centre_mm)):
            raise ParameterError(
                "three finite numbers are needed", attribute="centre_mm", remedy="Give x, y, z in mm (LPS)"
            )
        plan = LesionPlan(lesion_class, "sphere", 2 * radius_mm, suv, hu, ball=True)
        x, y, z = (float(part) for part in centre_mm)
        return cls(plan, (x, y, z), float(radius_mm), name)

    @cached_property
    def body(self) -> Body:
        """Its body, without spicules, tail, halo and satellites."""
        rng = np.random.default_rng([self.plan.seed, 1])
        waves = draw_waves(rng, 2.0, 3.4, 5), draw_waves(rng, 5.0, 11.0, 12)
        if self.plan.ball:
            return Body(self.radius_mm, np.eye(3, dtype=np.float32), (1, 1, 1), 2, waves[0], 0, waves[1], 0, (0, 0, 0))
        signs = self.plan.signs
        long, flat = float(rng.uniform(1.02, 1.3)), float(rng.uniform(0.8, 0.98))
        turn = rng.standard_normal(3)
        lean: Point = (0.0, 0.0, 0.0)
        lobe_depth = float(rng.uniform(0.30, 0.42)) if Sign.LOBULATED in signs else float(rng.uniform(0.03, 0.10))
        rough = 0.015
        if Sign.SPICULATED in signs:
            rough = 0.04
        if Sign.ILL_DEFINED in signs:
            rough = max(rough, 0.035)
        exponent = 2.0
        if self.plan.form == Form.GROUND_GLASS:
            rough, lobe_depth = max(rough, 0.03), max(lobe_depth, 0.12)
        if self.plan.form == Form.CONSOLIDATION:
            outward = self.outward
            turn = outward + 0.25 * turn
            lean_by = float(rng.uniform(0.15, 0.3))
            lean = (lean_by * outward[0], lean_by * outward[1], lean_by * outward[2])
            long, flat, rough, exponent = float(rng.uniform(1.15, 1.5)), float(rng.uniform(0.85, 1.15)), 0.06, 2.4
            lobe_depth = max(lobe_depth, 0.22)
        if self.plan.kind == "node":
            long, flat = float(rng.uniform(1.15, 1.6)), float(rng.uniform(0.85, 1.0))
        return Body(
            self.radius_mm, frame_along(turn), (long, flat, 1.0), exponent, waves[0], lobe_depth, waves[1], rough, lean
        )

    @property
    def outward(self) -> Floats:
        """Unit vector from the hilum; to the right or left of the patient where there is none."""
        if self.hilum_mm is None:
            return np.array([float(np.sign(self.centre_mm[0])) or 1.0, 0.0, 0.0])
        gap = np.subtract(self.centre_mm, self.hilum_mm)
        length = float(np.linalg.norm(gap))
        return gap / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])

    @cached_property
    def strands(self) -> tuple[Rod, ...]:
        """Spicules and the pleural tail."""
        rng = np.random.default_rng([self.plan.seed, 2])
        centre, scale = np.array(self.centre_mm), self.body.scale_mm
        rods = []
        if Sign.SPICULATED in self.plan.signs and not self.plan.ball:
            for direction in _spread(rng, int(min(14 + 2.4 * self.radius_mm, 50) * rng.uniform(0.9, 1.2))):
                surface = scale * float(self.body.relative_radius(*direction.astype(np.float32)[:, None])[0])
                end = surface + float(rng.uniform(0.1, 0.8)) * min(self.radius_mm, 18) + 1.5
                # the tip strays from the ray, as strands of a retracting scar do
                tip = direction * end + 0.1 * end * rng.standard_normal(3)
                base = float(np.clip(0.14 * self.radius_mm, 0.45, 2.0)) * float(rng.uniform(0.6, 1.3))
                rods.append(_rod(centre + 0.85 * surface * direction, centre + tip, base, 0.3))
        if Sign.PLEURAL_TAIL in self.plan.signs and self.pleura_mm is not None and not self.plan.ball:
            pleura = np.array(self.pleura_mm)
            for bend in range(int(rng.integers(1, 4))):
                aim = pleura + (rng.standard_normal(3) * (3 + 3 * bend))
                rods.append(_rod(centre, aim, float(np.clip(0.18 * self.radius_mm, 0.8, 1.6)), 0.6))
        return tuple(rods)

    @cached_property
    def satellites(self) -> tuple[Rod, ...]:
        """Small nodules around it, as balls."""
        if Sign.SATELLITES not in self.plan.signs or self.plan.ball:
            return ()
        rng = np.random.default_rng([self.plan.seed, 3])
        balls = []
        for direction in _spread(rng, int(rng.integers(4, 10))):
            away = self.body.reach_mm + float(rng.uniform(2.5, 12))
            centre = np.array(self.centre_mm) + away * direction
            radius = float(rng.uniform(1.0, 2.2))
            balls.append(_rod(centre, centre, radius, radius))
        return tuple(balls)

    @cached_property
    def airways(self) -> tuple[Rod, ...]:
        """Air-filled bronchi in it: those that pass, widened, and a tree from the hilum's side where few do."""
        if Sign.AIR_BRONCHOGRAM not in self.plan.signs or self.plan.ball:
            return ()
        rng = np.random.default_rng([self.plan.seed, 5])
        centre, reach = np.array(self.centre_mm), self.body.reach_mm
        widen = float(rng.uniform(1.0, 1.5))
        found = [
            Rod(rod.start, rod.stop, max(widen * rod.radius, 0.6), max(widen * rod.end_radius, 0.5))
            for rod in self.bronchi
            if _gap(centre, np.array(rod.start), np.array(rod.stop)) < 0.7 * reach
        ]
        length = sum(float(np.linalg.norm(np.subtract(rod.stop, rod.start))) for rod in found)
        if length < 2.5 * self.radius_mm:
            entry = centre - 1.05 * reach * self.outward
            radius = float(np.clip(0.7 + 0.05 * self.radius_mm, 0.9, 2.4))
            found += _tree(rng, entry, self.outward, 0.62 * reach, radius, 5)
        return tuple(found)

    @cached_property
    def halo_mm(self) -> float:
        """Width of its halo."""
        if Sign.HALO not in self.plan.signs or self.plan.ball:
            return 0.0
        return float(np.random.default_rng([self.plan.seed, 4]).uniform(0.35, 0.7)) * min(self.radius_mm, 14) + 2

    @property
    def box(self) -> Box:
        """Bounds in mm of all its parts."""
        reach = self.body.reach_mm + max(self.halo_mm, 3.0 if Sign.ILL_DEFINED in self.plan.signs else 0.5)
        low, high = np.array(self.centre_mm) - reach, np.array(self.centre_mm) + reach
        for rod in (*self.strands, *self.satellites):
            ends = np.array([rod.start, rod.stop])
            low = np.minimum(low, ends.min(axis=0) - rod.radius)
            high = np.maximum(high, ends.max(axis=0) + rod.radius)
        bounds = [(float(a), float(b)) for a, b in zip(low, high, strict=True)]
        return (bounds[0], bounds[1], bounds[2])


def describe_lobe(lobe: Organ) -> str:
    """Name of a lobe in words."""
    return lobe.name.lower().replace("_", " ")


def _spread(rng: np.random.Generator, count: int) -> Floats:
    """Draw directions that keep apart: each the farthest of eight from those before."""
    chosen: list[Floats] = []
    for _ in range(count):
        tries = rng.standard_normal((8, 3))
        tries /= np.linalg.norm(tries, axis=1, keepdims=True)
        near = np.max(tries @ np.array(chosen).T, axis=1) if chosen else np.zeros(8)
        chosen.append(tries[int(np.argmin(near))])
    return np.array(chosen)


def _gap(point: Floats, start: Floats, stop: Floats) -> float:
    """Distance of a point from a segment."""
    along = stop - start
    t = float(np.clip((point - start) @ along / max(float(along @ along), 1e-6), 0, 1))
    return float(np.linalg.norm(point - start - t * along))


def _tree(
    rng: np.random.Generator, start: Floats, direction: Floats, length: float, radius: float, generations: int
) -> list[Rod]:
    """Branches in two, each turned by about 35 degrees (Weibel) and thinner by 2^(-1/3) (Murray 1926)."""
    wander = direction + 0.12 * rng.standard_normal(3)
    direction = wander / np.linalg.norm(wander)
    stop = start + length * direction
    rods = [_rod(start, stop, radius, 0.85 * radius)]
    if generations > 1:
        across = frame_along(direction)[1:].astype(np.float64)
        angle = float(rng.uniform(0, 2 * np.pi))
        side = np.cos(angle) * across[0] + np.sin(angle) * across[1]
        for sign in (-1, 1):
            turn = np.deg2rad(float(rng.uniform(22, 45)))
            aim = np.cos(turn) * direction + sign * np.sin(turn) * side
            rods += _tree(rng, stop, aim, 0.72 * length, 0.8 * radius, generations - 1)
    return rods


def _rod(
    start: Floats,
    stop: Floats,
    radius: float,
    end_radius: float,
) -> Rod:
    ends: list[Point] = [(float(p[0]), float(p[1]), float(p[2])) for p in (start, stop)]
    return Rod(ends[0], ends[1], radius, end_radius)
