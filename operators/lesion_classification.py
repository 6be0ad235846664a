"""Operator that gives each lesion of an analysis a class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from fdglung.pipeline import classify, load_classifier


class LesionClassificationOperator(Operator):
    """Classify the lesions by a model of `fdglung train-classifier` or `fdglung train-image-classifier`.

    Named input
    -----------
    analysis
        `fdglung.pipeline.Analysis`.

    Named output
    ------------
    analysis
        The same with classes.

    Parameters
    ----------
    fragment
        The application.
    model
        File; read when the operator is made, so that a bad one ends the application before it begins.
    workers
        Processes for the features.

    Raises
    ------
    fdglung.errors.ModelFileError, fdglung.errors.UntrustedModelError, fdglung.errors.ModelMismatchError
        If the file is no classifier that can be used.
    fdglung.errors.InputError
        From `compute`, if the features cannot be computed.

    """

    def __init__(self, fragment: Fragment, *args: Any, model: Path, workers: int = 1, **kwargs: Any) -> None:
        self._classifier = load_classifier(model)
        self._workers = workers
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Name input and output."""
        spec.input("analysis")
        spec.output("analysis")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Classify and emit."""
        op_output.emit(classify(op_input.receive("analysis"), self._classifier, workers=self._workers), "analysis")
