"""Operator that measures the lesions of a study."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.pipeline import Settings, measure


class LesionMeasurementOperator(Operator):
    """Measure the lesions and put everything known together.

    Named inputs
    ------------
    study
        `fdglung.study.Study`.
    lungs
        As `LungRegionOperator` emits it.
    lesions
        `fdglung.segmentation.LesionSegmentation`.

    Named output
    ------------
    analysis
        `fdglung.pipeline.Analysis`.

    Parameters
    ----------
    fragment
        The application.
    settings
        As the steps before had them; they are recorded in the provenance.

    """

    def __init__(self, fragment: Fragment, *args: Any, settings: Settings, **kwargs: Any) -> None:
        self._settings = settings
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name inputs and output."""
        spec.input("study")
        spec.input("lungs")
        spec.input("lesions")
        spec.output("analysis")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Measure and emit."""
        study, (lungs,), lesions = (op_input.receive(name) for name in ("study", "lungs", "lesions"))
        op_output.emit(measure(study, lungs, lesions, self._settings), "analysis")
