"""MONAI Label application for lung lesions in PET/CT. Research software. Not a medical device."""
