"""What distinguishes one vendor's headers from another's, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pydicom import Dataset

if TYPE_CHECKING:
    from fdglung.phantom.writer.scan import Scan
    from fdglung.phantom.writer.timing import SliceTime

FrameReference = Literal["start", "middle", "mean"]
"""What FrameReferenceTime counts to: the frame's start, its middle, or where its activity is the mean."""

Nuclide = Literal["F-18", "Ga-68"]
"""Radionuclides of the tracers."""

Values = Mapping[str, Any]
"""DICOM keywords and what is written for them."""


@dataclass(frozen=True)
class CtHabits:
    """How a vendor writes the CT of a PET/CT.

    Attributes
    ----------
    kernels
        ConvolutionKernel by the name of `fdglung.phantom.study.Acquisition.ct_kernel`.
    rotation_ms
        Time of one rotation.
    is_signed
        Whether stored values are signed.
    padding
        PixelPaddingValue; None for none.
    values
        All else that is the same for every series.

    """

    kernels: Mapping[str, str]
    rotation_ms: int
    is_signed: bool = False
    padding: int | None = None
    values: Values = field(default_factory=dict)


def _nothing(dataset: Dataset, scan: Scan) -> None:
    pass


def _nothing_by_slice(dataset: Dataset, scan: Scan, moment: SliceTime) -> None:
    pass


@dataclass(frozen=True)
class Habits:
    """How a vendor writes PET.

    Attributes
    ----------
    manufacturer
        As readers recognise it.
    units, nac_units
        Units with and without attenuation correction.
    corrected_image, nac_corrected_image
        CorrectedImage, likewise.
    values, nac_values
        All else that is the same for every series; the latter replace the former without attenuation correction, and
        None removes.
    frame_reference
        What FrameReferenceTime counts to.
    half_lives
        RadionuclideHalfLife by radionuclide, as the header has it.
    tracers
        Radiopharmaceutical by the tracer's key where it differs from `fdglung.phantom.tracers`.
    time_format
        Of TM values (strftime).
    bed_gap_s
        Between two beds.
    acquisition_shift_s
        From a bed's start to its AcquisitionTime.
    head_first
        Whether the first instance lies at the head.
    index_from_feet
        Whether ImageIndex counts from the feet although the instances do not.
    is_signed
        Whether stored values are signed.
    decay_digits
        Significant digits of DecayFactor.
    writes_position
        Whether PatientPosition stands in a PET header beside the codes of orientation and gantry relationship.
    ct
        The CT's habits.
    add_private, add_private_by_slice
        Put the vendor's private elements into a PET header: those of the series, those of a slice.

    """

    manufacturer: str
    units: str
    nac_units: str
    corrected_image: tuple[str, ...]
    nac_corrected_image: tuple[str, ...]
    values: Values
    nac_values: Values
    frame_reference: FrameReference
    half_lives: Mapping[Nuclide, str]
    ct: CtHabits
    tracers: Mapping[str, str] = field(default_factory=dict)
    time_format: str = "%H%M%S"
    bed_gap_s: float = 3.0
    acquisition_shift_s: float = 0.0
    head_first: bool = True
    index_from_feet: bool = False
    is_signed: bool = True
    decay_digits: int = 6
    writes_position: bool = False
    add_private: Callable[[Dataset, Scan], None] = _nothing
    add_private_by_slice: Callable[[Dataset, Scan, SliceTime], None] = _nothing_by_slice
