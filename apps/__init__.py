"""MONAI Deploy applications."""
