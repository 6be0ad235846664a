"""A study of three lesions, and a classifier of lesions that lie around these three."""

from __future__ import annotations

import numpy as np

from fdglung.classification import Lesions
from fdglung.classification.config import from_mapping
from fdglung.classification.model_file import model_bytes
from fdglung.classification.training import train
from fdglung.radiomics import RadiomicsSettings, to_yaml
from tests.simple_thorax import SphereLesion, simple_thorax, write_dicom

SETTINGS = RadiomicsSettings(families=("stat",))
CLASSES = ("cool", "hot", "hottest")
SPHERES = [
    SphereLesion(name="hottest", centre_mm=(-72.0, 4.0, 52.0), radius_mm=14.0, suv=16.0),
    SphereLesion(name="hot", centre_mm=(-75.0, 20.0, -30.0), radius_mm=14.0, suv=10.0),
    SphereLesion(name="cool", centre_mm=(72.0, 4.0, 40.0), radius_mm=14.0, suv=5.0),
]
CONFIG = from_mapping({"validation": {"outer_folds": 3, "inner_folds": 3}})


def write_study(folder):
    """Write the study as DICOM; its lesions by SUVmax are of the classes hottest, hot and cool."""
    return write_dicom(simple_thorax(ct_matrix=128, lesions=SPHERES), folder)


def write_model(path, features, *, settings=SETTINGS):
    """Train on 20 lesions a class around those of the study's features, and write the model."""
    path.write_bytes(
        model_bytes(train(around(features, settings), CONFIG, trained_on="60 lesions made for a test").model)
    )
    return path


def around(features, settings=SETTINGS):
    """Return 20 lesions a class whose features vary by 2 % around those of the study's lesions."""
    random = np.random.default_rng(0)
    hottest = features.names.index("PET_suv_mean")
    values = np.repeat(features.values[np.argsort(-features.values[:, hottest])], 20, axis=0)
    values = values * random.normal(1, 0.02, values.shape)
    count = len(values)
    return Lesions(
        names=features.names,
        values=values,
        keys={"lesion": ("1",) * count},
        patients=tuple(f"p{row}" for row in range(count)),
        centres=("",) * count,
        labels=tuple(np.repeat(CLASSES[::-1], 20).tolist()),
        rows=tuple(range(count)),
        settings=settings.digest if settings else None,
        radiomics=to_yaml(settings) if settings else None,
    )
