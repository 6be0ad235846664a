"""Evaluation of segmentations against references: tables, summaries with intervals over patients, and plots."""
