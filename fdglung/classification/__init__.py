"""Classes of lesions from their features: training without leaks, models in files, predictions that explain themselves.

Nothing here imports scikit-learn before it is needed: `train`, `classify`, `save_model` and `load_model` are in
`fdglung.classification.training`, `.prediction` and `.model_file`.
"""

from fdglung.classification.cautions import Caution, CautionKind
from fdglung.classification.config import ClassifierConfig, from_mapping, from_yaml, to_mapping, to_yaml
from fdglung.classification.tables import Lesions, read_labelled, read_lesions

__all__ = [
    "Caution",
    "CautionKind",
    "ClassifierConfig",
    "Lesions",
    "from_mapping",
    "from_yaml",
    "read_labelled",
    "read_lesions",
    "to_mapping",
    "to_yaml",
]
