"""Muscles of the upper arms, and the forearms' where the arms lie beside the trunk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fdglung.phantom.anatomy import shoulder
from fdglung.phantom.anatomy.body_surface import arm, arm_shift_mm, habitus
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.solids import bone, chain, mirrored, muscle
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part
from fdglung.phantom.shapes import Array, Distance, Solid
from fdglung.phantom.subject import Subject


def parts(subject: Subject, grain: Distance) -> Iterator[Part]:
    """Yield deltoid, biceps and triceps, then the forearms; the bones of the forearm with them."""
    thick = habitus(subject).muscle
    for side in (RIGHT, LEFT):
        limb = arm(subject, side)
        p = shoulder.points(subject, side)
        head, elbow = np.asarray(p["head"]), np.asarray(p["elbow"])
        along = (elbow - head) / np.linalg.norm(elbow - head)
        front = np.array((0.0, -1.0, 0.0)) - along * along[1] * -1
        aside = np.array((side * 1.0, 0.0, 0.0)) - along * along[0] * side
        start, third = head + 20 * along, head + 75 * along
        yield Part(Tissue.MUSCLE, limb, Organ.MUSCLE, hu_offset=grain)
        muscles = (
            chain((head + 14 * aside - 6 * front, third + 10 * aside), (27 * thick, 10 * thick)),
            chain((head + 20 * front - 4 * along, third + 8 * aside + 6 * front), (20 * thick, 9 * thick)),
            chain((third + 18 * front, elbow + 12 * front), (16 * thick, 15 * thick)),
            chain((start - 20 * front, third - 18 * front, elbow - 10 * front), (16 * thick, 19 * thick, 14 * thick)),
        )
        for belly in muscles:

            def within(x: Array, y: Array, z: Array, belly: Solid = belly, limb: Solid = limb) -> Array:
                result: Array = np.maximum(belly.distance(x, y, z), limb.distance(x, y, z))
                return result

            yield from muscle(Solid(within, belly.box), grain)
        if subject.arms == "down":
            yield from _forearm(side, thick, grain, arm_shift_mm(subject))


def _forearm(side: int, thick: float, grain: Distance, aside: float) -> Iterator[Part]:
    for line, radii in (
        (((212, 34, -215), (218, 10, -300), (206, -6, -430)), (15, 15, 7)),
        (((214, 56, -215), (212, 34, -300), (202, 4, -430)), (14, 15, 7)),
    ):
        yield from muscle(
            chain(mirrored([(x + aside, y, z) for x, y, z in line], side), [r * thick for r in radii]), grain
        )
    for line in (
        ((206, 44, -222), (208, 24, -330), (198, 4, -436)),
        ((222, 40, -222), (222, 14, -330), (208, -10, -436)),
    ):
        yield from bone(chain(mirrored([(x + aside, y, z) for x, y, z in line], side), (7, 6, 7)), None, shell_mm=2.5)
