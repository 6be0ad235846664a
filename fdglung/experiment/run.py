"""A whole study, step by step: what is there and was made from the same stays, the rest is made."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from fdglung.errors import OutputExistsError, SmallGroupError
from fdglung.evaluation.cases import Case
from fdglung.experiment.classifiers import PREDICTIONS, TRAINING_PREDICTIONS, write_given, write_trained
from fdglung.experiment.config import FORMAT, TRAINING, ExperimentConfig, GivenClassifier, TrainedClassifier
from fdglung.experiment.data import StudyData, read_data
from fdglung.experiment.examination import Worked, work
from fdglung.experiment.facts import facts_of
from fdglung.experiment.provenance import plain, provenance
from fdglung.experiment.steps import file_digest, files_of, key_of, make
from fdglung.experiment.study_warnings import counted_warnings
from fdglung.experiment.tables import read_dicts, write_tables
from fdglung.files import write_files

if TYPE_CHECKING:
    from fdglung.evaluation.statistics_settings import StatisticsSettings
    from fdglung.network.backends import Predictor

Progress = Callable[[str, float], None]

MARKER = "configuration.json"
"""File that tells a study's folder from others; it holds the configuration."""

SEGMENTATION, CLASSIFICATION, STATISTICS = "segmentation", "classification", "statistics"
"""Folders of the results."""


@dataclass(frozen=True)
class Experiment:
    """A study that was run.

    Attributes
    ----------
    out
        Its folder.
    made
        Steps that were made now, by their folder within `out`; all others were there.
    warnings
        What to know, in full sentences.

    """

    out: Path
    made: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def html(self) -> Path:
        """The report for screens."""
        return self.out / "report" / "report.html"

    @property
    def pdf(self) -> Path:
        """The report for paper."""
        return self.out / "report" / "report.pdf"


