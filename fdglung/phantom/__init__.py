"""PET/CT studies that are made, not measured: the truth about each lesion is known."""

from fdglung.phantom.lesions import PlacedLesion
from fdglung.phantom.study import Acquisition, LesionClass, SyntheticStudy, TrueLesion
from fdglung.phantom.subject import Find, Subject, draw_subject
from fdglung.phantom.synthesis import make_study
from fdglung.phantom.writer import read_truth, write_dicom_study, write_nifti_study

__all__ = [
    "Acquisition",
    "Find",
    "LesionClass",
    "PlacedLesion",
    "Subject",
    "SyntheticStudy",
    "TrueLesion",
    "draw_subject",
    "make_study",
    "read_truth",
    "write_dicom_study",
    "write_nifti_study",
]
