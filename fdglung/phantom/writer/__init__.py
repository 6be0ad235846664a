"""Synthetic studies on disk: DICOM as the vendors write it, or NIfTI, with the truth beside them."""

from fdglung.phantom.writer.dicom import BROKEN_RULES, write_dicom_study
from fdglung.phantom.writer.nifti import write_nifti_study
from fdglung.phantom.writer.quirks import Quirk, fitting_quirks
from fdglung.phantom.writer.truth import Truth, read_truth

__all__ = [
    "BROKEN_RULES",
    "Quirk",
    "Truth",
    "fitting_quirks",
    "read_truth",
    "write_dicom_study",
    "write_nifti_study",
]
