"""The scikit-learn estimators that a configuration names: preparation of features, and the models with their grids."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fdglung.classification.config import ClassifierConfig
from fdglung.classification.config_parts import SelectionSettings
from fdglung.errors import ParameterError
from fdglung.settings_checks import refuse_unknown

DEFAULT_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "logistic_regression": {"max_iter": 5000},
    "svm": {},
    "random_forest": {"n_estimators": 300},
    "extra_trees": {"n_estimators": 300},
    "gradient_boosting": {"max_iter": 100, "early_stopping": False},
}
"""Where they differ from scikit-learn's own."""

DEFAULT_GRIDS: Mapping[str, Mapping[str, list[Any]]] = {
    "logistic_regression": {"C": [0.01, 0.1, 1.0, 10.0]},
    "svm": {"C": [0.1, 1.0, 10.0]},
    "random_forest": {"min_samples_leaf": [1, 3, 10]},
    "extra_trees": {"min_samples_leaf": [1, 3, 10]},
    "gradient_boosting": {"max_leaf_nodes": [4, 16]},
}
"""What the inner folds choose from where the configuration has no grid of its own."""


def preparation(config: ClassifierConfig) -> Any:
    """Return the unfitted pipeline from raw features to the selected, scaled ones.

    Steps: ``impute`` (median), ``scale``, ``correlation`` (features that are constant or have no value, and those that
    go with an earlier one, are left out), ``select``. It is fitted by
    ``fit(X, y, select__groups=patients)`` where the selection is by stability, else by ``fit(X, y)``.
    """
    from sklearn.impute import SimpleImputer  # type: ignore[import-untyped]
    from sklearn.pipeline import Pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import RobustScaler, StandardScaler  # type: ignore[import-untyped]

    from fdglung.classification.selection import CorrelationFilter

    return Pipeline(
        [
            # Features without any value become constant, and are left out as such.
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler() if config.scaling == "standard" else RobustScaler()),
            ("correlation", CorrelationFilter(config.correlation)),
            ("select", _selector(config.selection, config.seed)),
        ]
    )


def model(config: ClassifierConfig, chosen: Mapping[str, Any] | None = None) -> Any:
    """Return the unfitted model with its parameters, those of `chosen` above the others.

    Raises
    ------
    ParameterError
        scikit-learn's model has no such parameter; the attribute names it.

    """
    kind = _kind(config.model.name)
    known = [name for name in inspect.signature(kind).parameters if name not in ("random_state", "n_jobs")]
    refuse_unknown(config.model.parameters, known, "model.parameters.")
    refuse_unknown(config.model.grid or {}, known, "model.grid.")
    given = {**DEFAULT_PARAMETERS[config.model.name], **config.model.parameters, **(chosen or {})}
    return kind(**given, random_state=config.seed)


def check_model(config: ClassifierConfig) -> None:
    """Refuse parameters that scikit-learn's model does not have, or values that it refuses, before any work is done.

    Raises
    ------
    ParameterError
        The attribute names the parameter.

    """
    for option in candidates(config):
        try:
            model(config, option)._validate_params()
        except ParameterError:
            raise
        except ValueError as error:
            raise ParameterError(
                str(error).splitlines()[0], attribute="model", remedy="Give values that scikit-learn's model takes"
            ) from error


def candidates(config: ClassifierConfig) -> list[dict[str, Any]]:
    """Return the parameters to choose from, one mapping a candidate, in scikit-learn's order."""
    from sklearn.model_selection import ParameterGrid  # type: ignore[import-untyped]

    grid = config.model.grid
    if grid is None:
        grid = {k: v for k, v in DEFAULT_GRIDS[config.model.name].items() if k not in config.model.parameters}
    return list(ParameterGrid(dict(grid)))


def _selector(settings: SelectionSettings, seed: int) -> Any:
    from fdglung.classification.selection import (
        ImportanceSelector,
        LassoSelector,
        MrmrLassoSelector,
        MrmrSelector,
    )
    from fdglung.classification.stability import StabilitySelector

    if settings.method == "mrmr_lasso":
        base: Any = MrmrLassoSelector(settings.n_features, candidates=settings.candidates)
    elif settings.method == "importance":
        base = ImportanceSelector(settings.n_features, random_state=seed)
    else:
        base = (MrmrSelector if settings.method == "mrmr" else LassoSelector)(settings.n_features)
    if settings.stability is None:
        return base
    return StabilitySelector(
        base,
        n_features=settings.n_features,
        resamples=settings.stability.resamples,
        threshold=settings.stability.threshold,
        random_state=seed,
    )


def _kind(name: str) -> Any:
    from sklearn.ensemble import (  # type: ignore[import-untyped]
        ExtraTreesClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.svm import SVC  # type: ignore[import-untyped]

    return {
        "logistic_regression": LogisticRegression,
        "svm": SVC,
        "random_forest": RandomForestClassifier,
        "extra_trees": ExtraTreesClassifier,
        "gradient_boosting": HistGradientBoostingClassifier,
    }[name]
