"""Synthetic studies on disk: DICOM as the vendors write it, or NIfTI, with the truth beside them."""

from fdglung.phantom.writer.simple import write_dicom

__all__ = ["write_dicom"]
