from __future__ import annotations

import math

import numpy as np
import pytest

from fdglung.radiomics.ivh import ivh_features
from fdglung.radiomics.roi import Roi


def roi_of(values):
    values = np.asarray(values, float).reshape(1, 1, -1)
    mask = np.ones(values.shape, bool)
    return Roi(values, mask, mask, (1.0, 1.0, 1.0), np.ones(values.shape, np.int32), 1)


def test_whole_numbers_are_taken_as_they_are():
    found = ivh_features(roi_of(range(11)))
    # From 1 on lie 10 of 11 values, from 9 on 2; at most 1.1 of 11 lie from 10 on, 9.9 from 2 on.
    assert found["ivh_v10"] == pytest.approx(10 / 11)
    assert found["ivh_v90"] == pytest.approx(2 / 11)
    assert found["ivh_i10"] == 10
    assert found["ivh_i90"] == 2
    assert found["ivh_diff_v10_v90"] == pytest.approx(8 / 11)
    assert found["ivh_diff_i10_i90"] == 8
    assert found["ivh_auc"] == pytest.approx(sum((12 - k) / 11 + (11 - k) / 11 for k in range(1, 11)) / 20)


def test_the_range_bounds_the_fractions():
    found = ivh_features(roi_of([0, 50, 100, 100]), intensity_range=(-100, 900))
    assert found["ivh_v10"] == 1
    assert found["ivh_v90"] == 0


def test_bins_stand_for_their_centres():
    found = ivh_features(roi_of([0.05, 0.15, 0.15, 0.95]), intensity_range=(0, 1), bin_width=0.1)
    assert found["ivh_i10"] == pytest.approx(math.nan, nan_ok=True)
    # Three quarters lie in the second bin or above.
    assert found["ivh_i90"] == pytest.approx(0.15)


def test_a_number_of_bins_gives_bin_numbers():
    found = ivh_features(roi_of(np.linspace(-3, 5, 1000)), bin_count=1000)
    assert found["ivh_i10"] == 901
    assert found["ivh_i90"] == 101
    assert found["ivh_auc"] == pytest.approx(0.5, abs=1e-3)


def test_a_flat_lesion_has_no_fractions():
    for options in ({}, {"bin_width": 0.1}, {"bin_count": 1000}):
        found = ivh_features(roi_of([5.0] * 20), **options)
        assert all(math.isnan(value) for value in found.values())
