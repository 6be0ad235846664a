"""Training and evaluation of the radiomics classifier at full size, beside a plain scikit-learn pipeline, same run.

`python -m benchmarks.classification [--lesions N] [--features N] [--workers N] [--model NAME] [--selection NAME]
[--json]` makes a synthetic table (four classes, four centres, lesions of a patient alike, features in correlated
blocks, 40 blocks with signal) and times `fdglung.classification.training.train`: 5 outer and 5 inner folds, all
selection inside. The plain pipeline has the same folds by patients, `SimpleImputer`, `StandardScaler`, `SelectKBest`
by the F statistic with as many features as ours may keep, the same model and grid in `GridSearchCV`, and
`CalibratedClassifierCV`, with as many processes. Times are wall-clock, with one worker CPU time too; both are judged
by the macro AUC out of fold. With `--json` the last line holds the figures.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np

from fdglung.classification import ClassifierConfig, Lesions, from_mapping
from fdglung.classification.estimators import candidates, model
from fdglung.classification.folds import patient_folds
from fdglung.classification.nested import macro_auc
from fdglung.classification.training import train

CLASSES = ("benign", "lung cancer", "lymphoma", "metastasis")
BLOCK = 10
"""Features that go with each other."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--lesions", type=int, default=600)
    parser.add_argument("--features", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="logistic_regression")
    parser.add_argument("--selection", default="mrmr")
    parser.add_argument("--stability", action="store_true", help="select by stability over 50 halves")
    parser.add_argument("--no-plain", action="store_true", help="leave the plain pipeline out")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    options = parser.parse_args()
    selection = {"method": options.selection, "stability": {"resamples": 50} if options.stability else None}
    config = from_mapping({"model": {"name": options.model}, "selection": selection})
    lesions = synthetic(options.lesions, options.features)
    # Both find scikit-learn imported and processes started.
    train(synthetic(200, 40), ClassifierConfig(), workers=options.workers)
    started, busy = time.perf_counter(), time.process_time()
    done = train(lesions, config, workers=options.workers)
    ours = time.perf_counter() - started
    result: dict[str, Any] = {
        "seconds": round(ours, 1),
        "cpu_seconds": round(time.process_time() - busy, 1) if options.workers == 1 else None,
        "macro_auc": round(macro_auc(done.codes, done.probabilities), 4),
        "features_kept": [len(fold.selected) for fold in done.folds],
        "most_features": [fold.limit for fold in done.folds],
    }
    print(f"{options.lesions} lesions x {options.features} features, {options.model}, {options.selection}")
    spent = f" ({result['cpu_seconds']:.1f} s of CPU)" if options.workers == 1 else ""
    print(f"ours: {ours:.1f} s{spent}, macro AUC {result['macro_auc']:.3f}")
    if not options.no_plain:
        started = time.perf_counter()
        area = macro_auc(done.codes, plain(lesions, done.codes, config, options.workers))
        seconds = time.perf_counter() - started
        result |= {"seconds_plain": round(seconds, 1), "macro_auc_plain": round(area, 4)}
        result["ratio"] = round(ours / seconds, 2)
        print(
            f"plain scikit-learn: {seconds:.1f} s, macro AUC {area:.3f}; ours took {ours / seconds:.2f} times as long"
        )
    if options.json:
        print(json.dumps(result))
    return 0 if ours <= 300 else 1


def synthetic(count: int, features: int, *, seed: int = 0) -> Lesions:
    """A table with known structure: class means in some blocks, effects of patients and centres, gaps, skew."""
    random = np.random.default_rng(seed)
    patients = np.arange(count) // 3
    whose = patients.max() + 1
    classes = random.integers(len(CLASSES), size=whose)[patients]
    centres = random.integers(4, size=whose)[patients]
    blocks = -(-features // BLOCK)
    latent = random.normal(size=(count, blocks)) + 0.7 * random.normal(size=(whose, blocks))[patients]
    told = min(40, blocks)
    latent[:, :told] += 0.5 * random.normal(size=(len(CLASSES), told))[classes]
    latent += 0.2 * random.normal(size=(4, blocks))[centres]
    values = np.repeat(latent, BLOCK, axis=1)[:, :features] + 0.6 * random.normal(size=(count, features))
    values[:, ::4] = np.exp(values[:, ::4])
    values[random.random(values.shape) < 0.01] = np.nan
    return Lesions(
        names=tuple(f"PET_{column:04d}" for column in range(features)),
        values=values,
        keys={"lesion": tuple(map(str, range(count)))},
        patients=tuple(f"patient {one}" for one in patients),
        centres=tuple("ABCD"[one] for one in centres),
        labels=tuple(CLASSES[one] for one in classes),
        rows=tuple(range(count)),
    )


def plain(lesions: Lesions, codes: Any, config: ClassifierConfig, workers: int) -> Any:
    """Out-of-fold probabilities by scikit-learn alone, with our folds."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import SimpleImputer
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    grid = {key: sorted({one[key] for one in candidates(config)}) for key in candidates(config)[0]}

    def folds(rows: Any, number: int) -> Any:
        patients, centres = ([texts[row] for row in rows] for texts in (lesions.patients, lesions.centres))
        made, _ = patient_folds(
            codes[rows], patients, centres, classes=CLASSES, folds=number, seed=config.seed, attribute="folds"
        )
        return list(made)

    found = np.zeros((len(lesions), len(CLASSES)))
    for train_rows, test_rows in folds(np.arange(len(lesions)), config.validation.outer_folds):
        inner = folds(train_rows, config.validation.inner_folds)
        most = min(len(part) for part, _ in inner) // 10
        pipeline = make_pipeline(SimpleImputer(), StandardScaler(), SelectKBest(k=most), model(config))
        name = pipeline.steps[-1][0]
        values, known = lesions.values[train_rows], codes[train_rows]
        search = GridSearchCV(
            pipeline,
            {f"{name}__{key}": one for key, one in grid.items()},
            scoring=lambda fitted, x, y: (
                macro_auc(y, np.asarray(fitted.decision_function(x)))
                if hasattr(fitted, "decision_function")
                else macro_auc(y, fitted.predict_proba(x))
            ),
            cv=inner,
            n_jobs=workers,
            refit=False,
        ).fit(values, known)
        best = pipeline.set_params(**search.best_params_)
        fitted = CalibratedClassifierCV(best, cv=inner, ensemble=False, n_jobs=workers).fit(values, known)
        found[test_rows] = fitted.predict_proba(lesions.values[test_rows])
    return found


if __name__ == "__main__":
    sys.exit(main())
