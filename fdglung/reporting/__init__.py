"""Findings to files: DICOM SEG, SR and PDF, tables and pictures."""

from fdglung.reporting.writer import write_report

__all__ = ["write_report"]
