"""A PET/CT study in, a lesion report out: the operators in a row."""

from __future__ import annotations

from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application

from fdglung.pipeline import Settings
from fdglung.segmentation import SegmentationSettings
from operators import (
    LesionMeasurementOperator,
    LesionSegmentationOperator,
    LungRegionOperator,
    ReportWriterOperator,
    StudyLoaderOperator,
)

CONFIGURATION = Path(__file__).with_name("app.yaml")
"""Thresholds and outputs of the application, and what the packager must know."""


class LesionReportApplication(Application):
    """Find, measure and report the avid lung lesions of one study. Research software."""

    def compose(self) -> None:
        """Connect loader, lungs, lesions, measurement and writer."""
        context: AppContext = Application.init_app_context(self.argv)
        self.config(str(CONFIGURATION))
        settings = Settings(segmentation=SegmentationSettings(**self.kwargs("segmentation")))

        loader = StudyLoaderOperator(
            self, CountCondition(self, 1), input_path=Path(context.input_path), name="study_loader"
        )
        lungs = LungRegionOperator(self, settings=settings, name="lung_region")
        segmentation = LesionSegmentationOperator(self, settings=settings, name="lesion_segmentation")
        measurement = LesionMeasurementOperator(self, settings=settings, name="lesion_measurement")
        writer = ReportWriterOperator(
            self, output_folder=Path(context.output_path), name="report_writer", **self.kwargs("report")
        )

        self.add_flow(loader, lungs, {("study", "study")})
        self.add_flow(loader, segmentation, {("study", "study")})
        self.add_flow(lungs, segmentation, {("lungs", "lungs")})
        self.add_flow(loader, measurement, {("study", "study")})
        self.add_flow(lungs, measurement, {("lungs", "lungs")})
        self.add_flow(segmentation, measurement, {("lesions", "lesions")})
        self.add_flow(measurement, writer, {("analysis", "analysis")})


if __name__ == "__main__":
    LesionReportApplication().run()
