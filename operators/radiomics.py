"""Operator that computes radiomics features of the lesions of an analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.radiomics import RadiomicsSettings, extract, write_table


class RadiomicsOperator(Operator):
    """Compute features of each lesion, PET and CT, and write the table where a file is named.

    Named input
    -----------
    analysis
        `fdglung.pipeline.Analysis`.

    Named output
    ------------
    features
        `fdglung.radiomics.FeatureTable`.

    Parameters
    ----------
    fragment
        The application.
    settings
        What to compute and how; None for IBSI's workflow with the defaults.
    output_file
        ``features.csv`` or ``features.parquet``; None writes nothing.
    workers
        Processes.
    overwrite
        Whether an earlier table may be replaced.

    Raises
    ------
    fdglung.errors.OutputError
        From `compute`, if the table cannot be written; nothing half-written is left.

    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        settings: RadiomicsSettings | None = None,
        output_file: Path | None = None,
        workers: int = 1,
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        self._settings = settings
        self._output_file = output_file
        self._workers = workers
        self._overwrite = overwrite
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name input and output."""
        spec.input("analysis")
        spec.output("features")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Compute, write and emit; an analysis without lesions gives an empty table."""
        analysis = op_input.receive("analysis")
        uids = {lesion.label: lesion.tracking_uid for lesion in analysis.findings.lesions}
        table = extract(
            analysis.study,
            analysis.lesions,
            self._settings,
            labels=uids,
            tracking_uids=uids,
            workers=self._workers,
        )
        if self._output_file is not None:
            write_table(table, self._output_file, overwrite=self._overwrite)
        op_output.emit(table, "features")
