from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.radiomics.roi import Roi
from fdglung.radiomics.texture import AGGREGATIONS, FAMILIES, pyradiomics_textures, texture_features
from tests.radiomics.level_cases import (
    array,
    by_pyradiomics,
    misses,
    noise_levels,
    reference,
    roi_of,
    smooth_levels,
)

LESIONS = {
    "a smooth ball": smooth_levels(13, 24),
    "noise with holes": noise_levels((6, 7, 8), 9),
    "an absent level": np.where(noise_levels((5, 6, 7), 6) == 4, 6, noise_levels((5, 6, 7), 6)),
    "few voxels of many levels": noise_levels((3, 3, 4), 30),
    "one slice": noise_levels((1, 7, 9), 5),
    "a line": noise_levels((1, 1, 12), 3),
    "two levels, one of them rare": np.where(np.arange(729).reshape(9, 9, 9) % 100 == 7, 2, 1),
    "a flat block": np.ones((4, 3, 5), int),
    "two voxels that touch": np.array([[[1, 3]]]),
    "two voxels apart": np.pad([[[1]], [[0]]], ((0, 0), (0, 0), (0, 11)))
    + np.pad([[[0]], [[1]]], ((0, 0), (0, 0), (11, 0))),
    "lone voxels of one level": (np.indices((5, 5, 5)) % 2 == 0).all(axis=0).astype(int),
}
SETTINGS = {
    "as by default": ({}, {}),
    "two distances": ({"distances": [1, 2]}, {"distances": (1, 2)}),
    "distance 2 alone": ({"distances": [2]}, {"distances": (2,)}),
    "both levels of a pair apart": ({"symmetricalGLCM": False}, {"symmetrical_glcm": False}),
    "dependence within 2 levels": ({"gldm_a": 2}, {"gldm_a": 2}),
    "slices along z": ({"force2D": True}, {"force_2d": True}),
    "slices along x": ({"force2D": True, "force2Ddimension": 2}, {"force_2d": True, "force_2d_dimension": 2}),
    "merged": ({"weightingNorm": "no_weighting"}, {"weighting_norm": "no_weighting"}),
    "weighted by the euclidean norm": ({"weightingNorm": "euclidean"}, {"weighting_norm": "euclidean"}),
    "weighted by the manhattan norm": ({"weightingNorm": "manhattan"}, {"weighting_norm": "manhattan"}),
    "weighted by the infinity norm": ({"weightingNorm": "infinity"}, {"weighting_norm": "infinity"}),
}


def digital_phantom():
    image, spacing = array("digital_phantom_image.nii.gz")
    mask = array("digital_phantom_mask.nii.gz")[0] > 0
    levels = np.where(mask, image, 0).astype(np.int32)
    return Roi(image.astype(float), mask, mask, spacing, levels, 6)


def chest_configuration_a():
    """Return the CT phantom as IBSI's configuration A has it: -500 to 400 HU in bins of 25 HU, not resampled."""
    image, spacing = array("ct_phantom_image.nii.gz")
    mask = array("ct_phantom_mask.nii.gz")[0] > 0
    box = tuple(slice(found.min(), found.max() + 1) for found in np.nonzero(mask))
    image, mask = image[box].astype(float), mask[box]
    inside = mask & (image >= -500) & (image <= 400)
    levels = np.where(inside, np.floor((image + 500) / 25) + 1, 0).astype(np.int32)
    return Roi(image, mask, inside, spacing, levels, 36)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_digital_phantom_has_ibsi_s_values_in_every_aggregation(family):
    features = texture_features(digital_phantom(), families=(family,), aggregations=AGGREGATIONS)
    assert misses(features, "dig_phantom", family=family) == {}
    assert set(features) == {tag for tag in reference("dig_phantom") if tag.startswith(f"{family}_")}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chest_of_configuration_a_has_ibsi_s_values(family):
    flat = [name for name in AGGREGATIONS if not name.startswith("3D")]
    features = texture_features(chest_configuration_a(), families=(family,), aggregations=flat)
    assert misses(features, "chest_config_a", family=family) == {}


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("lesion", LESIONS)
def test_pyradiomics_textures_are_those_of_pyradiomics(lesion, settings):
    theirs, ours = SETTINGS[settings]
    roi = roi_of(LESIONS[lesion])
    assert_alike(pyradiomics_textures(roi, **ours), by_pyradiomics(roi, **theirs))


