"""Operator that finds the lungs of a study's CT."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.pipeline import Settings, find_lungs


class LungRegionOperator(Operator):
    """Find the lungs and their box.

    Named input
    -----------
    study
        `fdglung.study.Study`.

    Named output
    ------------
    lungs
        `fdglung.lungs.LungRegion`, in a tuple of one, whose item is None where no lung region was asked for.

    Parameters
    ----------
    fragment
        The application.
    settings
        Weights, margin and region.

    Raises
    ------
    fdglung.errors.NoThoraxError
        From `compute`, if the CT shows no lungs.

    """

    def __init__(self, fragment: Fragment, *args: Any, settings: Settings, **kwargs: Any) -> None:
        self._settings = settings
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name input and output."""
        spec.input("study")
        spec.output("lungs")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Find the lungs and emit them."""
        # An operator that emits None has emitted nothing, so the region travels in a tuple.
        op_output.emit((find_lungs(op_input.receive("study"), self._settings),), "lungs")
