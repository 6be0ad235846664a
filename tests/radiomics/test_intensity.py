from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from fdglung.radiomics.histogram import histogram_features
from fdglung.radiomics.intensity import distribution, intensity_features
from fdglung.radiomics.roi import Roi


def roi_of(values, levels=None, level_count=None):
    values = np.asarray(values, float).reshape(1, 1, -1)
    mask = np.ones(values.shape, bool)
    grey = np.ones(values.shape, np.int32) if levels is None else np.asarray(levels, np.int32).reshape(values.shape)
    return Roi(values, mask, mask, (1.0, 1.0, 1.0), grey, level_count or int(grey.max()))


@pytest.mark.parametrize("count", [2, 3, 10, 997])
def test_statistics_are_those_of_scipy(count):
    values = np.random.default_rng(count).gamma(2, 3, count)
    found = distribution(values)
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["var"] == pytest.approx(np.var(values))
    assert found["skew"] == pytest.approx(stats.skew(values))
    assert found["kurt"] == pytest.approx(stats.kurtosis(values))
    assert found["medad"] == pytest.approx(np.abs(values - np.median(values)).mean())
    assert found["mad"] == pytest.approx(np.abs(values - values.mean()).mean())
    assert found["cov"] == pytest.approx(stats.variation(values))
    for name, share in {"p10": 10, "median": 50, "p90": 90}.items():
        assert found[name] == np.percentile(values, share)
    low, high = np.percentile(values, [25, 75])
    assert found["iqr"] == pytest.approx(high - low)
    assert found["qcod"] == pytest.approx((high - low) / (high + low))
    middle = values[(values >= found["p10"]) & (values <= found["p90"])]
    # Between the percentiles of two values lies neither; both are taken then.
    middle = middle if middle.size else values
    assert found["rmad"] == pytest.approx(np.abs(middle - middle.mean()).mean())


@pytest.mark.parametrize("value", [0.0, 5.0, 0.1])
@pytest.mark.parametrize("count", [1, 7])
def test_a_flat_lesion_has_no_shape_of_its_distribution(value, count):
    found = intensity_features(roi_of([value] * count))
    assert math.isnan(found["stat_skew"])
    assert math.isnan(found["stat_kurt"])
    assert found["stat_var"] == 0
    assert found["stat_rms"] == pytest.approx(value)
    assert math.isnan(found["stat_cov"]) == (value == 0)
    assert sum(map(math.isnan, found.values())) == (4 if value == 0 else 2)


def test_a_mean_of_zero_has_no_coefficient_of_variation():
    found = intensity_features(roi_of([-1.0, 1.0]))
    assert math.isnan(found["stat_cov"])
    assert math.isnan(found["stat_qcod"])


def test_empty_levels_count_for_gradients():
    found = histogram_features(roi_of(range(6), levels=[1, 1, 1, 4, 4, 5], level_count=6))
    # Counts 3 0 0 2 1 0; differences -3 -1.5 1 0.5 -1 -1.
    assert found["ih_max_grad"] == 1
    assert found["ih_max_grad_g"] == 3
    assert found["ih_min_grad"] == -3
    assert found["ih_min_grad_g"] == 1
    assert found["ih_entropy"] == pytest.approx(stats.entropy([3, 2, 1], base=2))
    assert found["ih_uniformity"] == pytest.approx((9 + 4 + 1) / 36)


def test_of_two_modes_the_one_nearer_to_the_mean_is_taken():
    assert histogram_features(roi_of(range(5), levels=[1, 1, 8, 9, 9]))["ih_mode"] == 9


def test_one_level_has_neither_entropy_nor_gradient():
    found = histogram_features(roi_of([1.0, 1.0]))
    assert found["ih_entropy"] == 0
    assert math.copysign(1, found["ih_entropy"]) == 1
    assert found["ih_uniformity"] == 1
    gradients = ["ih_max_grad", "ih_max_grad_g", "ih_min_grad", "ih_min_grad_g"]
    assert all(math.isnan(found[name]) for name in gradients)


def test_first_order_features_are_those_of_pyradiomics():
    firstorder = pytest.importorskip("radiomics.firstorder")
    import SimpleITK as sitk

    from fdglung.radiomics.codes import BY_PYRADIOMICS

    values = np.random.default_rng(3).normal(5, 2, (7, 8, 9))
    mask = np.zeros(values.shape, bool)
    mask[1:6, 2:7, 1:8] = True
    image, label = sitk.GetImageFromArray(values), sitk.GetImageFromArray(mask.astype(np.uint8))
    theirs = firstorder.RadiomicsFirstOrder(image, label, binCount=16)
    theirs.enableAllFeatures()
    levels = np.where(mask, np.floor((values - values[mask].min()) / np.ptp(values[mask]) * 16).clip(0, 15) + 1, 0)
    roi = Roi(values, mask, mask, (1.0, 1.0, 1.0), levels.astype(np.int32), 16)
    ours = intensity_features(roi) | histogram_features(roi)
    common = 0
    for name, value in theirs.execute().items():
        feature = BY_PYRADIOMICS.get(f"firstorder_{name}")
        if feature:
            common += 1
            expected = float(value) - (3 if name == "Kurtosis" else 0)
            assert ours[feature.name] == pytest.approx(expected, rel=1e-9), name
    assert common == 17
