"""Operator that writes the report of an analysis."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.reporting import OUTPUTS, Output, check_outputs, write_report


class ReportWriterOperator(Operator):
    """Write SEG, SR, PDF, CSV, JSON and pictures, or some of them, together or not at all.

    Named inputs
    ------------
    analysis
        `fdglung.pipeline.Analysis`.
    features
        `fdglung.radiomics.FeatureTable` of the same lesions; there with `with_features` only.

    Parameters
    ----------
    fragment
        The application.
    output_folder
        Where the files go.
    outputs
        Some of `fdglung.reporting.OUTPUTS`: a writer of the SEG alone has ``("seg",)``.
    segmentation_type
        ``BINARY`` or ``LABELMAP``.
    overwrite
        Whether an earlier output may be replaced.
    with_features
        Whether radiomics come by an input of their own and are written beside the report.

    Raises
    ------
    fdglung.errors.ParameterError
        If there is no such output.
    fdglung.errors.OutputError
        From `compute`, if the output cannot be written; nothing half-written is left.

    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        output_folder: Path,
        outputs: Collection[Output] = OUTPUTS,
        segmentation_type: Literal["BINARY", "LABELMAP"] = "BINARY",
        overwrite: bool = False,
        with_features: bool = False,
        **kwargs: Any,
    ) -> None:
        check_outputs(outputs)
        self._output_folder = Path(output_folder)
        self._outputs = outputs
        self._with_features = with_features
        self._segmentation_type = segmentation_type
        self._overwrite = overwrite
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name the inputs."""
        spec.input("analysis")
        if self._with_features:
            spec.input("features")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Write the files."""
        write_report(
            op_input.receive("analysis"),
            self._output_folder,
            overwrite=self._overwrite,
            segmentation_type=self._segmentation_type,
            outputs=self._outputs,
            features=op_input.receive("features") if self._with_features else None,
        )
