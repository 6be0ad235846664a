"""The steps in a row: Study -> Analysis."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk

from fdglung.findings import Findings
from fdglung.lungs import LungRegion
from fdglung.study import Study


@dataclass(frozen=True)
class Analysis:
    """A study with all that was found in it.

    Attributes
    ----------
    study
        What was analysed.
    lungs
        The lung region; None when the whole PET was analysed without a CT.
    lesions
        uint16 label image on the PET grid: a lesion's VOI carries its `Lesion.label`.
    findings
        Measurements, provenance and warnings.

    """

    study: Study
    lungs: LungRegion | None
    lesions: sitk.Image
    findings: Findings
