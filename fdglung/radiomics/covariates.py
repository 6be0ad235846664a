"""Covariates of cases as columns of numbers, the same in every part of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from fdglung.settings_checks import require


@dataclass(frozen=True)
class Coding:
    """How a covariate becomes numbers: as it is, or a column for each category but the first.

    Attributes
    ----------
    name
        The covariate's column.
    categories
        Those of the training data, in order; None for numbers. A part of a table that lacks one is coded the same.

    """

    name: str
    categories: tuple[str, ...] | None

    @classmethod
    def of(cls, column: pd.Series, name: str) -> Coding:
        """Learn the coding of a covariate."""
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        return cls(name, None if numeric else tuple(sorted(set(column.dropna().astype(str)))))

    def columns(self, column: pd.Series) -> pd.DataFrame:
        """Return a covariate as numbers, rows counted from 0.

        Raises
        ------
        ParameterError
            A value is missing, no finite number, or a category that the training data have not.

        """
        index = pd.RangeIndex(len(column))
        require(not column.isna().any(), self.name, "The covariate is missing in some cases", "Give it for each case")
        if self.categories is None:
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
            good = bool(np.isfinite(numbers).all())
            require(good, self.name, "The covariate is not a finite number in all cases", "Give a number for each case")
            return pd.DataFrame({self.name: numbers}, index=index)
        text = column.astype(str).to_numpy()
        unknown = sorted(set(text) - set(self.categories))
        require(not unknown, self.name, f"The training data hold no {', '.join(unknown)}", "Leave these cases out")
        return pd.DataFrame(
            {f"{self.name}={one}": (text == one).astype(float) for one in self.categories[1:]}, index=index
        )
