"""Features of lesions: PyRadiomics' and IBSI's, of PET and CT."""

from fdglung.radiomics.extraction import extract
from fdglung.radiomics.settings import RadiomicsSettings, from_pyradiomics, from_yaml, to_yaml
from fdglung.radiomics.tables import FeatureTable, LesionFeatures, read_table, write_table
from fdglung.radiomics.tasks import Workers

__all__ = [
    "FeatureTable",
    "LesionFeatures",
    "RadiomicsSettings",
    "Workers",
    "extract",
    "from_pyradiomics",
    "from_yaml",
    "read_table",
    "to_yaml",
    "write_table",
]
