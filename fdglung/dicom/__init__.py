"""DICOM in: files found, series sorted and judged, geometry checked, pixels decoded, PET turned into SUV."""
