"""Features of lesions: PyRadiomics' and IBSI's, of PET and CT."""
