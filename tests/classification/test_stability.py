from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from fdglung.classification.selection import MrmrSelector
from fdglung.classification.stability import StabilitySelector
from fdglung.errors import InputError


class Watched(MrmrSelector):
    """Keeps what it was fitted on; the first column tells the patient."""

    seen: ClassVar[list] = []

    def fit(self, X, y):  # noqa: N803
        Watched.seen.append((np.asarray(X)[:, 0], np.asarray(y)))
        return super().fit(X, y)


def table(*, told, noise, count=200, seed=0):
    random = np.random.default_rng(seed)
    codes = np.arange(count) % 2
    values = random.normal(size=(count, told + noise))
    values[:, :told] += 1.5 * codes[:, None]
    return values, codes


def test_planted_signals_are_found_in_all_halves_and_noise_is_not_kept():
    values, codes = table(told=3, noise=200)
    found = StabilitySelector(MrmrSelector(5), resamples=30).fit(values, codes)
    assert found.frequencies_[:3].tolist() == [1, 1, 1]
    # Two places a half are left to 200 features without signal.
    assert found.frequencies_[3:].sum() == pytest.approx(2)
    assert sorted(found.order_.tolist()) == [0, 1, 2]


def test_noise_alone_is_found_in_few_halves_and_is_an_error():
    values, codes = table(told=0, noise=300)
    with pytest.raises(InputError, match="60% of the halves"):
        StabilitySelector(MrmrSelector(3), resamples=20).fit(values, codes)


def test_halves_are_made_of_patients_and_hold_every_class():
    values, codes = table(told=1, noise=3, count=120)
    patients = np.repeat(np.arange(40), 3)
    codes = (patients % 2).astype(int)
    values[:, 0] = patients
    Watched.seen = []
    StabilitySelector(Watched(), resamples=5, threshold=0.1).fit(values, codes, groups=patients)
    assert len(Watched.seen) == 5
    for column, classes in Watched.seen:
        counts = np.bincount(column.astype(int), minlength=40)
        assert set(counts) == {0, 3}
        assert (counts == 3).sum() == 20
        assert set(classes) == {0, 1}


def test_the_same_seed_gives_the_same_features():
    values, codes = table(told=2, noise=50)
    one, other, third = (
        StabilitySelector(MrmrSelector(5), resamples=10, threshold=0.1, random_state=seed).fit(values, codes)
        for seed in (0, 0, 1)
    )
    assert one.frequencies_.tolist() == other.frequencies_.tolist() != third.frequencies_.tolist()
