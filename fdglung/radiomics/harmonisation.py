"""Features of several centres on one scale: ComBat, and a stated policy for centres that are not in the training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin  # type: ignore[import-untyped]
from sklearn.utils.validation import check_is_fitted  # type: ignore[import-untyped]

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics.combat import Pool, bayes_effect, own_effect
from fdglung.radiomics.covariates import Coding
from fdglung.settings_checks import one_of, require, whole

Array = NDArray[np.float64]

POLICIES = ("error", "reference", "own")
"""What happens to cases of a centre that was not in the training data.

``error``: they are refused. ``reference``: they are left as they are and marked so, as if the centre were the reference
centre (or, without one, as if it had no effect). ``own``: they are given the pooled mean and variance by those of the
centre's own cases, which need no label but must be enough, and like the training's in their mix once covariates are
taken off.
"""

ENGINES = ("johnson", "combatlearn")
"""Where the priors of empirical Bayes come from.

``johnson``: for each centre from all features, as the paper has it. ``combatlearn``: the package combatlearn 2.3.0,
which takes them for each feature from the centres (``method="fortin"``); it needs many centres.
"""

FITTED, LEFT, OWN = "fitted", "left", "own"
"""How a case was harmonised: by its centre's effect in the training data, not at all, by its own centre's cases."""


class UnseenCentreError(InputError):
    """A centre that the training data do not hold, under a policy that cannot serve it."""


class Harmoniser(TransformerMixin, BaseEstimator):
    """ComBat of a table of features with covariates kept, learned from the training data only.

    Location and scale of each centre are estimated by empirical Bayes (Johnson et al., Biostatistics 2007;8:118,
    10.1093/biostatistics/kxj037; with covariates Fortin et al., NeuroImage 2018;167:104,
    10.1016/j.neuroimage.2017.11.024). Centre and covariates are columns of the table, so that the estimator lives in
    pipelines and cross-validation, and each fold learns from its own rows.

    Parameters
    ----------
    centre
        Column that names the centre (or scanner) of each case.
    covariates
        Columns whose effects on features are kept; numbers count linearly, all else as categories. They must be known
        where the features are used later: the class to be predicted is no covariate of a classifier.
    unseen
        One of `POLICIES`.
    least_cases
        Fewest cases of an unseen centre for ``own``.
    reference_centre
        Centre whose cases stay as they are, and whose scale the others are given; None for the pooled one.
    mean_only
        Whether only the location is harmonised.
    engine
        One of `ENGINES`.
    status_column
        Column of the result that tells how a case was harmonised: `FITTED`, `LEFT` or `OWN`. None leaves it out, for
        pipelines whose next step takes only numbers.

    Attributes
    ----------
    centres_
        Centres of the training data.
    features_
        Columns that are harmonised: all that are neither centre nor covariate.
    left_features_
        Those among them that do not vary within centres, and are left as they are.

    Notes
    -----
    Features are standardised before, and scaled back after: combatlearn adds 1e-8 to variances, which is much for
    features whose values are small.

    """

    def __init__(
        self,
        centre: str = "centre",
        *,
        covariates: Sequence[str] = (),
        unseen: str = "error",
        least_cases: int = 20,
        reference_centre: str | None = None,
        mean_only: bool = False,
        engine: str = "johnson",
        status_column: str | None = "harmonisation",
    ) -> None:
        self.centre = centre
        self.covariates = covariates
        self.unseen = unseen
        self.least_cases = least_cases
        self.reference_centre = reference_centre
        self.mean_only = mean_only
        self.engine = engine
        self.status_column = status_column

    def fit(self, X: pd.DataFrame, y: object = None) -> Harmoniser:  # noqa: N803
        """Learn the effects of centres.

        Parameters
        ----------
        X
            A row a case: centre, covariates and features.
        y
            Not looked at.

        Raises
        ------
        ParameterError
            A parameter or a column cannot be: it is missing, no number, not finite, or a covariate that tells the
            centre.

        """
        self._check_parameters()
        self.features_ = [str(name) for name in X.columns if name not in (self.centre, *self.covariates)]
        require(bool(self.features_), "X", "There is no feature", "Give features beside centre and covariates")
        centres = self._centres(X)
        counts = centres.value_counts()
        require(len(counts) > 1, self.centre, "There is one centre only", "Give two or more, or leave this step out")
        lone = [name for name, count in counts.items() if count < 2]
        require(not lone, self.centre, f"Centres with one case: {', '.join(lone)}", "Merge them or leave them out")
        known = self.reference_centre is None or self.reference_centre in counts.index
        require(
            known, "reference_centre", "No case is of the reference centre", f"Give one of {', '.join(counts.index)}"
        )
        self.centres_ = sorted(counts.index)
        values = self._values(X)
        self._coding = [Coding.of(X[name], name) for name in self.covariates]
        coded = self._coded(X)
        self._mean, self._scale = values.mean(axis=0), values.std(axis=0)
        flat = self._scale <= 1e-12 * np.abs(values).max(axis=0)
        scaled = (values - self._mean) / np.where(flat, 1.0, self._scale)
        names, levels = [str(name) for name in coded.columns], centres.to_numpy(dtype=str)
        flat |= Pool.of(scaled, levels, coded.to_numpy(), names, self.reference_centre).variance <= 1e-12
        self._varies = ~flat
        self.left_features_ = [name for name, none in zip(self.features_, flat, strict=True) if none]
        require(bool(self._varies.any()), "X", "No feature varies within centres", "Give features that do")
        varying = scaled[:, self._varies]
        self._pool = Pool.of(varying, levels, coded.to_numpy(), names, self.reference_centre)
        if self.engine == "combatlearn":
            self._combat = self._by_package(varying, centres, coded)
        else:
            standardised = self._pool.standardised(varying, coded.to_numpy())
            self._effects = {
                name: bayes_effect(standardised[levels == name], mean_only=self.mean_only)
                for name in self.centres_
                if name != self.reference_centre
            }
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:  # noqa: N803
        """Return features on the common scale.

        Under the policy ``own`` a case of an unseen centre depends on the other cases of that centre in `X`; all others
        depend on nothing but themselves and the training data.

        Parameters
        ----------
        X
            Columns as in `fit`.

        Returns
        -------
        pandas.DataFrame
            The features, with the index of `X`, and the status column.

        Raises
        ------
        UnseenCentreError
            A centre is new, and the policy is ``error``, or ``own`` and its cases are too few.
        ParameterError
            A column is missing or cannot be.

        """
        check_is_fitted(self, "features_")
        centres, values, coded = self._centres(X), self._values(X), self._coded(X)
        seen = centres.isin(self.centres_).to_numpy()
        new = centres[~seen].value_counts()
        self._check_new(new)
        varying = (values[:, self._varies] - self._mean[self._varies]) / self._scale[self._varies]
        status = np.where(seen, FITTED, LEFT).astype(object)
        done = self._without_effects(varying, centres, coded, seen)
        if self.unseen == "own":
            for name in new.index:
                rows = (centres == name).to_numpy()
                known = coded[rows].to_numpy()
                standardised = self._pool.standardised(varying[rows], known)
                effect = own_effect(standardised, mean_only=self.mean_only)
                done[rows] = self._pool.restored(effect.removed(standardised), known)
                status[rows] = OWN
        changed = (status != LEFT) & (centres != self.reference_centre).to_numpy()
        result = values.copy()
        back = done * self._scale[self._varies] + self._mean[self._varies]
        result[np.ix_(changed, self._varies)] = back[changed]
        table = pd.DataFrame(result, index=X.index, columns=self.features_)
        if self.status_column is not None:
            table[self.status_column] = status
        return table

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the columns of what `transform` gives."""
        check_is_fitted(self, "features_")
        status = [] if self.status_column is None else [self.status_column]
        return np.array([*self.features_, *status], dtype=object)

    def _check_parameters(self) -> None:
        one_of(self.unseen, POLICIES, "unseen")
        one_of(self.engine, ENGINES, "engine")
        good = whole(self.least_cases) and self.least_cases > 1
        require(good, "least_cases", "The number of cases is below 2", "Give 20 or more")
        alone = not isinstance(self.covariates, str) and self.centre not in self.covariates
        require(alone, "covariates", "The covariates are no list of other columns", "Give their names in a list")

    def _check_new(self, new: pd.Series) -> None:
        if new.empty or self.unseen == "reference":
            return
        if self.unseen == "error":
            raise UnseenCentreError(
                f"The training data hold no case of {', '.join(new.index)}",
                attribute=self.centre,
                remedy='Fit with cases of that centre, or choose a policy: unseen="reference" or unseen="own"',
            )
        few = [f"{name} ({count})" for name, count in new.items() if count < self.least_cases]
        if few:
            raise UnseenCentreError(
                f"Too few cases of {', '.join(few)}: at least {self.least_cases} are needed",
                attribute=self.centre,
                remedy='Give more unlabelled cases of that centre, or choose unseen="reference"',
            )

    def _centres(self, table: pd.DataFrame) -> pd.Series:
        _require_columns(table, [self.centre, *self.covariates, *self.features_])
        missing = int(table[self.centre].isna().sum())
        require(not missing, self.centre, f"{missing} cases have no centre", "Give each case its centre")
        return pd.Series(table[self.centre].astype(str).to_numpy(), index=pd.RangeIndex(len(table)))

    def _values(self, table: pd.DataFrame) -> Array:
        for name in self.features_:
            numeric = pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])
            require(numeric, name, "The feature is no number", "Leave the column out, or name it as a covariate")
        values: Array = table[self.features_].to_numpy(dtype=np.float64, na_value=np.nan)
        bad = ~np.isfinite(values).all(axis=0)
        if bad.any():
            names = [name for name, one in zip(self.features_, bad, strict=True) if one]
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            raise ParameterError(
                "Features are not finite in all cases",
                attribute=", ".join(names[:5]) + more,
                remedy="Leave these features or cases out, or impute them, learned from the training data",
            )
        return values

    def _coded(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return covariates as numbers, a row a case from 0 on."""
        parts = [coding.columns(table[coding.name]) for coding in self._coding]
        index = pd.RangeIndex(len(table))
        return pd.concat([pd.DataFrame(index=index), *parts], axis=1)

    def _without_effects(
        self, varying: Array, centres: pd.Series, coded: pd.DataFrame, seen: NDArray[np.bool_]
    ) -> Array:
        done = varying.copy()
        if self.engine == "combatlearn":
            if seen.any():
                rows = np.flatnonzero(seen)
                done[seen] = self._replayed(varying[seen], centres.iloc[rows], coded.iloc[rows])
            return done
        for name, effect in self._effects.items():
            rows = (centres == name).to_numpy()
            known = coded[rows].to_numpy()
            standardised = self._pool.standardised(varying[rows], known)
            done[rows] = self._pool.restored(effect.removed(standardised), known)
        return done

    def _by_package(self, varying: Array, centres: pd.Series, coded: pd.DataFrame) -> Any:
        try:
            from combatlearn import ComBat  # type: ignore[import-not-found,import-untyped,unused-ignore]
        except ImportError as error:
            raise ParameterError(
                "The package combatlearn is not installed", attribute="engine", remedy='Install it, or use "johnson"'
            ) from error
        combat = ComBat(
            batch=centres,
            continuous_covariates=coded if self.covariates else None,
            method="fortin",
            mean_only=self.mean_only,
            reference_batch=self.reference_centre,
        )
        return combat.fit(pd.DataFrame(varying, index=centres.index))

    def _replayed(self, varying: Array, centres: pd.Series, coded: pd.DataFrame) -> Array:
        combat = copy.copy(self._combat)
        combat.set_params(batch=centres, continuous_covariates=coded if self.covariates else None)
        return np.asarray(combat.transform(pd.DataFrame(varying, index=centres.index)), dtype=np.float64)


def _require_columns(table: Any, names: Sequence[str]) -> None:
    require(isinstance(table, pd.DataFrame), "X", "The table is no pandas.DataFrame", "Give a row a case, with names")
    missing = [name for name in names if name not in table.columns]
    require(not missing, ", ".join(missing[:5]), "The table lacks columns", "Give the columns that fit was given")
