"""Stacks of slices examined: each either a volume with its grid, or the error that says why not."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fdglung.dicom import quantitative, suv
from fdglung.dicom.attributes import number, text, texts
from fdglung.dicom.geometry import Grid, lay_out
from fdglung.dicom.series import Slice, Stack, check_one_source, check_whole
from fdglung.dicom.suv import SuvRecord
from fdglung.errors import InputError, TiltedGantryError

_SHARP_NAMES = ("LUNG", "BONE", "EDGE", "SHARP", "DETAIL", "ULTRA")
_SHARP_PHILIPS = {"C", "D", "E", "L", "YA", "YB", "YC", "YD"}


@dataclass(frozen=True, eq=False)
class Candidate:
    """A stack of slices that makes a volume.

    Attributes
    ----------
    stack
        The slices in the order of the files.
    grid
        Where they lie.
    suv
        How PET becomes SUV; None for CT.
    warnings
        What a physician must know, in full sentences, without those of `suv`.

    """

    stack: Stack
    grid: Grid
    suv: SuvRecord | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    @property
    def slices(self) -> tuple[Slice, ...]:
        """The slices in the order of the grid."""
        return tuple(self.stack.slices[index] for index in self.grid.order)

    @property
    def patient(self) -> str:
        """PatientID, for comparison only: it must not be shown."""
        return text(self.stack.headers[0], "PatientID")

    @property
    def study(self) -> str:
        """StudyInstanceUID."""
        return text(self.stack.headers[0], "StudyInstanceUID")

    @property
    def frame_of_reference(self) -> str:
        """FrameOfReferenceUID."""
        return text(self.stack.headers[0], "FrameOfReferenceUID")

    @property
    def is_original(self) -> bool:
        """Whether ImageType says ORIGINAL rather than DERIVED."""
        return texts(self.stack.headers[0], "ImageType")[:1] != ("DERIVED",)

    @property
    def series_number(self) -> float:
        """SeriesNumber, infinite where there is none."""
        value = number(self.stack.headers[0], "SeriesNumber")
        return float("inf") if value is None else value


def examine(stack: Stack) -> Candidate | InputError:
    """Check whether a stack makes a volume.

    Parameters
    ----------
    stack
        Slices of one PET or CT series.

    Returns
    -------
    Candidate or InputError
        The volume, or the first thing that is wrong with it: for PET its kind, attenuation correction and units, then
        for both its geometry, then for PET the attributes that SUV needs.

    """
    try:
        check_whole(stack)
        check_one_source(stack)
        warnings = stack.warnings
        if stack.modality == "PT":
            warnings += quantitative.check(stack)
        grid = lay_out(stack.headers)
        warnings += grid.warnings
        if stack.modality == "CT":
            return Candidate(stack, grid, warnings=warnings)
        if any(grid.shear):
            raise TiltedGantryError(
                "Slices of the PET are displaced within their plane, as by a tilted gantry, and PET is not resampled",
                series=stack.name,
                attribute="ImagePositionPatient (0020,0032)",
                remedy="Reconstruct the PET without tilt",
            )
        return Candidate(stack, grid, suv.convert([stack.headers[index] for index in grid.order]), warnings)
    except InputError as error:
        return error


def is_sharp(candidate: Candidate) -> bool:
    """Whether a CT's ConvolutionKernel (0018,1210) is one for lung or bone, as the vendors name them.

    Siemens numbers kernels by sharpness (B30f and Br38 soft, 50 and above sharp), Canon its soft ones FC01 to FC29.
    """
    kernel = (texts(candidate.stack.headers[0], "ConvolutionKernel") or ("",))[0]
    if any(name in kernel for name in _SHARP_NAMES) or kernel in _SHARP_PHILIPS:
        return True
    if match := re.fullmatch(r"FC(\d+).*", kernel):
        return int(match[1]) >= 30
    match = re.fullmatch(r"[A-Z]{1,2}(\d\d)[A-Z]?.*", kernel)
    return match is not None and int(match[1]) >= 50
