"""Folders of predictions measured against folders of references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fdglung.evaluation.cases import Case, find_cases
from fdglung.evaluation.results import CaseResult
from fdglung.evaluation.settings import EvaluationSettings
from fdglung.evaluation.summary import Summary
from fdglung.files import check_free, written_together


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found and where it lies.

    Attributes
    ----------
    results
        One a case, by name.
    summary
        Of all cases.
    files
        What was written, by file name.

    """

    results: tuple[CaseResult, ...]
    summary: Summary
    files: dict[str, Path]


def evaluate_segmentation(
    predictions: Path,
    references: Path,
    out: Path,
    *,
    pet: Path | None = None,
    scores: Path | None = None,
    groups: Path | None = None,
    settings: EvaluationSettings | None = None,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Measure predictions against references and write tables, a summary and plots, together or not at all.

    Parameters
    ----------
    predictions, references
        Folders with a label image a case (NIfTI, NRRD, MetaImage), of one name in both.
    out
        Output folder; new or empty.
    pet
        Folder of SUVbw images in g/ml, for SUV and TLG.
    scores
        Folder of score maps, for FROC.
    groups
        CSV with the columns case, patient and centre. Without it every case is a patient of its own.
    settings
        Parameters; None takes the defaults.
    overwrite
        Whether an earlier output in `out` may be replaced.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    Evaluation
        The rows, the summary and the files.

    Raises
    ------
    InputError
        A file or table cannot be used, a class a kind: see `find_cases` and `evaluate_case`.
    OutputError
        The output cannot be written.

    """
    chosen = settings or EvaluationSettings()
    check_free(out, overwrite=overwrite)
    cases = find_cases(predictions, references, pet=pet, scores=scores, groups=groups)
    given = {"predictions": predictions, "references": references, "pet": pet, "scores": scores, "groups": groups}
    inputs = {name: None if path is None else str(path) for name, path in given.items()}
    return evaluate_cases(cases, out, inputs=inputs, settings=chosen, overwrite=overwrite, progress=progress)


def evaluate_cases(
    cases: Sequence[Case],
    out: Path,
    *,
    inputs: dict[str, str | None],
    settings: EvaluationSettings,
    overwrite: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Evaluation:
    """Measure cases whose files are named one by one; else as `evaluate_segmentation`.

    Parameters
    ----------
    cases
        One or more; all or none with a PET, and all or none with a score map.
    out
        Output folder; new or empty.
    inputs
        Where they come from, for the record.
    settings, overwrite, progress
        See there.

    """
    from fdglung.evaluation.case import evaluate_case
    from fdglung.evaluation.plots import write_plots
    from fdglung.evaluation.summary import summarise
    from fdglung.evaluation.tables import write_tables

    tell = progress or (lambda text, fraction: None)
    check_free(out, overwrite=overwrite)
    results = []
    for done, case in enumerate(cases):
        tell(f"case {done + 1} of {len(cases)}", 0.9 * done / len(cases))
        results.append(evaluate_case(case, settings))
    tell("summing up", 0.9)
    with_scores, with_pet = cases[0].scores is not None, cases[0].pet is not None
    summary = summarise(results, settings, with_scores=with_scores, with_pet=with_pet)
    with written_together(out, overwrite=overwrite) as folder:
        tell("writing", 0.95)
        missing = write_plots(folder, results, summary, settings)
        summary = replace(summary, absent={**summary.absent, **missing})
        write_tables(folder, results, summary, settings, inputs=inputs)
        names = sorted(path.name for path in folder.iterdir())
    tell("evaluated", 1.0)
    return Evaluation(tuple(results), summary, {name: out / name for name in names})
