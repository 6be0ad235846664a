"""FDG-avid lung lesions in PET/CT: from DICOM to measured, reported findings. Research software."""

__version__ = "0.1.0"

RESEARCH_NOTICE = "Research software. Not a medical device. Not for diagnosis or treatment decisions."
"""The sentence that stands wherever a result is shown."""
