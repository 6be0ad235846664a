"""The classifier that is trained on synthetic lesions: features, training, and how well it does, step by step.

`python -m benchmarks.phantom_classes features OUT COHORT [COHORT …]` computes the features of the lesions of cohorts
that `fdglung phantom COHORT --cohort FILE` makes, by their VOIs; it may run while a cohort grows, and is done once it
said so. Each lesion is read twice: in the context of all lesions of its study, and, where it is avid, of the avid ones
alone, which is what is found in use. `--set SPLIT=NAME` names a set otherwise than the cohort's split; `--most` draws
fewer lesions of a patient; `--partial` puts tables together of the studies that are done.

`… train OUT` trains on the sets that its configuration names, and writes OUT/phantom.skops.

`… evaluate OUT --tests OUT2 [--centre OUT3] [--further OUT4]` measures it on studies that it was not trained on
(`benchmarks/cohort_classes.yaml`: the training's scanners, and those of a vendor that it never saw), on a further
centre (`benchmarks/cohort_external_centre.yaml`) and further patients, and out of fold on those that it was trained on,
beside the best possible reader of the same lesions (`benchmarks.phantom_limit`), and beside a forest that learned from
the plans of the training lesions instead of their images.

`… found OUT OUT2 --method METHOD` measures it on lesions as the product finds them: by thresholds, with the VOI at 40 %
of SUVmax; by the network, with its outline (`network`) or what of it has 40 % of SUVmax (`network_40`).

`… checks OUT OUT2` trains with shuffled classes, several times, and with a patient twice under two ids.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

SETTINGS = Path(__file__).with_name("phantom_radiomics.yaml")
CONFIG = Path(__file__).with_name("phantom_classifier.yaml")
NEW_SCANNER, CENTRE, FURTHER = "new_scanner", "external_centre", "further"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(required=True)
    features = commands.add_parser("features")
    features.add_argument("out", type=Path)
    features.add_argument("cohorts", type=Path, nargs="+")
    features.add_argument("--set", action="append", default=[], metavar="SPLIT=NAME")
    features.add_argument("--most", type=int, default=10, help="lesions that are drawn of a patient")
    features.add_argument("--partial", action="store_true")
    features.set_defaults(run=_features)
    train = commands.add_parser("train")
    train.add_argument("out", type=Path)
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate")
    evaluate.add_argument("out", type=Path)
    evaluate.add_argument("--tests", type=Path, required=True)
    evaluate.add_argument("--centre", type=Path)
    evaluate.add_argument("--further", type=Path)
    evaluate.set_defaults(run=_evaluate)
    found = commands.add_parser("found")
    found.add_argument("out", type=Path)
    found.add_argument("tests", type=Path)
    found.add_argument("--studies", type=int, default=100)
    found.add_argument("--method", choices=("threshold", "network", "network_40"), default="threshold")
    found.set_defaults(run=_found)
    checks = commands.add_parser("checks")
    checks.add_argument("out", type=Path)
    checks.add_argument("tests", type=Path)
    checks.add_argument("--shuffles", type=int, default=5)
    checks.set_defaults(run=_checks)
    options = parser.parse_args()
    done: int = options.run(options)
    return done


def _features(options: argparse.Namespace) -> int:
    from benchmarks.phantom_tables import write_features

    names = dict(one.split("=", 1) for one in options.set)
    whole = write_features(
        options.cohorts, options.out, SETTINGS, set_names=names, most=options.most, partial=options.partial
    )
    print("done" if whole else "not all studies are there")
    return 0 if whole else 3


def _train(options: argparse.Namespace) -> int:
    import pandas as pd  # type: ignore[import-untyped]

    from fdglung.classification import from_yaml
    from fdglung.cli import main as fdglung

    labels = pd.read_csv(options.out / "drawn.csv")
    trained = labels[labels["set"].isin(from_yaml(CONFIG).training_sets)].drop_duplicates(["study", "lesion"])
    text = f"{len(trained)} synthetic lesions of {trained['patient'].nunique()} synthetic patients (fdglung phantom)"
    given = [str(options.out / "features.csv"), "--labels", str(options.out / "drawn.csv"), "--config", str(CONFIG)]
    out = ["--out", str(options.out / "phantom.skops"), "--trained-on", text, "--overwrite"]
    return fdglung(["train-classifier", *given, *out])


def _evaluate(options: argparse.Namespace) -> int:
    import pandas as pd

    from benchmarks.phantom_measures import (
        SEEN,
        print_areas,
        print_coverage,
        write_informed,
        write_limits,
        write_predictions,
        write_unseen,
    )
    from benchmarks.phantom_tables import ALL
    from fdglung.classification import from_yaml
    from fdglung.evaluation.classification import evaluate_classification

    out = options.out
    sets = [("internal_test", options.tests), (NEW_SCANNER, options.tests)]
    sets += [(CENTRE, options.centre)] if options.centre else []
    sets += [(FURTHER, options.further)] if options.further else []
    predictions = write_predictions(out / "phantom.skops", sets, out / "predictions.csv")
    limits = {name: write_limits(predictions, out / f"limit_{name}.csv", seen=name) for name in SEEN}
    informed = write_informed(predictions, out / "informed.csv", trained=out, sets=from_yaml(CONFIG).training_sets)
    tables = {"model": predictions, "plans learned": informed, **limits}
    print_areas(tables)
    print_areas(tables, most=4)
    print_coverage(predictions)
    unseen = write_unseen(out / "phantom.skops", out / "phantom.predictions.csv", out, out / "unseen.csv")
    print_areas(
        {"model": unseen} | {name: write_limits(unseen, out / f"unseen_limit_{name}.csv", seen=name) for name in SEEN}
    )
    # Tables and plots of model and limit on the same draws.
    whole = {}
    for path in (predictions, limits["study"]):
        table = pd.read_csv(path)
        whole[path] = path.with_name(f"{path.stem}_{ALL}.csv")
        table[table["reading"] == ALL].to_csv(whole[path], index=False)
    evaluate_classification(whole[predictions], out / "evaluation", compare=whole[limits["study"]], overwrite=True)
    return 0


def _found(options: argparse.Namespace) -> int:
    from benchmarks.phantom_found import print_found, write_found

    found = write_found(options.tests, SETTINGS, studies=options.studies, method=options.method)
    print_found(options.out / "phantom.skops", options.tests, found, studies=options.studies)
    return 0


def _checks(options: argparse.Namespace) -> int:
    import numpy as np
    from scipy import stats

    from fdglung.classification import from_yaml, read_labelled
    from fdglung.classification.nested import macro_auc
    from fdglung.classification.prediction import classify
    from fdglung.classification.training import train
    from fdglung.errors import DuplicatedPatientError

    config = from_yaml(CONFIG)
    lesions = read_labelled([options.out / "features.csv"], options.out / "drawn.csv", config)
    test = replace(config, training_sets=("internal_test",))
    unseen = read_labelled([options.tests / "features.csv"], options.tests / "drawn.csv", test)
    areas = []
    for seed in range(options.shuffles):
        done = train(shuffled(lesions, seed), config)
        given = classify(done.model, unseen).probabilities
        codes = np.array([done.model.classes.index(label) for label in shuffled(unseen, seed).labels])
        print(
            f"shuffled classes {seed}: macro AUC out of fold "
            f"{_area(done.codes, done.probabilities, done.lesions.patients)}, internal test, shuffled too, "
            f"{_area(codes, given, unseen.patients)}",
            flush=True,
        )
        areas.append([macro_auc(done.codes, done.probabilities), macro_auc(codes, given)])
    for name, values in zip(("out of fold", "internal test"), np.transpose(areas), strict=True):
        interval = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        print(f"shuffled classes, {name}: mean {np.mean(values):.3f} ({interval[0]:.3f} to {interval[1]:.3f})")
    try:
        train(with_a_patient_twice(lesions), config)
    except DuplicatedPatientError as error:
        print(f"a patient under two ids: {error}")
        return 0
    print("a patient under two ids was not found")
    return 1


def _area(codes: Any, probabilities: Any, patients: Sequence[str]) -> str:
    from fdglung.classification.nested import macro_auc
    from fdglung.evaluation.bootstrap import Bootstrap

    area = Bootstrap(500).statistic(lambda rows: macro_auc(codes[rows], probabilities[rows]), patients)
    return f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})"


def shuffled(lesions: Any, seed: int = 0) -> Any:
    """Return lesions with the classes of their patients shuffled."""
    import numpy as np

    whose = dict(zip(lesions.patients, lesions.labels, strict=True))
    mixed = np.random.default_rng(seed).permutation(list(whose.values()))
    given = dict(zip(whose, mixed.tolist(), strict=True))
    return replace(lesions, labels=tuple(given[patient] for patient in lesions.patients))


def with_a_patient_twice(lesions: Any) -> Any:
    """Return lesions with those of the first patient once more under another id."""
    import numpy as np

    rows = [row for row, patient in enumerate(lesions.patients) if patient == lesions.patients[0]]

    def more(texts: Any) -> Any:
        return (*texts, *(texts[row] for row in rows)) if texts else texts

    return replace(
        lesions,
        values=np.concatenate([lesions.values, lesions.values[rows]]),
        keys={name: more(texts) for name, texts in lesions.keys.items()},
        patients=(*lesions.patients, *("another id" for _ in rows)),
        **{name: more(getattr(lesions, name)) for name in ("centres", "scanners", "labels")},
        rows=tuple(range(len(lesions) + len(rows))),
    )


if __name__ == "__main__":
    raise SystemExit(main())
