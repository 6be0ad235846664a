"""The MONAI Deploy application: a PET/CT study in, a lesion report out."""
