"""Findings to files: DICOM SEG, SR and PDF, tables and pictures."""

from fdglung.reporting.writer import OUTPUTS, Output, check_outputs, write_report

__all__ = ["OUTPUTS", "Output", "check_outputs", "write_report"]
