"""Operator that writes the report of an analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.reporting import write_report


class ReportWriterOperator(Operator):
    """Write SEG, SR, PDF, CSV, JSON and pictures, together or not at all.

    Named input
    -----------
    analysis
        `fdglung.pipeline.Analysis`.

    Parameters
    ----------
    fragment
        The application.
    output_folder
        Where the files go.
    segmentation_type
        ``BINARY`` or ``LABELMAP``.
    overwrite
        Whether an earlier output may be replaced.

    Raises
    ------
    fdglung.errors.OutputError
        From `compute`, if the output cannot be written; nothing half-written is left.

    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        output_folder: Path,
        segmentation_type: str = "BINARY",
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        self._output_folder = Path(output_folder)
        self._segmentation_type = segmentation_type
        self._overwrite = overwrite
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name the input."""
        spec.input("analysis")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Write the files."""
        write_report(
            op_input.receive("analysis"),
            self._output_folder,
            overwrite=self._overwrite,
            segmentation_type=self._segmentation_type,
        )
