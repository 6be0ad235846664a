"""Class probabilities of lesions and patients measured against the truth, and against another model's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fdglung.evaluation.class_parts import Part
from fdglung.evaluation.classification_settings import ClassificationSettings
from fdglung.files import check_free, written_together


@dataclass(frozen=True)
class ClassificationEvaluation:
    """What an evaluation found and where it lies.

    Attributes
    ----------
    parts
        One a level and set, and one a level and centre of a set that has several.
    warnings
        What to know, in full sentences.
    absent
        Why a plot was not drawn, by its file's name.
    files
        What was written, by file name.

    """

    parts: tuple[Part, ...]
    warnings: tuple[str, ...]
    absent: dict[str, str]
    files: dict[str, Path]

    def find(self, level: str, set_name: str = "", centre: str = "") -> Part:
        """Return the part of a level, set and centre; KeyError where there is none."""
        for part in self.parts:
            if (part.level, part.set_name, part.centre) == (level, set_name, centre):
                return part
        raise KeyError((level, set_name, centre))


def evaluate_classification(
    predictions: Path,
    out: Path,
    *,
    compare: Path | None = None,
    features: Path | None = None,
    settings: ClassificationSettings | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> ClassificationEvaluation:
    """Measure predicted class probabilities and write tables, a page and plots, together or not at all.

    Parameters
    ----------
    predictions
        CSV of probabilities and truth: see `fdglung.evaluation.predictions.read_predictions`.
    out
        Output folder; new or empty.
    compare
        The same of another model, on the same rows in any order.
    features
        CSV of the features that the models saw, training rows too: is checked for patients in two sets and for
        patients under two ids (`fdglung.evaluation.leak_check.check_feature_table`).
    settings
        Parameters; None takes the defaults.
    overwrite
        Whether an earlier output in `out` may be replaced.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    ClassificationEvaluation
        The figures, the warnings and the files.

    Raises
    ------
    InputError
        A table cannot be used, a class a kind: see `read_predictions`, `paired` and `check_feature_table`.
    OutputError
        The output cannot be written.

    """
    from fdglung.evaluation.class_parts import measure_parts
    from fdglung.evaluation.classification_plots import write_plots
    from fdglung.evaluation.classification_tables import write_tables
    from fdglung.evaluation.leak_check import check_feature_table
    from fdglung.evaluation.prediction_rows import paired
    from fdglung.evaluation.predictions import read_predictions

    chosen = settings or ClassificationSettings()
    tell = progress or (lambda text, fraction: None)
    check_free(out, overwrite=overwrite)
    found = read_predictions(predictions)
    other = None if compare is None else paired(found, read_predictions(compare))
    if features is not None:
        tell("looking for leaks", 0.02)
        check_feature_table(features, found)
    parts, warnings = measure_parts(
        found, chosen, other=other, progress=lambda text, fraction: tell(text, 0.05 + 0.75 * fraction)
    )
    given = {"predictions": predictions, "compare": compare, "features": features}
    inputs = {name: None if path is None else str(path) for name, path in given.items()}
    with written_together(out, overwrite=overwrite) as folder:
        tell("drawing", 0.8)
        absent = write_plots(folder, parts)
        tell("writing", 0.95)
        write_tables(folder, parts, chosen, inputs=inputs, warnings=warnings, absent=absent)
        names = sorted(path.name for path in folder.iterdir())
    tell("evaluated", 1.0)
    return ClassificationEvaluation(parts, warnings, absent, {name: out / name for name in names})
