"""Lung disease of four classes: what it looks like, how far the classes overlap, where it lies, and how it is painted."""
