"""Findings of the chest beside lesions: calcium, effusion, emphysema, atelectasis, pacemaker."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fdglung.phantom.anatomy import great_vessels, heart
from fdglung.phantom.anatomy.heart import spline
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, cage
from fdglung.phantom.anatomy.lung_shape import LungShape, lung_shape
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.shapes import Array, Box, Distance, Solid, ellipsoid, smooth_intersection, smooth_union
from fdglung.phantom.subject import Find, Subject


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the subject's finds of the chest, emphysema apart (`lungs.parts` has it, under the vessels)."""
    if Find.ATELECTASIS in subject.finds:
        yield from _atelectasis(subject, frame)
    if Find.PLEURAL_EFFUSION in subject.finds:
        yield from _effusion(subject, frame)
    if Find.VASCULAR_CALCIUM in subject.finds:
        yield from _calcium(subject)
    if Find.PACEMAKER in subject.finds:
        yield from _pacemaker(subject, frame)


def emphysema(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield centrilobular holes of 3 to 15 mm, most in the upper lobes, and bullae at the apex."""
    if Find.EMPHYSEMA not in subject.finds:
        return
    rng = subject.rng(290)
    shape = lung_shape(subject, frame.breath)
    grain = ndimage.gaussian_filter(rng.standard_normal((110, 72, 64)), 1.0, mode="wrap")
    grain = (grain / grain.std()).astype(np.float32)
    grade = float(rng.uniform(0.3, 1.0))

    def holes(side: int) -> Distance:
        lung = shape.distance(side)

        def distance(x: Array, y: Array, z: Array) -> Array:
            places = [(p / np.float32(3.0) + np.float32(40)) for p in (frame.organ_z(z), y, x)]
            level: Array = ndimage.map_coordinates(grain, np.broadcast_arrays(*places), order=1, mode="grid-wrap")
            # from 60 mm below the carina upwards, and a centimetre from the hilum's vessels
            needed = np.float32(2.1 - 0.9 * grade) + np.clip((np.float32(25) - z) / 70, 0, 3)
            hole = (needed - level) * np.float32(3.2)
            return smooth_intersection(np.asarray(hole, np.float32), lung(x, y, z) + np.float32(2.5), 2)

        return distance

    for side in (RIGHT, LEFT):
        yield Part(Tissue.EMPHYSEMA, Solid(holes(side), shape.box(side)))
        for _ in range(int(rng.poisson(1.5 * grade))):
            radius = float(rng.uniform(7, 19))
            inside = shape.grid_points(side)
            top = inside[(inside[:, 2] > 60) & (np.abs(shape.depth(side, inside) - 0.7 * radius) < 3)]
            if len(top):
                ball = ellipsoid(top[rng.integers(len(top))], radius * rng.uniform(0.7, 1.1, 3))
                yield Part(Tissue.EMPHYSEMA, _clipped(ball, shape, side, 0.8))


def _atelectasis(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Plates above the diaphragm, a strip along the back, or a collapsed part of a lower lobe beside the spine."""
    rng = subject.rng(291)
    shape = lung_shape(subject, frame.breath)
    for side in (RIGHT, LEFT):
        points = shape.grid_points(side)
        depth = shape.depth(side, points)
        for _ in range(int(rng.integers(0, 4)) + (side == LEFT)):
            near = points[(points[:, 2] < np.quantile(points[:, 2], 0.4)) & (depth > 8)]
            centre = near[rng.integers(len(near))]
            wide = rng.uniform(14, 32, 2)
            plate = ellipsoid(
                centre, (wide[0], wide[1], float(rng.uniform(1.2, 2.6))), axis=rng.normal((0, 0, 0.4), 0.6)
            )
            yield Part(Tissue.ATELECTASIS, _clipped(plate, shape, side, 0.0), fine=True)
        if rng.random() < 0.6:
            thick = float(rng.uniform(4, 10))
            yield Part(Tissue.ATELECTASIS, _strip(shape, side, thick))
    if rng.random() < 0.5:
        side = RIGHT if rng.random() < 0.5 else LEFT
        points = shape.grid_points(side)
        low = points[points[:, 2] < np.quantile(points[:, 2], 0.3)]
        behind = low[np.argmax(low[:, 1] - 0.8 * np.abs(low[:, 0]))]
        wedge = ellipsoid(
            behind + np.array((0, -4, 6)), rng.uniform((16, 18, 28), (28, 30, 45)), axis=(side * 0.2, -0.2, 1)
        )
        yield Part(Tissue.ATELECTASIS, _clipped(wedge, shape, side, 0.0))


def _strip(shape: LungShape, side: int, thick: float) -> Solid:
    lung = shape.distance(side)
    box = shape.box(side)
    start = box[1][1] - 45

    def distance(x: Array, y: Array, z: Array) -> Array:
        depth = lung(x, y, z)
        within = np.float32(thick) * np.clip((y - np.float32(start)) / 40, 0, 1) ** 2
        within = within * np.clip((20 - z) / 60, 0, 1)
        return np.asarray(np.maximum(depth, -cage(x, y, z) - 3 - within), np.float32)

    return Solid(distance, (box[0], (start, box[1][1]), (box[2][0], 20.0)))


def _effusion(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Fluid behind the lungs: a crescent that is thickest in the back and low, with collapsed lung along it."""
    rng = subject.rng(292)
    shape = lung_shape(subject, frame.breath)
    sides = (RIGHT, LEFT) if rng.random() < 0.45 else (RIGHT if rng.random() < 0.6 else LEFT,)
    for side in sides:
        deep = float(rng.uniform(18, 60)) * (1.0 if side == sides[0] else float(rng.uniform(0.3, 0.9)))
        rim = float(rng.uniform(3, 11))
        yield Part(Tissue.ATELECTASIS, _crescent(shape, side, deep, rim))
        yield Part(Tissue.PLEURAL_EFFUSION, _crescent(shape, side, deep, 0.0), Organ.PLEURAL_EFFUSION)


def _crescent(shape: LungShape, side: int, deep: float, rim: float) -> Solid:
    lung = shape.distance(side)
    box = shape.box(side)
    back, bottom = box[1][1] - 4, box[2][0]
    top = bottom + 100 + 2.4 * deep

    def distance(x: Array, y: Array, z: Array) -> Array:
        # a crescent along the wall, thinner upwards and forwards, where the lung's recoil draws the fluid up
        fall = np.clip((z - np.float32(bottom + 40)) / np.float32(top - bottom - 40), 0, 1)
        most = np.float32(deep) * (1 - fall)
        wall = -cage(x, y, z) - np.float32(3)
        course = np.clip((y - np.float32(back - 2.2 * deep - 20)) / np.float32(2.2 * deep + 20), 0, 1)
        crescent = wall - most * course**1.5
        # fluid in the gutter beside the spine has a flat face
        flat = np.float32(back) - np.float32(0.75) * most - y
        hollow = smooth_union(crescent, flat, 8) - np.float32(rim) * np.clip(1.2 - fall, 0, 1) * course
        hollow = hollow + np.float32(3) * fall
        return smooth_intersection(lung(x, y, z) - np.float32(2.0), np.asarray(hollow, np.float32), 2)

    return Solid(distance, (box[0], (back - 2.2 * deep - rim - 20, box[1][1]), (bottom, min(top + 40, box[2][1]))))


def _calcium(subject: Subject) -> Iterator[Tubes]:
    """Plaques in the wall of the aorta and its branches, and along the coronary arteries."""
    rng = subject.rng(293)
    grade = float(np.clip(rng.gamma(2.0, 0.5) * (0.5 + 0.02 * (subject.age_years - 50)), 0.2, 2.5))
    places = {"aorta": 6, "descending aorta": 8, "left subclavian artery": 1, "brachiocephalic trunk": 1}
    for course in great_vessels.courses(subject):
        count = int(rng.poisson(places.get(course.name, 0) * grade))
        starts, stops, radii = [], [], []
        for _ in range(count):
            first = 3 if course.name == "aorta" else 0
            number = int(rng.integers(first, len(course.points) - 1))
            along = course.points[number + 1] - course.points[number]
            along /= np.linalg.norm(along)
            helper = np.cross(along, rng.standard_normal(3))
            across = helper / np.linalg.norm(helper)
            around = np.cross(along, across)
            turn, half = rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.4)
            radius = course.radii[number] + 0.4
            shift = along * rng.uniform(-3, 3)
            arc = turn + half * np.linspace(-1, 1, 4)
            ring = (
                course.points[number] + shift + radius * (np.cos(arc)[:, None] * across + np.sin(arc)[:, None] * around)
            )
            starts.append(ring[:-1])
            stops.append(ring[1:])
            radii.append(np.full(3, rng.uniform(0.5, 1.3)))
        if count:
            size = np.concatenate(radii)
            yield Tubes(Tissue.CALCIUM, np.vstack(starts), np.vstack(stops), size, size, None, course.moves)
    for line in heart.shape(subject).coronaries:
        count = int(rng.poisson(3 * grade))
        if count:
            spots = rng.integers(0, max(1, (2 * len(line)) // 3), count)
            part = rng.uniform(0.4, 1.0, (count, 1))
            size = rng.uniform(0.7, 1.5, count)
            ends = line[spots] + part * (line[spots + 1] - line[spots])
            yield Tubes(Tissue.CALCIUM, line[spots], ends, size, size, None, moves=True)


def _pacemaker(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """A generator before the left chest wall, and leads through the left subclavian vein to atrium and ventricle."""
    rng = subject.rng(294)
    place = np.array((72.0, -72.0, 66.0)) + rng.normal(0, 3, 3)
    out = _outward(place)
    # between the ribs and the skin of the upper chest
    place += out * (17 - float(cage(*(np.float32(v).reshape(1, 1, 1) for v in place))[0, 0, 0]))
    box = ellipsoid(place, (23, 20, 4.2), axis=out)
    yield Part(Tissue.METAL, box, None, fine=True)
    named = {course.name: course for course in great_vessels.courses(subject)}
    vein = named["left subclavian vein"].points[:6][::-1]
    way = [
        place + out * 2 + (16, 2, 6),
        place + np.array((26, 14, 22)),
        *vein,
        *named["left brachiocephalic vein"].points[::-1][1:],
    ]
    down = named["superior vena cava"].points[1:]
    atrium, tip = heart.carried(subject, [(-20, -42, -72), (62, -62, -112)])
    turn = heart.carried(subject, [(-20, -20, -92), (8, -42, -104)])
    for shift, ends in (
        (-1.6, (down[-1], (down[-1] + atrium) / 2 - (4, 0, 10), atrium)),
        (1.6, (down[-1], *turn, tip)),
    ):
        line = spline(np.array([*way, *down[:-1], *ends]) + np.array((shift, shift, 0)), step_mm=5)
        # canonical and organ heights differ by less than a millimetre above 40 mm, where both meet
        radii = np.full(len(line) - 1, 1.0)
        yield Tubes(Tissue.METAL, line[:-1], line[1:], radii, radii, None, moves=True)


def _outward(place: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    steps = []
    for step in 2 * np.eye(3):
        ends = [cage(*(np.float32(v).reshape(1, 1, 1) for v in place + sign * step)) for sign in (1, -1)]
        steps.append(float((ends[0] - ends[1])[0, 0, 0]))
    normal = np.array(steps)
    normal[2] = 0
    result: npt.NDArray[np.float64] = normal / np.linalg.norm(normal)
    return result


def _clipped(solid: Solid, shape: LungShape, side: int, margin: float) -> Solid:
    lung = shape.distance(side)
    box: Box = solid.box
    return Solid(lambda x, y, z: np.maximum(solid.distance(x, y, z), lung(x, y, z) + np.float32(margin)), box)
