"""From raw features to the selected, scaled ones, harmonised where asked for: learned once, then plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.centre_effects import CentreEffects, Names, centre_effects, no_effects
from fdglung.classification.config import ClassifierConfig
from fdglung.classification.estimators import preparation
from fdglung.classification.selection import most_features

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Preparation:
    """What was learned of features.

    Attributes
    ----------
    columns
        Of the raw features, in the order of the prepared ones.
    ranked
        The same, the best first.
    limit
        How many could have been kept.
    medians, centre, scale
        (prepared,) what a missing value is replaced by, what is taken off, and what it is then divided by.
    effects
        Of centres, on the scaled features.

    """

    columns: tuple[int, ...]
    ranked: tuple[int, ...]
    limit: int
    medians: Array = field(repr=False)
    centre: Array = field(repr=False)
    scale: Array = field(repr=False)
    effects: CentreEffects = field(repr=False)

    def apply(self, values: Array, centres: Names) -> Array:
        """Return prepared features of raw ones (lesions, features); centres (lesions,) as the effects have them."""
        taken = values[:, list(self.columns)]
        filled = np.where(np.isnan(taken), self.medians, taken)
        return self.effects.removed((filled - self.centre) / self.scale, centres)


def prepare(
    values: Array,
    codes: Indices,
    patients: Names,
    centres: Names,
    *,
    config: ClassifierConfig,
    harmonised: NDArray[np.bool_],
    lesions: int | None = None,
) -> Preparation:
    """Learn how features are imputed, scaled, harmonised and selected.

    ComBat comes after the scaling, which makes no difference to it, and before the filter and the selection.

    Parameters
    ----------
    values
        (lesions, features) raw; NaN where there is none.
    codes
        (lesions,) classes.
    patients, centres
        (lesions,) of each; centres are what is harmonised.
    config
        All else.
    harmonised
        (features,) which of them centres have effects on.
    lesions
        How many there are where some were measured more than once; None where each row is one.

    Raises
    ------
    ParameterError
        Centres cannot be harmonised.
    InputError
        No feature is left, or lesions are too few for one.

    """
    most = most_features(len(values) if lesions is None else lesions, config.selection.n_features)
    pipeline = preparation(replace(config, selection=replace(config.selection, n_features=most)))
    scaled = np.asarray(pipeline[:2].fit_transform(values), dtype=np.float64)
    effects = no_effects(values.shape[1])
    if config.harmonisation is not None and harmonised.any():
        effects = centre_effects(scaled, centres, config.harmonisation, harmonised)
        scaled = effects.removed(scaled, centres)
    groups = {} if config.selection.stability is None else {"select__groups": np.asarray(patients)}
    pipeline[2:].fit(scaled, codes, **groups)
    left = np.flatnonzero(pipeline["correlation"].get_support())
    select = pipeline["select"]
    columns = left[select.get_support(indices=True)]
    scaler = pipeline["scale"]
    middle = scaler.mean_ if hasattr(scaler, "mean_") else scaler.center_
    statistics = (np.asarray(one, dtype=np.float64)[columns] for one in (pipeline["impute"].statistics_, middle))
    medians, centre = statistics
    return Preparation(
        columns=tuple(map(int, columns)),
        ranked=tuple(map(int, left[select.order_])),
        limit=int(select.limit_),
        medians=medians,
        centre=centre,
        scale=np.asarray(scaler.scale_, dtype=np.float64)[columns],
        effects=effects.of(columns.tolist()),
    )


def side_by_side(parts: Sequence[tuple[Preparation, Indices]]) -> Preparation:
    """Return one preparation of several, each with the columns of the table that its own columns are of."""
    made = [one for one, _ in parts]
    known = tuple(sorted({name for one in made for name in one.effects.centres}))
    lines = [_lines(one.effects, known) for one in made]
    return Preparation(
        columns=tuple(int(where[column]) for one, where in parts for column in one.columns),
        ranked=tuple(int(where[column]) for one, where in parts for column in one.ranked),
        limit=sum(one.limit for one in made),
        medians=np.concatenate([one.medians for one in made]),
        centre=np.concatenate([one.centre for one in made]),
        scale=np.concatenate([one.scale for one in made]),
        effects=CentreEffects(known, *(np.concatenate([line[n] for line in lines], axis=1) for n in (0, 1))),
    )


def _lines(effects: CentreEffects, known: Sequence[str]) -> tuple[Array, Array]:
    """Return gain and offset for all of `known`, 1 and 0 where an effect is not known."""
    gain, offset = np.ones((len(known), effects.gain.shape[1])), np.zeros((len(known), effects.gain.shape[1]))
    for place, name in enumerate(known):
        if name in effects.centres:
            own = effects.centres.index(name)
            gain[place], offset[place] = effects.gain[own], effects.offset[own]
    return gain, offset
