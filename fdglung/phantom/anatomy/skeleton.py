"""The skeleton in the two groups in which it is painted."""

from __future__ import annotations

from collections.abc import Iterator

from fdglung.phantom.anatomy import ribs, shoulder, skull, spine
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.raster import Part
from fdglung.phantom.subject import Subject


def skeleton_outer(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield ribs, shoulder girdle, humeri and skull: to be painted before the cavities."""
    yield from ribs.parts(subject)
    yield from shoulder.parts(subject)
    yield from skull.parts(subject)


def skeleton_inner(subject: Subject, frame: BodyFrame) -> Iterator[Part]:
    """Yield the heads of the ribs, spine with cord, sacrum and sternum: to be painted after lungs and vessels."""
    yield from ribs.heads(subject)
    yield from spine.parts(subject)
    yield from ribs.sternum(subject)
