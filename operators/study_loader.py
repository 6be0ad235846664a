"""Operator that reads a PET/CT study from DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.dicom.rules import SelectionRules
from fdglung.study import load


class StudyLoaderOperator(Operator):
    """Read PET in SUVbw and CT in HU.

    Named output
    ------------
    study
        `fdglung.study.Study`.

    Parameters
    ----------
    fragment
        The application.
    *args
        Conditions; the first operator of an application needs ``CountCondition(app, 1)``.
    input_path
        Folder, zip or file of DICOM.
    pet_series_uid, ct_series_uid
        SeriesInstanceUID of the series to take; None leaves the choice to `fdglung.study.load`.
    rules
        Which series may be taken at all; None for any.

    Raises
    ------
    fdglung.errors.InputError
        From `compute`, if the study cannot be used.

    """

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        input_path: Path,
        pet_series_uid: str | None = None,
        ct_series_uid: str | None = None,
        rules: SelectionRules | None = None,
        **kwargs: Any,
    ) -> None:
        self._input_path = Path(input_path)
        self._pet_series_uid = pet_series_uid
        self._ct_series_uid = ct_series_uid
        self._rules = rules
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name the output."""
        spec.output("study")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Read the study and emit it."""
        study = load(
            self._input_path,
            pet_series_uid=self._pet_series_uid,
            ct_series_uid=self._ct_series_uid,
            rules=self._rules,
        )
        op_output.emit(study, "study")
