"""Anatomy: the parts of a synthetic body, modelled once in canonical coordinates.

Canonical coordinates are those of a man of 176 cm and 75 kg, supine, at a lung inflation of 0.9: mm along the
patient's left (x), back (y) and head (z), the carina near the origin. `fdglung.phantom.frame.BodyFrame` carries them
to a subject.
"""

from __future__ import annotations

from collections.abc import Iterator

from fdglung.phantom.anatomy import (
    abdomen,
    airways,
    body_wall,
    brain,
    brown_fat,
    chest_finds,
    couch,
    great_vessels,
    heart,
    lung_vessels,
    lungs,
    mediastinum,
    neck_organs,
    skeleton,
)
from fdglung.phantom.anatomy.airways import bronchi
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Tissue
from fdglung.phantom.raster import Part, Tubes
from fdglung.phantom.subject import Subject

__all__ = ["bronchi", "cavities", "parts"]


def parts(subject: Subject, frame: BodyFrame) -> Iterator[Part | Tubes]:
    """Yield the parts of a body in the order in which they are painted."""
    yield from couch.parts(subject, frame)
    yield from body_wall.parts(subject, frame)
    yield from skeleton.skeleton_outer(subject, frame)
    yield from mediastinum.cavity(subject, frame)
    yield from abdomen.cavity(subject, frame)
    yield from body_wall.deep_parts(subject, frame)
    yield from brown_fat.beside_spine(subject)
    yield from lungs.parts(subject, frame)
    yield from abdomen.parts(subject, frame)
    yield from heart.parts(subject, frame)
    yield from great_vessels.parts(subject, frame)
    yield from lung_vessels.parts(subject, frame)
    yield from airways.parts(subject, frame)
    yield from mediastinum.parts(subject, frame)
    yield from skeleton.skeleton_inner(subject, frame)
    yield from neck_organs.parts(subject, frame)
    yield from brain.parts(subject, frame)
    yield from chest_finds.parts(subject, frame)


def cavities(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield the hollows of chest and abdomen, as the fat that fills them until organs are painted."""
    for part in (*mediastinum.cavity(subject, frame), *abdomen.cavity(subject, frame)):
        if part.tissue == Tissue.VISCERAL_FAT:
            yield part
