"""To be written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SeriesVerdict:
    """What became of one series of the input.

    Attributes
    ----------
    uid
        SeriesInstanceUID.
    modality
        Modality (0008,0060).
    number
        SeriesNumber (0020,0011), or None.
    images
        Number of images (frames of a multi-frame object).
    taken
        Whether the study uses it.
    reason
        Why it was taken or left, in one sentence.

    """

    uid: str
    modality: str
    number: int | None
    images: int
    taken: bool
    reason: str
