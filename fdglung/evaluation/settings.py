"""What an evaluation is told."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from fdglung.errors import ParameterError

IOU_THRESHOLDS = (0.1, 0.5)
"""Least IoU of a lesion that counts as detected, beside any overlap."""


@dataclass(frozen=True)
class EvaluationSettings:
    """Parameters of an evaluation.

    Attributes
    ----------
    tolerance_mm
        Distance within which surfaces count as one (surface Dice), in mm.
    split
        Part all masks into 18-connected components, whatever their labels.
    keep_labels
        Take every label as one lesion, in one piece or not; without it an image with a single label is parted.
    labels
        Values that lesions may have; None allows every positive whole number.
    size_edges_mm
        Upper edges, themselves included, of the classes of equivalent diameter in mm; one more class lies above. The
        default has the sizes of T1a, T1b and T1c lung tumours (TNM, 9th edition), above which a nodule is a mass.
    score
        A predicted lesion's score: ``"max"`` or ``"mean"`` of the score map within it.
    resamples, seed, confidence
        Of the bootstrap over patients.

    Raises
    ------
    ParameterError
        A parameter is outside its range.

    """

    tolerance_mm: float = 2.0
    split: bool = False
    keep_labels: bool = False
    labels: tuple[int, ...] | None = None
    size_edges_mm: tuple[float, ...] = (10.0, 20.0, 30.0)
    score: str = "max"
    resamples: int = 2000
    seed: int = 0
    confidence: float = 0.95

    def __post_init__(self) -> None:
        edges = self.size_edges_mm
        ordered = all(a < b for a, b in itertools.pairwise(edges))
        checks = (
            (math.isfinite(self.tolerance_mm) and self.tolerance_mm >= 0, "tolerance-mm", "0 mm or more"),
            (self.labels is None or all(n > 0 for n in self.labels), "labels", "positive whole numbers"),
            (edges and ordered and edges[0] > 0 and math.isfinite(edges[-1]), "size-edges-mm", "rising sizes in mm"),
            (self.score in ("max", "mean"), "score", "max or mean"),
            (self.resamples >= 100, "bootstrap", "100 resamples or more"),
            (self.seed >= 0, "seed", "0 or more"),
            (0 < self.confidence < 1, "confidence", "a share between 0 and 1, such as 0.95"),
        )
        for good, option, wanted in checks:
            if not good:
                raise ParameterError("the value is outside its range", attribute=f"--{option}", remedy=f"Give {wanted}")

    @property
    def size_classes(self) -> tuple[str, ...]:
        """Names of the size classes, smallest first."""
        edges = [f"{edge:g}" for edge in self.size_edges_mm]
        between = [f">{low} to {high} mm" for low, high in itertools.pairwise(edges)]
        return (f"up to {edges[0]} mm", *between, f">{edges[-1]} mm")

    def size_class(self, diameter_mm: float) -> str:
        """Return the name of the class of an equivalent diameter in mm."""
        return self.size_classes[sum(diameter_mm > edge for edge in self.size_edges_mm)]
