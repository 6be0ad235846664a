"""MONAI Deploy operators, one a step, each a thin shell over one function of `fdglung`."""

from operators.lesion_classification import LesionClassificationOperator
from operators.lesion_measurement import LesionMeasurementOperator
from operators.lesion_segmentation import LesionSegmentationOperator
from operators.lung_region import LungRegionOperator
from operators.radiomics import RadiomicsOperator
from operators.report_writer import ReportWriterOperator
from operators.study_loader import StudyLoaderOperator

__all__ = [
    "LesionClassificationOperator",
    "LesionMeasurementOperator",
    "LesionSegmentationOperator",
    "LungRegionOperator",
    "RadiomicsOperator",
    "ReportWriterOperator",
    "StudyLoaderOperator",
]