def test_pyradiomics_textures_of_150_odd_lesions_are_those_of_pyradiomics():
    random = np.random.default_rng(5)
    for _ in range(150):
        levels = noise_levels(random.integers(1, 6, 3), int(random.integers(1, 6)), seed=random, filled=0.5)
        if (levels > 0).sum() > 1:
            roi = roi_of(levels)
            assert_alike(pyradiomics_textures(roi), by_pyradiomics(roi))


def assert_alike(ours, theirs):
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name
    refused = {name: value for name, value in ours.items() if name not in theirs}
    assert np.isnan(list(refused.values())).all(), refused


def test_all_75_texture_features_of_pyradiomics_are_there():
    assert len(pyradiomics_textures(roi_of(LESIONS["a smooth ball"]))) == 24 + 16 + 16 + 14 + 5


def test_a_single_voxel_has_no_texture_of_neighbours_and_no_error():
    features = texture_features(roi_of([[[3]]]), aggregations=AGGREGATIONS)
    assert all(np.isnan(value) for name, value in features.items() if name.startswith(("cm_", "ngt_")))
    assert features["rlm_sre_3D_avg"] == features["szm_sze_3D"] == features["ngl_lde_3D"] == 1
    assert features["dzm_lde_3D"] == 1
    assert np.isnan(list(pyradiomics_textures(roi_of([[[1]]])).values())).all()


def test_a_flat_lesion_has_no_correlation_and_no_busyness():
    features = texture_features(roi_of(np.full((4, 4, 4), 2)))
    undefined = ["cm_corr_3D_avg", "cm_info_corr1_3D_avg", "ngt_contrast_3D", "ngt_busyness_3D", "ngt_strength_3D"]
    assert np.isnan([features[name] for name in undefined]).all()
    assert features["cm_joint_max_3D_avg"] == 1
    assert features["cm_joint_entr_3D_avg"] == 0
    assert features["ngt_coarseness_3D"] == 1e6


def test_what_lies_around_a_lesion_in_its_array_does_not_matter():
    levels = smooth_levels(9, 8)
    inner, outer = roi_of(levels), roi_of(np.pad(levels, ((1, 4), (0, 3), (2, 0))))
    for compute in (pyradiomics_textures, lambda roi: texture_features(roi, aggregations=AGGREGATIONS)):
        assert compute(outer) == pytest.approx(compute(inner), rel=1e-12)


def test_slices_along_x_are_those_of_the_turned_lesion():
    levels = noise_levels((5, 6, 7), 4)
    turned = texture_features(roi_of(np.moveaxis(levels, 2, 0)), aggregations=AGGREGATIONS)
    along_x = texture_features(roi_of(levels), aggregations=AGGREGATIONS, force_2d_dimension=2)
    assert along_x == pytest.approx(turned, rel=1e-9)


def test_an_elongated_box_leaves_no_direction_out():
    pillar = noise_levels((9, 1, 1), 3)
    features = texture_features(roi_of(pillar), families=("rlm",), aggregations=("3D_comb",))
    counted_along_z = texture_features(roi_of(pillar.reshape(1, 1, 9)), families=("rlm",), aggregations=("3D_comb",))
    assert features == pytest.approx(counted_along_z, rel=1e-12)
    runs = features["rlm_r_perc_3D_comb"]
    assert 12 / 13 < runs < 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"families": ("glcm",)},
        {"aggregations": ("3D_mean",)},
        {"distances": (0,)},
        {"distances": (1, 1)},
        {"distances": ()},
        {"distances": (1.5,)},
        {"alpha": -1},
        {"weighting_norm": "maximum"},
        {"force_2d_dimension": 3},
    ],
    ids=str,
)
def test_a_parameter_that_is_none_is_named(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        texture_features(roi_of(noise_levels((3, 3, 3), 3)), **wrong)
    assert texture_features(roi_of(noise_levels((3, 3, 3), 3)), families=("szm",))


def test_a_class_that_pyradiomics_lacks_is_named():
    with pytest.raises(ParameterError, match="classes"):
        pyradiomics_textures(roi_of([[[1, 2]]]), classes=("gldzm",))
