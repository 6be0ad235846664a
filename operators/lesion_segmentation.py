"""Operator that segments the avid lung lesions of a study."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.pipeline import Settings, find_lesions


class LesionSegmentationOperator(Operator):
    """Find the lesions.

    Named inputs
    ------------
    study
        `fdglung.study.Study`.
    lungs
        As `LungRegionOperator` emits it.

    Named output
    ------------
    lesions
        `fdglung.segmentation.LesionSegmentation`, labels on the PET grid.

    Parameters
    ----------
    fragment
        The application.
    settings
        Method, region and thresholds.

    Raises
    ------
    fdglung.errors.InputError
        From `compute`, if PET or CT is missing.

    """

    def __init__(self, fragment: Fragment, *args: Any, settings: Settings, **kwargs: Any) -> None:
        self._settings = settings
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name inputs and output."""
        spec.input("study")
        spec.input("lungs")
        spec.output("lesions")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Find the lesions and emit them."""
        (lungs,) = op_input.receive("lungs")
        op_output.emit(find_lesions(op_input.receive("study"), lungs, self._settings), "lesions")
