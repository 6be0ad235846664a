"""Evaluation of segmentations and of classes against the truth, and statistics of tables."""
