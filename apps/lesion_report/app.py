"""A PET/CT study in, a lesion report out: the operators in a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.conditions import CountCondition
from monai.deploy.core import AppContext, Application

from apps.lesion_report.configuration import configuration_path, read_configuration, with_models
from operators import (
    LesionClassificationOperator,
    LesionMeasurementOperator,
    LesionSegmentationOperator,
    LungRegionOperator,
    RadiomicsOperator,
    ReportWriterOperator,
    StudyLoaderOperator,
)


class LesionReportApplication(Application):
    """Find, measure and report the avid lung lesions of one study. Research software. Not a medical device.

    Parameters
    ----------
    *args, **kwargs
        As `Application` takes them: the command line with the paths of input, output and models, each of which the
        variables `HOLOSCAN_INPUT_PATH`, `HOLOSCAN_OUTPUT_PATH` and `HOLOSCAN_MODEL_PATH` may name instead.

    Raises
    ------
    fdglung.errors.ParameterError
        If app.yaml asks for what cannot be.
    fdglung.errors.CheckpointError, fdglung.errors.LungWeightsError
        If it names a model that the models folder lacks.

    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        path = configuration_path()
        self._configuration = read_configuration(path)
        super().__init__(*args, **kwargs)
        self.config(str(path))
        self._context: AppContext = Application.init_app_context(self.argv)
        self._settings = with_models(self._configuration, Path(self._context.model_path))

    def compose(self) -> None:
        """Connect loader, lungs, lesions, measurement, classes and radiomics where asked for, and writer."""
        asked, settings = self._configuration, self._settings
        loader = StudyLoaderOperator(
            self,
            CountCondition(self, 1),
            input_path=Path(self._context.input_path),
            rules=asked.selection,
            name="study_loader",
        )
        lungs = LungRegionOperator(self, settings=settings, name="lung_region")
        segmentation = LesionSegmentationOperator(self, settings=settings, name="lesion_segmentation")
        measurement = LesionMeasurementOperator(self, settings=settings, name="lesion_measurement")
        writer = ReportWriterOperator(
            self,
            output_folder=Path(self._context.output_path),
            outputs=asked.report.outputs,
            segmentation_type=asked.report.segmentation_type,
            overwrite=asked.report.overwrite,
            with_features=asked.radiomics.enabled,
            name="report_writer",
        )

        self.add_flow(loader, lungs, {("study", "study")})
        self.add_flow(loader, segmentation, {("study", "study")})
        self.add_flow(lungs, segmentation, {("lungs", "lungs")})
        self.add_flow(loader, measurement, {("study", "study")})
        self.add_flow(lungs, measurement, {("lungs", "lungs")})
        self.add_flow(segmentation, measurement, {("lesions", "lesions")})
        analysis = measurement
        if settings.classifier is not None:
            analysis = LesionClassificationOperator(
                self, model=settings.classifier, workers=asked.classification.workers, name="lesion_classification"
            )
            self.add_flow(measurement, analysis, {("analysis", "analysis")})
        self.add_flow(analysis, writer, {("analysis", "analysis")})
        if asked.radiomics.enabled:
            radiomics = RadiomicsOperator(
                self, settings=asked.radiomics.read, workers=asked.radiomics.workers, name="radiomics"
            )
            self.add_flow(measurement, radiomics, {("analysis", "analysis")})
            self.add_flow(radiomics, writer, {("features", "features")})


if __name__ == "__main__":
    LesionReportApplication().run()
