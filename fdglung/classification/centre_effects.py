"""What ComBat takes off and divides by in each centre, as plain numbers that a model can carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.config_parts import HarmonisationSettings
from fdglung.errors import ParameterError

Array = NDArray[np.float64]
Names = Sequence[str] | NDArray[np.str_]


@dataclass(frozen=True)
class CentreEffects:
    """A straight line for each centre and feature, which brings the centre's values to the common scale.

    Attributes
    ----------
    centres
        Whose effects are known; values of others stay as they are.
    gain, offset
        (centres, features): a value becomes ``gain * value + offset``.

    """

    centres: tuple[str, ...]
    gain: Array
    offset: Array

    def removed(self, values: Array, centres: Names) -> Array:
        """Return values (lesions, features) without the effects of their centres (lesions,)."""
        done = np.array(values, dtype=np.float64)
        whose = np.asarray(centres, dtype=str)
        for place, name in enumerate(self.centres):
            rows = whose == name
            done[rows] = done[rows] * self.gain[place] + self.offset[place]
        return done

    def of(self, columns: Sequence[int]) -> CentreEffects:
        """Return the effects on some of the features."""
        return CentreEffects(self.centres, self.gain[:, list(columns)], self.offset[:, list(columns)])


def no_effects(features: int) -> CentreEffects:
    """Return effects of no centre."""
    return CentreEffects((), np.zeros((0, features)), np.zeros((0, features)))


def centre_effects(
    values: Array, centres: Names, settings: HarmonisationSettings, harmonised: NDArray[np.bool_]
) -> CentreEffects:
    """Learn the effects of centres by ComBat (`fdglung.radiomics.harmonisation.Harmoniser`, without covariates).

    Parameters
    ----------
    values
        (lesions, features) finite.
    centres
        (lesions,) empty where not known.
    settings
        Centres of fewer lesions than ``least_lesions`` are left out.
    harmonised
        (features,) which of them centres have effects on; the others stay as they are.

    Raises
    ------
    ParameterError
        Fewer than two centres have enough lesions.

    """
    import pandas as pd  # type: ignore[import-untyped]

    from fdglung.radiomics.harmonisation import Harmoniser

    known = known_centres(centres, settings)
    if len(known) < 2:
        counts = ", ".join(f"{name or 'not known'} {n}" for name, n in sorted(Counter(map(str, centres)).items()))
        raise ParameterError(
            f"Fewer than two of them have {settings.least_lesions} training lesions ({counts})",
            attribute=f"harmonisation.by: {settings.by}",
            remedy=f"Give a column {settings.by} of two or more, lower least_lesions, or leave harmonisation out",
        )
    rows = np.isin(np.asarray(centres, dtype=str), known)
    names = [str(place) for place in np.flatnonzero(harmonised)]

    def table(part: Array, whose: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame(part, columns=names).assign(centre=list(whose))

    combat = Harmoniser(unseen="reference", mean_only=settings.mean_only, status_column=None)
    combat.fit(table(values[rows][:, harmonised], [name for name, kept in zip(centres, rows, strict=True) if kept]))
    gain, offset = (np.full((len(known), values.shape[1]), fill) for fill in (1.0, 0.0))
    at = [combat.transform(table(np.full((len(known), len(names)), x), known)).to_numpy() for x in (0.0, 1.0)]
    offset[:, harmonised], gain[:, harmonised] = at[0], at[1] - at[0]
    return CentreEffects(known, gain, offset)


def known_centres(centres: Names, settings: HarmonisationSettings) -> tuple[str, ...]:
    """Return the centres with lesions enough, sorted."""
    counts = Counter(str(name) for name in centres if name)
    return tuple(sorted(name for name, count in counts.items() if count >= settings.least_lesions))