def run_experiment(config: ExperimentConfig, *, progress: Progress | None = None) -> Experiment:
    """Run a study, or what of it is not done yet, and write its report.

    Parameters
    ----------
    config
        All that decides it.
    progress
        Called with a text and the fraction done.

    Raises
    ------
    InputError
        The data cannot be used, or a step refuses them; each kind names rows or files and the remedy.
    OutputExistsError
        The output folder holds other things.
    OutputWriteError
        Writing failed; the steps that are done stay.

    """
    tell = progress or (lambda text, fraction: None)
    tell("checking the data", 0.0)
    _check_out(config.out)
    data = read_data(config, progress=lambda text, done: tell(text, 0.04 * done))
    facts = facts_of(config, data)
    write_files({config.out / MARKER: (json.dumps(plain(config), indent=2) + "\n").encode()})
    run = _Run(config, data, [])
    networks = _networks(config)
    worked = run.examinations(networks, lambda text, done: tell(text, 0.04 + 0.56 * done))
    tell("tables", 0.6)
    tables = run.tables(worked)
    run.segmentation(worked, lambda text, done: tell(text, 0.62 + 0.08 * done))
    run.leaks(tables)
    run.classifiers(tables, worked, lambda text, done: tell(text, 0.7 + 0.12 * done))
    run.classification(lambda text, done: tell(text, 0.82 + 0.1 * done))
    tell("statistics", 0.92)
    run.statistics(tables)
    document = provenance(config, data, worked, networks)
    tell("report", 0.95)
    from fdglung.experiment.report import write_report

    warnings = _warnings(worked, config)
    keys = {name: files_of(config.out / name) for name in run.steps}
    answers = {name: {str(n): said for n, said in items.items()} for name, items in config.answers.items()}
    key = key_of("report 2", config.title, keys, answers, plain(facts), document, warnings)
    run.step("report", key, lambda out: write_report(out, config, data, facts, document, warnings))
    record = document | {"steps": {name: files_of(config.out / name) for name in [*run.examined, *run.steps]}}
    write_files({config.out / "study.json": (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()})
    tell("done", 1.0)
    return Experiment(config.out, tuple(run.made), warnings)


@dataclass
class _Run:
    """The steps of a study, and which of them were made now."""

    config: ExperimentConfig
    data: StudyData
    made: list[str]

    def __post_init__(self) -> None:
        self.steps: list[str] = []
        self.examined: list[str] = []

    def step(self, name: str, key: str, write: Callable[[Path], object]) -> None:
        if make(self.config.out / name, key, write):
            self.made.append(name)
        self.steps.append(name)

    def examinations(self, networks: dict[str, str], tell: Progress) -> list[Worked]:
        from fdglung.radiomics.tasks import Workers

        @cache
        def predictors() -> Sequence[Predictor] | None:
            if not networks:
                return None
            from fdglung.segmentation_network import open_predictors

            return open_predictors(self.config.segmentation)

        found = []
        count = len(self.data.examinations)
        with Workers(self.config.workers) as workers:
            for done, one in enumerate(self.data.examinations):
                worked = work(
                    one,
                    self.config,
                    self.config.out / "studies" / one.name,
                    networks=list(networks.values()),
                    predictors=predictors,
                    workers=workers,
                    progress=partial(_told, tell, one.name, done, count),
                )
                found.append(worked)
                self.made += [f"studies/{one.name}/{name}" for name in worked.made]
                parts = ("segmentation",) if worked.failure else ("segmentation", "lesions", "features")
                self.examined += [f"studies/{one.name}/{name}" for name in parts]
        return found

    def tables(self, worked: Sequence[Worked]) -> Path:
        described = [
            {
                "key": one.key,
                "name": one.examination.name,
                "patient": one.examination.patient,
                "centre": one.examination.centre,
                "set": one.examination.set_name,
                "clinical": dict(one.examination.clinical),
                "classes": {str(label): name for label, name in one.examination.classes.items()},
            }
            for one in worked
        ]
        key = key_of("tables 1", described, dict(self.data.left_out), {k: list(v) for k, v in self.config.sets.items()})
        self.step("tables", key, lambda out: write_tables(out, self.config, self.data, worked))
        return self.config.out / "tables"

    def segmentation(self, worked: Sequence[Worked], tell: Progress) -> None:
        from fdglung.evaluation.segmentation import evaluate_cases

        settings = self.config.evaluation.segmentation()
        for number, set_name in enumerate(self.config.sets):
            own = [one for one in worked if one.examination.set_name == set_name and not one.failure]
            key = key_of("segmentation evaluation 1", [one.key for one in own], dataclasses.asdict(settings), set_name)
            measure = partial(
                evaluate_cases,
                [_case(one) for one in own],
                inputs={"studies": "studies", "set": set_name},
                settings=settings,
                progress=_part(tell, f"segmentation, {set_name}", number, len(self.config.sets)),
            )
            self.step(f"{SEGMENTATION}/{set_name}", key, measure)

    def leaks(self, tables: Path) -> None:
        from fdglung.evaluation.leak_check import check_feature_table

        check_feature_table(tables / "features.csv")

    def classifiers(self, tables: Path, worked: Sequence[Worked], tell: Progress) -> None:
        known = [file_digest(tables / name) for name in ("features.csv", "labels.csv")]
        training = sum(row["set"] == TRAINING for row in read_dicts(tables / "labels.csv"))
        kind = "synthetic lesions" if self.data.synthetic else "lesions"
        for number, (name, one) in enumerate(self.config.classifiers.items()):
            write: Callable[[Path], None]
            trained_on = f"{training} {kind} of the study"
            progress = _part(tell, f"classifier {name}", number, len(self.config.classifiers))
            if isinstance(one, GivenClassifier):
                key = key_of("given 1", known, file_digest(one.predictions) if one.predictions.is_file() else None)
                write = partial(write_given, classifier=one, tables=tables)
            elif isinstance(one, TrainedClassifier):
                key = key_of("trained 1", known, plain(one.config), training, kind)
                write = partial(
                    write_trained,
                    classifier=one,
                    tables=tables,
                    trained_on=trained_on,
                    workers=self.config.workers,
                    progress=progress,
                )
            else:
                from fdglung.experiment.networks import write_network

                images = [part.key for part in worked if not part.failure]
                key = key_of("network 1", known, images, plain(one.config), trained_on)
                write = partial(
                    write_network,
                    classifier=one,
                    tables=tables,
                    worked=worked,
                    trained_on=trained_on,
                    progress=progress,
                )
            self.step(f"classifiers/{name}", key, write)

    def classification(self, tell: Progress) -> None:
        from fdglung.evaluation.classification import evaluate_classification

        settings = self.config.evaluation.classification()
        names = tuple(self.config.classifiers)
        folders = {name: self.config.out / "classifiers" / name for name in names}
        parts: list[tuple[str, Path, Path | None]]
        parts = [(name, folders[name] / PREDICTIONS, folders[names[0]] / PREDICTIONS) for name in names]
        parts += [(f"{name}_training", folders[name] / TRAINING_PREDICTIONS, None) for name in names]
        for number, (name, path, main) in enumerate(parts):
            if not path.is_file():
                continue
            compared = None if main == path else main
            read = [file_digest(one) for one in (path, compared) if one is not None]
            key = key_of("classification evaluation 1", read, dataclasses.asdict(settings))
            progress = _part(tell, f"classification, {name}", number, len(parts))
            measure = partial(evaluate_classification, path, compare=compared, settings=settings, progress=progress)
            self.step(f"{CLASSIFICATION}/{name}", key, measure)

    def statistics(self, tables: Path) -> None:
        part = self.config.statistics
        path = part.table or tables / "patients.csv"
        for group in part.groups:
            key = key_of("statistics 1", file_digest(path) if path.is_file() else None, group, plain(part.settings))
            self.step(f"{STATISTICS}/{group}", key, partial(_analyse, path, group=group, settings=part.settings))


def _told(tell: Progress, name: str, number: int, count: int, text: str, done: float) -> None:
    tell(f"{name}: {text}", (number + done) / count)


def _case(one: Worked) -> Case:
    own = one.examination
    return Case(own.name, one.reference, one.prediction, own.pet, one.probability, own.patient, own.centre)


def _part(tell: Progress, text: str, number: int, count: int) -> Progress:
    """Return what tells of one of several like steps."""
    return lambda _, done: tell(text, (number + done) / count)


def _analyse(path: Path, out: Path, *, group: str, settings: StatisticsSettings) -> None:
    """Work out the statistics of a group; too few rows of one are told in the report, and stop nothing."""
    from fdglung.evaluation.statistics import analyse_table

    try:
        analyse_table(path, out, by=group, settings=settings)
    except SmallGroupError as error:
        (out / "absent.txt").write_text(f"{error.problem}. {error.remedy}\n", encoding="utf-8")


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise OutputExistsError(f"The output {out} is a file", attribute="out", remedy="Name a folder")
    if out.is_dir() and any(out.iterdir()):
        try:
            known = json.loads((out / MARKER).read_text(encoding="utf-8"))["format"] == FORMAT
        except (OSError, ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise OutputExistsError(
                f"The folder {out} is not empty and holds no study",
                attribute="out",
                remedy="Name an empty or a new folder",
            )


def _networks(config: ExperimentConfig) -> dict[str, str]:
    """Return the networks' files and their checksums; none where thresholds find the lesions."""
    if config.segmentation.method != "network":
        return {}
    from fdglung.segmentation_network import open_checkpoints

    return {one.path.name: file_digest(one.path) for one in open_checkpoints(config.segmentation.checkpoints)}


def _warnings(worked: Sequence[Worked], config: ExperimentConfig) -> tuple[str, ...]:
    """Return what the steps of the examinations and the classifiers say, each once, with how many say so."""
    said = counted_warnings([one.warnings for one in worked])
    for name in config.classifiers:
        path = config.out / "classifiers" / name / "cautions.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        said += [f"Classifier {name}: {line}" for line in lines]
    return tuple(said)
