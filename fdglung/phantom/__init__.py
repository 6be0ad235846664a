"""PET/CT studies that are made, not measured: the truth about each lesion is known."""

from fdglung.phantom.simple import DEFAULT_LESIONS, Phantom, SphereLesion, simple_thorax
from fdglung.phantom.writer import write_dicom

__all__ = ["DEFAULT_LESIONS", "Phantom", "SphereLesion", "simple_thorax", "write_dicom"]
