"""DICOM input: which series a study has, and how PET becomes SUV."""
